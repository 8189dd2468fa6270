"""A policy is a value."""

import json

import pytest

from eeginv import AugNet, Policy
from eeginv.policy import PolicyEntry
from eeginv.transforms import default_transforms


def policy():
    return AugNet(default_transforms(100.0), n_layers=2, random_state=0).policy()


def test_json_round_trip_equality_and_hash(tmp_path):
    p = policy()
    path = tmp_path / "policy.json"
    text = p.to_json(path)
    for other in (Policy.from_json(text), Policy.from_json(path), Policy.from_json(str(path))):
        assert other == p
        assert hash(other) == hash(p)
    assert json.loads(path.read_text()) == p.to_dict()
    assert p != Policy(p.entries, probability=0.5)
    assert p != policy().to_dict()
    assert len({p, policy()}) == 1


def test_summary_has_units_and_probabilities():
    table = policy().summary()
    assert list(table.columns) == ["layer", "transform", "extent", "unit", "probability", "weight"]
    assert len(table) == 12
    shift = table[table["transform"] == "FrequencyShift"].iloc[0]
    assert (shift.unit, shift.probability) == ("Hz", 1.0)
    flip = table[table["transform"] == "SignFlip"].iloc[0]
    assert flip.probability == pytest.approx(0.2)
    assert flip.isna()["extent"]
    assert table.groupby("layer").weight.sum().tolist() == pytest.approx([1, 1])


def test_by_transform_by_hand():
    p = Policy(
        [
            PolicyEntry("SignFlip", 0.5, weight=0.4, layer=0, binary=True),
            PolicyEntry("FrequencyShift", 1.0, "Hz", weight=0.6, layer=0, config={"sfreq": 100}),
            PolicyEntry("FrequencyShift", 3.0, "Hz", weight=0.2, layer=1, config={"sfreq": 100}),
            PolicyEntry("SignFlip", 0.5, weight=0.8, layer=1, binary=True),
        ],
        probability=0.5,
    )
    table = p.by_transform()
    assert table.extent["FrequencyShift"] == pytest.approx((0.6 * 1 + 0.2 * 3) / 0.8)
    assert table.usage["FrequencyShift"] == pytest.approx(0.5 * (1 - 0.4 * 0.8))
    assert table.usage["SignFlip"] == pytest.approx(0.5 * (1 - 0.8 * 0.6))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Policy([]), "at least one entry"),
        (lambda: Policy(["SignFlip"]), "PolicyEntry"),
        (lambda: Policy([PolicyEntry("SignFlip", 0.5, weight=0.5)]), "sum to 1"),
        (lambda: Policy([PolicyEntry("SignFlip", 0.5)], probability=2), "probability"),
        (lambda: Policy([PolicyEntry("SignFlip", 0.5, layer=1)]), "layer 0"),
        (lambda: PolicyEntry("SignFlip", float("nan")), "extent"),
        (lambda: PolicyEntry("SignFlip", 0.5, weight=-1), "weight"),
        (lambda: PolicyEntry("SignFlip", 0.5, layer=-1), "layer"),
        (lambda: Policy.from_dict({"entries": []}), "at least one|probability"),
        (lambda: Policy.from_json("{}"), "entries"),
    ],
)
def test_bad_input(make, match):
    with pytest.raises((ValueError, TypeError), match=match):
        make()


def test_alternatives_of_a_layer_exclude_each_other():
    levels = [PolicyEntry("TimeShift", 0.1 * k, "s", weight=1 / 3) for k in (1, 2, 3)]
    assert Policy(levels).by_transform().loc["TimeShift", "usage"] == pytest.approx(1.0)
    half = [PolicyEntry("SignFlip", 0.5, binary=True, layer=layer) for layer in (0, 1)]
    assert Policy(half).by_transform().loc["SignFlip", "usage"] == pytest.approx(0.75)
