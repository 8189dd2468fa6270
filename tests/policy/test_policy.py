"""A policy is a value."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from eeginv import AugNet, Policy, PolicyAugmentation
from eeginv.augmentation import TrivialAugment
from eeginv.policy import PolicyEntry
from eeginv.transforms import SignFlip, default_transforms


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
    assert list(table.columns) == [
        "layer",
        "transform",
        "extent",
        "unit",
        "probability",
        "weight",
        "role",
    ]
    assert len(table) == 14
    shift = table[table["transform"] == "FrequencyShift"].iloc[0]
    assert (shift.unit, shift.probability) == ("Hz", 1.0)
    flip = table[table["transform"] == "SignFlip"].iloc[0]
    assert flip.probability == pytest.approx(0.25)
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


# exchange with files ------------------------------------------------------------------------------


def some_policy():
    return Policy([PolicyEntry("SignFlip", 0.5, binary=True)])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_read(encoding, tmp_path):
    text = some_policy().to_json()
    (tmp_path / "policy.json").write_text(text, encoding=encoding)
    assert Policy.from_json(tmp_path / "policy.json") == some_policy()
    assert Policy.from_json("\ufeff" + text) == some_policy()


def test_numbers_of_numpy_are_written():
    entry = PolicyEntry(
        "FrequencyShift", np.float32(0.5), "Hz", np.float64(1), np.int64(0), binary=np.bool_(False),
        config={"sfreq": np.float64(64), "max_magnitude": np.float32(2), "x": np.arange(2)},
    )  # fmt: skip
    policy = Policy([entry], np.float64(1))
    plain = PolicyEntry(
        "FrequencyShift", 0.5, "Hz", config={"sfreq": 64.0, "max_magnitude": 2.0, "x": [0, 1]}
    )
    assert policy == Policy([plain])
    assert Policy.from_json(policy.to_json()) == policy
    assert hash(policy) == hash(Policy([plain]))
    entry = {"transform": "SignFlip", "extent": np.float64(0.5), "layer": np.int32(0)}
    values = {"probability": np.float32(0.5), "entries": [entry]}
    assert json.loads(Policy.from_dict(values).to_json())["probability"] == 0.5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"policy.json is empty: expected what Policy.to_json writes"),
        (b" \n", r"policy.json is empty"),
        (b"\xef\xbb\xbf", r"policy.json is not JSON"),
        (b'{"probability": 1.0, "entr', r"policy.json is not JSON, or was cut"),
        (b"EXTENT;0.5", r"policy.json is not JSON"),
        (b"\xff\x00\x01", r"policy.json is not JSON"),
        (b"[1, 2]", r"policy.json does not hold a policy.*got list"),
        (b"3", r"policy.json does not hold a policy.*got int"),
        (b'{"status": "done"}', r"policy.json does not hold a policy.*'entries'"),
        (b'{"probability": 1, "entries": {"a": 1}}', r"policy.json does not hold a policy"),
        (b'{"probability": 1, "entries": [{"transform": "SignFlip", "extent": "a"}]}',
         r"policy.json does not hold a policy. extent of SignFlip must be a number"),
        (b'{"probability": 1, "entries": [{"transform": "SignFlip", "extent": NaN}]}',
         r"policy.json does not hold a policy. extent of SignFlip must be a number"),
        (b'{"probability": null, "entries": [{"transform": "SignFlip", "extent": 1}]}',
         r"policy.json does not hold a policy"),
    ],
)  # fmt: skip
def test_what_is_no_policy_is_named(content, message, tmp_path):
    path = tmp_path / "policy.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        Policy.from_json(path)


def test_extents_are_in_the_unit_of_the_transform():
    config = {"sfreq": 100.0}
    shift = PolicyEntry("FrequencyShift", 2.0, "s", config=config)
    with pytest.raises(ValueError, match="FrequencyShift in s, but its unit is Hz"):
        PolicyAugmentation(Policy([shift]))
    shift = PolicyEntry("FrequencyShift", 2.0, "Hz")
    with pytest.raises(ValueError, match="FrequencyShift needs sfreq in its config"):
        PolicyAugmentation(Policy([shift]))
    for unit in ("Hz", "1"):
        shift = PolicyEntry("FrequencyShift", 2.0, unit, config=config)
        assert PolicyAugmentation(Policy([shift])).policy().entries[0].extent == 2.0
    with pytest.raises(ValueError, match="extent of SignFlip, .* is a probability; got 1.5"):
        PolicyEntry("SignFlip", 1.5, binary=True)


def test_text_that_is_no_policy():
    with pytest.raises(ValueError, match="The text is empty"):
        Policy.from_json("")
    with pytest.raises(ValueError, match="The text is not JSON, or was cut"):
        Policy.from_json('{"probability"')
    with pytest.raises(ValueError, match="The text does not hold a policy"):
        Policy.from_json("[]")
    with pytest.raises(TypeError, match="config of SignFlip must be a dict"):
        PolicyEntry("SignFlip", 0.5, config=[1])


def test_a_policy_is_written_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "policy.json"
    path.write_text("earlier")
    path.chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to(path)

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            some_policy().to_json(path)
    assert path.read_text() == "earlier"
    some_policy().to_json(link)
    assert link.is_symlink()
    assert Policy.from_json(path) == some_policy()
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.json", "policy.json"]
    some_policy().to_json(os.devnull)
    assert not Path(os.devnull).is_file()


def test_roles_tell_findings_from_means():
    found = Policy([PolicyEntry("SignFlip", 0.5), PolicyEntry("GaussianNoise", 0.3, layer=1)])
    assert found.summary()["role"].tolist() == ["invariance", "regularizer"]
    drawn = TrivialAugment([SignFlip()]).policy()
    assert drawn.summary()["role"].tolist() == ["regularizer"]
    own = PolicyEntry("SomethingOfMine", 0.5)
    assert own.role == "invariance"
