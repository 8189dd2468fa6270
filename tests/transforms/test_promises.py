"""What each transform promises besides, against signals whose result is known, MNE and scipy."""

import mne
import numpy as np
import pytest
import torch
from checking import generator, signals

from eeginv.transforms import (
    AmplitudeScale,
    BandstopFilter,
    ChannelsDropout,
    ChannelsMix,
    ChannelsShuffle,
    ChannelsSymmetry,
    FrequencyShift,
    FTSurrogate,
    GaussianNoise,
    SensorsXRotation,
    SensorsYRotation,
    SensorsZRotation,
    SignFlip,
    SmoothTimeMask,
    TimeReverse,
    TimeShift,
    TimeWarp,
    channel_positions,
)

SFREQ = 100.0


def test_time_reverse_and_sign_flip_are_involutions():
    X = signals()
    for t in (TimeReverse(), SignFlip()):
        noise = t.draw(X)
        assert torch.equal(t.transform(t.transform(X, noise, 1.0), noise, 1.0), X)
    assert torch.equal(TimeReverse().transform(X, {"uniform": torch.zeros(1)}, 1.0), X.flip(-1))
    assert torch.equal(SignFlip().transform(X, {"uniform": torch.zeros(1)}, 1.0), -X)


def draws_at(value):
    """Return the draws of a transform whose only randomness is one uniform number."""
    return {"uniform": torch.full((1,), float(value), dtype=torch.float64)}


def tone(frequency, n_times, phase=0.0, sfreq=SFREQ):
    """Return a cosine, shape (1, 1, n_times)."""
    time = torch.arange(n_times, dtype=torch.float64) / sfreq
    return torch.cos(2 * np.pi * frequency * time + phase).reshape(1, 1, -1)


def level(X, cut=0):
    """Return the root mean square in dB, away from the ends."""
    X = X[..., cut : X.shape[-1] - cut]
    return 10 * np.log10(X.square().mean().item())


