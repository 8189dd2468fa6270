"""Check transforms, learners and estimators on a GPU against the CPU, and measure what they cost.

    python benchmarks/gpu.py [--device cuda] [--budget 220] [--output FILE] [--small]

One command of at most four minutes. What a section finds is printed as it goes; one that fails does
not stop the others, but the script then ends with 1. When the budget is used up, no new case is
opened, and the report says which were left out. ``--small`` runs all of it with tiny cases, on the
CPU in seconds: a test that the script works, whose times mean nothing.

Costs are ratios to the step of the plain network in the same case: interleaved calls, medians of at
least five turns, synchronised. Peak memory is what a step adds to what is there before it.
"""

import argparse
import copy
import json
import os
import platform
import statistics
import sys
import tempfile
import time
import traceback
import warnings
from contextlib import contextmanager
from functools import cache
from pathlib import Path

# CUDA's matrix products are deterministic with this, which has to be set before they are used
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import numpy as np
from measuring import CH_NAMES, print_table

import torch  # isort: skip  (after measuring, which sets the number of threads)
from torch import nn
from torch.overrides import TorchFunctionMode

import eeginv
from eeginv import (
    Augerino,
    AugNet,
    InvariantClassifier,
    InvariantModule,
    PerExampleLoss,
    Policy,
    PolicyAugmentation,
)
from eeginv.augmentation import (
    ClasswiseAugmentation,
    RegularizedAugNet,
    TrivialAugment,
    choice,
)
from eeginv.augmentation.stream import RandomStream
from eeginv.estimators.prediction import plan_batches
from eeginv.policy import PolicyEntry
from eeginv.transforms import (
    REGISTRY,
    SignFlip,
    TimeShift,
    TimeWarp,
    default_transforms,
    make_transform,
)

SFREQ = 128.0
CHANNELS = CH_NAMES[19]
NAMES = {2: CH_NAMES[2], 21: [*CHANNELS, "FC1", "FC2"]}
BACKBONES = {  # what is usual for each: channels, samples
    "EEGNet": (21, 320),
    "SleepStagerChambon2018": (2, 3000),
    "USleep": (2, 3840),
}
# Largest deviation from the CPU that passes, as a share of the norm. Sums of a GPU have another
# order, and its convolutions may use ten bits of precision (they are told not to, here).
TOLERANCE = 2e-3
# Seconds that a case is expected to take, without and with the compiler of torch.
EXPECTED = {False: 6, True: 45}


class Report:
    """What was found: printed at once, and kept for the file."""

    def __init__(self, device, budget, small):
        self.device, self.budget, self.small = torch.device(device), budget, small
        self.start = time.perf_counter()
        self.sections, self.left_out, self.failed = {}, [], []
        self.rounds = 2 if small else 7

    @property
    def on_gpu(self):
        """Whether there is a GPU to wait for."""
        return self.device.type == "cuda"

    @property
    def elapsed(self):
        """Seconds since the start."""
        return time.perf_counter() - self.start

    def section(self, name, function):
        """Run a section; print what goes wrong and go on."""
        print(f"\n== {name} ({self.elapsed:.0f} s)", flush=True)
        with self.attempt(name):
            self.sections[name] = function(self)

    @contextmanager
    def attempt(self, what):
        """Go on after an error, and remember it."""
        try:
            yield
        except Exception as error:
            self.failed.append(f"{what}: {type(error).__name__}: {str(error)[:300]}")
            print(f"FAILED {what}", flush=True)
            traceback.print_exc(limit=-6, file=sys.stdout)
            sys.stdout.flush()

    def check(self, what, passed):
        """Remember a result that is wrong; return what to print of it."""
        if not passed:
            self.failed.append(what)
        return "ok" if passed else "WRONG"

    def opens(self, what, expected):
        """Whether there is time for a case."""
        if self.elapsed + expected <= self.budget:
            return True
        self.left_out.append(what)
        print(f"left out, as the budget is used up: {what}", flush=True)
        return False

    def synchronise(self):
        """Wait for the GPU."""
        if self.on_gpu:
            torch.cuda.synchronize(self.device)


