"""Signals and models whose invariances are known."""

import torch
from torch import nn

SFREQ, N_TIMES = 100.0, 200
SCALP = ["Fp1", "Fp2", "C3", "Cz", "C4", "P3", "P4", "O1", "O2"]


def tones(n=60, n_channels=2, dtype=torch.float32, seed=0):
    """Noisy tones of 6, 10 or 20 Hz, with an offset that is positive for 6 Hz."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 3
    frequency = torch.tensor([6.0, 10.0, 20.0])[y].reshape(-1, 1, 1)
    phase = 2 * torch.pi * torch.rand(n, n_channels, 1, generator=generator)
    time = torch.arange(N_TIMES) / SFREQ
    noise = 0.3 * torch.randn(n, n_channels, N_TIMES, generator=generator)
    offset = torch.where(y == 0, 0.3, -0.1).reshape(-1, 1, 1)
    X = torch.sin(2 * torch.pi * frequency * time + phase) + noise + offset
    return X.to(dtype).numpy(), y.numpy()


class BandPower(nn.Module):
    """Logits are the logarithms of the power around 6, 10 and 20 Hz."""

    def forward(self, X):
        power = torch.fft.rfft(X).abs().square().mean(dim=1)
        bands = [power[:, 2 * f - 2 : 2 * f + 3].sum(dim=1) for f in (6, 10, 20)]
        return torch.stack(bands, dim=1).log()


class Polarity(nn.Module):
    """Classes are a positive, a negative and no offset."""

    def forward(self, X):
        offset = 10 * X.mean(dim=(1, 2))
        return torch.stack([offset, -offset, torch.zeros_like(offset)], dim=1)


def flat_network(n_outputs=3, seed=0):
    network = nn.Sequential(nn.Flatten(), nn.Linear(2 * N_TIMES, n_outputs))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.1, generator=torch.Generator().manual_seed(seed))
    return network
