"""A policy for each class: labels reach it in training, and only there."""

import numpy as np
import pytest
import torch
from searched import Linear, prototype

from eeginv import InvariantClassifier, InvariantModule, Policy, PolicyAugmentation
from eeginv.augmentation import ClasswiseAugmentation
from eeginv.policy import PolicyEntry


def flips(probability):
    config = {"max_probability": 1.0}
    return Policy([PolicyEntry("SignFlip", probability, binary=True, config=config)])


def augmentation(weights=None, classes="abc"):
    policies = {"a": flips(0.0), "b": flips(1.0), "c": flips(0.5)}
    return ClasswiseAugmentation(policies, weights, random_state=0, classes=classes)


def test_each_example_by_the_policy_of_its_class():
    labels = torch.arange(3).repeat(200)
    X = torch.ones(600, 1, 2)
    flipped = (augmentation().sample(X, labels=labels)[0] < 0).all(dim=(1, 2))
    assert not flipped[labels == 0].any()
    assert flipped[labels == 1].all()
    assert 0.35 < flipped[labels == 2].float().mean() < 0.65
    assert torch.equal(X, torch.ones(600, 1, 2))


def test_labels_go_by_name():
    """With two classes of three, and in another order."""
    X = torch.ones(600, 1, 2)
    for classes in (["a", "c"], ["c", "a"], ["b", "a"]):
        codes = torch.arange(2).repeat(300)
        flipped = (augmentation(classes=classes).sample(X, labels=codes)[0] < 0)[:, 0, 0]
        names = [classes[code] for code in codes]
        of_names = augmentation(classes=None).sample(X, labels=names)[0]
        assert torch.equal(of_names[:, 0, 0] < 0, flipped)
        share = {name: flipped[codes == code].float().mean() for code, name in enumerate(classes)}
        assert share["a"] == 0
        assert share.get("b", 1) == 1
        assert 0.4 < share.get("c", 0.5) < 0.6
    numbers = ClasswiseAugmentation({3: flips(0.0), 7: flips(1.0)}, random_state=0)
    values = torch.tensor([7, 3, 7])
    assert numbers.sample(X[:3], labels=values)[0][:, 0, 0].tolist() == [-1, 1, -1]


def test_estimator_with_a_class_missing(monkeypatch):
    """Policies for a, b and c; data with a and c: none of them gets the policy of b."""
    rng = np.random.default_rng(0)
    X = np.abs(rng.standard_normal((40, 2, 32))).astype(np.float32) + 1
    y = np.tile(["a", "c"], 20)
    policies = {"a": flips(0.0), "b": flips(1.0), "c": flips(0.0)}
    seen, original = [], ClasswiseAugmentation.sample

    def watch(self, X, *arguments, **options):
        seen.append(original(self, X, *arguments, **options)[0])
        return seen[-1], X.new_zeros(len(X))

    monkeypatch.setattr(ClasswiseAugmentation, "sample", watch)
    model = prototype(augmentation=ClasswiseAugmentation(policies), max_epochs=1).fit(X, y)
    assert model.module_.augmentation.classes == ["a", "c"]
    assert all((signals > 0).all() for signals in seen)
    with pytest.raises(ValueError, match="no policy for class 'd', 'e'; there are policies for"):
        model.fit(X, np.tile(["a", "d", "e", "c"], 10))


def test_copies_draw_a_class_by_frequency():
    mixture = augmentation({"a": 0.7, "b": 0.2, "c": 0.1})
    expected = 0.2 + 0.1 / 2
    copies = torch.stack(list(mixture.copies(torch.ones(1, 1, 1), 400)))
    assert (copies < 0).float().mean().item() == pytest.approx(expected, abs=0.02)
    assert mixture.policy().by_transform().usage.SignFlip == pytest.approx(expected)
    same = PolicyAugmentation(mixture.policy(), random_state=0)
    assert torch.equal(torch.stack(list(same.copies(torch.ones(1, 1, 1), 400))), copies)