# spectral ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("n_times", [1000, 1001, 3000, 4096])
@pytest.mark.parametrize("shift", [-2.0, 0.37, 3.0])
def test_frequency_shift_of_a_tone(n_times, shift):
    """Peak within 1e-3 Hz of the shifted frequency, amplitude within 1 % away from the edges."""
    t = FrequencyShift(SFREQ, max_magnitude=5.0)
    out = t.transform(tone(10, n_times), draws_at(np.sign(shift)), strength=abs(shift))[0, 0]
    inner = slice(n_times // 10, -n_times // 10)
    part = out[inner]
    window = torch.hann_window(len(part), dtype=out.dtype)
    n_fft = 1 << 22  # a bin every 2e-5 Hz
    spectrum = torch.fft.rfft(part * window, n=n_fft).abs()
    assert abs(spectrum.argmax().item() * SFREQ / n_fft - (10 + shift)) < 1e-3
    expected = tone(10 + shift, n_times)[0, 0]
    torch.testing.assert_close(part, expected[inner], atol=0.01, rtol=0)


@pytest.mark.parametrize("n_times", [256, 300, 512, 750, 1000, 1024, 2048, 2049, 3000, 4096])
def test_frequency_shift_at_the_edges_is_no_worse_than_braindecodes(n_times):
    from braindecode.augmentation.functional import frequency_shift

    n, rng = 400, np.random.default_rng(0)
    frequency, phase = rng.uniform(1, 39, n), rng.uniform(0, 2 * np.pi, n)
    shift = torch.from_numpy(rng.uniform(-1, 1, n))
    X = torch.cat([tone(f, n_times, p) for f, p in zip(frequency, phase, strict=True)])
    truth = torch.cat(
        [tone(f + d, n_times, p) for f, p, d in zip(frequency, phase, shift.tolist(), strict=True)]
    )
    theirs = frequency_shift(X, None, shift, SFREQ)[0] - truth
    t = FrequencyShift(SFREQ, max_magnitude=5.0)
    ours = t.transform(X, {"uniform": shift}, strength=1.0) - truth
    edge = max(n_times // 50, 3)

    def at_edges(error):
        return torch.cat([error[..., :edge], error[..., -edge:]], -1).square().mean().sqrt()

    assert at_edges(ours) < 1.01 * at_edges(theirs)
    assert ours.square().mean() < 1.02 * theirs.square().mean()
    if n_times & (n_times - 1) == 0:  # a power of two, where Braindecode does not pad
        assert at_edges(ours) < 0.8 * at_edges(theirs)


def test_frequency_shift_keeps_an_offset():
    X = signals() + 100.0
    t = FrequencyShift(SFREQ, max_magnitude=5.0)
    out = t.transform(X, draws_at(1), strength=2.0)
    assert ((out - 100).abs() < 10).all()
    constant = torch.full((1, 1, 300), 7.0, dtype=torch.float64)
    torch.testing.assert_close(t.transform(constant, draws_at(1), strength=2.0), constant)


def test_frequency_shift_agrees_with_the_hilbert_transform_of_mne():
    X = mne.filter.filter_data(signals(n=1, channels=1, times=2000)[0].numpy(), SFREQ, 5, 20)
    info = mne.create_info(1, SFREQ, "eeg")
    raw = mne.io.RawArray(X, info, verbose="error").apply_hilbert(verbose="error")
    analytic = raw.get_data()[0]
    time = np.arange(2000) / SFREQ
    expected = (analytic * np.exp(2j * np.pi * 1.5 * time)).real
    out = FrequencyShift(SFREQ).transform(torch.from_numpy(X), draws_at(1), 1.5)
    np.testing.assert_allclose(out[0].numpy()[100:-100], expected[100:-100], atol=0.02)


@pytest.mark.parametrize("n_times", [300, 301])
@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_ft_surrogate_keeps_amplitudes_and_shared_phase_differences(n_times, strength):
    X = signals(times=n_times)
    for indep in (False, True):
        t = FTSurrogate(channel_indep=indep).double()
        before, after = (torch.fft.rfft(x) for x in (X, t.transform(X, t.draw(X), strength)))
        torch.testing.assert_close(before.abs(), after.abs(), atol=1e-8, rtol=1e-8)
        same = torch.allclose(
            (before[:, 0] * before[:, 1].conj()), (after[:, 0] * after[:, 1].conj())
        )
        assert same != indep


def test_ft_surrogate_is_centred_at_partial_strength():
    X = signals(n=1, channels=1, times=64).expand(20_000, -1, -1)
    t = FTSurrogate().double()
    mean = torch.fft.rfft(t.transform(X, t.draw(X, generator()), 0.5)).mean(dim=0)
    angle = (mean / torch.fft.rfft(X[0]))[0, 1:-1].angle()
    assert angle.abs().max() < 0.05


@pytest.mark.parametrize("width", [1.0, 2.0])
@pytest.mark.parametrize("n_times", [1000, 1001, 3000, 30_000])
def test_bandstop_filter_attenuates_its_band_and_nothing_else(width, n_times):
    """50 dB in the middle of windows of 10 s and more, at and between the ends of the band."""
    t = BandstopFilter(SFREQ)
    # the centre of the band is 25 Hz for the draw 0.5
    for offset in (0.0, 0.25, 0.4999):
        for sign in (-1, 1):
            X = tone(25 + sign * offset * width + 0.0037, n_times, 0.3)
            out = t.transform(X, draws_at(0.5), strength=width)
            assert level(out, 2 * n_times // 5) - level(X, 2 * n_times // 5) < -50
    for frequency in (1.0, 10.0, 25 - width / 2 - 1, 25 + width / 2 + 1, 40.0):
        X = tone(frequency, n_times)
        out = t.transform(X, draws_at(0.5), strength=width)
        inner = slice(n_times // 5, -n_times // 5)
        torch.testing.assert_close(out[..., inner], X[..., inner], atol=0.01, rtol=0)


def test_bandstop_filter_agrees_with_the_notch_filter_of_mne():
    X = signals(n=1, channels=2, times=6000)
    theirs = mne.filter.notch_filter(X[0].numpy(), SFREQ, 25.0, notch_widths=2.0, verbose="error")
    ours = BandstopFilter(SFREQ).transform(X[0], draws_at(0.5), strength=2.0)
    inner = slice(500, -500)
    removed = np.linalg.norm(X[0].numpy()[:, inner] - theirs[:, inner])
    # the two agree on what to remove; they differ in the slopes beside the band
    assert np.linalg.norm(ours.numpy()[:, inner] - theirs[:, inner]) < 0.35 * removed


def test_bandstop_filter_stays_in_its_range():
    t = BandstopFilter(SFREQ, magnitude=2.0, max_freq=30.0)
    X = signals(n=300, channels=1, times=2000)
    removed = torch.fft.rfft(X - t(X, generator())).abs().mean(dim=(0, 1))
    frequency = torch.fft.rfftfreq(2000, 1 / SFREQ)
    assert removed[(frequency < 0.4) | (frequency > 30)].max() < 0.02 * removed.max()
    inside = removed[(frequency > 4) & (frequency < 26)]
    assert inside.min() > 0.3 * inside.max()
    with pytest.raises(ValueError, match="does not exist"):
        BandstopFilter(sfreq=8.0)
    with pytest.raises(ValueError, match="max_freq"):
        BandstopFilter(SFREQ, max_freq=60.0)


# temporal ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("n_times", [1000, 3000, 30_000])
@pytest.mark.parametrize("length", [0.5, 1.0, 2.0])
def test_time_mask_does_not_depend_on_the_length_of_the_window(n_times, length):
    """The published mask has edges that widen with the window and stops masking."""
    X = torch.ones(1, 1, n_times, dtype=torch.float64)
    for draw in (0.0, 0.3, 1.0):
        mask = SmoothTimeMask(SFREQ).transform(X, draws_at(draw), strength=length)[0, 0]
        begin = draw * (n_times / SFREQ - length)
        time = torch.arange(n_times) / SFREQ
        deep = (time > begin + 0.2) & (time < begin + length - 0.2)
        assert deep.any()
        assert mask[deep].abs().max() < 10 ** (-50 / 20)
        outside = (time < begin - 0.2) | (time > begin + length + 0.2)
        assert (1 - mask[outside]).abs().max() < 0.002
        if draw == 0.3:
            assert (1 - mask).sum().item() / SFREQ == pytest.approx(length, rel=1e-3)


def test_time_mask_agrees_with_braindecodes_where_its_edges_are_as_wide():
    from braindecode.augmentation.functional import smooth_time_mask

    X, start = signals(n=3, times=3000), torch.tensor([100.0, 1500.0, 2800.0])
    theirs, _ = smooth_time_mask(X, None, start, 200)
    t = SmoothTimeMask(SFREQ)  # whose edges are those of windows of 30 s
    ours = t.transform(X, {"uniform": start.double() / (3000 - 200)}, strength=2.0)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("n_times", [400, 401])
def test_time_shift_of_whole_samples_is_a_roll_and_shifts_compose(n_times):
    X = signals(times=n_times)
    t = TimeShift(SFREQ, max_magnitude=1.0)
    shifted = t.transform(X, draws_at(1), strength=0.07)
    torch.testing.assert_close(shifted, X.roll(7, dims=-1), atol=1e-10, rtol=0)
    # there and back, by parts of a sample; a single frequency cannot move: that of Nyquist
    smooth = torch.fft.irfft(torch.fft.rfft(X)[..., : n_times // 2], n=n_times)
    once = t.transform(smooth, draws_at(0.5), strength=0.123)
    twice = t.transform(once, draws_at(0.5), strength=0.123)
    torch.testing.assert_close(twice, t.transform(smooth, draws_at(1), strength=0.123))
    back = t.transform(once, draws_at(-0.5), strength=0.123)
    torch.testing.assert_close(back, smooth, atol=1e-10, rtol=0)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "constant"])
def test_time_shift_fills_the_ends(mode):
    time = torch.arange(600, dtype=torch.float64) / SFREQ
    X = (torch.sin(2 * np.pi * 1.3 * time) + 0.5 * time).reshape(1, 1, -1)
    t = TimeShift(SFREQ, max_magnitude=1.0, mode=mode)
    for samples in (-40, 0, 25):
        out = t.transform(X, draws_at(np.sign(samples)), strength=abs(samples) / SFREQ)[0, 0]
        padded = np.pad(X[0, 0], 100, mode={"replicate": "edge"}.get(mode, mode))
        expected = torch.from_numpy(padded[100 - samples : 700 - samples])
        torch.testing.assert_close(out, expected, atol=1e-8, rtol=0)
    half = t.transform(X, draws_at(1), strength=0.005)[0, 0]
    exact = torch.sin(2 * np.pi * 1.3 * (time - 0.005)) + 0.5 * (time - 0.005)
    torch.testing.assert_close(half[50:-50], exact[50:-50], atol=0.01, rtol=0)
    if mode == "reflect":
        with pytest.raises(ValueError, match="longer windows"):
            t.transform(X[..., :50], draws_at(1))


@pytest.mark.parametrize("frequency", [2.0, 10.0, 25.0, 30.0])
@pytest.mark.parametrize("speed", [-0.2, 0.1])
def test_dilation_changes_the_frequency_of_a_tone(frequency, speed):
    if frequency * (1 + speed) > 35:
        return
    X = tone(frequency, 2000)
    t = TimeWarp(shape="dilation")
    out = t.transform(X, draws_at(np.sign(speed)), strength=abs(speed))[0, 0]
    time = (torch.arange(2000, dtype=torch.float64) - 999.5) * (1 + speed) + 999.5
    expected = torch.cos(2 * np.pi * frequency * time / SFREQ)
    inner = slice(300, -300)
    torch.testing.assert_close(out[inner], expected[inner], atol=0.02, rtol=0)


def test_smooth_warp_keeps_the_ends_and_the_order_of_time():
    n = 500
    ramp = torch.linspace(0, 1, n, dtype=torch.float64).expand(200, 1, n)
    t = TimeWarp(max_magnitude=0.9)
    out = t.transform(ramp, t.draw(ramp, generator()), strength=0.9)
    torch.testing.assert_close(out[..., [0, -1]], ramp[..., [0, -1]], atol=1e-3, rtol=0)
    speed = out.diff() * (n - 1)
    inner = speed[..., 10:-10]
    assert inner.min() > 0.09
    assert inner.max() < 1.91
    assert (inner.max(dim=-1).values - inner.min(dim=-1).values).min() > 0.01
    constant = torch.full((1, 1, 100), 3.0)
    torch.testing.assert_close(t(constant, generator()), constant)


# amplitude --------------------------------------------------------------------------------------
def test_amplitude_scale_is_log_uniform():
    X = torch.ones(4000, 2, 4, dtype=torch.float64)
    gain = 20 * AmplitudeScale(6.0)(X, generator())[..., 0].log10()
    assert gain.abs().max() <= 6.0
    share = torch.histc(gain, bins=6, min=-6, max=6) / gain.numel()
    torch.testing.assert_close(share, torch.full((6,), 1 / 6).double(), atol=0.02, rtol=0)
    assert torch.corrcoef(gain.T)[0, 1].abs() < 0.06
    together = AmplitudeScale(6.0, channel_indep=False)(X, generator())
    assert (together[:, 0] == together[:, 1]).all()


def test_gaussian_noise_has_the_stated_deviation():
    X = torch.zeros(50, 2, 2000)
    noise = GaussianNoise()
    with torch.no_grad():
        out = noise.transform(X, noise.draw(X, generator()), 0.3)
    assert out.std() == pytest.approx(0.3, rel=0.01)
    assert out.mean() == pytest.approx(0.0, abs=0.01)


def test_channels_dropout_drops_whole_channels_at_the_stated_rate():
    X = torch.ones(4000, 3, 4)
    t = ChannelsDropout(0.3)
    out = t(X, generator())
    assert set(out.unique().tolist()) == {0.0, 1.0}
    assert (out == out[..., :1]).all()
    assert 1 - out.mean().item() == pytest.approx(0.3, abs=0.02)


# spatial ----------------------------------------------------------------------------------------
def test_shuffle_permutes_the_picked_channels_only():
    X = torch.arange(5.0).reshape(1, 5, 1).expand(20_000, -1, 3)
    t = ChannelsShuffle(0.4)
    noise = t.draw(X, generator())
    out = t.transform(X, noise)
    assert torch.equal(out.sort(dim=1).values, X)  # a permutation, of whole channels
    picked = noise["uniform"] < 0.4
    assert (out[..., 0] == X[..., 0])[~picked].all()
    # of those picked, every order is equally likely: a channel stays with chance 1 / n
    n_picked = picked.sum(dim=1)
    for n in (2, 3, 4):
        rows = n_picked == n
        stays = ((out[..., 0] == X[..., 0]) & picked)[rows].double().sum() / (n * rows.sum())
        assert stays.item() == pytest.approx(1 / n, abs=0.02)
    everything = ChannelsShuffle(1.0)(X, generator())
    assert everything.mean(dim=0)[:, 0].sub(2.0).abs().max() < 0.05


NAMES = "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2".split()


def test_symmetry_is_an_involution_and_agrees_with_braindecode():
    from braindecode.augmentation.functional import channels_permute
    from braindecode.augmentation.transforms import ChannelsSymmetry as Theirs

    X = signals(channels=19)
    t = ChannelsSymmetry(NAMES)
    once = t.transform(X, draws_at(0), strength=1.0)
    assert torch.equal(t.transform(once, draws_at(0), strength=1.0), X)
    assert not torch.equal(once, X)
    theirs, _ = channels_permute(X, None, Theirs(1.0, NAMES).permutation)
    assert torch.equal(once, theirs)
    assert torch.equal(once[:, 9], X[:, 9])  # Cz
    # names on which Braindecode's is the identity, without a word
    other = ChannelsSymmetry(["EEG C3-A2", "EEG C4-A1"])
    assert torch.equal(other.transform(X[:, :2], draws_at(0), strength=1.0), X[:, [1, 0]])
    with pytest.raises(ValueError, match="pair"):
        ChannelsSymmetry(["Fz", "Cz"])


def test_channels_mix_is_of_the_stated_size():
    X = signals(n=4000, channels=6, times=20)
    change = ChannelsMix(0.2)(X, generator()) - X
    assert change.square().mean().sqrt().item() == pytest.approx(0.2, rel=0.02)
    # a linear map of the channels: one that is silent everywhere stays silent
    assert (ChannelsMix(0.5)(torch.zeros(3, 6, 20)) == 0).all()


ROTATIONS = {"x": SensorsXRotation, "y": SensorsYRotation, "z": SensorsZRotation}


def turned(positions, axis, degrees):
    """Turn points about an axis, counterclockwise seen from its tip."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_euler(axis, degrees, degrees=True).apply(positions)


@pytest.mark.parametrize("axis", "xyz")
@pytest.mark.parametrize("degrees", [-30, -7, 12, 25])
def test_rotation_agrees_with_an_interpolation_by_mne(axis, degrees):
    """The recording, with sensors turned, as ``interpolate_to`` computes it."""
    positions = np.array(channel_positions(NAMES))

    def montage(points):
        places = dict(zip(NAMES, 0.095 * points, strict=True))
        return mne.channels.make_dig_montage(places, coord_frame="head")

    X = signals(n=1, channels=19, times=20)
    info = mne.create_info(NAMES, SFREQ, "eeg")

    def by_mne(data, points):
        evoked = mne.EvokedArray(data, info.copy(), verbose="error")
        evoked.set_montage(montage(positions))
        return evoked.interpolate_to(
            montage(points), origin=(0.0, 0.0, 0.0), method="spline", reg=1e-5
        ).data

    data = X[0].numpy()
    expected = data + by_mne(data, turned(positions, axis, degrees)) - by_mne(data, positions)
    t = ROTATIONS[axis](NAMES).double()
    ours = t.transform(X, draws_at(np.sign(degrees)), strength=abs(degrees))[0].numpy()
    np.testing.assert_allclose(ours, expected, atol=2e-4 * np.abs(data).max())


@pytest.mark.parametrize("axis", "xyz")
def test_rotation_of_a_smooth_field(axis):
    """A field of low degree is what it is at the turned places; there and back is the identity."""
    positions = np.array(channel_positions(NAMES))

    def field(points):
        x, y, z = points.T
        return 1 + 0.5 * x - y + 0.3 * z + 0.4 * x * y

    X = torch.from_numpy(field(positions)).reshape(1, -1, 1)
    t = ROTATIONS[axis](NAMES).double()
    size = X.std().item()
    errors = {}
    for degrees in (5, 20):
        out = t.transform(X, draws_at(1), strength=degrees)[0, :, 0].numpy()
        truth = field(turned(positions, axis, degrees))
        errors[degrees] = np.sqrt(np.mean((out - truth) ** 2)) / size
        back = t.transform(t.transform(X, draws_at(1), degrees), draws_at(-1), degrees)
        assert (back - X).abs().max() < 0.12 * size
    assert errors[5] < 0.02
    assert errors[20] < 0.08
    white = signals(n=2000, channels=19, times=1)
    assert torch.equal(t.transform(white, t.draw(white), strength=0.0), white)  # all its power


def test_channels_that_do_not_fit_the_names():
    for t in (ChannelsSymmetry(NAMES), SensorsXRotation(NAMES)):
        with pytest.raises(ValueError, match="Expected 19 channels"):
            t(signals(channels=3))


def test_probabilities_are_met():
    X = torch.ones(8000, 1, 2)
    out = SignFlip(0.2)(X, generator())
    assert (out < 0).float().mean().item() == pytest.approx(0.2, abs=0.02)
    with pytest.raises(ValueError, match="max_probability"):
        SignFlip(0.9)
    # a policy rounds strengths, also up
    rounded = GaussianNoise(round(2 / 3, 7), max_magnitude=2 / 3)
    assert rounded.strength.item() == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="must lie in"):
        GaussianNoise(0.6667, max_magnitude=2 / 3)
    always = SignFlip(1.0, max_probability=1.0)
    assert (always(X, generator()) == -1).all()
