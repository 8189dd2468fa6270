"""
Reading a learned policy
========================

This example shows where a policy comes from, how it changes during training, and how to save it
and use it elsewhere.
"""

# %%
# A module for any training loop
# ------------------------------
# :class:`eeginv.InvariantModule` is an ordinary ``nn.Module``. Its strengths, probabilities and
# choices are trained with the loss that is computed from its output. A parameter group of the
# optimiser gives them a separate learning rate.

import torch

from eeginv import AugNet, InvariantModule
from eeginv.transforms import FrequencyShift, SignFlip, TimeReverse

sfreq = 64.0

# %%
# The task is to distinguish oscillations that decay from oscillations that grow. The label does
# not depend on the polarity, which is random, or on the frequency, which is within 1 Hz of 6 Hz.
# The direction of time is the label.

generator = torch.Generator().manual_seed(0)
n, n_times = 400, 256
time = torch.arange(n_times) / sfreq
y = torch.randint(2, (n,), generator=generator)
frequency = 6 + 2 * torch.rand(n, 1, generator=generator) - 1
phase = 2 * torch.pi * torch.rand(n, 1, generator=generator)
decay = torch.exp(-time / 1.5)
envelope = torch.where(y[:, None] == 0, decay, decay.flip(0))
X = envelope * torch.sin(2 * torch.pi * frequency * time + phase)
X = (X + 0.1 * torch.randn(n, n_times, generator=generator))[:, None]

# %%

backbone = torch.nn.Sequential(
    torch.nn.Conv1d(1, 8, 17, stride=4),
    torch.nn.ReLU(),
    torch.nn.Flatten(),
    torch.nn.Linear(8 * 60, 2),
)
augmentation = AugNet(
    [TimeReverse(0.2), SignFlip(0.2), FrequencyShift(sfreq, 0.3)], penalty=0.05, random_state=0
)
model = InvariantModule(backbone, augmentation)
optimizer = torch.optim.Adam(
    [
        {"params": backbone.parameters(), "lr": 2e-3},
        {"params": augmentation.parameters(), "lr": 0.02},
    ]
)
history = []
for _ in range(40):
    for rows in torch.randperm(n, generator=generator).split(40):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(X[rows]), y[rows])
        loss.backward()
        optimizer.step()
    history.append(augmentation.policy())

# %%
# Extents during training
# -----------------------
# Sign flip goes to one half, which is full invariance. Time reversal, which would swap the two
# classes, goes to zero. The extent of the frequency shift becomes large.

from eeginv.viz import plot_extents

figure = plot_extents(history)

# %%
# The table has one row for each transform:

policy = history[-1]
policy.by_transform().round(3)

# %%
# What a transform does
# ---------------------
# The figure shows the same random draw at three strengths. :doc:`plot_transforms` shows all
# transforms.

from eeginv.viz import plot_transform

figure = plot_transform(FrequencyShift(sfreq, 1.0), X[0], sfreq)

# %%
# Save the policy and use it elsewhere
# ------------------------------------
# A policy is a value. It can be compared, written to JSON and read again, and used to augment any
# other model.

from eeginv import Policy, PolicyAugmentation

text = policy.to_json()
print(Policy.from_json(text) == policy)
fixed = PolicyAugmentation(policy, random_state=0)
print(fixed(X[:4]).shape)
