import subprocess
import sys

import matplotlib.colors as mcolors
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from eeginv import Policy
from eeginv.policy import PolicyEntry
from eeginv.transforms import (
    REGISTRY,
    ChannelsDropout,
    ChannelsShuffle,
    FrequencyShift,
    GaussianNoise,
    SignFlip,
    Transform,
    make_transform,
)
from eeginv.viz import (
    plot_extents,
    plot_policy,
    plot_transform,
    transform_table,
)
from eeginv.viz.heads import head_positions
from eeginv.viz.transform import BEHIND

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


def test_range_of_a_transform_with_other_limits():
    config = {"sfreq": 100.0, "max_magnitude": 2.0, "max_freq": 32.0}
    policy = Policy([PolicyEntry("BandstopFilter", 0.5, "Hz", config=config)])
    assert "0.5 Hz of 2 Hz" in texts(plot_policy(policy))


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
    figure = plot_extents({"no augmentation": [], "AugNet": [long, short], "DDAS": [short]}, TRUTH)
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


SCALP = "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2".split()


def needs_names(name):
    return "ch_names" in transform_table().loc[name, "needs"]


def make_signal(n_channels=2, n_times=500, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_channels, n_times, generator=generator, dtype=torch.float64)


def panels_of(figure):
    """Panels of the traces and of the spectra, one pair a channel."""
    traces = [axes for axes in figure.axes if "before" in labels_of(axes)]
    return traces, [figure.axes[figure.axes.index(panel) + 1] for panel in traces]


def labels_of(panel):
    return [tick.get_text() for tick in panel.get_yticklabels()]


def traces_of(panel):
    """Values of the traces by label, and those behind them, without the heights of the rows."""
    heights = panel.get_yticks()
    labelled = [line for line in panel.lines if not line.get_label().startswith("_")]
    values = {
        line.get_label(): line.get_ydata() - height
        for line, height in zip(labelled, heights, strict=True)
    }
    behind = [line for line in panel.lines if mcolors.same_color(line.get_color(), BEHIND)]
    return values, [x.get_ydata() - h for x, h in zip(behind, heights[1:], strict=True)]


@pytest.mark.parametrize(
    ("name", "n_channels"),
    [(name, n) for name in REGISTRY for n in (1, 2, 19) if n > 1 or not needs_names(name)],
)
def test_transform_draws_what_it_does(name, n_channels):
    names = {1: ["Cz"], 2: ["C3", "C4"], 19: SCALP}[n_channels]
    transform, signal = make_transform(name, 100, names), make_signal(n_channels)
    noise = transform.draw(signal, torch.Generator().manual_seed(3))
    before = torch.random.get_rng_state()
    figure = plot_transform(transform, signal, 100, ch_names=names, noise=noise, duration=None)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert name in texts(figure)

    binary = transform.binary
    shares = [1.0] if binary else [0.25, 0.5, 1.0]
    strengths = [s if binary else s * transform.max_strength for s in shares]
    traces, spectra = panels_of(figure)
    assert len(traces) == min(n_channels, 3)
    for panel, spectrum in zip(traces, spectra, strict=True):
        channel = names.index(panel.get_ylabel())
        values, behind = traces_of(panel)
        assert list(values) == labels_of(panel)
        assert len(values) == len(strengths) + 1
        shown = list(values.values())
        for row in [shown[0], *behind]:
            np.testing.assert_allclose(row, signal[channel], atol=1e-6)
        for row, strength in zip(shown[1:], strengths, strict=True):
            after = transform.transform(signal, noise, strength=strength).detach()[channel]
            np.testing.assert_allclose(row, after, atol=1e-6)
        assert len(spectrum.lines) <= len(strengths) + 1  # nothing is left of a dropped channel
        assert spectrum.get_xlim() == (0, 50)


