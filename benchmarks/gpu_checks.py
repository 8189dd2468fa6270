"""Sections of ``gpu.py`` that check: results of the CPU, no synchronisation, determinism."""

import copy
import tempfile
import time
from contextlib import contextmanager

import numpy as np
from gpu_learners import BACKBONES, LEARNERS, SFREQ, batch, candidate, criterion, learner, step
from gpu_report import say

import torch  # isort: skip  (after measuring, which sets the number of threads)
from torch import nn
from torch.overrides import TorchFunctionMode

from eeginv import InvariantClassifier
from eeginv.augmentation import choice
from eeginv.augmentation.stream import RandomStream
from eeginv.estimators.prediction import plan_batches
from eeginv.transforms import REGISTRY

# Largest deviation from the CPU that passes, as a share of the norm. Sums of a GPU have another
# order, and its convolutions may use ten bits of precision (they are told not to, here).
TOLERANCE = 2e-3


class DrawOnCpu(TorchFunctionMode):
    """Draws of a CPU generator go to the device that was asked for: the same numbers everywhere."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        generator = kwargs.get("generator")
        if generator is None or generator.device.type != "cpu":
            return function(*args, **kwargs)
        device = kwargs.get("device")
        if args and isinstance(args[0], torch.Tensor):
            device, args = args[0].device, (args[0].cpu(), *args[1:])
        if "device" in kwargs:
            kwargs["device"] = "cpu"
        drawn = function(*args, **kwargs)
        return drawn if device is None else drawn.to(device)


@contextmanager
def same_draws():
    """Take the draws of the CPU, and the path of a GPU, on every device."""
    generator, cheap = RandomStream._generator, choice.reads_are_cheap
    RandomStream._generator = lambda self, device, *key: generator(self, "cpu", *key)
    choice.reads_are_cheap = lambda device: False
    try:
        with DrawOnCpu():
            yield
    finally:
        RandomStream._generator, choice.reads_are_cheap = generator, cheap


def deviation(one, other):
    """Return the largest distance of pairs of tensors, as a share of their norms."""
    shares = []
    for a, b in zip(one, other, strict=True):
        a, b = a.detach().cpu().double(), b.detach().cpu().double()
        norm = b.norm().item()
        distance = (a - b).norm().item()
        shares.append(distance / norm if norm > 0 else distance)
    return max(shares)


def transforms_against_cpu(report):
    """Compare each transform, and its gradients, with those on the CPU for the same draws."""
    rows = []
    X = batch(report)[0]
    for name in REGISTRY:
        with report.attempt(f"transform {name}"):
            found = []
            transform = candidate(name)
            noise = transform.draw(X, torch.Generator().manual_seed(1))
            for device in ("cpu", report.device):
                one = copy.deepcopy(transform).to(device)
                signals = X.to(device, copy=True).requires_grad_()
                draws = {key: value.to(device) for key, value in noise.items()}
                out = one.transform(signals, draws, 0.6 * one.max_strength)
                pull = torch.sin(torch.arange(out.numel())).reshape(out.shape).to(device)
                own = one.transform(signals, draws)
                inputs = [signals, *one.parameters()]
                gradients = torch.autograd.grad(
                    (own * pull).sum(), inputs, allow_unused=True, materialize_grads=True
                )
                found.append([out, *gradients])
            share = deviation(found[1], found[0])
            generators = (torch.Generator(device=report.device).manual_seed(5) for _ in range(2))
            twice = [one(signals, generator) for generator in generators]
            repeats = torch.equal(*twice)
            verdict = report.check(f"transform {name}", share < TOLERANCE and repeats)
            say(f"{name:18}", f"deviation {share:.1e}", f"repeats {repeats}", verdict)
            rows.append({"transform": name, "deviation": share, "repeats": repeats})
    return rows


def learners_against_cpu(report):
    """Compare two steps of each learner with those on the CPU, for the same draws."""
    rows = []
    for name, make in LEARNERS.items():
        with report.attempt(f"learner {name}"):
            found = []
            for device in ("cpu", report.device):
                X, y = batch(report, device)
                model = learner(make, device)
                with same_draws():
                    losses = [step(model, criterion(), X, y) for _ in range(2)]
                grads = [p.grad for p in model.parameters() if p.grad is not None]
                of_network = list(model.backbone.parameters())
                found.append((losses, [p.grad for p in of_network], grads[len(of_network) :]))
            loss, network, augmentation = (
                deviation(b, a) if len(a) else 0.0 for a, b in zip(*found, strict=True)
            )
            passed = max(loss, network, augmentation) < TOLERANCE
            verdict = report.check(f"learner {name}", passed)
            say(
                f"{name:24}",
                f"loss {loss:.1e}  network {network:.1e}  augmentation {augmentation:.1e}",
                verdict,
            )
            rows.append(
                {"learner": name, "loss": loss, "network": network, "augmentation": augmentation}
            )
    return rows


def no_synchronisation(report):
    """Take a step of each learner in which waiting for the GPU is an error."""
    if not report.on_gpu:
        say("only on a GPU")
        return []
    rows = []
    for name, make in LEARNERS.items():
        for kind, loss_of in (("handed over", criterion()), ("read", nn.CrossEntropyLoss())):
            with report.attempt(f"no synchronisation, {name}, losses {kind}"):
                X, y = batch(report, report.device)
                model = learner(make, report.device)
                optimizer = torch.optim.AdamW(model.param_groups(1e-2), lr=1e-3)
                for number in range(4):
                    # the first steps measure how far transforms move the signals, and fill caches
                    torch.cuda.set_sync_debug_mode("error" if number >= 2 else "default")
                    try:
                        optimizer.zero_grad()
                        step(model, loss_of, X, y)
                        optimizer.step()
                    finally:
                        torch.cuda.set_sync_debug_mode("default")
                say(f"{name:24}", f"losses {kind:12}", "waits for nothing")
                rows.append({"learner": name, "losses": kind, "waits": False})
    return rows


def determinism(report):
    """Train each learner twice where torch refuses what is not deterministic."""
    rows = []
    for name, make in LEARNERS.items():
        with report.attempt(f"determinism, {name}"):
            found = []
            torch.use_deterministic_algorithms(True)
            try:
                for _ in range(2):
                    X, y = batch(report, report.device)
                    model = learner(make, report.device)
                    optimizer = torch.optim.AdamW(model.param_groups(1e-2), lr=1e-3)
                    for _ in range(3):
                        optimizer.zero_grad()
                        step(model, criterion(), X, y)
                        optimizer.step()
                    with torch.no_grad():
                        output = model.eval()(X)
                    found.append([output, *model.parameters()])
            finally:
                torch.use_deterministic_algorithms(False)
            same = all(torch.equal(a, b) for a, b in zip(*found, strict=True))
            say(f"{name:24}", report.check(f"determinism, {name}", same))
            rows.append({"learner": name, "same": same})
    return rows


def estimators(report):
    """Fit and predict with the estimator, in both precisions."""
    rows = []
    n_chans, n_times = BACKBONES["EEGNet"]
    n, epochs = (24, 1) if report.small else (2048, 2)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, n_chans, n_times)).astype(np.float32)
    y = np.arange(n) % 3
    X[:, 0] += y[:, None]
    device = str(report.device)
    for precision in ("float32", "bf16"):
        for augmentation in (None, "augnet"):
            name = f"{augmentation}, {precision}"
            with report.attempt(f"estimator, {name}"):
                clf = InvariantClassifier(
                    "EEGNet", augmentation, sfreq=SFREQ, device=device, precision=precision,
                    max_epochs=epochs, batch_size=12 if report.small else 64, random_state=0,
                )  # fmt: skip
                start = time.perf_counter()
                clf.fit(X, y)
                seconds = time.perf_counter() - start
                clf.predict(X[:1])
                start = time.perf_counter()
                whole = clf.predict_proba(X)
                predicting = time.perf_counter() - start
                parts = [clf.predict_proba(X[:k]) for k in (1, 7, 32)]
                same = all(np.array_equal(part, whole[: len(part)]) for part in parts)
                again = clf.__class__(**clf.get_params()).fit(X, y).predict_proba(X)
                repeats = bool(np.array_equal(again, whole))
                with tempfile.TemporaryDirectory() as folder:
                    clf.save(f"{folder}/model")
                    on_cpu = InvariantClassifier.load(f"{folder}/model")
                on_cpu.module_.precision = "float32"
                distance = float(np.abs(on_cpu.predict_proba(X[:64]) - whole[:64]).max())
                limit = 2e-3 if precision == "float32" else 0.1
                passed = same and repeats and distance < limit
                row = {
                    "estimator": name,
                    "fit, windows a second": epochs * n / seconds,
                    "prediction, windows a second": n / predicting,
                    "batches": str(plan_batches(clf.module_, (n_chans, n_times), device)),
                    "same in every batch": same,
                    "same when fitted again": repeats,
                    "largest distance from the CPU": distance,
                }
                for key, value in row.items():
                    say(
                        f"  {key}: {value:.4g}" if isinstance(value, float) else f"  {key}: {value}"
                    )
                say("  ", report.check(f"estimator, {name}", passed))
                rows.append(row)
    return rows
