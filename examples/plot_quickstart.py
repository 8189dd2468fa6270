"""
Quick start: a classifier that learns its invariances
=====================================================

From sleep recordings to a fitted classifier, and to the transformations that it learned to ignore.
"""

# %%
# Recordings
# ----------
# Simulated nights stand in for your own (:func:`eeginv.datasets.load_sleep_folder`) or for Sleep
# Physionet (:func:`eeginv.datasets.load_sleep_physionet`): the three give the same object. Each
# simulated subject has rhythms shifted by up to 0.6 Hz, a polarity of its own, and perhaps a dead
# channel.

import eeginv
from eeginv.datasets import simulate_sleep

nights = simulate_sleep(n_subjects=6, hours=2, sfreq=64, random_state=0)
print(nights)
nights.nuisances

# %%
# Signals are an array of shape (windows, channels, samples), with a stage name and a subject for
# each window.

X, y, groups = nights.to_arrays()
train = groups < 3
X.shape

# %%
# Fit and predict
# ---------------
# The backbone is any model of Braindecode, by name. In front of it, AugNet transforms each window
# at random, and learns how: which transforms, with which strength.

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
# Predictions are averages over transformed copies of each window. They are the same on every call.

from sklearn.metrics import balanced_accuracy_score

score = balanced_accuracy_score(y[~train], clf.predict(X[~train]))
print(f"balanced accuracy on three new subjects: {score:.2f}")

# %%
# What it learned
# ---------------
# The policy says how far each transform may go. The truth is known here, since the nights are
# simulated: polarity and small shifts of the spectrum carry no information on the stage, the
# direction of time does.

clf.policy_.summary().round(3)

# %%

figure = clf.policy_.plot(truth=nights.true_invariances)
