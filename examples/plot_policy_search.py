"""
Searching a policy on held-out subjects
=======================================

AugNet learns what to ignore from the training data alone. The methods it is compared with search
a policy first, on subjects held out for that: along a gradient or by trial and error. All of them
work on the same transforms and end with the same kind of policy.
"""

# %%
# Nights whose truth is known
# ---------------------------
# Simulated nights, of which wake, N1 and REM are kept. In the simulation N1 and REM differ in the
# direction of time alone, and the polarity of a recording is arbitrary: reversing time destroys the
# label, flipping the sign does not.

import numpy as np

from eeginv.datasets import simulate_sleep

nights = simulate_sleep(
    n_subjects=8, hours=2, sfreq=64, stages=("W", "N1", "R"), h_freq=14, random_state=0
)
X, y, subjects = nights.to_arrays()
X, sfreq = np.ascontiguousarray(X[..., ::2]), 32.0

# %%
# Two searches
# ------------
# A search is an estimator that takes an estimator, as ``GridSearchCV`` does. ``refit=False`` leaves
# out the training from scratch under the policy that was found, here to save time.
#
# :class:`~eeginv.DADASearch` moves its choices along the derivative of the loss on held-out
# subjects. That loss tells nothing about the direction of time before the network reads it, so the
# network warms up alone.

from eeginv import DADASearch, FastAutoAugmentSearch, InvariantClassifier
from eeginv.transforms import FrequencyShift, GaussianNoise, SignFlip, TimeReverse

classifier = InvariantClassifier(
    "SleepStagerChambon2018",
    sfreq=sfreq,
    batch_size=16,
    lr=2e-3,
    class_weight="balanced",
    random_state=0,
)
transforms = [
    TimeReverse(),
    SignFlip(),
    GaussianNoise(max_magnitude=0.4),
    FrequencyShift(sfreq, max_magnitude=1.0),
]
shared = {"transforms": transforms, "n_operations": 1, "refit": False, "random_state": 0}
gradient = DADASearch(classifier, search_epochs=40, warmup_epochs=20, search_lr=2e-3, **shared)
gradient.fit(X, y, groups=subjects)

# %%
# :class:`~eeginv.FastAutoAugmentSearch` trains two networks without augmentation and asks under
# which policies they still classify the subjects that they have not seen.

trials = FastAutoAugmentSearch(classifier, n_folds=2, n_trials=40, child_epochs=20, **shared)
trials.fit(X, y, groups=subjects)
print(f"{gradient.search_time_:.0f} s and {trials.search_time_:.0f} s")

# %%
# What they found
# ---------------
# How often each transform is applied: both avoid the reversal of time.

import matplotlib.pyplot as plt
import pandas as pd

found = {"DADA": gradient.policy_, "Fast AutoAugment": trials.policy_}
usage = pd.DataFrame({name: policy.by_transform().usage for name, policy in found.items()})
axes = usage.fillna(0.0).plot.barh(figsize=(7, 3))
axes.set(xlabel="share of the windows that undergo it", ylabel="")
axes.invert_yaxis()
axes.spines[["top", "right"]].set_visible(False)
plt.tight_layout()

# %%
# The policy of DADA over the epochs: it stays during the warm-up.

history = pd.DataFrame([policy.by_transform().usage for policy in gradient.schedule_])
axes = history.reset_index(drop=True).plot(figsize=(7, 3), grid=True)
axes.set(xlabel="epoch", ylabel="share of the windows")
axes.spines[["top", "right"]].set_visible(False)
plt.tight_layout()

# %%
# A policy is a value
# -------------------
# Two policies can be compared, mixed, kept as JSON, exported to Braindecode's loader, and used as
# the fixed augmentation of any estimator.

from eeginv import Policy
from eeginv.adapters import to_braindecode

print(f"distance {gradient.policy_.distance(trials.policy_):.2f}")
mixture = Policy.mixture(list(found.values()))
print(Policy.from_json(mixture.to_json()) == mixture)
transform = to_braindecode(mixture)  # for braindecode.augmentation.AugmentedDataLoader
trained = InvariantClassifier(
    "SleepStagerChambon2018", sfreq=sfreq, augmentation=mixture, max_epochs=1, random_state=0
).fit(X, y)
print(trained.policy_ == mixture)
