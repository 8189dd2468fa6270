"""Messages for what newcomers get wrong: they name what to write instead."""

import numpy as np
import pytest
from braindecode.augmentation import SignFlip as BraindecodeSignFlip

import eeginv
from eeginv import (
    AugNet,
    DADASearch,
    InvariantClassifier,
    Policy,
    PolicyAugmentation,
    PolicyEntry,
)
from eeginv.transforms import FrequencyShift, SignFlip, make_transform


# the front door -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name",
    [
        "invariance_profile",
        "load_sleep_folder",
        "load_sleep_physionet",
        "PolicyEntry",
        "simulate_sleep",
    ],
)
def test_names_that_people_reach_for_are_at_the_top(name):
    assert name in eeginv.__all__
    assert callable(getattr(eeginv, name))


def test_no_warning_class_is_at_the_top():
    objects = [getattr(eeginv, name) for name in eeginv.__all__]
    classes = [value for value in objects if isinstance(value, type)]
    assert [cls for cls in classes if issubclass(cls, Warning)] == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("InvarianceClassifier", "Did you mean eeginv.InvariantClassifier"),
        ("SignFlip", "Did you mean eeginv.transforms.SignFlip"),
        ("zzz", "It has .*AugNet"),
    ],
)
def test_unknown_name_at_the_top_has_a_hint(name, hint):
    with pytest.raises(AttributeError, match=hint):
        getattr(eeginv, name)


# augmentation= and transforms= ----------------------------------------------------------------
def fit(**parameters):
    X, y = np.zeros((8, 2, 128)), np.tile([0, 1], 4)
    clf = InvariantClassifier("EEGNet", sfreq=64, max_epochs=1, **parameters)
    return clf.fit(X + np.random.default_rng(0).normal(size=X.shape), y)


@pytest.mark.parametrize(
    ("augmentation", "hint"),
    [
        ("AugNet", "Did you mean 'augnet'"),
        ("none", "pass None, without quotes"),
        ("random", "The random augmentation is 'trivial'"),
        ("dada", "DADASearch"),
        (AugNet, "Pass an object, not the class"),
        (SignFlip(), r"transforms=\[...\]"),
        ([SignFlip()], r"transforms=\[...\]"),
        (np.zeros(2), "augmentation must be"),
    ],
)
def test_augmentation_that_is_none_has_a_hint(augmentation, hint):
    with pytest.raises(ValueError, match=hint):
        fit(augmentation=augmentation)


@pytest.mark.parametrize(
    ("transforms", "hint"),
    [
        ("motor_imagery", r"default_transforms\(sfreq, ch_names, kind=...\)"),
        (SignFlip(), "Put a single transform into a list"),
        (["SignFlip"], r"make_transform\('SignFlip'\)"),
        ([SignFlip], r"SignFlip\(...\)"),
        ([lambda X: X], "from_callable"),
        ([BraindecodeSignFlip(0.5)], "from_braindecode"),
        ([3], "eeginv.transforms"),
    ],
)
@pytest.mark.parametrize("augmentation", ["augnet", "augerino", "trivial"])
def test_transforms_that_are_none_have_a_hint(augmentation, transforms, hint):
    with pytest.raises(TypeError, match=hint):
        fit(augmentation=augmentation, transforms=transforms)


def test_transforms_of_a_search_that_are_none_have_a_hint():
    search = DADASearch(InvariantClassifier("EEGNet", sfreq=64), transforms=["SignFlip"])
    with pytest.raises(TypeError, match="make_transform"):
        search.fit(np.ones((8, 2, 128)), np.tile([0, 1], 4), groups=np.repeat([0, 1, 2, 3], 2))


def test_unknown_name_of_a_transform_has_a_hint():
    with pytest.raises(ValueError, match="Did you mean 'FrequencyShift'"):
        make_transform("FrequencyShfit", sfreq=100)


# policies by hand -----------------------------------------------------------------------------
def test_entry_knows_what_its_transform_is():
    assert PolicyEntry("SignFlip", 0.5) == PolicyEntry("SignFlip", 0.5, unit="1", binary=True)
    shift = PolicyEntry("FrequencyShift", 0.5, config={"sfreq": 100.0})
    assert (shift.unit, shift.binary) == ("Hz", False)
    assert PolicyEntry("FrequencyShift", 1.0, unit="Hz", binary=True).binary is True
    own = PolicyEntry("MyTransform", 0.5)
    assert (own.unit, own.binary) == ("1", False)


def test_entry_by_hand_equals_that_of_a_layer():
    layer = AugNet([FrequencyShift(100, 0.5)]).policy().entries[0]
    by_hand = PolicyEntry("FrequencyShift", layer.extent, config=layer.config)
    assert by_hand == layer


def test_entry_that_lacks_the_sampling_frequency_is_told_so():
    with pytest.raises(ValueError, match=r"FrequencyShift needs sfreq.*config=\{'sfreq': ...\}"):
        PolicyAugmentation(Policy([PolicyEntry("FrequencyShift", 0.5)]))


def test_entry_of_an_unknown_transform_has_a_hint():
    with pytest.raises(ValueError, match=r"Did you mean 'SignFlip'.*AugNet\(\[MyTransform"):
        PolicyAugmentation(Policy([PolicyEntry("SingFlip", 0.5)]))


def test_truth_of_an_unknown_transform_is_refused():
    policy = Policy([PolicyEntry("SignFlip", 0.5)])
    with pytest.raises(ValueError, match="unknown transform 'SingFlip'; the policy has SignFlip"):
        policy.plot(truth={"SingFlip": {"extent": 0.5, "invariant": True}})
