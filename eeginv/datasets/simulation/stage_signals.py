"""Parameters of the simulated EEG of each sleep stage.

Amplitudes are in µV, frequencies in Hz, rates in events per epoch of 30 s. The numbers follow
textbook descriptions of each stage, with three intended difficulties:

- The rhythms of wake (alpha) and of N1 and REM (slowed alpha) differ mainly in frequency, and so do
  the spindles of N2 and N3. Each pair differs by 2 Hz, so a shift of the whole spectrum by more
  than 1 Hz (``FREQUENCY_MARGIN``) turns one into the other.
- N1 and REM have equal spectra. Their theta bursts and their eye movements are mirror images in
  time: abrupt onset and slow decay in REM, slow growth and abrupt end in N1.
- K-complexes, slow waves and eye movements have a polarity. It is the same in all stages, so it
  carries no information if the polarity of a recording is unknown.
"""

from dataclasses import dataclass

CHANNELS = ("Fpz-Cz", "Pz-Oz")

# Half the distance in Hz between rhythms that distinguish two stages.
FREQUENCY_MARGIN = 1.0

# Weight of each source in the two channels: frontal first, posterior second.
TOPOGRAPHY = {
    "alpha": (0.7, 1.0),
    "spindle": (1.0, 0.8),
    "slow_wave": (1.0, 0.75),
    "burst": (0.85, 1.0),
    "eye": (1.0, 0.4),
    "artefact": (1.0, 0.8),
}


@dataclass(frozen=True)
class StageSignal:
    """Parameters of the EEG of one stage.

    Parameters
    ----------
    exponent : float
        Exponent of the aperiodic power spectral density, 1 / f ** exponent.
    alpha_frequency, alpha : float
        Frequency and root-mean-square amplitude of the alpha rhythm.
    muscle : float
        Root-mean-square amplitude of the muscle tone, above 15 Hz.
    spindle_frequency, spindle_rate : float
        Frequency and rate of spindles.
    k_complex_rate : float
        Rate of K-complexes.
    slow_wave_rate, slow_wave : float
        Rate and peak amplitude of slow waves.
    burst_rate : float
        Rate of theta bursts, which have an asymmetric envelope.
    eye_rate : float
        Rate of slow deflections with one steep flank.
    blink_rate : float
        Rate of eye movements that are symmetric in time.
    mirrored : float
        Share of bursts and eye movements that are reversed in time: slow growth, abrupt end.
    """

    exponent: float
    alpha_frequency: float
    alpha: float
    muscle: float
    spindle_frequency: float = 13.0
    spindle_rate: float = 0.0
    k_complex_rate: float = 0.0
    slow_wave_rate: float = 0.0
    slow_wave: float = 0.0
    burst_rate: float = 0.0
    eye_rate: float = 0.0
    blink_rate: float = 0.0
    mirrored: float = 0.0


STAGE_SIGNALS = {
    "W": StageSignal(
        exponent=1.2,
        alpha_frequency=10.1,
        alpha=5.0,
        muscle=1.9,
        burst_rate=2.0,
        mirrored=0.5,
        blink_rate=1.0,
    ),
    "N1": StageSignal(
        exponent=1.25,
        alpha_frequency=8.1,
        alpha=5.0,
        muscle=1.7,
        burst_rate=8.0,
        eye_rate=2.0,
        mirrored=1.0,
    ),
    "N2": StageSignal(
        exponent=1.4,
        alpha_frequency=8.1,
        alpha=2.5,
        muscle=1.6,
        spindle_frequency=13.0,
        spindle_rate=3.0,
        k_complex_rate=1.2,
        slow_wave_rate=4.5,
        slow_wave=42.0,
    ),
    "N3": StageSignal(
        exponent=1.5,
        alpha_frequency=8.1,
        alpha=2.0,
        muscle=1.55,
        spindle_frequency=11.0,
        spindle_rate=3.0,
        k_complex_rate=1.0,
        slow_wave_rate=7.0,
        slow_wave=45.0,
    ),
    "R": StageSignal(
        exponent=1.25,
        alpha_frequency=8.1,
        alpha=5.0,
        muscle=1.7,
        burst_rate=8.0,
        eye_rate=2.0,
    ),
}
