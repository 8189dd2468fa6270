"""The tasks of the study on real EEG: recordings, subjects, and which of them may choose what.

The subjects of each data set are divided once, at random, into a development half and a reporting
half. Everything that is chosen (candidates, constants, recipe) is judged on subjects of the
development half, everything that is reported on subjects of the reporting half. A *choice* of one
half tests subjects of that half and trains on some of all the others.
"""

from dataclasses import dataclass

import numpy as np

# Of the division into halves; written down before any run.
DIVISION_SEED = 2026
HALVES = ("development", "reporting")

# Over the motor cortex.
MOTOR_CHANNELS = (
    "FC5 FC3 FC1 FCz FC2 FC4 FC6 C5 C3 C1 Cz C2 C4 C6 CP5 CP3 CP1 CPz CP2 CP4 CP6".split()
)


@dataclass(frozen=True)
class Recordings:
    """Labelled windows of several subjects.

    Parameters
    ----------
    X : ndarray, shape (n_windows, n_channels, n_times)
        Signals, each channel of each recording standardised.
    y, groups : ndarray, shape (n_windows,)
        Labels and subjects.
    sfreq : float
        Sampling frequency in Hz.
    ch_names : list of str | None
        Names of the channels; None where they are not known.
    """

    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    sfreq: float
    ch_names: list | None = None


@dataclass(frozen=True)
class Task:
    """A data set, so many training subjects, and a network.

    Parameters
    ----------
    data : str
        Name in ``LOADERS``.
    n_train : int
        Number of training subjects.
    kind : str
        Kind of task that the candidates are chosen by, as in
        :func:`eeginv.transforms.default_transforms`.
    backbone : str
        Name of a Braindecode model.
    max_epochs : int
        Length of the training.
    """

    data: str
    n_train: int
    kind: str
    backbone: str
    max_epochs: int

    @property
    def options(self):
        """What the estimators are told."""
        return {"backbone": self.backbone, "max_epochs": self.max_epochs}


TASKS = {
    "ucddb 1": Task("ucddb", 1, "sleep", "SleepStagerChambon2018", 48),
    "ucddb 2": Task("ucddb", 2, "sleep", "SleepStagerChambon2018", 24),
    "ucddb 4": Task("ucddb", 4, "sleep", "SleepStagerChambon2018", 12),
    "eegmat 4": Task("eegmat", 4, "generic", "EEGNet", 30),
    "eegmat 8": Task("eegmat", 8, "generic", "EEGNet", 20),
    "eegbci 4": Task("eegbci", 4, "motor_imagery", "EEGNet", 80),
    "eegbci 8": Task("eegbci", 8, "motor_imagery", "EEGNet", 60),
    "eegbci 4, shallow": Task("eegbci", 4, "motor_imagery", "ShallowFBCSPNet", 80),
    "eegbci 8, shallow": Task("eegbci", 8, "motor_imagery", "ShallowFBCSPNet", 60),
    "ssvep 3": Task("ssvep", 3, "generic", "EEGNet", 80),
    "ssvep 5": Task("ssvep", 5, "generic", "EEGNet", 60),
}


def choose_subjects(task, groups, choice, half):
    """Draw the subjects of a choice.

    Choices of one number on the same data test the same subjects whatever the number of training
    subjects, and smaller training sets are parts of larger ones.

    Parameters
    ----------
    task : Task
        The task.
    groups : ndarray
        Subjects of all windows.
    choice : int
        Number of the choice.
    half : str
        "development" or "reporting".

    Returns
    -------
    train, test : ndarray
        Subjects.
    """
    subjects = np.unique(groups)
    divided = np.random.default_rng(DIVISION_SEED).permutation(subjects)
    middle = len(subjects) // 2
    pool = divided[:middle] if half == "development" else divided[middle:]
    rng = np.random.default_rng([choice, HALVES.index(half)])
    most = max(other.n_train for other in TASKS.values() if other.data == task.data)
    test = rng.permutation(pool)[: len(subjects) - most]
    rest = rng.permutation(np.setdiff1d(subjects, test))
    return rest[: task.n_train], test


def load(name, folder):
    """Read a data set.

    Parameters
    ----------
    name : str
        Name in ``LOADERS``.
    folder : Path
        Folder that has a folder of that name.

    Returns
    -------
    recordings : Recordings
        The windows.
    """
    return LOADERS[name](folder / name)


