import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from eeginv import Policy
from eeginv.policy import PolicyEntry
from eeginv.transforms import default_transforms
from eeginv.viz import plot_extents, plot_policy, plot_transform
from eeginv.viz.methods import method_styles, sort_methods
from eeginv.viz.results import _log_ticks, _mean_shares

TRUTH = {
    "FrequencyShift": {"extent": 0.6, "unit": "Hz", "invariant": True},
    "TimeReverse": {"extent": 0.0, "unit": "1", "invariant": False},
}


def make_policy(shift=0.5, reverse=0.1):
    config = {"sfreq": 100.0, "max_magnitude": 3.0}
    return Policy(
        [
            PolicyEntry("FrequencyShift", shift, "Hz", weight=0.7, config=config),
            PolicyEntry("TimeReverse", reverse, weight=0.3, binary=True),
        ]
    )


def texts(figure):
    figure.draw_without_rendering()
    return " | ".join(t.get_text() for t in figure.findobj(plt.Text) if t.get_text())


def test_importing_the_package_does_not_import_matplotlib():
    code = "import eeginv, eeginv.viz, sys; print('matplotlib' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


@pytest.mark.parametrize("truth", [None, TRUTH])
@pytest.mark.parametrize("policies", [1, 3])
def test_policy(truth, policies):
    policy = make_policy() if policies == 1 else [make_policy(s) for s in (0.4, 0.5, 0.6)]
    shown = texts(plot_policy(policy, truth))
    assert "0.5 Hz of 3 Hz" in shown
    assert "70 %" in shown
    assert ("(truth 0.6 Hz)" in shown) == (truth is not None)
    assert ("changes the label" in shown) == (truth is not None)


def test_policy_in_given_axes():
    figure, (left, right) = plt.subplots(1, 2)
    assert make_policy().plot(axes=right) is figure
    assert make_policy().plot(truth=TRUTH, axes=left) is figure
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize("wrong", [[], [1], "SignFlip"])
def test_policy_rejects(wrong):
    with pytest.raises(TypeError, match="policy must be a Policy"):
        plot_policy(wrong)


def test_policy_of_strength_zero_and_beyond_its_truth():
    zero = Policy([PolicyEntry("GaussianNoise", 0.0)])
    figure = plot_policy(zero, {"GaussianNoise": {"extent": 0.2, "unit": "1", "invariant": True}})
    assert "(truth 0.2)" in texts(figure)
    texts(plot_policy(zero))


def line_of(figure, title, index=0):
    panel = next(p for p in figure.axes if p.get_title() == title)
    return panel.lines[index].get_ydata()


def test_extents_of_one_history():
    history = [make_policy(shift) for shift in (0.1, 0.4, 0.7)]
    figure = plot_extents(history, TRUTH)
    np.testing.assert_allclose(line_of(figure, "FrequencyShift (Hz)"), [0.1, 0.4, 0.7])
    np.testing.assert_allclose(line_of(figure, "FrequencyShift (Hz)", 1), 0.6)
    as_dicts = [p.by_transform().to_dict("index") for p in history]
    figure = plot_extents(as_dicts)
    np.testing.assert_allclose(line_of(figure, "FrequencyShift (Hz)"), [0.1, 0.4, 0.7])
    assert "truth" not in texts(figure)


def test_extents_of_several_methods():
    long, short = [[make_policy(s) for s in shifts] for shifts in ((0.1, 0.2, 0.3), (0.5, 0.6))]
    figure = plot_extents({"none": [], "augnet": [long, short], "ddas": [short]}, TRUTH)
    # two runs, their mean (of those that last so long), and the one of the other method
    np.testing.assert_allclose(line_of(figure, "FrequencyShift (Hz)", 2), [0.3, 0.4, 0.3])
    np.testing.assert_allclose(line_of(figure, "FrequencyShift (Hz)", 3), [0.5, 0.6])
    shown = texts(figure)
    assert "AugNet" in shown
    assert "no augmentation" not in shown


@pytest.mark.parametrize("empty", [[], {}, {"augnet": []}, {"augnet": [[]]}])
def test_extents_of_nothing(empty):
    with pytest.raises(ValueError, match="no policy in the history"):
        plot_extents(empty)


@pytest.mark.parametrize("transform", default_transforms(100), ids=lambda t: type(t).__name__)
def test_transform(transform):
    signal = np.random.default_rng(0).normal(size=(2, 400))
    before = torch.random.get_rng_state()
    figure = plot_transform(transform, signal, 100, ch_names=["Fpz-Cz", "Pz-Oz"])
    assert torch.equal(torch.random.get_rng_state(), before)
    shown = texts(figure)
    assert type(transform).__name__ in shown
    assert "Pz-Oz" in shown
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), signal[0])


def test_transform_shows_the_effect():
    flip = default_transforms(100)[1]
    signal = torch.randn(1, 300, generator=torch.Generator().manual_seed(0))
    panel = plot_transform(flip, signal, 100, magnitude=1.0).axes[0]
    np.testing.assert_array_equal(panel.lines[1].get_ydata(), -panel.lines[0].get_ydata())
    panel = plot_transform(flip, torch.zeros(1, 300), 100).axes[0]  # no power at all
    np.testing.assert_array_equal(panel.lines[1].get_ydata(), 0)


@pytest.mark.parametrize(
    ("signal", "options", "message"),
    [
        (np.zeros((3, 2, 100)), {}, "Expected one signal of shape"),
        (np.zeros((2, 100)), {"sfreq": 0}, "sfreq must be"),
        (np.zeros((2, 100)), {"ch_names": ["a"]}, "Expected 2 channel names, got 1"),
    ],
)
def test_transform_rejects(signal, options, message):
    with pytest.raises(ValueError, match=message):
        plot_transform(default_transforms(100)[0], signal, **{"sfreq": 100, **options})


def test_methods_have_an_order_and_looks_of_their_own():
    methods = ["zeta", "ddas", "none", "alpha", "augnet", "trivial", "none"]
    assert sort_methods(methods) == ["none", "trivial", "augnet", "ddas", "alpha", "zeta"]
    looks = [(s["color"], s["marker"]) for s in method_styles(methods).values()]
    assert len(set(looks)) == 6


def test_shares_of_stages():
    def run(stages, confusion):
        return {"stages": stages, "scores": {"plain": {"confusion": confusion}}}

    runs = [run(["W", "N3"], [[3, 1], [0, 0]]), run(["N3", "W"], [[4, 0], [2, 2]])]
    shares = _mean_shares(runs, "plain", ["W", "N3", "R"])
    np.testing.assert_allclose(shares, [[0.625, 0.375, 0], [0, 1, 0], [np.nan] * 3])
    assert _mean_shares([], "plain", ["W"]) is None


@pytest.mark.parametrize("bounds", [(0.5, 0.9), (10, 30), (12, 14), (1e-3, 1e4)])
def test_ticks_of_a_logarithmic_axis(bounds):
    ticks = _log_ticks(*bounds)
    assert all(bounds[0] <= tick <= bounds[1] for tick in ticks)
    assert 2 <= len(ticks) <= 8
