"""Candidate lists by kind of recording, and transforms made by name."""

import re

import pytest
import torch
from checking import generator, signals

from eeginv.transforms import default_transforms, make_transform

NAMES = "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2".split()


@pytest.mark.parametrize("kind", ["sleep", "motor_imagery", "generic"])
@pytest.mark.parametrize("sfreq", [64.0, 100.0, 256.0, 1000.0])
def test_default_transforms(kind, sfreq):
    transforms = default_transforms(sfreq, kind=kind)
    assert len({type(t) for t in transforms}) == len(transforms) >= 6
    assert not any(hasattr(t, "ch_names") for t in transforms)
    X = signals(n=32, channels=4, times=int(8 * sfreq), dtype=torch.float32)
    for t in transforms:
        assert 0 < t.strength <= 0.5 * t.max_strength
        moved = (t(X, generator()) - X).norm() / X.norm()
        assert 0 < moved < 1.5  # it starts where signals can still be recognised


@pytest.mark.parametrize("kind", ["sleep", "motor_imagery", "generic"])
@pytest.mark.parametrize("seconds", [0.5, 2.0, 4.0, 30.0])
def test_no_mask_covers_a_whole_window(kind, seconds):
    free, fitted = (
        {t.name: t for t in default_transforms(128.0, kind=kind, **options)}
        for options in ({}, {"seconds": seconds})
    )
    assert list(free) == list(fitted)
    mask = fitted["SmoothTimeMask"]
    assert mask.max_strength == pytest.approx(
        min(free["SmoothTimeMask"].max_strength, 0.375 * seconds)
    )
    X = torch.ones(8, 1, int(128 * seconds))
    mask.strength = mask.max_strength
    assert (mask(X, generator()).mean(dim=(1, 2)) > 0.6).all()


def test_default_transforms_with_channel_names():
    transforms = default_transforms(100.0, NAMES)
    names = [type(t).__name__ for t in transforms]
    assert names[:7] == [type(t).__name__ for t in default_transforms(100.0)]
    assert names[7:] == ["ChannelsSymmetry", *(f"Sensors{axis}Rotation" for axis in "XYZ")]
    # of motor imagery, the label lies in amplitudes of channels against each other
    X = signals(n=8, channels=len(NAMES), times=800, dtype=torch.float32)
    power = X.square().mean(dim=-1).log()
    shares = power - power.mean(dim=1, keepdim=True)
    for t in default_transforms(100.0, NAMES, kind="motor_imagery"):
        moved = t(X, generator()).square().mean(dim=-1).log()
        assert (moved - moved.mean(dim=1, keepdim=True) - shares).abs().mean() < 0.25, t.name


@pytest.mark.parametrize(
    ("ch_names", "reason"),
    [
        (["Fpz-Cz", "Pz-Oz"], "ChannelsSymmetry: .*pair"),
        (["EEG C3-A2"], "ChannelsDropout, ChannelsSymmetry: there is only one channel"),
        (["C3", "C4"], "SensorsXRotation, .*8"),
        ([*NAMES, "EOG horizontal"], "EOG horizontal"),
    ],
)
def test_default_transforms_say_what_they_leave_out(ch_names, reason):
    with pytest.warns(UserWarning, match="Left out") as caught:
        transforms = default_transforms(100.0, ch_names)
    assert re.search(reason, "; ".join(str(warning.message) for warning in caught))
    assert "TimeReverse" in [type(t).__name__ for t in transforms]


def test_default_transforms_bad_input():
    for sfreq in (None, 0, -1.0, float("nan"), "100"):
        with pytest.raises(ValueError, match="sampling frequency"):
            default_transforms(sfreq)
    with pytest.raises(ValueError, match="kind must be one of"):
        default_transforms(100.0, kind="dreams")
    with pytest.raises(ValueError, match="seconds"):
        default_transforms(100.0, seconds=0.0)


def test_make_transform_bad_input():
    with pytest.raises(ValueError, match="Unknown transform 'Nothing'. Known are"):
        make_transform("Nothing")
    with pytest.raises(ValueError, match="FrequencyShift needs sfreq"):
        make_transform("FrequencyShift")
    with pytest.raises(ValueError, match="SensorsXRotation needs ch_names"):
        make_transform("SensorsXRotation", sfreq=100)
