"""Mixed precision and compiled networks of the estimators."""

import copy
import pickle

import numpy as np
import pytest
import torch
from rhythms import classifier, recordings, same_weights
from sklearn.base import clone
from torch import nn

from eeginv import InvariantClassifier, InvariantModule, InvariantRegressor, invariance_profile
from eeginv.estimators import MeasureBatchNorm
from eeginv.transforms import SignFlip, TimeReverse, TimeShift

# the compiler of torch warns of its own doings
pytestmark = pytest.mark.filterwarnings("default")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 2, 64)).astype("float32")
Y = np.arange(50) % 2


GRAPHS = []


def backend(graph, _):
    GRAPHS.append(graph)
    return graph.forward


@pytest.fixture
def by_eager(monkeypatch):
    """Run the graphs of the compiler as they are; return the list that they are added to."""
    torch.compiler.reset()
    GRAPHS.clear()
    compile_as_asked = InvariantModule.compile

    def compile_by_eager(self, **options):
        compile_as_asked(self, backend=backend)

    monkeypatch.setattr(InvariantModule, "compile", compile_by_eager)
    return GRAPHS


def net(n_outputs=2):
    torch.manual_seed(0)
    features = [nn.Conv1d(2, 4, 9, bias=False), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.3)]
    readout = [nn.AdaptiveAvgPool1d(4), nn.Flatten(), nn.Linear(16, n_outputs)]
    return nn.Sequential(*features, *readout)


def estimator(cls=InvariantClassifier, **options):
    candidates = [SignFlip(0.4), TimeReverse(0.4), TimeShift(64.0)]
    options = {"max_epochs": 3, "batch_size": 16, "warmup": 0.0, "n_copies": 3, **options}
    network = net(1 if cls is InvariantRegressor else 2)
    return cls(network, transforms=candidates, sfreq=64, random_state=0, **options)


# precision ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("cls", [InvariantClassifier, InvariantRegressor])
def test_the_network_computes_in_bf16_and_nothing_else_does(cls, monkeypatch):
    inside, transformed, losses = set(), set(), set()
    forward = nn.Conv1d.forward

    def watch(layer, signals):
        output = forward(layer, signals)
        if len(signals) > 2:  # not where the network is tried before the training
            transformed.add(signals.dtype)
            inside.add(output.dtype)
        return output

    monkeypatch.setattr(nn.Conv1d, "forward", watch)
    original = cls._criterion.forward

    def loss(self, output, target):
        losses.add(output.dtype)
        return original(self, output, target)

    monkeypatch.setattr(cls._criterion, "forward", loss)
    fitted = estimator(cls, precision="bf16").fit(X, Y)
    fitted.predict(X)
    assert (inside, transformed, losses) == ({torch.bfloat16}, {torch.float32}, {torch.float32})
    assert {p.dtype for p in fitted.module_.parameters()} == {torch.float32}


@pytest.mark.parametrize("n_copies", [0, 3])
def test_predictions_in_bf16_are_close_and_those_of_float32_unless_asked(n_copies):
    full = estimator(n_copies=n_copies).fit(X, Y)
    half = copy.deepcopy(full)
    half.module_.precision = "bf16"
    ours, theirs = half.predict_proba(X), full.predict_proba(X)
    assert 0 < np.abs(ours - theirs).max() < 0.02
    assert np.array_equal(ours[:7], half.predict_proba(X[:7]))


def test_the_mean_of_copies_is_not_rounded_to_bf16():
    model = InvariantModule(net(), estimator().fit(X, Y).module_.augmentation, 8, precision="bf16")
    with torch.no_grad():
        output = model.eval()(torch.from_numpy(X))
    assert output.dtype == torch.float32
    assert not torch.equal(output, output.bfloat16().float())
    # under the autocast of a training loop as well
    model.precision = "float32"
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(model(torch.from_numpy(X)), output, atol=1e-5, rtol=0)


