"""What transforms must satisfy as modules of torch: precision, layout, copies, errors, cost."""

import copy
import pickle

import numpy as np
import pytest
import torch
from checking import Checks, generator, signals
from torch.utils._python_dispatch import TorchDispatchMode

from eeginv.transforms import Transform

CHECKS = Checks()
check = CHECKS.add


# signals of any kind ------------------------------------------------------------------------------
@check
def dtype_device_and_shape_are_kept(make):
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        t, X = make(), signals(dtype=torch.float64).to(dtype)
        out = t(X, generator())
        assert (out.dtype, out.device, out.shape) == (X.dtype, X.device, X.shape)
        single = t(X[0], generator())
        assert (single.dtype, single.shape) == (dtype, X[0].shape)
        assert t(X[:1], generator()).shape == X[:1].shape
        assert torch.isfinite(out).all()


@check
def half_precision_is_that_of_single_rounded(make):
    t, X = make(), signals(dtype=torch.float32).half()
    noise = t.draw(X, generator())
    torch.testing.assert_close(t.transform(X, noise), t.transform(X.float(), noise).half())


@check
def double_precision_is_kept(make):
    t, X = make().double(), signals(n=4)
    noise = t.draw(X, generator())
    single = t.transform(X.float(), {key: value.float() for key, value in noise.items()})
    difference = (t.transform(X, noise) - single.double()).abs().max()
    assert difference < 1e-4
    # and with a module of single precision, nothing beyond its own parameters is lost
    assert make()(X, generator()).dtype == torch.float64


@check
def zeros_and_constants_stay_finite(make):
    for value in (0.0, 1.0, 1e6):
        t, X = make(), torch.full((2, 3, 64), value)
        assert torch.isfinite(t.transform(X, t.draw(X, generator()), strength=t.max_strength)).all()


@check
def mixed_precision_does_not_reach_the_arithmetic(make):
    found = []
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        t, X = make(), signals(times=400, dtype=torch.float32).requires_grad_()
        noise, weight = t.draw(X, generator()), signals(times=400, dtype=torch.float32, seed=1)
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            out = t.transform(X, noise)
        (out * weight).sum().backward()
        found.append([out.detach(), X.grad, t.raw.grad])
    for one in found[1:]:
        for value, right in zip(one, found[0], strict=True):
            assert (value is None) == (right is None)
            assert value is None or torch.equal(value, right)


@check
def non_contiguous_signals(make):
    t, X = make(), signals(times=400)[..., ::2]
    noise = t.draw(X, generator())
    torch.testing.assert_close(t.transform(X, noise), t.transform(X.contiguous(), noise))


@check
def one_channel(make):
    t = make()
    if hasattr(t, "ch_names") or hasattr(t, "matrix"):
        with pytest.raises(ValueError, match="Expected 3 channels"):
            t.transform(signals(channels=1), t.draw(signals(channels=1)), strength=t.max_strength)
        return
    X = signals(channels=1)
    assert torch.isfinite(t(X, generator())).all()


# engineering ----------------------------------------------------------------------------------
@check
def copies_pickles_and_loads(make):
    t, X = make(), signals(dtype=torch.float32)
    t.strength = 0.2 * t.max_strength
    expected = t(X, generator())
    other = make()
    other.load_state_dict(t.state_dict())
    for clone in (copy.deepcopy(t), pickle.loads(pickle.dumps(t)), other):
        assert torch.equal(clone(X, generator()), expected)
    assert list(t.state_dict()) == ["raw"]
    rebuilt = type(t)(**{t.strength_name: t.strength.item()}, **t.config())
    torch.testing.assert_close(rebuilt(X, generator()), expected)


@check
def bad_input_says_what_was_expected(make):
    t = make()
    with pytest.raises(TypeError, match=r"torch\.Tensor"):
        t(np.zeros((2, 3, 4)))
    with pytest.raises(TypeError, match="floating-point"):
        t(torch.zeros(2, 3, 4, dtype=torch.int64))
    with pytest.raises(ValueError, match="n_examples, n_channels, n_times"):
        t(torch.zeros(4))
    with pytest.raises(ValueError, match="must lie in"):
        t.strength = 2 * t.max_strength
    with pytest.raises(ValueError, match="must lie in"):
        t.strength = -0.1


@check
def torchs_own_methods_are_as_they_were(make):
    own = {"strength", "transform", "draw", "undo", "spread", "displacement", "config"}
    assert not own & set(dir(torch.nn.Module))
    overridden = {name for name in vars(Transform) if name in vars(torch.nn.Module)}
    assert {name for name in overridden if not name.startswith("__")} == {"forward", "extra_repr"}


class Recorder(TorchDispatchMode):
    """Names of the operations that run."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.append(str(function))
        return function(*args, **(kwargs or {}))


# Operations whose result the host has to know before it can go on.
SYNCHRONISING = (
    "_local_scalar_dense",
    "nonzero",
    "masked_select",
    "bincount",
    "unique",
    "is_nonzero",
)


@check
def never_waits_for_the_device_and_never_loops_over_examples(make):
    counts = []
    for n in (4, 32):
        t, X = make(), signals(n=n, dtype=torch.float32)
        t(X, generator())  # what is made once may take its time
        with Recorder() as recorder:
            noise = t.draw(X, generator())
            out = t.transform(X.requires_grad_(), noise)
            t.log_prob(noise)
        with Recorder() as backward:
            out.sum().backward()
        names = recorder.names + backward.names
        assert not [n for n in names if any(bad in n for bad in SYNCHRONISING)]
        counts.append(len(names))
        # on the meta device a value that the host asks for is an error
        on_meta = {key: value.to("meta") for key, value in noise.items()}
        assert t.to("meta").transform(X.detach().to("meta"), on_meta).shape == X.shape
    assert counts[0] == counts[1]
    assert counts[0] < 400


@check
def single_precision_takes_no_detour(make):
    t, X = make(), signals(dtype=torch.float32)
    noise = t.draw(X, generator())

    class Widths(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            for value in out if isinstance(out, (tuple, list)) else (out,):
                if isinstance(value, torch.Tensor) and value.numel() > 1000:
                    assert value.dtype not in (torch.float64, torch.complex128), function
            return out

    with Widths():
        t.transform(X, noise)
