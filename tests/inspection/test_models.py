import warnings

import numpy as np
import pytest
import torch
from inspected import N_TIMES, SCALP, SFREQ, BandPower, Polarity, flat_network, tones
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from torch import nn

import eeginv
from eeginv.inspection import invariance_profile, invariance_score
from eeginv.inspection.inputs import read_windows
from eeginv.inspection.models import FittedModel
from eeginv.transforms import (
    REGISTRY,
    ChannelsDropout,
    FrequencyShift,
    FTSurrogate,
    SignFlip,
    TimeShift,
)


# kinds of models ------------------------------------------------------------------------------
def braindecode_net():
    from braindecode import EEGClassifier
    from braindecode.models import ShallowFBCSPNet

    sizes = {"n_chans": 2, "n_outputs": 3, "n_times": N_TIMES}
    return EEGClassifier(
        ShallowFBCSPNet(**sizes),
        max_epochs=1,
        batch_size=20,
        train_split=None,
        classes=range(3),
        verbose=0,
    )


def band_powers(X):
    power = np.square(np.abs(np.fft.rfft(X))).mean(axis=1)
    bands = [power[:, 2 * f - 2 : 2 * f + 3].sum(axis=1) for f in (6, 10, 20)]
    return np.log(np.stack(bands, axis=1) + 1e-3)


def to_rows(X):
    return X.reshape(len(X), -1)


MODELS = {
    "ours": lambda: eeginv.InvariantClassifier(
        "ShallowFBCSPNet", sfreq=SFREQ, max_epochs=1, warmup=0.0, n_copies=3, random_state=0
    ),
    "braindecode": braindecode_net,
    "braindecode in a pipeline": lambda: make_pipeline(
        FunctionTransformer(np.negative), braindecode_net()
    ),
    "features": lambda: make_pipeline(FunctionTransformer(band_powers), LogisticRegression()),
    "rows": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "search": lambda: GridSearchCV(
        make_pipeline(FunctionTransformer(to_rows), LogisticRegression()),
        {"logisticregression__C": [0.1, 1.0]},
        cv=2,
    ),
}


@pytest.mark.parametrize("kind", MODELS)
def test_every_kind_of_model(kind):
    X, y = tones()
    model = MODELS[kind]().fit(X if kind != "rows" else to_rows(X), y)
    windows = read_windows(X)
    expected = model.predict_proba(X if kind != "rows" else to_rows(X))
    network = "ours" in kind or "braindecode" in kind
    for space in ("probability", "logit", "embedding"):
        if space == "embedding" and not network:
            with pytest.raises(ValueError, match="it is no torch network"):
                FittedModel(model, space, windows)
            continue
        fitted = FittedModel(model, space, windows)
        probabilities, outputs = fitted(windows.X)
        np.testing.assert_allclose(probabilities, expected, atol=1e-6)
        if space == "logit":
            np.testing.assert_allclose(outputs.sum(axis=1), 0, atol=1e-5)
            softmax = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
            np.testing.assert_allclose(softmax, expected, atol=1e-5)
        if space == "embedding":
            layer = fitted.last_layer  # from the embedding to the logits
            with torch.no_grad():
                weight = layer.weight.double().flatten(1).numpy()
            logits = outputs @ weight.T + layer.bias.detach().double().numpy()
            softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            np.testing.assert_allclose(softmax, expected, atol=1e-5)
    transforms = [TimeShift(SFREQ), ChannelsDropout()]
    profile = invariance_profile(model, X[:20], transforms=transforms, n_strengths=2)
    assert np.isfinite(profile.select_dtypes("number")).all(axis=None)
    if kind == "features":
        assert profile.loc["TimeShift", "score"] == pytest.approx(1, abs=1e-3)


def test_signals_of_one_channel_go_in_as_they_came():
    X, y = tones(n_channels=1)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X[:, 0], y)
    from_rows = invariance_score(model, X[:, 0], TimeShift(SFREQ), random_state=0)
    from_channel = invariance_score(model, torch.tensor(X), TimeShift(SFREQ), random_state=0)
    assert from_rows == from_channel  # there, flattened


def test_epochs_bring_their_frequency_and_names():
    import mne

    X, y = tones(10, n_channels=len(SCALP), dtype=torch.float64)
    events = np.column_stack([np.arange(10), np.zeros(10, int), y])
    info = mne.create_info(SCALP, SFREQ, "eeg")
    epochs = mne.EpochsArray(1e-6 * X, info, events, verbose=False)
    options = {"n_strengths": 1, "random_state": 0}
    from_epochs = invariance_profile(Polarity(), epochs, **options)
    from_array = invariance_profile(Polarity(), np.asarray(X, "float32"), SFREQ, SCALP, **options)
    assert list(from_epochs.index) == list(REGISTRY)
    np.testing.assert_allclose(
        from_epochs.select_dtypes("number"), from_array.select_dtypes("number"), atol=1e-6
    )


def test_double_precision_and_a_softmax_at_the_end():
    X, _ = tones(dtype=torch.float64)
    double = flat_network().double()
    single, ending = flat_network(), nn.Sequential(flat_network(), nn.Softmax(dim=1))
    for space in ("probability", "logit", "embedding"):
        options = {"space": space, "random_state": 0}
        scores = [
            invariance_score(model, X, FTSurrogate(), **options).score
            for model in (double, single, ending)
        ]
        np.testing.assert_allclose(scores, scores[0], atol=1e-4)


