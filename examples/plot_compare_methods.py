"""
Comparing methods
=================

Does learned augmentation help? This example compares three methods with the same subjects,
network and number of steps, for several choices of training subjects.
"""

# %%
# Data
# ----
# Nine simulated subjects have bursts of a rhythm. A burst either starts abruptly and fades, or
# grows and ends abruptly. The direction of time is the label. Each subject has a different
# frequency between 7 and 13 Hz, and the polarity of a burst is random.

# sphinx_gallery_thumbnail_number = 1

import numpy as np

sfreq, n_trials = 64.0, 30
rng = np.random.default_rng(0)
time = np.arange(0, 2, 1 / sfreq)
subjects = np.repeat(np.arange(9), n_trials)
y = np.tile(["fades", "grows"], len(subjects) // 2)
frequency = np.repeat(10 + 3 * rng.permutation(np.linspace(-1, 1, 9)), n_trials)[:, None]
envelope = np.where(y[:, None] == "fades", np.exp(-2 * time), np.exp(-2 * time[::-1]))
phase = 2 * np.pi * rng.random((len(y), 1))
X = 2 * envelope * np.sin(2 * np.pi * frequency * time + phase)
X = (X + rng.normal(size=X.shape))[:, None, :]

# %%
# Methods
# -------
# No augmentation and random augmentation are the controls. A gain that random augmentation also
# reaches is not due to learning.

from sklearn.metrics import balanced_accuracy_score

from eeginv import InvariantClassifier
from eeginv.transforms import FrequencyShift, SignFlip, TimeReverse

transforms = [TimeReverse(0.2), SignFlip(0.2), FrequencyShift(sfreq, 1.0, max_magnitude=4.0)]
methods = {"no augmentation": None, "random augmentation": "trivial", "AugNet": "augnet"}


def train_and_test(augmentation, train):
    """Balanced accuracy on the subjects that are not in the training."""
    rows = np.isin(subjects, train)
    clf = InvariantClassifier(
        "EEGNet",
        augmentation,
        transforms=None if augmentation is None else transforms,
        sfreq=sfreq,
        max_epochs=30,
        batch_size=16,
        lr=5e-3,
        n_copies=4,
        random_state=0,
    )
    clf.fit(X[rows], y[rows])
    return balanced_accuracy_score(y[~rows], clf.predict(X[~rows]))


# %%
# Compare
# -------
# All methods use the same choices of training subjects, so that differences are paired. Three
# choices are far too few for a conclusion. They only show how much results vary between choices.

import pandas as pd

choices = [(0, 1, 2), (3, 4, 5), (6, 7, 8)]
scores = pd.DataFrame(
    {
        name: [train_and_test(augmentation, train) for train in choices]
        for name, augmentation in methods.items()
    },
    index=[f"subjects {train[0]} to {train[-1]}" for train in choices],
)
scores.round(2)

# %%
# There is one line for each choice of subjects. Check whether the lines agree, and do not rely on
# the mean alone.

import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
axes.plot(scores.columns, scores.to_numpy().T, marker="o", label=list(scores.index))
axes.set(ylabel="balanced accuracy on other subjects", ylim=(None, 1))
axes.spines[["top", "right"]].set_visible(False)
legend = axes.legend(title="trained on", frameon=False)

# %%
# :func:`~eeginv.benchmark.run_benchmark`, or ``eeginv benchmark`` on the command line, runs such
# a comparison for all methods, with intervals, timings and a report
# (:doc:`/user_guide/benchmark`).
