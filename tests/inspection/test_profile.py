import mne
import numpy as np
import pytest
import torch
from inspected import SCALP, SFREQ, BandPower, Polarity, flat_network, tones
from scipy.spatial.distance import cosine, jensenshannon
from torch import nn

from eeginv import InvariantClassifier
from eeginv.adapters import from_callable
from eeginv.inspection import invariance_curve, invariance_profile, invariance_score
from eeginv.inspection.measures import derangement
from eeginv.transforms import (
    REGISTRY,
    AmplitudeScale,
    FrequencyShift,
    FTSurrogate,
    GaussianNoise,
    SignFlip,
    TimeReverse,
    make_transform,
)


# known invariances ----------------------------------------------------------------------------
@pytest.mark.parametrize("space", ["probability", "logit"])
def test_band_power_sees_the_spectrum_alone(space):
    X, _ = tones()
    for transform in (SignFlip(), TimeReverse(), FTSurrogate(1.0)):
        found = invariance_score(BandPower(), X, transform, space=space, random_state=0)
        assert found.score == pytest.approx(1, abs=1e-5)
        assert found.agreement == 1
        assert found.divergence < 1e-6
    shift = FrequencyShift(SFREQ, 8.0, max_magnitude=8.0)
    found = invariance_score(BandPower(), X, shift, space=space, random_state=0)
    assert found.score < 0.9
    assert found.agreement < 0.7
    assert found.divergence > 0.2
    small = invariance_score(BandPower(), X, shift, 0.2, space=space, random_state=0)
    assert small.score > 0.98


def test_polarity_sees_the_sign_alone():
    X, y = tones()
    X = X - X.mean(axis=2, keepdims=True) + np.where(y == 0, 1.0, -1.0)[:, None, None]
    found = invariance_score(Polarity(), X.astype(np.float32), SignFlip())
    assert found.agreement == 0
    assert found.score < -0.5  # farther than another example, half of which have the same sign
    assert found.divergence > 0.99
    found = invariance_score(Polarity(), X.astype(np.float32), TimeReverse())
    assert found.score == pytest.approx(1, abs=1e-5)


def test_score_is_the_one_of_the_definition():
    X, _ = tones(12)
    model, back = flat_network(), TimeReverse()
    with torch.no_grad():
        z = torch.softmax(model(torch.tensor(X)), dim=1).double().numpy()
        z_t = torch.softmax(model(torch.tensor(X).flip(2)), dim=1).double().numpy()
    moved = np.array([cosine(a, b) for a, b in zip(z, z_t, strict=True)])
    others = np.array(
        [np.mean([cosine(z[i], z[j]) for j in range(12) if j != i]) for i in range(12)]
    )
    found = invariance_score(model, X, back)
    np.testing.assert_allclose(found.per_example["score"], 1 - moved / others, atol=1e-6)
    assert found.score == pytest.approx(np.median(1 - moved / others), abs=1e-6)
    js = [jensenshannon(a, b, base=2) ** 2 for a, b in zip(z, z_t, strict=True)]
    np.testing.assert_allclose(found.per_example["divergence"], js, atol=1e-6)
    same = z.argmax(axis=1) == z_t.argmax(axis=1)
    assert 0 < found.agreement < 1
    np.testing.assert_array_equal(found.per_example["agreement"], same)

    one = invariance_score(model, X, back, n_draws=1, reference="derangement", random_state=3)
    pair = derangement(12, np.random.default_rng(3))
    other = np.array([cosine(z[i], z[pair[i]]) for i in range(12)])
    np.testing.assert_allclose(one.per_example["score"], 1 - moved / other, rtol=1e-5)
    many = invariance_score(model, X, back, n_draws=3000, reference="derangement", random_state=3)
    assert many.score == pytest.approx(found.score, abs=0.03)


def test_score_depends_on_the_space_and_not_on_what_is_arbitrary_in_it():
    X, _ = tones()
    model, gain = flat_network(), AmplitudeScale(6.0, channel_indep=False)
    scores = {
        space: invariance_score(model, X, gain, space=space, random_state=0).score
        for space in ("probability", "logit", "embedding")
    }
    assert scores["embedding"] == pytest.approx(1, abs=1e-6)  # the direction of the signal
    assert scores["probability"] < scores["logit"] < 0.9999
    # probabilities do not know of a constant that is added to all logits, nor does the score
    shifted = flat_network()
    with torch.no_grad():
        shifted[1].bias += 5
    for space, score in scores.items():
        again = invariance_score(shifted, X, gain, space=space, random_state=0).score
        assert again == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("name", REGISTRY)
