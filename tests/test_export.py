"""What torch.export and ONNX make of a trained, averaged network."""

import pytest
import torch
from torch import nn

from eeginv import (
    Augerino,
    AugNet,
    InvariantClassifier,
    InvariantModule,
    Policy,
    PolicyAugmentation,
    TrivialAugment,
)
from eeginv.policy import PolicyEntry
from eeginv.transforms import (
    FrequencyShift,
    SignFlip,
    SmoothTimeMask,
    TimeReverse,
    TimeShift,
    TimeWarp,
    default_transforms,
)

# the exporters of torch warn of their own doings
pytestmark = pytest.mark.filterwarnings("default")
BATCH = ({0: torch.export.Dim("batch", min=1, max=1024)},)
BACKBONES = {"SleepStagerChambon2018": (2, 3000, 100.0), "EEGNet": (21, 320, 128.0)}


@pytest.fixture(scope="module", params=BACKBONES)
def trained(request):
    n_chans, n_times, sfreq = BACKBONES[request.param]
    X = torch.randn(10, n_chans, n_times, generator=torch.Generator().manual_seed(0))
    clf = InvariantClassifier(
        request.param,
        "augnet",
        transforms=default_transforms(sfreq, seconds=n_times / sfreq),
        sfreq=sfreq,
        n_copies=3,
        max_epochs=1,
        batch_size=5,
        random_state=0,
    )
    return clf.fit(X.numpy(), ["rest", "task"] * 5), X


def test_exported_networks_of_braindecode_predict_what_they_did(trained):
    clf, X = trained
    program = torch.export.export(clf.module_.exportable(X), (X,), dynamic_shapes=BATCH)
    for n in (1, 7, 10):
        wanted = torch.from_numpy(clf.predict_proba(X[:n].numpy()))
        found = program.module()(X[:n]).exp()
        torch.testing.assert_close(found, wanted.to(found), rtol=0, atol=1e-6)
    # copies are averaged: one signal alone has another output
    with torch.no_grad():
        one = clf.module_.backbone(X).softmax(1)
    assert (one - program.module()(X).exp()).abs().max() > 1e-3


def small(augmentation, **options):
    torch.manual_seed(0)
    if options.get("equivariant"):
        net = nn.Conv1d(2, 3, 5, padding=2)
    else:
        net = nn.Sequential(nn.Conv1d(2, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 60, 3))
    return InvariantModule(net, augmentation, n_copies=4, **options).eval()


def joint(candidates, random_state):
    return Augerino(candidates, joint=True, random_state=random_state)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (AugNet, {"equivariant": True}),
        (AugNet, {"average": "probability"}),
        (Augerino, {"loss": "squared_error"}),
        (TrivialAugment, {}),
        (joint, {}),
    ],
)
def test_every_kind_of_module_is_exported(kind, options):
    candidates = [SignFlip(), TimeReverse(), TimeShift(64.0), FrequencyShift(64.0)]
    candidates += [SmoothTimeMask(64.0, 0.2, 0.5), TimeWarp(shape="dilation")]
    model = small(kind(candidates, random_state=0), **options)
    X = torch.randn(6, 2, 64)
    program = torch.export.export(model.exportable(X), (X,), dynamic_shapes=BATCH)
    for n in (1, 6):
        with torch.no_grad():
            torch.testing.assert_close(program.module()(X[:n]), model(X[:n]), rtol=0, atol=1e-6)


def test_what_is_not_averaged_is_exported_as_it_is():
    X = torch.randn(6, 2, 64)
    for model in (small(None), small(AugNet([SignFlip()]))):
        model.n_copies = 0
        assert model.train().exportable(X) is model
        program = torch.export.export(model, (X,), dynamic_shapes=BATCH)
        torch.testing.assert_close(program.module()(X), model(X))


def test_an_averaging_module_says_what_to_export():
    X = torch.randn(6, 2, 64)
    with pytest.raises(ValueError, match=r"exportable\(X\)"):
        torch.export.export(small(AugNet([SignFlip()])), (X,))


def test_onnx_runs_what_was_trained(trained, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    clf, X = trained
    program = torch.onnx.export(
        clf.module_.exportable(X), (X,), dynamic_shapes=BATCH, dynamo=True, verbose=False
    )
    program.save(tmp_path / "model.onnx")
    session = runtime.InferenceSession(tmp_path / "model.onnx")
    for n in (1, 7):
        (found,) = session.run(None, {session.get_inputs()[0].name: X[:n].numpy()})
        wanted = torch.from_numpy(clf.predict_proba(X[:n].numpy()))
        torch.testing.assert_close(torch.from_numpy(found).exp(), wanted.float(), rtol=0, atol=1e-4)


def test_a_network_may_change_its_input_in_place():
    """Copies that no transform changed have memory of their own."""

    class Halved(nn.Module):
        def __init__(self, in_place):
            super().__init__()
            torch.manual_seed(0)
            self.in_place, self.last = in_place, nn.Linear(2 * 64, 3)

        def forward(self, X):
            return self.last((X.mul_(0.5) if self.in_place else 0.5 * X).flatten(1))

    X = torch.randn(6, 2, 64, generator=torch.Generator().manual_seed(0))
    before = X.clone()
    policy = Policy([PolicyEntry("TimeReverse", 0.5, binary=True)], probability=0.5)
    found = []
    for in_place in (True, False):
        augmentation = PolicyAugmentation(policy, random_state=0)
        module = InvariantModule(Halved(in_place), augmentation, n_copies=8).eval()
        found += [module(X), module.exportable(X)(X)]
    torch.testing.assert_close(torch.stack(found), found[-1].expand(4, -1, -1))
    assert torch.equal(X, before)