def say(*cells):
    """Print a line of results now."""
    print("  ".join(str(cell) for cell in cells), flush=True)


# what is compared --------------------------------------------------------------------------------
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


@cache
def candidate(name):
    """Return a transform for 19 channels; who changes it copies it."""
    return make_transform(name, SFREQ, CHANNELS)


def candidates(names=None):
    """Return all transforms, or some of them."""
    return [candidate(name) for name in names or REGISTRY]


def mixture():
    """Return a policy of three branches."""
    flip = PolicyEntry("SignFlip", 0.4)
    noise = PolicyEntry("GaussianNoise", 0.5, layer=1, random_strength=True)
    shift = PolicyEntry("TimeShift", 0.3, config={"sfreq": SFREQ})
    return [Policy([flip, noise], 0.7), Policy([shift]), Policy([flip])]


LEARNERS = {
    "AugNet": lambda: AugNet(candidates(), random_state=0),
    "AugNet, 2 layers of all": lambda: AugNet(candidates(), n_layers=2, random_state=0),
    "Augerino": lambda: Augerino(candidates(), random_state=0),
    "Augerino, jointly": lambda: Augerino(
        [
            TimeShift(SFREQ),
            TimeWarp(shape="dilation"),
            *candidates([name for name in REGISTRY if name.startswith("Sensors")]),
            SignFlip(0.2),
        ],
        joint=True,
        random_state=0,
    ),
    "auto": lambda: RegularizedAugNet(candidates(), random_state=0),
    "TrivialAugment": lambda: TrivialAugment(candidates(), random_state=0),
    "policy": lambda: PolicyAugmentation(mixture()[0], random_state=0),
    "mixture": lambda: PolicyAugmentation(Policy.mixture(mixture()), random_state=0),
    "policies of classes": lambda: ClasswiseAugmentation(
        dict(enumerate(mixture())), random_state=0, classes=[0, 1, 2]
    ),
}


def batch(report, device="cpu"):
    """Return signals of 19 channels and labels of three classes."""
    n, n_times = (6, 96) if report.small else (24, 384)
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(n, len(CHANNELS), n_times, generator=generator).to(device)
    return X, (torch.arange(n) % 3).to(device)


class MeanOverTime(nn.Module):
    """A mean, which has a deterministic gradient on a GPU, as adaptive pooling has not."""

    def forward(self, X):
        """Compute the mean."""
        return X.mean(dim=-1)


