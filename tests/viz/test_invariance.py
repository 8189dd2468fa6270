import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from inspected import N_TIMES, SFREQ, flat_network, tones

from eeginv.inspection import invariance_curve, invariance_profile
from eeginv.transforms import AmplitudeScale, FrequencyShift, SignFlip
from eeginv.viz import plot_invariance_curve, plot_invariance_profile

MEASURES = ("score", "agreement", "divergence")


def texts(figure):
    figure.draw_without_rendering()
    return " | ".join(t.get_text() for t in figure.findobj(plt.Text) if t.get_text())


@pytest.fixture(scope="module")
def curves():
    X = tones(20)[0]
    transforms = [FrequencyShift(SFREQ), SignFlip()]
    return {
        name: pd.concat(
            invariance_curve(flat_network(seed=seed), X, t, random_state=0) for t in transforms
        )
        for name, seed in {"one": 0, "other": 1}.items()
    }


def profile_row(name, **values):
    row = {"unit": "1", "largest": 1.0, "extent": np.nan}
    for measure in (*MEASURES, "extent"):
        row |= {measure: 0.5, f"{measure}_low": 0.4, f"{measure}_high": 0.6}
    table = pd.DataFrame({key: [value] for key, value in {**row, **values}.items()}, index=[name])
    table.attrs = {"share": 0.9}
    return table


def test_curve_shows_the_table(curves):
    figure = plot_invariance_curve(curves)
    assert len(figure.axes) == 6
    for row, transform in enumerate(["FrequencyShift", "SignFlip"]):
        for column, measure in enumerate(MEASURES):
            panel = figure.axes[3 * row + column]
            for line, name in zip(panel.lines, curves, strict=False):
                table = curves[name][curves[name]["transform"] == transform]
                np.testing.assert_array_equal(line.get_xdata(), table["strength"])
                np.testing.assert_array_equal(line.get_ydata(), table[measure])
            assert len(panel.collections) == 2  # an interval for each
            low, high = panel.get_ylim()
            assert low >= -1
            shown = np.concatenate([curves[name][measure] for name in curves])
            assert high >= shown.max()
    shown = texts(figure)
    assert "FrequencyShift (Hz)" in shown
    assert "one | other" in shown


def test_curve_of_one_model_has_no_legend(curves):
    alone = plot_invariance_curve(curves["one"], measures=["agreement"])
    assert len(alone.axes) == 2
    assert not alone.legends
    assert "predictions that stay the same" in texts(alone)


def test_profile_shows_extents_in_their_units():
    X = tones(20)[0]
    transforms = [SignFlip(), FrequencyShift(SFREQ, max_magnitude=2.0), AmplitudeScale()]
    profile = invariance_profile(flat_network(), X, transforms=transforms, random_state=0)
    figure = plot_invariance_profile({"net": profile, "again": profile})
    shown = texts(figure)
    extent = profile.loc["FrequencyShift", "extent"]
    assert f"{extent:.2g} of 2 Hz" in shown
    assert "of 12 dB" in shown
    assert "on/off" in shown
    assert "95 % same predictions, up to" in shown
    assert "net | again" in shown
    scores, agreements, extents = figure.axes
    assert [tick.get_text() for tick in scores.get_yticklabels()] == list(profile.index)
    at = {round(line.get_xdata()[0], 6) for line in agreements.lines if len(line.get_xdata()) == 1}
    assert at == {round(100 * value, 6) for value in profile["agreement"]}
    widths = {round(bar.get_width(), 6) for bar in extents.patches} - {1.0}
    share = (profile["extent"] / profile["largest"]).dropna()
    assert widths == {round(value, 6) for value in share} - {1.0}


def test_profile_marks_what_is_off_the_scale():
    table = pd.concat(
        [
            profile_row("Bad", score=-7.0, score_low=-9.0),
            profile_row("All", extent=3.0, extent_high=3.0, largest=3.0, unit="Hz"),
        ]
    )
    table.attrs = {"share": 0.9}
    figure = plot_invariance_profile(table)
    shown = texts(figure)
    assert "all of 3 Hz" in shown
    assert "90 % same predictions, up to" in shown
    scores = figure.axes[0]
    (edge,) = [line for line in scores.lines if line.get_marker() == "<"]
    assert list(edge.get_xdata()) == [-1]
    assert scores.get_xlim()[0] == pytest.approx(-1.1)


def test_profile_without_a_score():
    table = profile_row("Blind", score=np.nan, score_low=np.nan, score_high=np.nan)
    assert "Blind" in texts(plot_invariance_profile(table))


def test_profiles_may_have_different_transforms():
    tables = {"a": profile_row("SignFlip"), "b": profile_row("TimeReverse")}
    shown = texts(plot_invariance_profile(tables))
    assert "SignFlip" in shown
    assert "TimeReverse" in shown


def test_what_cannot_be_drawn(curves):
    for plot in (plot_invariance_curve, plot_invariance_profile):
        with pytest.raises(TypeError, match="as eeginv.inspection returns them"):
            plot(pd.DataFrame({"x": [1]}))
        with pytest.raises(TypeError, match="as eeginv.inspection returns them"):
            plot([N_TIMES])
        with pytest.raises(ValueError, match="empty dict"):
            plot({})
    with pytest.raises(ValueError, match="measures must be of"):
        plot_invariance_curve(curves, measures=["accuracy"])
    assert not plt.get_fignums()
