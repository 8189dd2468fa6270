"""
Your own recordings
===================

This example goes from ``mne.Epochs`` to a classifier and the policy that it learned.
"""

# %%
# Recordings
# ----------
# A small study of motor imagery is simulated here, so that this page needs no download. Six
# subjects imagine moving the left or the right hand. The rhythm of about 10 Hz over the
# *opposite* side of the head then decreases. The frequency of this rhythm differs between
# subjects, by up to 2 Hz in either direction. Replace this part by ``mne.io.read_raw`` and
# ``mne.events_from_annotations``.

# sphinx_gallery_thumbnail_number = 1

import mne
import numpy as np

mne.set_log_level("warning")
sfreq, trial, n_trials = 128.0, 2.5, 40  # Hz, s, for each subject
ch_names = ["F3", "Fz", "F4", "C3", "Cz", "C4", "P3", "Pz", "P4"]


def simulate_subject(number):
    """Simulate one recording with its annotations."""
    rng = np.random.default_rng(number)
    n_times = int(trial * sfreq)
    time = np.arange(n_times) / sfreq
    frequency = 10 + 2 * rng.uniform(-1, 1)
    hands = rng.permutation(np.repeat(["left", "right"], n_trials // 2))
    signal = rng.normal(size=(n_trials, len(ch_names), n_times))
    for one, hand in zip(signal, hands, strict=True):
        phase = 2 * np.pi * rng.random()
        rhythm = np.sin(2 * np.pi * frequency * time + phase)
        one[ch_names.index("C3")] += (0.4 if hand == "right" else 1.2) * rhythm
        one[ch_names.index("C4")] += (0.4 if hand == "left" else 1.2) * rhythm
    info = mne.create_info(ch_names, sfreq, "eeg")
    raw = mne.io.RawArray(1e-5 * np.concatenate(signal, axis=1), info)
    raw.set_annotations(mne.Annotations(trial * np.arange(n_trials), trial, hands))
    return raw


# %%
# Epochs
# ------
# Filter and cut the recordings as for any other analysis. The names of the events become the
# labels.

every_epochs = []
for number in range(6):
    raw = simulate_subject(number).filter(4, 40)
    events, event_id = mne.events_from_annotations(raw)
    raw.set_annotations(None)  # MNE joins epochs without their annotations, and warns
    every_epochs.append(
        mne.Epochs(raw, events, event_id, tmin=0, tmax=2, baseline=None, preload=True)
    )
subjects = np.repeat(np.arange(6), [len(epochs) for epochs in every_epochs])
epochs = mne.concatenate_epochs(every_epochs)
print(epochs)

# %%
# Candidates
# ----------
# Which of these transforms leave the label unchanged? We expect that a shift of the spectrum
# does, because subjects differ in frequency, and that a sign flip does, because the task does not
# depend on polarity. Left-right symmetry should change the label, because it exchanges the two
# hands.

from eeginv.transforms import (
    ChannelsSymmetry,
    FrequencyShift,
    GaussianNoise,
    SignFlip,
    TimeReverse,
)

candidates = [
    [FrequencyShift(sfreq, magnitude=0.5, max_magnitude=3.0)],
    [SignFlip(0.2), TimeReverse(0.2)],
    [ChannelsSymmetry(ch_names, 0.2), GaussianNoise(0.5, max_magnitude=5.0)],
]

# %%
# Each inner list is a layer, which draws one of its transforms for each epoch.
#
# Fit and predict
# ---------------
# The network is trained on four subjects and tested on two others. The sampling frequency and
# channels are read from the epochs.

from sklearn.metrics import accuracy_score

from eeginv import InvariantClassifier

train = subjects < 4
clf = InvariantClassifier(
    "EEGNet",
    transforms=candidates,
    max_epochs=40,
    batch_size=32,
    lr=5e-3,
    augmentation_lr=0.02,
    random_state=0,
)
clf.fit(epochs[train], groups=subjects[train])
predicted = clf.predict(epochs[~train])
names = {code: name for name, code in epochs.event_id.items()}
truth = [names[code] for code in epochs[~train].events[:, 2]]
print(f"accuracy on two new subjects: {accuracy_score(truth, predicted):.2f}")

# %%
# Read the policy
# ---------------
# ``extent`` says how far a transform goes, in its unit (for on/off transforms, it is the
# probability). ``usage`` says how often it is applied.

clf.policy_.by_transform().round(2)

# %%

figure = clf.policy_.plot()

# %%
# The last figure shows the policy during training. In the warm-up, the first 40 % of the epochs,
# it keeps its initial values. Afterwards, left-right symmetry disappears, because it reduces the
# accuracy on the training data.

from eeginv.viz import plot_extents

figure = plot_extents(clf.policy_history_)
