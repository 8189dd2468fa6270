"""Which runs a benchmark makes, and of which settings."""

import numpy as np
import pytest
from benchmarked import settings

from eeginv.benchmark.plan import Plan, choose_subjects


def test_choices_are_nested_and_test_subjects_are_never_trained_on():
    subjects = np.arange(14)
    for split in range(6):
        one, test_one = choose_subjects(subjects, 1, split, (1, 4))
        four, test_four = choose_subjects(subjects, 4, split, (1, 4))
        assert set(one) < set(four)
        assert set(test_one) == set(test_four) == set(subjects) - set(four)
    choices = {tuple(choose_subjects(subjects, 4, split, (1, 4))[0]) for split in range(6)}
    assert len(choices) == 6
    with pytest.raises(ValueError, match="have 14 subjects"):
        choose_subjects(subjects, 14, 0, (14,))


def test_plan_and_budget():
    plan = Plan(["none", "augnet"], (1, 4), 2, [0, 1]).trained
    assert len({r.run_id for r in plan}) == len(plan) == 16
    assert plan[0].random_state == plan[1].random_state  # methods start from the same weights
    assert len({r.random_state for r in plan}) == 4
    assert settings(n_train=(1, 4), epochs=12).epochs_for(1) == 48
    assert settings().fingerprint() != settings(lr=2e-3).fingerprint()


def test_a_control_needs_both_of_its_parts():
    (run,) = Plan(["none", "augnet"], (2,), 1, [3]).combined
    assert run.run_id == "none_learned-train2-split0-seed3"
    assert [part.run_id for part in run.parts] == [
        "none-train2-split0-seed3", "augnet-train2-split0-seed3"
    ]  # fmt: skip
    assert Plan(["none", "ddas"], (2,), 1, [3]).combined == []
    assert Plan(["augnet"], (2,), 1, [3]).combined == []


def test_numbers_out_of_range_are_named():
    with pytest.raises(ValueError, match="epochs must be at least 1; got 0"):
        settings(epochs=0)
    with pytest.raises(ValueError, match="n_train must name at least one"):
        settings(n_train=())
    with pytest.raises(TypeError, match="batch_size must be an integer"):
        settings(batch_size=2.5)
    with pytest.raises(ValueError, match="lr must be above 0"):
        settings(lr=0.0)