def test_transform_takes_the_same_draws_for_all_strengths():
    signal = make_signal()
    figure = plot_transform(GaussianNoise(), signal, 100, strengths=[1, 0.25], duration=None)
    values, _ = traces_of(panels_of(figure)[0][0])
    assert list(values) == ["before", "0.25", "1"]  # in increasing order
    before, small, large = values.values()
    np.testing.assert_allclose(4 * (small - before), large - before, atol=1e-6)
    again = plot_transform(GaussianNoise(), signal, 100, strengths=[1, 0.25], duration=None)
    np.testing.assert_array_equal(traces_of(panels_of(again)[0][0])[0]["1"], large)


@pytest.mark.parametrize(
    ("strengths", "expected"),
    [
        (1.5, ["1.5 Hz"]),
        ([3, 0.5], ["0.5 Hz", "3 Hz"]),
        (np.array([0.0]), ["0 Hz"]),
        (FrequencyShift(100, 0.3, 0.3).strength, ["0.3 Hz"]),
        (None, ["0.75 Hz", "1.5 Hz", "3 Hz"]),
        ([0.1, 0.2, 0.3, 0.4, 0.5], ["0.1 Hz", "0.2 Hz", "0.3 Hz", "0.4 Hz", "0.5 Hz"]),
    ],
)
def test_transform_at_given_strengths(strengths, expected):
    figure = plot_transform(FrequencyShift(100), make_signal(), 100, strengths=strengths)
    for panel in panels_of(figure)[0]:
        assert labels_of(panel) == ["before", *expected]
    assert expected[-1] in figure.legends[0].get_title().get_text()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["before", *expected]


def test_transform_darkens_with_strength():
    figure = plot_transform(GaussianNoise(), make_signal(1), 100, strengths=[0.8, 0.1, 0.4, 1])
    (traces,), (spectra,) = panels_of(figure)
    ticks = [tick.get_color() for tick in traces.get_yticklabels()[1:]]
    assert all(
        mcolors.same_color(line.get_color(), tick)
        for line, tick in zip(spectra.lines[1:], ticks, strict=True)
    )
    brightness = [mcolors.to_rgba_array(tick)[0, :3] @ [0.3, 0.6, 0.1] for tick in ticks]
    assert np.all(np.diff(brightness) < -0.02)
    # the level of white noise: 2 magnitude**2 / sfreq in each Hz
    levels = [np.mean(10 ** (line.get_ydata() / 10)) for line in spectra.lines]
    expected = (1 + np.square([0, 0.1, 0.4, 0.8, 1])) / 50
    np.testing.assert_allclose(levels, expected, rtol=0.15)


def test_transform_that_is_there_or_not_is_there():
    figure = plot_transform(SignFlip(0.0), make_signal(1), 100)
    values, _ = traces_of(panels_of(figure)[0][0])
    np.testing.assert_allclose(values["transformed"], -values["before"], atol=1e-6)
    figure = plot_transform(SignFlip(), make_signal(1), 100, strengths=0.3)
    assert labels_of(panels_of(figure)[0][0]) == ["before", "0.3"]


@pytest.mark.parametrize("cls", [ChannelsDropout, ChannelsShuffle])
@pytest.mark.parametrize("seed", range(5))
def test_transform_shows_draws_that_change_something(cls, seed):
    # half of the draws leave two channels in their order
    figure = plot_transform(cls(), make_signal(), 100, random_state=seed)
    assert "1 (2 of 2 channels)" in texts(figure)


def test_transform_shows_a_typical_draw():
    class Gain(Transform):
        name = "my gain"

        def _draw(self, draws):
            return {"uniform": draws.uniform()}

        def _transform(self, X, noise, strength):
            return X * (1 + strength * noise["uniform"].reshape(-1, 1, 1))

    gains = []
    for seed in range(10):
        figure = plot_transform(Gain(1.0, 1.0), make_signal(1), 100, random_state=seed)
        assert "my gain, magnitude 0.25, 0.5 and 1" in texts(figure)
        values, _ = traces_of(panels_of(figure)[0][0])
        gains.append(np.ptp(values["1"]) / np.ptp(values["before"]) - 1)
    assert 0.2 < min(gains) < max(gains) < 0.8  # medians of 21 numbers in [0, 1]


