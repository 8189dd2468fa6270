"""How the methods of the benchmark and their results are drawn."""

import numpy as np
import pytest

from eeginv.benchmark import METHODS, plot_accuracy_time
from eeginv.benchmark.figures import _log_ticks, _mean_shares
from eeginv.benchmark.methods import COMBINED, method_styles, sort_methods

NAMES = [*METHODS, *COMBINED]


def test_methods_have_an_order_and_looks_of_their_own():
    methods = ["zeta", "ddas", "none", "alpha", "augnet", "trivial", "none"]
    assert sort_methods(methods) == ["none", "trivial", "augnet", "ddas", "alpha", "zeta"]
    looks = [(s["color"], s["marker"]) for s in method_styles(methods).values()]
    assert len(set(looks)) == 6
    methods = [*NAMES, "alpha"]
    looks = {m: (s["color"], s["marker"]) for m, s in method_styles(methods).items()}
    assert len(set(looks.values())) == len(methods)
    # the same whatever stands beside it
    assert all(looks[m] == tuple(method_styles([m])[m].values()) for m in methods)


def test_legend_of_all_methods_fits_into_the_figure():
    run = {"n_train_subjects": 4, "seconds_search": 0, "seconds_fit": 9}
    run["scores"] = {"plain": {"balanced_accuracy": 0.8}}
    figure = plot_accuracy_time([{"method": method, **run} for method in NAMES])
    figure.canvas.draw()
    (legend,) = figure.legends
    assert figure.bbox.padded(1).containsx(legend.get_window_extent().x0)
    assert figure.bbox.padded(1).containsx(legend.get_window_extent().x1)


def test_shares_of_stages():
    def run(stages, confusion):
        return {"classes": stages, "scores": {"plain": {"confusion": confusion}}}

    runs = [run(["W", "N3"], [[3, 1], [0, 0]]), run(["N3", "W"], [[4, 0], [2, 2]])]
    shares = _mean_shares(runs, "plain", ["W", "N3", "R"])
    np.testing.assert_allclose(shares, [[0.625, 0.375, 0], [0, 1, 0], [np.nan] * 3])
    assert _mean_shares([], "plain", ["W"]) is None


@pytest.mark.parametrize("bounds", [(0.5, 0.9), (10, 30), (12, 14), (1e-3, 1e4)])
def test_ticks_of_a_logarithmic_axis(bounds):
    ticks = _log_ticks(*bounds)
    assert all(bounds[0] <= tick <= bounds[1] for tick in ticks)
    assert 2 <= len(ticks) <= 8
