"""Simulated hypnograms: semi-Markov chains with the statistics of real nights."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from ..._checks import check_integer, make_rng
from ..scoring.stages import STAGES

EPOCH_SECONDS = 30.0


@cache
def load_hypnogram_statistics() -> dict[str, Any]:
    """Load the table of stage statistics.

    The table has counts of epochs, bouts, bout durations and transitions in the 197 expert
    hypnograms of Sleep-EDF Expanded [1]_, separately for each third of the night. It was made by
    ``tools/make_hypnogram_statistics.py``.

    Returns
    -------
    table : dict
        Arrays of counts "first_stage" (n_stages,), "transitions" (3, n_stages, n_stages),
        "durations" (3, n_stages, n_bins), "n_epochs" (3, n_stages) and "n_bouts" (n_stages,), and
        the edges of the bins of durations, in epochs of 30 s, "duration_edges" (n_bins + 1,).

    References
    ----------
    .. [1] Kemp, B., Zwinderman, A. H., Tuk, B., Kamphuisen, H. A. C. and Oberye, J. J. L. (2000).
       Analysis of a sleep-dependent neuronal feedback loop: the slow-wave microcontinuity of the
       EEG. IEEE Transactions on Biomedical Engineering, 47(9), 1185-1194.
    """
    text = files(__package__).joinpath("hypnogram_statistics.json").read_text(encoding="utf-8")
    table = json.loads(text)
    lists = {key: np.array(value) for key, value in table.items() if isinstance(value, list)}
    return table | lists


def simulate_hypnogram(
    n_epochs: int,
    *,
    wake_epochs: int | None = None,
    random_state: int | np.random.Generator | None = None,
) -> np.ndarray:
    """Draw a sequence of sleep stages.

    The sequence is a semi-Markov chain. The duration of each bout, and then the next stage, are
    drawn from counts in real hypnograms. Both depend on the third of the night, so that N3 is more
    frequent early and REM late, for any length of the night.

    Parameters
    ----------
    n_epochs : int
        Length of the hypnogram in epochs of 30 s.
    wake_epochs : int | None
        Epochs of wake before sleep onset. The statistics describe the time after it. None takes 10
        minutes, or a twelfth of the hypnogram if that is less.
    random_state : int | numpy.random.Generator | None
        Seed. The same value gives the same hypnogram.

    Returns
    -------
    stages : ndarray of str, shape (n_epochs,)
        Stage of each epoch, "W", "N1", "N2", "N3" or "R".

    Raises
    ------
    TypeError, ValueError
        If ``n_epochs`` or ``wake_epochs`` is not an integer or out of range.

    Examples
    --------
    >>> from eeginv.datasets import simulate_hypnogram
    >>> simulate_hypnogram(6, wake_epochs=3, random_state=0).tolist()
    ['W', 'W', 'W', 'N1', 'N1', 'N1']
    """
    n_epochs = check_integer("n_epochs", n_epochs, minimum=1)
    if wake_epochs is None:
        wake_epochs = min(20, n_epochs // 12)
    wake_epochs = check_integer("wake_epochs", wake_epochs, minimum=0)
    rng = make_rng(random_state)
    table = load_hypnogram_statistics()
    edges = table["duration_edges"]

    codes = np.zeros(n_epochs, dtype=int)
    start = min(wake_epochs, n_epochs)
    n_asleep = n_epochs - start
    stage = _draw(table["first_stage"], rng)
    while start < n_epochs:
        third = 3 * (start - n_epochs + n_asleep) // n_asleep
        bin_ = _draw(table["durations"][third, stage], rng)
        stop = start + rng.integers(edges[bin_], edges[bin_ + 1])
        codes[start:stop] = stage
        start = min(stop, n_epochs)
        third = min(3 * (start - n_epochs + n_asleep) // n_asleep, 2)
        stage = _draw(table["transitions"][third, stage], rng)
    return np.array(STAGES)[codes]


def _draw(counts: np.ndarray, rng: np.random.Generator) -> int:
    """Draw an index with a probability proportional to its count."""
    return int(np.searchsorted(np.cumsum(counts), rng.integers(counts.sum()), side="right"))
