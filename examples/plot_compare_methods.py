"""
Comparing methods
=================

Does learned augmentation help? Three methods on the same subjects, network and number of steps,
with several choices of training subjects.
"""

# %%
# Data
# ----
# Simulated nights, of which wake, N1 and REM are kept. N1 and REM differ in the direction of time
# alone, and recordings differ in polarity, in the frequency of their rhythms and in noise.

# sphinx_gallery_thumbnail_number = 1

import numpy as np

from eeginv.datasets import simulate_sleep

nights = simulate_sleep(
    n_subjects=6, hours=1, sfreq=64, stages=("W", "N1", "R"), h_freq=14, random_state=0
)
X, y, subjects = nights.to_arrays()
X, sfreq = np.ascontiguousarray(X[..., ::2]), 32.0

# %%
# Methods
# -------
# No augmentation and random augmentation are the controls. What random augmentation gains as well
# was not learned.

from sklearn.metrics import balanced_accuracy_score

from eeginv import InvariantClassifier

methods = {"no augmentation": None, "random augmentation": "trivial", "AugNet": "augnet"}


def train_and_test(augmentation, train):
    """Balanced accuracy on the subjects that are not in the training."""
    rows = np.isin(subjects, train)
    clf = InvariantClassifier(
        "SleepStagerChambon2018",
        augmentation,
        sfreq=sfreq,
        max_epochs=16,
        batch_size=16,
        lr=2e-3,
        class_weight="balanced",
        n_copies=4,
        random_state=0,
    )
    clf.fit(X[rows], y[rows])
    return balanced_accuracy_score(y[~rows], clf.predict(X[~rows]))


# %%
# Compare
# -------
# Each choice of training subjects is used for all methods, so that differences are paired. Three
# choices are far too few for a conclusion; they show how large the differences between choices are.

import pandas as pd

choices = [(0, 1), (2, 3), (4, 5)]
scores = pd.DataFrame(
    {
        name: [train_and_test(augmentation, train) for train in choices]
        for name, augmentation in methods.items()
    },
    index=[f"subjects {a} and {b}" for a, b in choices],
)
scores.round(2)

# %%
# One line for each choice of subjects: look at whether the lines agree, not at the mean alone.

import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
axes.plot(scores.columns, scores.to_numpy().T, marker="o", label=list(scores.index))
axes.set(ylabel="balanced accuracy on other subjects", ylim=(None, 1))
axes.spines[["top", "right"]].set_visible(False)
axes.legend(title="trained on", frameon=False)

# %%
# :func:`~eeginv.benchmark.run_benchmark`, or ``eeginv benchmark`` on the command line, does this
# for all methods, with intervals, timings and a report (:doc:`/user_guide/benchmark`).
