"""
Searching for a policy on held-out subjects
===========================================

AugNet learns invariances from the training data alone. Search methods first look for a policy on
held-out subjects, along a gradient or by trial. All methods use the same transforms and return
the same kind of policy.
"""

# %%
# Simulated nights
# ----------------
# We keep wake, N1 and REM of simulated nights. In the simulation, N1 and REM differ only in the
# direction of time, and the polarity of a recording is random. Time reversal therefore destroys
# the label, but sign flip does not.

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
# Like ``GridSearchCV``, a search is an estimator that wraps another estimator. To save time,
# ``refit=False`` skips the final training under the policy.
#
# :class:`~eeginv.DADASearch` updates its choices along the derivative of the loss on held-out
# subjects. This loss carries no information on the direction of time until the network uses it.
# Therefore the network is first trained alone in a warm-up.

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
# :class:`~eeginv.FastAutoAugmentSearch` trains two networks without augmentation. It then looks
# for policies under which they still classify unseen subjects.

trials = FastAutoAugmentSearch(classifier, n_folds=2, n_trials=40, child_epochs=20, **shared)
trials.fit(X, y, groups=subjects)
print(f"{gradient.search_time_:.0f} s and {trials.search_time_:.0f} s")

# %%
# The policies
# ------------
# The figure shows how often each transform is applied. Both searches avoid time reversal.

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
# The next figure shows the policy of DADA over the epochs. It does not change during the warm-up.

history = pd.DataFrame([policy.by_transform().usage for policy in gradient.schedule_])
axes = history.reset_index(drop=True).plot(figsize=(7, 3), grid=True)
axes.set(xlabel="epoch", ylabel="share of the windows")
axes.spines[["top", "right"]].set_visible(False)
plt.tight_layout()

# %%
# A policy is a value
# -------------------
# Policies can be compared, mixed, saved as JSON, exported to Braindecode's data loader, and used
# as the fixed augmentation of any estimator.

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
