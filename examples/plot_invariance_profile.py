"""
What is a trained network invariant to?
=======================================

The same measurement for any fitted model: how much its predictions change under each transform,
and up to which strength they stay the same, in Hz, seconds and decibels.
"""

# %%
# Two networks
# ------------
# Eight simulated nights: polarity and small shifts of the spectrum carry no information on the
# stage, the direction of time does. Three nights train a plain network of Braindecode, and the
# same network behind a layer that learns its invariances.

# sphinx_gallery_thumbnail_number = 1

import eeginv
from eeginv.datasets import simulate_sleep

nights = simulate_sleep(n_subjects=8, hours=1, sfreq=64, random_state=0)
X, y, groups = nights.to_arrays()
train = groups < 3

# %%

import numpy as np
import torch
from braindecode import EEGClassifier
from braindecode.models import SleepStagerChambon2018

codes = np.array([nights.stages.index(stage) for stage in y[train]])
torch.manual_seed(0)
plain = EEGClassifier(
    SleepStagerChambon2018,
    module__n_chans=2,
    module__n_outputs=5,
    module__n_times=X.shape[2],
    module__sfreq=nights.sfreq,
    optimizer=torch.optim.AdamW,
    lr=1e-3,
    batch_size=32,
    max_epochs=16,
    train_split=None,
    classes=range(5),
    verbose=0,
)
plain.fit(X[train], codes)

# %%

learned = eeginv.InvariantClassifier(
    "SleepStagerChambon2018",
    sfreq=nights.sfreq,
    max_epochs=16,
    batch_size=32,
    n_copies=4,
    random_state=0,
)
learned.fit(X[train], y[train])
print(learned.policy_.by_transform().round(2))

# %%
# Their profiles
# --------------
# On windows of the five other subjects, for the transforms that AugNet chose from (without
# ``transforms``, the whole catalogue is measured). The score is 1 if the output does not move, and
# 0 if it moves as far as from one example to the others. It depends on which output:
# probabilities of a confident network hardly move until the prediction changes, so here it is
# measured on the embedding, the input of the last layer. Beside it are the share of predictions
# that stay the same, and the strength up to which 95 % of them do. Intervals are over subjects.

from eeginv.inspection import invariance_profile
from eeginv.transforms import default_transforms
from eeginv.viz import plot_invariance_profile

test = np.flatnonzero(groups >= 3)[::6]
options = {"groups": groups[test], "space": "embedding", "n_draws": 1, "random_state": 0}
candidates = default_transforms(nights.sfreq)
profiles = {
    name: invariance_profile(model, X[test], transforms=candidates, **options)
    for name, model in {"plain": plain, "AugNet": learned}.items()
}
figure = plot_invariance_profile(profiles)

# %%
# The embedding of AugNet moves less under sign flip and frequency shift, which are true invariances
# of these nights, and its predictions hardly ever change with the polarity. Neither network can do
# without a channel.
#
# The table behind the picture:

columns = ["unit", "largest", "score", "agreement", "divergence", "extent"]
profiles["AugNet"][columns].round(2)

# %%
# One transform in full
# ---------------------
# The curve of a transform, here of the frequency shift, which is drawn for each window between
# minus and plus the strength. The embedding of AugNet moves less at every strength. How many
# predictions change depends on how many windows lie near a boundary as well.

from eeginv.inspection import invariance_curve
from eeginv.transforms import FrequencyShift
from eeginv.viz import plot_invariance_curve

shift = FrequencyShift(nights.sfreq, max_magnitude=2.0)
curves = {
    name: invariance_curve(model, X[test], shift, **options)
    for name, model in {"plain": plain, "AugNet": learned}.items()
}
figure = plot_invariance_curve(curves)

# %%
# Are the signals themselves symmetric?
# -------------------------------------
# A model may be invariant to what its data never show. Whether transformed signals look like
# signals is a question to the data alone: a classifier is told to find out which windows of
# subjects that it has not seen were transformed. With polarities at random, it cannot tell which
# were flipped (the polarities of seven subjects say nothing of the eighth, so that an accuracy
# below one half is chance as well). Which had their phases scrambled, it can: spindles,
# K-complexes and bursts are gone.

import pandas as pd

from eeginv.inspection import symmetry_test
from eeginv.transforms import FTSurrogate, SignFlip

transforms = [SignFlip(), FTSurrogate(magnitude=1.0)]
tests = [symmetry_test(X, t, groups=groups, random_state=0) for t in transforms]
pd.DataFrame(tests)[["transform", "strength", "unit", "balanced_accuracy", "p_value"]].round(3)