def learner(make, device):
    """Return a small network behind an augmentation, the same on every device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        conv, linear = nn.Conv1d(len(CHANNELS), 8, 25), nn.Linear(8, 3)
        net = nn.Sequential(conv, nn.ELU(), MeanOverTime(), linear)
    model = InvariantModule(net, make()).to(device).train()
    model.augmentation.set_progress(0.0)
    return model


def criterion():
    """Return a cross-entropy whose losses are handed over."""
    losses = nn.CrossEntropyLoss(reduction="none")
    losses.chance = "cross_entropy"
    return PerExampleLoss(losses)


def step(model, loss_of, X, y):
    """Return the loss after a backward pass."""
    model.example_labels = y
    loss = loss_of(model(X), y)
    loss.backward()
    return loss.detach()


# sections ----------------------------------------------------------------------------------------
def environment(report):
    """Name the device and the versions."""
    import braindecode
    import skorch

    found = {"device": str(report.device), "python": platform.python_version()}
    for module in (eeginv, torch, np, braindecode, skorch):
        found[module.__name__] = module.__version__
    if report.on_gpu:
        properties = torch.cuda.get_device_properties(report.device)
        found["name"] = properties.name
        found["memory"] = f"{properties.total_memory / 2**30:.0f} GiB"
        found["cuda"], found["cudnn"] = torch.version.cuda, torch.backends.cudnn.version()
    for key, value in found.items():
        say(f"{key}: {value}")
    return found


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


def cases(report):
    """Return what to measure: backbone, batch size, precision, whether compiled."""
    if report.small:
        return [
            ("EEGNet", 4, "float32", False),
            ("EEGNet", 4, "bf16", True),
        ]
    eager = [
        (name, size, precision, False)
        for precision in ("float32", "bf16")
        for size in (64, 512)
        for name in BACKBONES
    ]
    compiled = [
        ("EEGNet", 64, "float32", True),
        ("SleepStagerChambon2018", 512, "bf16", True),
    ]
    return [*eager, *compiled]


def methods(n_chans, n_times, few):
    """Return the augmentations to compare, by name."""
    kind = "sleep" if n_times / SFREQ >= 20 else "generic"

    def transforms():
        return default_transforms(SFREQ, NAMES[n_chans], kind)

    found = {
        "none": lambda: None,
        "random": lambda: TrivialAugment(transforms(), random_state=0),
        "AugNet": lambda: AugNet(transforms(), random_state=0),
        "Augerino": lambda: Augerino(transforms(), random_state=0),
        "auto": lambda: RegularizedAugNet(transforms(), random_state=0),
    }
    return {name: found[name] for name in ("none", "AugNet")} if few else found


def make_steps(report, name, size, precision, compiled):
    """Return a training step of each method."""
    from braindecode import models

    n_chans, n_times = BACKBONES[name]
    X = torch.randn(size, n_chans, n_times, generator=torch.Generator().manual_seed(0))
    X, y = X.to(report.device), (torch.arange(size) % 5).to(report.device)

    def backbone():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return getattr(models, name)(n_chans=n_chans, n_times=n_times, n_outputs=5, sfreq=SFREQ)

    def make_step(model, loss_of):
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

        def train():
            optimizer.zero_grad()
            loss_of(model, X, y).backward()
            optimizer.step()

        return train

    def plain_loss(model, X, y):
        bf16 = precision == "bf16"
        with torch.autocast(report.device.type, torch.bfloat16, enabled=bf16):
            output = model(X)
        return nn.functional.cross_entropy(output.float(), y)

    handed_over = criterion()
    plain = backbone().to(report.device).train()
    made = [("plain", plain, plain_loss)]
    for method, make in methods(n_chans, n_times, report.small or compiled).items():
        model = InvariantModule(backbone(), make(), precision=precision).to(report.device).train()
        if model.augmentation is not None:
            model.augmentation.set_progress(0.0)
        made.append((method, model, lambda model, X, y: handed_over(model(X), y)))
    if compiled:
        # for dropout, the draws of networks that are not compiled, as the estimators have it
        fast = {"options": {"fallback_random": True}}
        options = {"backend": "eager"} if report.small else fast
        for _, model, _ in made:
            model.compile(**options)
    return {method: make_step(model, loss_of) for method, model, loss_of in made}


def seconds_of(report, function, repeats):
    """Return the seconds of a call, waiting for the GPU before and after."""
    report.synchronise()
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    report.synchronise()
    return (time.perf_counter() - start) / repeats


def peak_of(report, function):
    """Return the bytes by which a call raises the memory in use."""
    if not report.on_gpu:
        return None
    report.synchronise()
    torch.cuda.reset_peak_memory_stats(report.device)
    before = torch.cuda.memory_allocated(report.device)
    function()
    report.synchronise()
    return torch.cuda.max_memory_allocated(report.device) - before


def costs(report):
    """Measure training steps of all methods, interleaved."""
    rows = []
    for case in cases(report):
        name, size, precision, compiled = case
        what = f"{name}, {size} windows, {precision}{', compiled' if compiled else ''}"
        if not report.opens(what, EXPECTED[compiled] if report.on_gpu else 1):
            continue
        with report.attempt(what):
            start = time.perf_counter()
            steps = make_steps(report, *case)
            repeats = {}
            for method, train in steps.items():
                for _ in range(1 if report.small else 3):
                    train()
                once = seconds_of(report, train, 1)
                repeats[method] = 1 if report.small else max(1, min(10, int(0.05 / once)))
            seconds = {method: [] for method in steps}
            for _ in range(report.rounds):
                for method, train in steps.items():
                    seconds[method].append(seconds_of(report, train, repeats[method]))
            medians = {method: statistics.median(values) for method, values in seconds.items()}
            peaks = {method: peak_of(report, train) for method, train in steps.items()}
            say(f"{what} ({time.perf_counter() - start:.1f} s)")
            lines = []
            for method, median in medians.items():
                peak = None if peaks[method] is None else peaks[method] / 2**20
                row = {
                    "backbone": name,
                    "batch": size,
                    "precision": precision,
                    "compiled": compiled,
                    "method": method,
                    "ms": 1e3 * median,
                    "ratio": median / medians["plain"],
                    "windows a second": size / median,
                    "peak MiB": peak,
                }
                rows.append(row)
                lines.append(
                    [
                        method,
                        f"{row['ms']:.2f}",
                        f"{row['ratio']:.2f}",
                        f"{row['windows a second']:.0f}",
                        "" if peak is None else f"{peak:.0f}",
                    ]
                )
            print_table(["  method", "ms", "ratio", "windows/s", "peak MiB"], [
                [f"  {first}", *others] for first, *others in lines
            ])  # fmt: skip
            sys.stdout.flush()
            del steps
            if report.on_gpu:
                torch.cuda.empty_cache()
    return rows


def predictions(report):
    """Measure predictions over ten copies: one after the other, and together."""
    from braindecode import models

    rows = []
    n_copies = 2 if report.small else 10
    for name in ["EEGNet"] if report.small else BACKBONES:
        if not report.opens(f"predictions of {name}", 3 if report.on_gpu else 1):
            continue
        with report.attempt(f"predictions of {name}"):
            n_chans, n_times = BACKBONES[name]
            net = getattr(models, name)(n_chans=n_chans, n_times=n_times, n_outputs=5, sfreq=SFREQ)
            augmentation = AugNet(
                default_transforms(SFREQ, NAMES[n_chans], "generic"), random_state=0
            )
            model = InvariantModule(net, augmentation, n_copies).to(report.device).eval()
            chosen = plan_batches(model, (n_chans, n_times), report.device)
            for n_windows, at_once in {
                (32, 1),
                (32, n_copies),
                (chosen.n_windows, chosen.n_copies),
            }:
                model.copies_at_once = at_once
                X = torch.randn(n_windows, n_chans, n_times, device=report.device)
                with torch.no_grad():
                    model(X)
                    values = [
                        seconds_of(report, lambda X=X, model=model: model(X), 1)
                        for _ in range(report.rounds)
                    ]
                    peak = peak_of(report, lambda X=X, model=model: model(X))
                row = {
                    "backbone": name,
                    "windows": n_windows,
                    "copies at once": at_once,
                    "chosen": (n_windows, at_once) == (chosen.n_windows, chosen.n_copies),
                    "windows a second": n_windows / statistics.median(values),
                    "peak MiB": None if peak is None else peak / 2**20,
                }
                rows.append(row)
                shown = {k: round(v) if isinstance(v, float) else v for k, v in row.items()}
                say(", ".join(f"{key}: {value}" for key, value in shown.items()))
    return rows


SECTIONS = {
    "environment": environment,
    "transforms against the CPU": transforms_against_cpu,
    "learners against the CPU": learners_against_cpu,
    "no synchronisation in a training step": no_synchronisation,
    "determinism": determinism,
    "estimators": estimators,
    "predictions over ten copies": predictions,
    "costs of a training step": costs,
}


def main():
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--budget", type=float, default=220, help="seconds")
    parser.add_argument("--output", type=Path, help="write the results as JSON")
    parser.add_argument("--small", action="store_true", help="tiny cases, for a test")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    report = Report(arguments.device, arguments.budget, arguments.small)
    for name, function in SECTIONS.items():
        # torch lets convolutions round to ten bits unless it is told not to
        torch.backends.cudnn.allow_tf32 = function in (costs, predictions)
        report.section(name, function)
        if arguments.output:  # after each, in case a later one ends the process
            arguments.output.parent.mkdir(parents=True, exist_ok=True)
            found = {
                "sections": report.sections,
                "left_out": report.left_out,
                "failed": report.failed,
                "seconds": report.elapsed,
            }
            arguments.output.write_text(json.dumps(found, indent=1, default=str) + "\n")
    print(f"\n{report.elapsed:.0f} s; {len(report.left_out)} left out, {len(report.failed)} failed")
    for what in report.failed:
        print(f"FAILED {what}")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
