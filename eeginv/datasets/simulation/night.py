"""Signal of one simulated night, without the nuisance parameters of its recording."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..scoring.stages import STAGES
from . import background, events
from .hypnogram import EPOCH_SECONDS
from .stage_signals import CHANNELS, STAGE_SIGNALS, TOPOGRAPHY

# Standard deviations of the logarithm of amplitudes, over subjects and over epochs.
SUBJECT_SPREAD = 0.12
EPOCH_SPREAD = 0.3


class Night:
    """Generator of one night's EEG.

    Parameters
    ----------
    stages : ndarray of str, shape (n_epochs,)
        AASM stage of each epoch of 30 s.
    moving : ndarray of bool, shape (n_epochs,)
        Epochs with movement artefacts.
    frequency_shift : float
        Offset of all rhythms in Hz.
    traits : dict of str to float
        Amplitude factor of each source, from :func:`draw_traits`.
    sfreq : float
        Sampling frequency in Hz.
    rng : numpy.random.Generator
        Random number generator.
    """

    def __init__(
        self,
        stages: np.ndarray,
        moving: np.ndarray,
        frequency_shift: float,
        traits: dict[str, float],
        sfreq: float,
        rng: np.random.Generator,
    ) -> None:
        self.stages = stages
        self.moving = moving
        self.frequency_shift = frequency_shift
        self.traits = traits
        self.sfreq = sfreq
        self.rng = rng
        self.n_times = round(len(stages) * EPOCH_SECONDS * sfreq)
        self._codes = np.array([STAGES.index(stage) for stage in stages])

    def signal(self) -> np.ndarray:
        """Draw the EEG, an array of shape (n_channels, n_times) in µV."""
        signal = self._ongoing()
        for source, wave in self._transients():
            for channel, weight in zip(signal, TOPOGRAPHY[source], strict=True):
                channel += weight * wave
        return signal

    def _per_epoch(self, name: str) -> np.ndarray:
        values = np.array([getattr(STAGE_SIGNALS[stage], name) for stage in STAGES])
        return values[self._codes]

    def _spread(self, source: str, spread: float = EPOCH_SPREAD) -> np.ndarray:
        """Return amplitude factors per epoch: the factor of the subject times a random one."""
        return self.traits[source] * np.exp(self.rng.normal(0, spread, len(self.stages)))

    def _ongoing(self) -> np.ndarray:
        sfreq, rng, n_times = self.sfreq, self.rng, self.n_times
        frequencies = background.frame_frequencies(sfreq)
        times = background.frame_times(n_times, sfreq)
        frame = np.minimum(times // EPOCH_SECONDS, len(self.stages) - 1).astype(int)

        exponent = self._per_epoch("exponent") + rng.normal(0, 0.08, len(self.stages))
        exponent = exponent[frame] + np.log(self.traits["exponent"])
        level = self._spread("aperiodic")[frame] ** 2
        muscle = (self._per_epoch("muscle") * self._spread("muscle"))[frame]
        alpha = (self._per_epoch("alpha") * self._spread("alpha"))[frame]
        # The amplitude of alpha also varies within an epoch.
        alpha = alpha * np.exp(rng.normal(0, 0.3, len(frame)))
        centre = self._per_epoch("alpha_frequency")[frame] + self.frequency_shift
        centre = centre + rng.normal(0, 0.15, len(self.stages))[frame]

        def noise(density: np.ndarray) -> np.ndarray:
            return background.shaped_noise(density, n_times, sfreq, rng)

        aperiodic = background.aperiodic_density(frequencies, exponent, level)
        shared = noise(0.4 * aperiodic)
        rhythm = noise(background.rhythm_density(frequencies, centre, alpha))
        tone = background.muscle_density(frequencies, muscle)
        signal = np.empty((len(CHANNELS), n_times))
        for channel, weight in zip(signal, TOPOGRAPHY["alpha"], strict=True):
            channel[:] = shared + weight * rhythm + noise(0.6 * aperiodic + tone)
            channel += background.slow_drift(n_times, sfreq, 6.0, rng)
        return signal

    def _transients(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the name of each source of transient events with its signal."""
        rng, sfreq, shift = self.rng, self.sfreq, self.frequency_shift

        def onsets(rates: np.ndarray, density_spread: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
            factor = np.exp(rng.normal(0, density_spread, len(self.stages)))
            return events.draw_onsets(rates * factor, sfreq, rng)

        def placed(
            waveforms: np.ndarray,
            start: np.ndarray,
            epoch: np.ndarray,
            source: str,
            amplitude: np.ndarray | float,
        ) -> tuple[str, np.ndarray]:
            amplitude = amplitude * self._spread(source)
            each = amplitude[epoch] * np.exp(rng.normal(0, 0.2, len(epoch)))
            return source, events.place(each[:, None] * waveforms, start, self.n_times)

        def phase(n: int) -> np.ndarray:
            return rng.uniform(0, 2 * np.pi, n)

        start, epoch = onsets(self._per_epoch("spindle_rate"))
        frequency = self._per_epoch("spindle_frequency")[epoch] + shift
        frequency = frequency + rng.normal(0, 0.3, len(epoch))
        duration = rng.uniform(0.8, 1.6, len(epoch))
        waves = events.spindle(frequency, duration, phase(len(epoch)), sfreq)
        yield placed(waves, start, epoch, "spindle", 20.0)

        start, epoch = onsets(self._per_epoch("k_complex_rate"))
        waves = events.k_complex(rng.uniform(0.8, 1.2, len(epoch)), sfreq)
        yield placed(waves, start, epoch, "slow_wave", 75.0)

        start, epoch = onsets(self._per_epoch("slow_wave_rate"), density_spread=0.4)
        waves = events.slow_wave(rng.uniform(0.8, 1.6, len(epoch)), sfreq)
        yield placed(waves, start, epoch, "slow_wave", self._per_epoch("slow_wave"))

        mirrored = self._per_epoch("mirrored")
        start, epoch = onsets(self._per_epoch("burst_rate"))
        frequency = 5.5 + shift + rng.normal(0, 0.4, len(epoch))
        decay = rng.uniform(0.7, 1.2, len(epoch))
        backwards = rng.random(len(epoch)) < mirrored[epoch]
        waves = events.theta_burst(frequency, decay, phase(len(epoch)), backwards, sfreq)
        yield placed(waves, start, epoch, "burst", 75.0)

        start, epoch = onsets(self._per_epoch("eye_rate"))
        decay = rng.uniform(0.5, 1.0, len(epoch))
        backwards = rng.random(len(epoch)) < mirrored[epoch]
        waves = events.eye_movement(decay, backwards, sfreq)
        yield placed(waves, start, epoch, "eye", 55.0)

        start, epoch = onsets(self._per_epoch("blink_rate"))
        waves = events.blink(rng.uniform(0.25, 0.45, len(epoch)), sfreq)
        yield placed(waves, start, epoch, "eye", 50.0)

        start, epoch = events.draw_onsets(np.where(self.moving, 8.0, 0.02), sfreq, rng)
        waves = events.movement(len(epoch), sfreq, rng)
        yield placed(waves, start, epoch, "artefact", 45.0)


def draw_traits(rng: np.random.Generator) -> dict[str, float]:
    """Draw the amplitude factor of each source of one subject, around 1."""
    names = ("aperiodic", "alpha", "muscle", "spindle", "slow_wave", "burst", "eye", "artefact")
    traits = {name: float(np.exp(rng.normal(0, SUBJECT_SPREAD))) for name in names}
    # A trait is added to the exponent, so the factor here is the exponential of this trait.
    traits["exponent"] = float(np.exp(rng.normal(0, 0.05)))
    return traits
