"""Sections of ``gpu.py`` that measure: costs of a training step, and rates of predictions."""

import statistics
import sys
import time

from gpu_learners import BACKBONES, NAMES, SFREQ, criterion
from gpu_report import say
from measuring import print_table

import torch  # isort: skip  (after measuring, which sets the number of threads)
from torch import nn

from eeginv import Augerino, AugNet, InvariantModule
from eeginv.augmentation import RegularizedAugNet, TrivialAugment
from eeginv.estimators.prediction import plan_batches
from eeginv.transforms import default_transforms

# Seconds that a case is expected to take, without and with the compiler of torch.
EXPECTED = {False: 6, True: 45}


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
