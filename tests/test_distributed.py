"""Training in several processes: distinct draws, equal parameters, a warm-up."""

import subprocess
import sys
from datetime import timedelta

import pytest
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from eeginv import AugNet, InvariantModule, PerExampleLoss
from eeginv.augmentation import TrivialAugment
from eeginv.transforms import GaussianNoise, SignFlip, TimeReverse

LR = 0.01


def make_model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(20, 2))
    layers = [[SignFlip(0.2), GaussianNoise(0.3)], [TimeReverse(0.2)]]
    A = AugNet(layers, penalty=0.1, warmup=0.5, random_state=0)
    A.layers[1].transforms[0].raw.requires_grad_(False)  # frozen by the user
    return InvariantModule(net, A).train()


def batch(rank, number):
    generator = torch.Generator().manual_seed(10 * number + rank)
    X = torch.randn(16, 1, 20, generator=generator)
    return (torch.zeros_like(X) if (rank, number) == (0, 0) else X), torch.arange(16) % 2


def noise():
    A = TrivialAugment([GaussianNoise(0.1)], random_state=3)
    return torch.stack([A(torch.zeros(4, 1, 5)) for _ in range(2)])


def train(rank, folder):
    """Train in one of two processes, and save what happened."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/store",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=60),
    )
    seen = {}
    for name, criterion in (
        ("handed over", PerExampleLoss(nn.CrossEntropyLoss(reduction="none", label_smoothing=0.1))),
        ("read", nn.CrossEntropyLoss()),
    ):
        model = make_model()
        states, grads = [], []
        parallel = DistributedDataParallel(model)
        optimizer = torch.optim.Adam(model.parameters(), lr=LR)
        for number in range(6):
            model.augmentation.set_progress(number / 6)
            X, y = batch(rank, number)
            optimizer.zero_grad()
            criterion(parallel(X), y).backward()
            grads.append([p.grad is not None for p in model.augmentation.parameters()])
            optimizer.step()
            named = model.named_parameters()
            states.append({key: value.detach().clone() for key, value in named})
        same = torch.ones(16, 1, 20)
        seen[name] = {
            "draws": model.augmentation.sample(same)[0].detach(),
            "noise": noise(),
            "copies": list(model.augmentation.copies(same[:1], 4)),
            "states": states,
            "grads": grads,
            "displacements": model.augmentation.displacements,
        }
    torch.save(seen, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    commands = [[sys.executable, __file__, str(rank), str(folder)] for rank in range(2)]
    processes = [subprocess.Popen(command) for command in commands]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.skipif(not distributed.is_gloo_available(), reason="needs gloo")
@pytest.mark.parametrize("name", ["handed over", "read"])
def test_two_processes(both, name):
    first, second = (seen[name] for seen in both)
    # they draw differently, and predict with the same copies
    assert not torch.equal(first["draws"], second["draws"])
    assert all(map(torch.equal, first["copies"], second["copies"]))
    assert torch.equal(first["noise"], noise())  # the first draws like one that is alone
    assert not torch.equal(second["noise"], noise())
    # they keep the same parameters
    for states in zip(first["states"], second["states"], strict=True):
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    start = dict(make_model().named_parameters())
    raw = "augmentation.layers.0.transforms.0.raw"
    frozen = "augmentation.layers.1.transforms.0.raw"
    for number, state in enumerate(first["states"]):
        held = number < 3
        moved = {key for key in start if not torch.equal(state[key], start[key])}
        assert {"backbone.1.weight", "backbone.1.bias"} <= moved
        assert frozen not in moved
        assert (raw in moved) != held
        assert any(first["grads"][number]) != held
    # the first step after the warm-up is a first step: nothing of it is in Adam's memory
    change = first["states"][3][raw] - start[raw]
    assert change.abs().item() == pytest.approx(LR, rel=1e-3)
    # measured although the first process had nothing to measure at first
    for one in first["displacements"] + second["displacements"]:
        assert torch.isfinite(one).all()


def replicate(model):
    """Do what torch.nn.parallel.replicate does to each module, which itself needs GPUs."""
    return [part._replicate_for_data_parallel() for part in model.modules()]


def test_data_parallel_is_refused():
    for augmentation in (AugNet([SignFlip()]), TrivialAugment([SignFlip()])):
        model = InvariantModule(nn.Flatten(), augmentation).train()
        with pytest.raises(ValueError, match="Use torch.nn.parallel.DistributedDataParallel"):
            replicate(model)
        replicate(model.eval())  # copies are fixed


if __name__ == "__main__":
    train(int(sys.argv[1]), sys.argv[2])