def test_nothing_changes_at_strength_zero(name):
    X, _ = tones(12, n_channels=len(SCALP))
    transform = make_transform(name, SFREQ, SCALP)
    curve = invariance_curve(Polarity(), X, transform, random_state=0)
    assert curve["strength"].iloc[0] == 0
    assert curve.loc[0, ["score", "agreement", "divergence"]].tolist() == [1, 1, 0]
    assert curve["strength"].is_monotonic_increasing
    largest = 1 if name in ("TimeReverse", "SignFlip", "ChannelsSymmetry") else None
    assert curve["strength"].iloc[-1] == (largest or transform.max_strength)
    for measure in ("score", "agreement", "divergence"):
        assert (curve[f"{measure}_low"] <= curve[measure] + 1e-9).all()
        assert (curve[measure] <= curve[f"{measure}_high"] + 1e-9).all()


def test_curve_falls_with_the_strength():
    X, _ = tones()
    shift = FrequencyShift(SFREQ, max_magnitude=4.0)
    curve = invariance_curve(BandPower(), X, shift, random_state=0)
    assert (np.diff(curve["score"]) < 0).all()
    assert (np.diff(curve["divergence"]) > 0).all()
    assert set(curve["unit"]) == {"Hz"}


def test_a_model_that_tells_nothing_apart_has_no_score():
    class Constant(nn.Module):
        def forward(self, X):
            return torch.ones(len(X), 3)

    X, _ = tones()
    with pytest.warns(UserWarning, match="NaN .* all examples have the same output"):
        found = invariance_score(Constant(), X, SignFlip())
    assert np.isnan(found.score)
    assert (found.agreement, found.divergence) == (1, 0)

    class Sign(nn.Module):  # for half of the pairs the outputs are the same
        def forward(self, X):
            return torch.nn.functional.one_hot((X.mean(dim=(1, 2)) > 0).long(), 3) * 50.0

    with pytest.warns(UserWarning, match="examples have the same output"):
        found = invariance_score(Sign(), X, SignFlip(), n_draws=1, reference="derangement")
    undefined = found.per_example["score"].isna()
    assert 0 < undefined.sum() < len(X)
    assert set(found.per_example["score"][~undefined]) == {0.0}  # all flips change the class
    assert found.score == 0


# randomness, and what is left alone -----------------------------------------------------------
def test_same_seed_same_numbers():
    X, _ = tones(20)
    noise, model = GaussianNoise(1.0), BandPower()

    def frame(seed):
        return invariance_score(model, X, noise, random_state=seed).per_example

    assert frame(0).equals(frame(0))
    assert not frame(0).equals(frame(1))
    assert not frame(None).equals(frame(None))
    assert frame(np.random.default_rng(2)).equals(frame(np.random.default_rng(2)))
    assert frame(np.random.RandomState(2)).equals(frame(np.random.RandomState(2)))


def test_score_curve_and_profile_agree():
    X, _ = tones()
    noise, flip, model = GaussianNoise(0.1), SignFlip(), flat_network()
    options = {"n_draws": 2, "random_state": 5}
    score = invariance_score(model, X, noise, 1.0, **options)
    curve = invariance_curve(model, X, noise, [0, 0.25, 1.0], **options)
    profile = invariance_profile(model, X, transforms=[flip, noise], n_strengths=2, **options)
    alone = invariance_profile(model, X, transforms=[noise], n_strengths=2, **options)
    for measure in ("score", "agreement", "divergence"):
        assert getattr(score, measure) == curve[measure].iloc[-1]
        assert profile.loc["GaussianNoise", measure] == curve[measure].iloc[-1]
    assert profile.loc[["GaussianNoise"]].equals(alone)
    parallel = invariance_profile(
        model, X, transforms=[flip, noise], n_strengths=2, n_jobs=2, **options
    )
    assert parallel.equals(profile)


def test_nothing_is_left_changed():
    class Draws(nn.Module):  # random even in evaluation
        def forward(self, X):
            return X + 0.01 * torch.randn_like(X)

    X, _ = tones()
    before = X.copy()
    network = nn.Sequential(Draws(), nn.Dropout(), nn.BatchNorm1d(2), *flat_network())
    network[1].eval()  # one part in another mode than the whole
    modes = [part.training for part in network.modules()]
    state = {key: value.clone() for key, value in network.state_dict().items()}
    noise = GaussianNoise(0.3)
    generators = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    found = [
        invariance_score(network, X, noise, space=space, random_state=0).score
        for space in ("probability", "embedding", "embedding")
    ]
    assert found[1] == found[2]
    assert [part.training for part in network.modules()] == modes
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert not any(part._forward_pre_hooks or part._forward_hooks for part in network.modules())
    assert noise.strength.item() == pytest.approx(0.3)
    assert torch.equal(generators[0], torch.get_rng_state())
    assert (generators[1] == np.random.get_state()[1]).all()  # noqa: NPY002
    np.testing.assert_array_equal(X, before)
    with pytest.raises(ValueError, match="fails on signals"):
        invariance_score(network, X[:, :, :50], noise)
    assert [part.training for part in network.modules()] == modes


# profiles -------------------------------------------------------------------------------------
class Loud(nn.Module):
    """Whether the amplitude is above two."""

    def forward(self, X):
        loud = 100 * (X.abs().amax(dim=(1, 2)) - 2)
        return torch.stack([-loud, loud], dim=1)