def test_embedding_is_what_goes_into_the_last_layer():
    X, _ = tones(70)  # more than one batch
    model = nn.Sequential(nn.Flatten(), nn.Linear(2 * N_TIMES, 5), nn.Tanh(), nn.Linear(5, 3))
    with torch.no_grad():
        expected = model[:3](torch.tensor(X)).double().numpy()
    windows = read_windows(X)
    np.testing.assert_allclose(FittedModel(model, "embedding", windows)(X)[1], expected, atol=1e-5)


# bad input ------------------------------------------------------------------------------------
class Dense(nn.Module):
    def forward(self, X):
        return X


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(N_TIMES, 3)

    def forward(self, X):
        return self.layer(X.flatten(0, 1)).unflatten(0, (len(X), -1)).mean(dim=1)


def fitted(model, n_classes=3):
    X, y = tones(30)
    return model.fit(to_rows(X), y % n_classes)


@pytest.mark.parametrize(
    ("model", "space", "error", "message"),
    [
        (LogisticRegression, "probability", TypeError, "got the class LogisticRegression"),
        (LogisticRegression(), "probability", NotFittedError, r"not fitted: call fit\(X, y\)"),
        (braindecode_net, "probability", NotFittedError, "EEGClassifier is not fitted"),
        (lambda: fitted(SVC()), "probability", TypeError, "CalibratedClassifierCV"),
        (lambda: fitted(LinearRegression()), "probability", TypeError, "predict_proba"),
        (3, "probability", TypeError, "predict_proba or a torch.nn.Module, got int"),
        (flat_network, "logits", ValueError, "space must be one of probability, logit"),
        (lambda: fitted(GaussianNB()), "logit", ValueError, "GaussianNB has no logits"),
        (lambda: fitted(LogisticRegression(), 2), "logit", ValueError, "only a sign"),
        (lambda: flat_network(2), "logit", ValueError, "only a sign"),
        (lambda: flat_network(1), "probability", ValueError, "two classes or more"),
        (Dense, "probability", ValueError, r"return logits of shape .* got \(4, 2, 200\)"),
        (BandPower, "embedding", ValueError, "has no linear or convolutional layer"),
        (Twice, "embedding", ValueError, "its input is no embedding"),
    ],
)
def test_models_that_cannot(model, space, error, message):
    made = model() if callable(model) and not isinstance(model, (type, nn.Module)) else model
    if isinstance(model, type) and issubclass(model, nn.Module):
        made = model()
    X, _ = tones(30)
    with pytest.raises(error, match=message):
        invariance_score(made, X, SignFlip(), space=space)


def test_values_that_are_no_probabilities():
    class Log:
        def predict_proba(self, X):
            return -np.ones((len(X), 3))

    with pytest.raises(ValueError, match="not probabilities. For a skorch net, set predict_nonl"):
        invariance_score(Log(), tones(10)[0], SignFlip())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"transform": "SignFlip"}, TypeError, r"make_transform\('SignFlip'\), got str"),
        ({"strength": 1.5}, ValueError, r"probability of SignFlip lies in \[0, 1\], got \[1.5\]"),
        ({"transform": FrequencyShift(SFREQ), "strength": -1}, ValueError, r"lies in \[0, 3\]"),
        ({"X": np.zeros(5)}, ValueError, "Expected signals of shape"),
        ({"X": np.zeros((1, 2, N_TIMES))}, ValueError, "At least two examples"),
        ({"X": np.full((4, 2, N_TIMES), np.nan)}, ValueError, "NaN or infinite"),
        ({"X": np.zeros((4, 3, N_TIMES))}, ValueError, "fails on signals of shape"),
        ({"n_draws": 0}, ValueError, "n_draws must be a whole number"),
        ({"reference": "one"}, ValueError, "reference must be one of all, derangement"),
        ({"random_state": "x"}, ValueError, "random_state must be None"),
    ],
)
def test_bad_input(options, error, message):
    given = {"X": tones(10)[0], "transform": SignFlip(), **options}
    with pytest.raises(error, match=message):
        invariance_score(flat_network(), **given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": np.zeros(10)}, "two subjects or more, groups has one"),
        ({"groups": np.zeros(9)}, "one entry for each of 10 examples"),
        ({"share": 0}, r"share must lie in \(0, 1\]"),
        ({"n_strengths": 0}, "n_strengths must be a whole number"),
        ({"transforms": []}, "transforms is empty"),
        ({"transforms": [FrequencyShift(64)]}, "made for signals at 64 Hz"),
        ({"ch_names": ["Cz"]}, "Expected 2 channel names"),
        ({"sfreq": -1}, "sfreq must be"),
    ],
)
def test_bad_input_of_a_profile(options, message):
    given = {"sfreq": SFREQ, **options}
    with pytest.raises(ValueError, match=message):
        invariance_profile(flat_network(), tones(10)[0], **given)


def test_no_warning_where_all_is_well():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        invariance_profile(flat_network(), tones(10)[0], SFREQ, ["C3", "C4"], n_strengths=1)
