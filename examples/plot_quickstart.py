"""
Quick start: a classifier that learns its invariances
=====================================================

This example trains a classifier on sleep recordings and shows the transforms that it learned to
ignore.
"""

# %%
# Recordings
# ----------
# The recordings are simulated nights. :func:`eeginv.datasets.load_sleep_folder` for your own
# recordings and :func:`eeginv.datasets.load_sleep_physionet` return the same kind of object. Each
# simulated subject has rhythms shifted by up to 0.6 Hz, a random polarity, and possibly a dead
# channel.

import eeginv
from eeginv.datasets import simulate_sleep

nights = simulate_sleep(n_subjects=6, hours=2, sfreq=64, random_state=0)
print(nights)
nights.nuisances

# %%
# The signals are an array of shape (windows, channels, samples). Each window has a stage name and
# a subject.

X, y, groups = nights.to_arrays()
train = groups < 3
X.shape

# %%
# Fit and predict
# ---------------
# The backbone is the name of any Braindecode model. In front of it, AugNet transforms each window
# at random. It learns which transforms to use, and their strengths.

clf = eeginv.InvariantClassifier(
    "SleepStagerChambon2018",
    sfreq=nights.sfreq,
    max_epochs=25,
    batch_size=32,
    class_weight="balanced",
    random_state=0,
)
clf.fit(X[train], y[train])

# %%
# Predictions are made from the signals as they are, and are the same on every call.

from sklearn.metrics import balanced_accuracy_score

score = balanced_accuracy_score(y[~train], clf.predict(X[~train]))
print(f"balanced accuracy on three new subjects: {score:.2f}")

# %%
# What it learned
# ---------------
# The policy says how far each transform may go. The truth is known here, because the nights are
# simulated. Polarity and small shifts of the spectrum carry no information on the stage, but the
# direction of time does.

clf.policy_.summary().round(3)

# %%

figure = clf.policy_.plot(truth=nights.true_invariances)