def test_extent_is_where_it_has_to_be():
    # a gain beyond 6.02 dB, drawn between -m and m, changes the class of half of the examples:
    # 5 % of all of them where (m - 6.02) / 4 m = 0.05
    X = np.ones((2000, 1, 4), dtype=np.float32)
    X[1000:] = 10.0
    profile = invariance_profile(
        Loud(), X, transforms=[AmplitudeScale(channel_indep=False)], n_strengths=30, random_state=0
    )
    truth = 20 * np.log10(2) / 0.8
    row = profile.loc["AmplitudeScale"]
    assert row["extent"] == pytest.approx(truth, abs=0.2)
    assert row["extent_low"] < truth < row["extent_high"]
    assert 0.1 < row["extent_high"] - row["extent_low"] < 2
    assert (row["largest"], row["unit"]) == (12, "dB")


def test_intervals_are_over_subjects_where_there_are_any():
    X = np.random.default_rng(0).normal(size=(200, 1, 100)).astype(np.float32)
    groups = np.repeat(np.arange(10), 20)
    X += np.where(groups % 2, 2.0, 0)[:, None, None]  # polarity matters for half of the subjects
    options = {"transforms": [SignFlip()], "random_state": 0}

    class Offset(nn.Module):
        def forward(self, X):
            offset = X.mean(dim=(1, 2))
            return torch.stack([offset, 0.5 - offset.abs(), -offset], dim=1) * 5

    examples = invariance_profile(Offset(), X, **options).loc["SignFlip"]
    subjects = invariance_profile(Offset(), X, groups=groups, **options).loc["SignFlip"]
    assert examples["agreement"] == subjects["agreement"] == pytest.approx(0.5, abs=0.03)

    def width(row):
        return row["agreement_high"] - row["agreement_low"]

    assert width(examples) == pytest.approx(4 * np.sqrt(0.25 / 200), rel=0.2)
    assert width(subjects) == pytest.approx(4 * np.sqrt(0.25 / 10), rel=0.2)


def test_profile_takes_what_the_signals_allow():
    X, _ = tones(10, n_channels=len(SCALP))
    options = {"n_strengths": 1, "n_draws": 1}
    everything = invariance_profile(Polarity(), X, SFREQ, SCALP, **options)
    assert list(everything.index) == list(REGISTRY)
    assert everything["extent"].isna().sum() == 3  # on/off transforms
    no_names = set(invariance_profile(Polarity(), X, SFREQ, **options).index)
    assert set(REGISTRY) - no_names == {name for name in REGISTRY if "Sensors" in name} | {
        "ChannelsSymmetry"
    }
    assert "FrequencyShift" not in invariance_profile(Polarity(), X, **options).index
    one = invariance_profile(Polarity(), X[:, :1], SFREQ, ["Cz"], **options)
    assert not {name for name in one.index if "Channels" in name or "Sensors" in name}
    with pytest.warns(UserWarning, match="Left out .*Sensors"):
        strange = invariance_profile(Polarity(), X, SFREQ, list("abcdefghi"), **options)
    assert set(strange.index) == no_names


def test_rate_and_channels_of_a_fitted_model_are_known():
    X, y = tones(20, n_channels=len(SCALP))
    info = mne.create_info(SCALP, SFREQ, "eeg")
    events = np.column_stack([200 * np.arange(20), np.zeros(20, int), y])
    names = {"6 Hz": 0, "10 Hz": 1, "20 Hz": 2}
    epochs = mne.EpochsArray(1e-6 * X, info, events, event_id=names, verbose="error")
    network = nn.Sequential(nn.Flatten(), nn.Linear(len(SCALP) * 200, 3))
    clf = InvariantClassifier(network, None, max_epochs=1, random_state=0).fit(epochs)
    options = {"n_strengths": 1, "n_draws": 1}
    assert list(invariance_profile(clf, X, **options).index) == list(REGISTRY)


def test_networks_and_functions_that_work_in_place():
    X, _ = tones()
    before = X.copy()

    class Louder(nn.Module):
        def __init__(self, in_place):
            super().__init__()
            self.in_place, self.rest = in_place, flat_network()

        def forward(self, X):
            return self.rest(X.mul_(3) if self.in_place else 3 * X)

    def tilted(X, strength, noise):
        X *= 1 + strength * noise["uniform"].reshape(-1, 1, 1)
        return X

    def apart(X, strength, noise):
        return X * (1 + strength * noise["uniform"].reshape(-1, 1, 1))

    found = []
    for in_place in (True, False):
        torch.manual_seed(0)
        transform = from_callable(tilted if in_place else apart, 0.9, 0.9)
        found.append(invariance_score(Louder(in_place), X, transform, random_state=0))
    assert found[0].score == found[1].score < 0.999
    assert found[0].agreement == found[1].agreement
    np.testing.assert_array_equal(X, before)