@pytest.mark.parametrize("precision", ["fp16", "float16", 16, None])
def test_other_precisions_are_refused(precision):
    with pytest.raises(ValueError, match=r"precision must be one of \('float32', 'bf16'\)"):
        estimator(precision=precision).fit(X, Y)
    with pytest.raises(ValueError, match="precision must be one of"):
        InvariantModule(net(), precision=precision)


@pytest.mark.parametrize("compiles", ["yes", None])
def test_compile_is_true_or_false(compiles):
    with pytest.raises(ValueError, match="compile must be True or False"):
        estimator(compile=compiles).fit(X, Y)


def test_both_are_parameters_like_others(tmp_path, by_eager):
    given = estimator(precision="bf16", compile=True)
    assert clone(given).get_params()["precision"] == "bf16"
    assert clone(given).get_params()["compile"] is True
    given.fit(X, Y).save(tmp_path / "model")
    loaded = InvariantClassifier.load(
        tmp_path / "model", backbone=net(), transforms=given.transforms
    )
    assert (loaded.precision, loaded.compile) == ("bf16", True)
    assert np.array_equal(loaded.predict_proba(X), given.predict_proba(X))


# compiled -----------------------------------------------------------------------------------------
def test_a_compiled_estimator_learns_what_another_does(by_eager):
    options = {"validation": 0.2, "callbacks": ["accuracy", MeasureBatchNorm()]}
    plain = estimator(**options).fit(X, Y)
    assert by_eager == []
    compiled = estimator(compile=True, **options).fit(X, Y)
    assert 0 < len(by_eager) <= 6  # of two sizes in training and in evaluation, not of each batch
    state, other = compiled.module_.state_dict(), plain.module_.state_dict()
    assert list(state) == list(other)
    assert all(torch.equal(state[key], other[key]) for key in state)
    assert np.array_equal(compiled.predict_proba(X), plain.predict_proba(X))
    n_graphs = len(by_eager)
    assert np.array_equal(compiled.predict_proba(X[:3]), plain.predict_proba(X[:3]))
    assert len(by_eager) == n_graphs


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_copies_of_a_compiled_estimator_compile_for_themselves(copied, by_eager):
    compiled = estimator(compile=True).fit(X, Y)
    other = copied(compiled)
    assert other.module_._compiling is not None
    assert other.module_._compiled is None
    assert np.array_equal(other.predict_proba(X), compiled.predict_proba(X))
    assert other.module_._compiled is not None
    with torch.no_grad():
        other.module_.backbone[-1].weight.zero_()
        other.module_.backbone[-1].bias.zero_()
    np.testing.assert_allclose(other.predict_proba(X), 0.5, atol=1e-6)
    assert not np.allclose(compiled.predict_proba(X), 0.5, atol=1e-3)


def test_profiles_hear_the_layers_of_a_compiled_network(by_eager):
    options = {"transforms": [SignFlip()], "space": "embedding", "random_state": 0}
    found = [
        invariance_profile(estimator(compile=c).fit(X, Y), X[:20], **options) for c in (False, True)
    ]
    columns = found[0].select_dtypes("number").columns
    np.testing.assert_array_equal(found[1][columns], found[0][columns])


@pytest.mark.slow
def test_what_is_compiled_for_the_processor_learns_the_same():
    torch.compiler.reset()
    # without biases that a batch normalisation takes away: of these, Adam would follow the rounding
    found = [estimator(compile=c, max_epochs=2).fit(X, Y).predict_proba(X) for c in (False, True)]
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)


@pytest.mark.parametrize(
    "around", [torch.autocast("cpu", torch.bfloat16), torch.inference_mode(), torch.no_grad()]
)
def test_modes_of_torch_around_an_estimator_change_nothing(around):
    X, y, _ = recordings()
    expected = classifier().fit(X, y)
    with around:
        found = classifier().fit(X, y)
        probabilities = found.predict_proba(X)
    assert same_weights(found, expected)
    assert (probabilities == expected.predict_proba(X)).all()
