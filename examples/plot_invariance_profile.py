"""
What is a trained network invariant to?
=======================================

For any fitted model, this example measures how much the predictions change under each transform,
and up to which strength they stay the same, in Hz, seconds and decibels.
"""

# %%
# Two networks
# ------------
# In eight simulated nights, polarity and small shifts of the spectrum carry no information on the
# stage, but the direction of time does. Two networks are trained on three nights: a plain
# Braindecode network, and the same network behind a layer that learns invariances.

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
# Invariance profiles
# -------------------
# The profiles use windows of the five other subjects and the candidates of AugNet. (Without
# ``transforms``, the whole catalogue is measured.) The score is 1 if the output does not change,
# and 0 if the change is as large as the difference between two examples. The probabilities of a
# confident network hardly change until the prediction changes. Therefore the score is measured
# here on the embedding, the input of the last layer. The figure also shows the fraction of
# predictions that stay the same, and the strength up to which 95 % of them do. Intervals are over
# subjects.

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
# Sign flip and frequency shift are true invariances of these nights. Under both, the embedding of
# AugNet changes less, and its predictions hardly ever change with the polarity. Both networks
# need all channels.
#
# The table of the figure:

columns = ["unit", "largest", "score", "agreement", "divergence", "extent"]
profiles["AugNet"][columns].round(2)

# %%
# One transform in detail
# -----------------------
# The curve shows one transform at several strengths. Here it is the frequency shift, which is
# drawn for each window between minus and plus the strength. The embedding of AugNet changes less
# at every strength. The number of changed predictions also depends on how many windows are near a
# decision boundary.

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
# A model may be invariant to a change that never occurs in its data. The symmetry test examines
# the data alone: a classifier has to detect which windows of unseen subjects were transformed.
# Because polarities are random, it cannot detect flipped windows. (The polarities of seven
# subjects carry no information on the eighth, so an accuracy below one half is also at chance.)
# It does detect scrambled phases, because spindles, K-complexes and bursts are gone.

import pandas as pd

from eeginv.inspection import symmetry_test
from eeginv.transforms import FTSurrogate, SignFlip

transforms = [SignFlip(), FTSurrogate(magnitude=1.0)]
tests = [symmetry_test(X, t, groups=groups, random_state=0) for t in transforms]
pd.DataFrame(tests)[["transform", "strength", "unit", "balanced_accuracy", "p_value"]].round(3)