def test_transform_picks_channels():
    def shown(**options):
        figure = plot_transform(dropout, signal, 100, noise=noise, **options)
        panels = panels_of(figure)[0]
        return [panel.get_ylabel() for panel in panels], texts(figure)

    dropout, signal = ChannelsDropout(), make_signal(5)
    noise = {"uniform": torch.tensor([[0.9, 0.4, 0.1, 0.45, 0.8]])}
    labels, text = shown()
    # dropped at all three strengths, at two, at one
    assert labels == ["channel 3", "channel 4", "channel 5"]
    assert "3 of 5 channels: the one changed most, the median, the one changed least" in text
    assert "0.25 (1 of 5 channels)" in text
    assert "0.5 (3 of 5 channels)" in text
    names = list("abcde")
    labels, text = shown(ch_names=names, picks=["e", "a"])
    assert labels == ["e", "a"]
    assert "2 of 5 channels" in text
    assert "median" not in text
    assert shown(picks=[1, -1])[0] == ["channel 2", "channel 5"]
    assert len(shown(picks=range(5))[0]) == 5


def test_transform_finds_the_part_that_changes():
    mask, signal = make_transform("SmoothTimeMask", 100), make_signal(2, 3000)
    noise = {"uniform": torch.tensor([0.75])}  # 21 to 23 s
    panel = panels_of(plot_transform(mask, signal, 100, noise=noise))[0][0]
    low, high = panel.get_xlim()
    assert high - low == pytest.approx(6)
    assert low < 20.5
    assert high > 23.5
    figure = plot_transform(mask, signal, 100, noise=noise, start=2.0, duration=1.5)
    assert panels_of(figure)[0][0].get_xlim() == pytest.approx((2, 3.5))
    figure = plot_transform(mask, signal, 100, noise=noise, duration=100)
    assert panels_of(figure)[0][0].get_xlim() == pytest.approx((0, 30))


def test_transform_takes_the_first_of_several_signals_of_any_type():
    batch = torch.stack([make_signal(2, seed=seed) for seed in range(3)])
    for X in (batch, batch.numpy(), batch.half(), (1000 * batch).int()):
        figure = plot_transform(SignFlip(), X, 100, duration=None)
        values, _ = traces_of(panels_of(figure)[0][0])
        np.testing.assert_allclose(values["before"], np.asarray(X[0, 0], float), atol=1e-6)


def test_transform_of_a_signal_without_power():
    figure = plot_transform(SignFlip(), torch.zeros(1, 300), 100)
    values, _ = traces_of(panels_of(figure)[0][0])
    np.testing.assert_array_equal(values["transformed"], 0)
    figure = plot_transform(SignFlip(), torch.ones(1, 1), 100)
    figure.draw_without_rendering()


def test_transform_on_the_head():
    def n_heads(name, names):
        figure = plot_transform(
            make_transform(name, 100, names), make_signal(len(names)), 100, ch_names=names
        )
        figure.draw_without_rendering()
        traces, spectra = panels_of(figure)
        return sum(bool(panel.images) for panel in figure.axes if panel not in traces + spectra)

    assert n_heads("SensorsZRotation", SCALP) == 4
    assert n_heads("ChannelsSymmetry", SCALP) == 2
    assert n_heads("ChannelsDropout", SCALP) == 4  # a field of zeros among them
    assert n_heads("FrequencyShift", SCALP) == 0
    assert n_heads("ChannelsSymmetry", ["C3", "C4"]) == 0
    assert n_heads("ChannelsDropout", [f"sensor {i}" for i in range(19)]) == 0


def test_places_on_a_flat_head():
    place = dict(zip(SCALP, head_positions(SCALP), strict=True))
    assert place["T8"] == pytest.approx([1, 0], abs=0.05)
    assert np.linalg.norm(place["Cz"]) < 0.1
    assert place["Fz"] == pytest.approx([0, place["Fz"][1]], abs=1e-6)
    assert place["Fz"][1] > 0.4
    assert place["O1"] == pytest.approx(place["O2"] * [-1, 1], abs=1e-6)
    assert place["O1"][0] < 0
    assert head_positions(SCALP[:7]) is None
    assert head_positions([*SCALP[:10], "Cz-A1", "Cz-A2"]) is None  # at one place


