"""Transforms that were made for other channels or rates, and what inspection reads."""

import pytest
from recorded import classifier, epochs, signals

from eeginv import Policy, RandAugmentSearch
from eeginv.inspection import invariance_curve, invariance_profile, invariance_score, symmetry_test
from eeginv.policy import PolicyEntry
from eeginv.transforms import ChannelsSymmetry, FrequencyShift, SensorsZRotation, SignFlip

NAMES = ["O1", "C3", "O2", "C4"]
SYMMETRY = ChannelsSymmetry(["C3", "C4", "O1", "O2"])
MANY = ["Fp1", "Fp2", "C3", "Cz", "C4", "P3", "P4", "O1", "O2"]


def policy():
    return Policy([PolicyEntry("ChannelsSymmetry", 0.5, binary=True, config=SYMMETRY.config())])


@pytest.mark.parametrize(
    "options",
    [
        {"augmentation": "augnet", "transforms": [SYMMETRY]},
        {"augmentation": "trivial", "transforms": [SYMMETRY]},
        {"augmentation": policy()},
        {"augmentation": Policy.mixture([policy(), policy()])},
    ],
)
def test_transforms_for_other_channels_are_refused(options):
    X, y = signals(n_channels=4)
    with pytest.raises(ValueError, match="made for the channels C3, C4, O1, O2, but .* O1, C3, O2"):
        classifier(**options).fit(epochs(X, y, NAMES))
    clf = classifier(**{**options, "max_epochs": 2}).fit(epochs(X, y, ["C3", "C4", "o1", "EEG O2"]))
    assert clf.policy_.entries[0].transform == "ChannelsSymmetry"


def test_rotations_and_searches_too():
    X, y = signals(n_channels=9)
    turned = SensorsZRotation(MANY[::-1])
    with pytest.raises(ValueError, match="SensorsZRotation was made for the channels O2, O1"):
        classifier(augmentation="augnet", transforms=[turned]).fit(epochs(X, y, MANY))
    X, y = signals(n_channels=4)
    for transform, message in [(SYMMETRY, "for the channels"), (FrequencyShift(100), "at 100 Hz")]:
        search = RandAugmentSearch(classifier(), transforms=[transform])
        with pytest.raises(ValueError, match=message):
            search.fit(epochs(X, y, NAMES))


def test_inspection_looks_at_the_unit_of_the_signals_alone(data):
    X, y = data
    fitted = classifier().fit(epochs(X, y))
    # one rotation brings both channels to where neither has signal: no other unit, so no word
    invariance_profile(fitted, epochs(X, y), random_state=0)
    with pytest.warns(UserWarning, match="another unit|score is NaN") as told:
        invariance_profile(fitted, 1e-3 * X, sfreq=64, ch_names=["C3", "C4"], random_state=0)
    assert ["another unit" in str(one.message) for one in told].count(True) == 1


def test_inspection_matches_names_rates_and_transforms(data, fitted):
    X, y = data
    options = {"random_state": 0}
    expected = invariance_score(fitted, epochs(X, y), SignFlip(), **options)
    swapped = epochs(X[:, ::-1], y, ["C4", "C3"])
    found = invariance_score(fitted, swapped, SignFlip(), **options)
    assert found.score == pytest.approx(expected.score, abs=1e-5)
    named = invariance_profile(
        fitted, X[:, ::-1], ch_names=["C4", "C3"], transforms=[SignFlip()], **options
    )
    assert named.loc["SignFlip", "score"] == pytest.approx(expected.score, abs=1e-5)
    mirrored = ChannelsSymmetry(["C4", "C3"])
    other = epochs(X, y, ["C3", "O1"])
    slow = epochs(X, y, sfreq=100.0)
    for function in (invariance_score, invariance_curve):
        with pytest.raises(ValueError, match="lacks the channels C4"):
            function(fitted, other, SignFlip())
        with pytest.raises(ValueError, match="sampled at 100 Hz"):
            function(fitted, slow, SignFlip())
        # an array goes into the model as it is: its channels are the model's
        for given in (epochs(X, y), X):
            with pytest.raises(ValueError, match="made for the channels C4, C3"):
                function(fitted, given, mirrored)
    with pytest.raises(ValueError, match="lacks the channels C4"):
        invariance_profile(fitted, other)
    with pytest.raises(ValueError, match="sampled at 100 Hz"):
        invariance_profile(fitted, X, sfreq=100.0)
    with pytest.raises(ValueError, match="sampled at 64 Hz, but sfreq is 100 Hz"):
        invariance_profile(fitted, epochs(X, y), sfreq=100.0)
    with pytest.raises(ValueError, match="C3 is there more than once"):
        invariance_profile(fitted, X, ch_names=["C3", "C3"])
    with pytest.raises(ValueError, match="made for the channels C4, C3"):
        symmetry_test(epochs(X, y), mirrored)


def test_networks_of_braindecode_know_their_channels(data):
    from braindecode import EEGClassifier

    X, y = data
    net = EEGClassifier(
        "ShallowFBCSPNet",
        module__filter_time_length=9,
        module__pool_time_length=10,
        module__pool_time_stride=5,
        max_epochs=1,
        batch_size=8,
        train_split=None,
        verbose=0,
    )
    net.fit(epochs(X, y), y)
    # as the network's own predict would read it, it would not notice
    with pytest.raises(ValueError, match="lacks the channels C4: EEGClassifier was fitted with"):
        invariance_score(net, epochs(X, y, ["C3", "O1"]), SignFlip())
    expected = invariance_score(net, epochs(X, y), SignFlip(), random_state=0)
    swapped = epochs(X[:, ::-1], y, ["C4", "C3"])
    assert invariance_score(net, swapped, SignFlip(), random_state=0) == expected