def _load_ucddb(folder):
    """Read wake against slow-wave sleep, one channel, 128 Hz, windows of 30 s."""
    from eeginv.datasets import load_sleep_folder

    data = load_sleep_folder(folder, stages=("W", "N3"))
    return Recordings(*data.to_arrays(), data.sfreq)


def _load_eegmat(folder):
    """Read rest against mental arithmetic, 19 channels, 128 Hz, windows of 4 s."""
    import mne

    X, y, groups = [], [], []
    for subject in sorted({path.name.split("_")[0] for path in folder.glob("*.edf")}):
        signals = []
        for number in (1, 2):
            path = folder / f"{subject}_{number}.edf"
            raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
            signals.append(raw.filter(None, 40.0, verbose="error").get_data(units="uV"))
        both = np.concatenate(signals, axis=1)
        mean, scale = both.mean(axis=1, keepdims=True), both.std(axis=1, keepdims=True)
        length = int(4 * raw.info["sfreq"])
        for label, signal in zip(["rest", "arithmetic"], signals, strict=True):
            n = signal.shape[1] // length
            windows = ((signal - mean) / scale)[:, : n * length].reshape(len(mean), n, length)
            X.append(windows.transpose(1, 0, 2))
            y += [label] * n
            groups += [subject] * n
    names = [name.removeprefix("EEG ") for name in raw.ch_names]
    return _recordings(X, y, groups, raw.info["sfreq"], names)


def _load_eegbci(folder):
    """Read imagined movement of the left or right fist, 21 channels, 4 to 38 Hz, 80 Hz, 4 s."""
    import mne

    X, y, groups = [], [], []
    for subject in sorted({path.name[:4] for path in folder.glob("*.edf")}):
        windows = []
        for path in sorted(folder.glob(f"{subject}R*.edf")):
            raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
            mne.datasets.eegbci.standardize(raw)
            raw.filter(4.0, 38.0, verbose="error").pick(MOTOR_CHANNELS)
            raw.resample(80.0, verbose="error")
            events, codes = mne.events_from_annotations(raw, verbose="error")
            epochs = mne.Epochs(
                raw,
                events,
                {"left": codes["T1"], "right": codes["T2"]},
                tmin=0.0,
                tmax=4.0 - 1 / 80,
                baseline=None,
                preload=True,
                verbose="error",
            )
            windows.append(epochs.get_data(units="uV"))
            names = {code: name for name, code in epochs.event_id.items()}
            y += [names[code] for code in epochs.events[:, 2]]
        X.append(_standardised(np.concatenate(windows)))
        groups += [subject] * len(X[-1])
    return _recordings(X, y, groups, 80.0, MOTOR_CHANNELS)


def _load_ssvep(folder):
    """Read a light that flickers at 13, 17 or 21 Hz or not at all: 8 channels, 5 to 45 Hz, 5 s.

    Resampled from 256 to 128 Hz, which takes half the time and loses nothing below 45 Hz.
    """
    import mne

    X, y, groups = [], [], []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as saved:
            signals = saved["X"] * float(saved["scale"])
            sfreq, names = float(saved["sfreq"]), [str(name) for name in saved["ch_names"]]
            labels, sessions = saved["y_hz"], saved["session"]
        signals = mne.filter.filter_data(signals, sfreq, 5.0, 45.0, verbose="error")
        signals = mne.filter.resample(signals, down=sfreq / 128.0, verbose="error")
        for session in np.unique(sessions):
            here = sessions == session
            X.append(_standardised(signals[here]))
            y += [f"{label} Hz" for label in labels[here]]
            groups += [path.stem] * here.sum()
    return _recordings(X, y, groups, 128.0, names)


def _standardised(windows):
    """Bring each channel, over all windows, to mean 0 and standard deviation 1."""
    mean = windows.mean(axis=(0, 2), keepdims=True)
    return (windows - mean) / windows.std(axis=(0, 2), keepdims=True)


def _recordings(X, y, groups, sfreq, ch_names):
    X = np.concatenate(X).astype(np.float32)
    return Recordings(X, np.array(y), np.array(groups), float(sfreq), list(ch_names))


LOADERS = {
    "ucddb": _load_ucddb,
    "eegmat": _load_eegmat,
    "eegbci": _load_eegbci,
    "ssvep": _load_ssvep,
}