def test_draws_come_from_the_stream_of_the_whole():
    X, labels = torch.ones(50, 1, 1), torch.full((50,), 2)
    first, again = augmentation(), augmentation()
    outputs = [first.sample(X, labels=labels)[0] for _ in range(3)]
    assert not torch.equal(outputs[0], outputs[1])
    again.load_state_dict(first.state_dict())
    assert torch.equal(again.sample(X, labels=labels)[0], first.sample(X, labels=labels)[0])


def test_training_gives_the_labels_of_the_batch(monkeypatch):
    """The first value of each signal is its encoded label."""
    seen, original = [], ClasswiseAugmentation.sample

    def watch(self, X, generator=None, undo=None, labels=None):
        seen.append((X[:, 0, 0], labels))
        return original(self, X, generator, undo, labels)

    monkeypatch.setattr(ClasswiseAugmentation, "sample", watch)
    encoded = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], 20))
    X = np.zeros((60, 2, 32), dtype=np.float32)
    X[:, 0, 0] = encoded
    model = prototype(augmentation=augmentation(), max_epochs=2)
    model.fit(X, np.array(["a", "b", "c"])[encoded])
    assert sum(len(labels) for _, labels in seen) == 2 * 60
    assert all(torch.equal(values.long(), labels) for values, labels in seen)
    assert isinstance(model, InvariantClassifier)
    n_calls = len(seen)
    model.predict(X)
    assert len(seen) == n_calls
    assert model.module_.example_labels is None


def test_training_outside_an_estimator_needs_labels():
    backbone = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2, 3))
    module = InvariantModule(backbone, augmentation()).train()
    module.example_labels = torch.tensor([1, 1, 1, 1, 1])
    expected = backbone(-torch.ones(5, 1, 2))
    torch.testing.assert_close(module(torch.ones(5, 1, 2)), expected)
    with pytest.raises(ValueError, match="needs the labels in training"):
        module(torch.ones(5, 1, 2))  # those were the labels of one batch
    assert module.eval()(torch.ones(5, 1, 2)).shape == (5, 3)


@pytest.mark.parametrize("weights", [None, [0.75, 0.25]])
@pytest.mark.parametrize("labels", [["a", "b"], [1, 2], [False, True]])
def test_kept_with_the_model(labels, weights, tmp_path):
    labels = np.array(labels)
    X = np.random.default_rng(0).standard_normal((20, 2, 32)).astype(np.float32)
    policies = dict(zip(labels, [flips(0.1), flips(0.4)], strict=True))
    weights = weights and dict(zip(labels, np.array(weights), strict=True))
    model = prototype(augmentation=ClasswiseAugmentation(policies, weights), max_epochs=1)
    model.fit(X, np.tile(labels, 10)).save(tmp_path / "model")
    loaded = InvariantClassifier.load(tmp_path / "model", backbone=Linear)
    augmentation = loaded.module_.augmentation
    assert augmentation.policies == policies
    assert augmentation.weights == weights
    assert loaded.policy_ == model.policy_
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: ClasswiseAugmentation({"a": flips(0.5)}), "two or more classes"),
        (lambda: augmentation({"a": 0.5, "b": 0.5}), "Expected weights for"),
        (lambda: augmentation({"a": 0.5, "b": 0.5, "c": 0.5}), "sum to 1"),
        (
            lambda: augmentation().sample(torch.ones(3, 1, 1), labels=torch.zeros(2).long()),
            "one label for each of 3",
        ),
        (
            lambda: augmentation().sample(torch.ones(2, 1, 1), labels=torch.tensor([0, 3])),
            "from 0 to 2",
        ),
        (lambda: augmentation(classes=["a", "b", "x"]), "no policy for class 'x'"),
        (
            lambda: augmentation(classes=None).sample(
                torch.ones(1, 1, 1), labels=torch.tensor([0])
            ),
            "no policy for class 0",
        ),
    ],
)
def test_bad_input(call, match):
    with pytest.raises(ValueError, match=match):
        call()