def test_transform_for_other_signals_is_refused():
    mirror, signal = make_transform("ChannelsSymmetry", None, ["C3", "C4", "Cz"]), np.ones((3, 100))
    with pytest.raises(ValueError, match="made for the channels C3, C4, Cz, but .* C3, Cz, C4"):
        plot_transform(mirror, signal, 100, ch_names=["C3", "Cz", "C4"])
    with pytest.raises(ValueError, match="FrequencyShift was made for signals at 100 Hz"):
        plot_transform(FrequencyShift(100), signal, 64)
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("signal", "options", "message"),
    [
        (np.zeros(100), {}, "Expected signals of shape"),
        (np.zeros((0, 2, 100)), {}, "Expected signals of shape"),
        (np.zeros((2, 100)), {"sfreq": 0}, "sfreq must be"),
        (np.zeros((2, 100)), {"ch_names": ["a"]}, "Expected 2 channel names, got 1"),
        (np.zeros((2, 100)), {"strengths": 4.0}, r"FrequencyShift must be numbers in \[0, 3\]"),
        (np.zeros((2, 100)), {"strengths": [-1, 1]}, "must be numbers in"),
        (np.zeros((2, 100)), {"strengths": np.nan}, "must be numbers in"),
        (np.zeros((2, 100)), {"strengths": []}, "must be numbers in"),
        (np.zeros((2, 100)), {"duration": 0}, "duration must be at least one sample"),
        (np.zeros((2, 100)), {"start": 1.0}, "start must lie in the 1 s of signal"),
        (np.zeros((2, 100)), {"picks": [2]}, "picks must be channels among"),
        (np.zeros((2, 100)), {"picks": ["Cz"]}, "picks must be channels among"),
        (np.zeros((2, 100)), {"picks": []}, "picks must be channels among"),
    ],
)
def test_transform_rejects(signal, options, message):
    with pytest.raises(ValueError, match=message):
        plot_transform(FrequencyShift(100), signal, **{"sfreq": 100, **options})
    assert not plt.get_fignums()


def test_probabilities_are_at_most_one():
    with pytest.raises(ValueError, match=r"SignFlip must be numbers in \[0, 1\]"):
        plot_transform(SignFlip(), make_signal(), 100, strengths=1.5)


def test_table_of_transforms(monkeypatch):
    class Toy(Transform):
        """Do nothing, slowly [1]_.

        More of it.
        """

        unit, family, continuous = "s", "temporal", False

        def __init__(self, ch_names, magnitude=0.25, max_magnitude=4.0):
            super().__init__(magnitude, max_magnitude)

    class Bare(Transform):
        def __init__(self, *, magnitude, max_magnitude=1.5):
            super().__init__(magnitude, max_magnitude)

    assert list(transform_table().index) == list(REGISTRY)
    monkeypatch.setitem(REGISTRY, "Toy", Toy)
    monkeypatch.setitem(REGISTRY, "Bare", Bare)
    table = transform_table()
    assert list(table.index) == list(REGISTRY)
    assert table.loc["Toy"].to_dict() == {
        "family": "temporal",
        "effect": "Do nothing, slowly.",
        "unit": "s",
        "default": 0.25,
        "range": "0 to 4",
        "learned": "magnitude",
        "gradient": "signal; strength by log_prob",
        "needs": "ch_names",
    }
    assert np.isnan(table.loc["Bare", "default"])
    assert table.loc["Bare", "range"] == "0 to 1.5"
    assert table.loc["SignFlip", "learned"] == "probability"
    assert table.loc["TimeShift", "gradient"] == "signal, strength"
    assert (table.loc[list(REGISTRY)[:-2], "effect"].str.endswith(".")).all()


def test_table_says_what_the_objects_are():
    for name, row in transform_table().iterrows():
        t = make_transform(name, 100, ["C3", "C4", "Cz"])
        assert t.strength.item() == pytest.approx(row["default"])
        assert row["range"] == f"0 to {t.max_strength:g}"
