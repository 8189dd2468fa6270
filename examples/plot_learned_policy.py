"""
Reading a learned policy
========================

Where a policy comes from, how it moved during training, how to keep it and use it elsewhere.
"""

# %%
# A module for any training loop
# ------------------------------
# :class:`eeginv.InvariantModule` is an ordinary ``nn.Module``. Its strengths, probabilities and
# choices are trained by whatever loss is computed from its output; a separate learning rate for
# them is a parameter group of the optimiser.

import torch

from eeginv import AugNet, InvariantModule
from eeginv.transforms import FrequencyShift, SignFlip, TimeReverse

sfreq = 64.0

# %%
# The task: tell an oscillation that decays from one that grows. Its polarity is random and its
# frequency lies within 1 Hz of 6 Hz, so both are free; the direction of time is the label.

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
# How the extents moved
# ---------------------
# Polarity goes to one half, which is full invariance; time reversal, which would swap the two
# classes, goes to zero; the frequency may shift far.

from eeginv.viz import plot_extents

figure = plot_extents(history)

# %%
# One line for each transform:

policy = history[-1]
policy.by_transform().round(3)

# %%
# What a transform does
# ---------------------
# The same random draw at three strengths. :doc:`plot_transforms` shows all transforms.

from eeginv.viz import plot_transform

figure = plot_transform(FrequencyShift(sfreq, 1.0), X[0], sfreq)

# %%
# Keep it, use it elsewhere
# -------------------------
# A policy is a value: it compares, goes to JSON and back, and augments any other model.

from eeginv import Policy, PolicyAugmentation

text = policy.to_json()
print(Policy.from_json(text) == policy)
fixed = PolicyAugmentation(policy, random_state=0)
print(fixed(X[:4]).shape)
