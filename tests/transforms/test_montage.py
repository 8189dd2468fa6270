"""Electrodes from channel names: spellings, positions, mirror images."""

import math
import re
import warnings

import mne
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eeginv.transforms import montage
from eeginv.transforms.montage import (
    Derivation,
    channel_positions,
    mirror_permutation,
    parse_channel,
)

NEW, OLD = "colin27_1005", "standard_1005"
BUILTIN = mne.channels.get_builtin_montages()
TEMPLATE = NEW if NEW in BUILTIN else OLD
# The 10-20, 10-10 and 10-05 systems, under the names that this version of MNE has.
SYSTEMS = [kind for kind in BUILTIN if re.search("_10(05|10|20)$", kind)] + ["easycap-M1"]

# Channels of real recordings.
EEGMAT = (
    "EEG Fp1,EEG Fp2,EEG F3,EEG F4,EEG F7,EEG F8,EEG T3,EEG T4,EEG C3,EEG C4,"
    "EEG T5,EEG T6,EEG P3,EEG P4,EEG O1,EEG O2,EEG Fz,EEG Cz,EEG Pz"
).split(",")
EEGMMIDB = (
    "Fc5. Fc3. Fc1. Fcz. Fc2. Fc4. Fc6. C5.. C3.. C1.. Cz.. C2.. C4.. C6.. Cp5. Cp3. Cp1. Cpz. "
    "Cp2. Cp4. Cp6. Fp1. Fpz. Fp2. Af7. Af3. Afz. Af4. Af8. F7.. F5.. F3.. F1.. Fz.. F2.. F4.. "
    "F6.. F8.. Ft7. Ft8. T7.. T8.. T9.. T10. Tp7. Tp8. P7.. P5.. P3.. P1.. Pz.. P2.. P4.. P6.. "
    "P8.. Po7. Po3. Poz. Po4. Po8. O1.. Oz.. O2.. Iz.."
).split()
CHB_MIT = (
    "FP1-F7 F7-T7 T7-P7 P7-O1 FP1-F3 F3-C3 C3-P3 P3-O1 FP2-F4 F4-C4 C4-P4 P4-O2 FP2-F8 F8-T8 "
    "T8-P8-0 P8-O2 FZ-CZ CZ-PZ P7-T7 T7-FT9 FT9-FT10 FT10-T8"
).split()


def names_of(kind):
    """Names of a template of MNE; the row of the nasion (N1, NFpz) is not on the scalp."""
    names = mne.channels.make_standard_montage(kind).ch_names
    return [name for name in names if not re.match("N(Fp|\\d)", name)]


NAMES = names_of(TEMPLATE)


def degrees(u, v):
    """Angles between unit vectors, shape (..., 3)."""
    return np.degrees(np.arccos(np.clip((np.asarray(u) * np.asarray(v)).sum(-1), -1, 1)))


def in_head_frame(names):
    """Positions in metres, where MNE itself puts electrodes in the info of a recording."""
    info = mne.create_info(names, 100.0, "eeg")
    info.set_montage(TEMPLATE)
    return np.array([channel["loc"][:3] for channel in info["chs"]], dtype=float)


# spellings ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *[(name, Derivation("C3")) for name in ("C3", "c3", "EEG C3", "EEG C3 ", " eeg c3")],
        *[(name, Derivation("C3")) for name in ("EEG-C3", "EEG:C3", "EEG_C3", "C3.", "C3..")],
        *[(name, Derivation("C3")) for name in ("C3-0", "C3-1")],
        *[(name, Derivation("Fp1")) for name in ("FP1", "Fp1", "fp1", "Fp1.")],
        *[(name, Derivation("Fpz")) for name in ("FPZ", "Fpz", "fpz")],
        ("Fc5.", Derivation("FC5")),
        ("Cz..", Derivation("Cz")),
        ("AFF1h", Derivation("AFF1h")),
        ("FFC5H", Derivation("FFC5h")),
        ("T3", Derivation("T7")),
        ("EEG T4", Derivation("T8")),
        ("t5", Derivation("P7")),
        ("T6", Derivation("P8")),
        ("O9", Derivation("I1")),
        ("M1", Derivation("M1")),
        *[
            (name, Derivation("C3", reference="A2"))
            for name in ("C3-A2", "c3-a2", "EEG C3-A2", "EEG:C3-A2", "C3 - A2", "C3:A2", "C3-A2-0")
        ],
        *[(name, Derivation("C3", reference="M2")) for name in ("C3-M2", "C3:M2", "C3/M2")],
        ("C4_M1", Derivation("C4", reference="M1")),
        ("EEG F3-Ref", Derivation("F3", reference="REF")),
        ("Cz-REF", Derivation("Cz", reference="REF")),
        ("EEG F3-LE", Derivation("F3", reference="LE")),
        ("EEG F3-CLE", Derivation("F3", reference="CLE")),
        ("F3-AVG", Derivation("F3", reference="AVG")),
        ("F3-CAR", Derivation("F3", reference="CAR")),
        *[
            (name, Derivation("C3", reference="A1A2"))
            for name in ("C3-A1A2", "C3-A1+A2", "C3-(A1+A2)", "C3-A1/A2")
        ],
        ("A1-A2", Derivation("A1", reference="A2")),
        ("A1-REF", Derivation("A1", reference="REF")),
        ("EEG Fpz-Cz", Derivation("Fpz", "Cz")),
        ("EEG Pz-Oz", Derivation("Pz", "Oz")),
        ("FP1-F7", Derivation("Fp1", "F7")),
        ("T8-P8-0", Derivation("T8", "P8")),
        ("F7-T3", Derivation("F7", "T7")),
        ("C3-TP10", Derivation("C3", "TP10")),
        ("A2-C3", Derivation("A2", "C3")),
    ],
)
def test_spelling(name, expected):
    assert parse_channel(name) == expected


@pytest.mark.parametrize("kind", SYSTEMS)
@pytest.mark.parametrize("change", [str, str.upper, str.lower, "EEG {}-Ref".format, "{}..".format])
def test_every_electrode_of_mne_is_known_in_any_case(kind, change):
    names = names_of(kind)
    assert len(names) >= 20
    positions = np.array(channel_positions([change(name) for name in names]))
    np.testing.assert_allclose(np.linalg.norm(positions, axis=1), 1, atol=1e-14)
    np.testing.assert_array_equal(positions, channel_positions(names))


def test_no_two_electrodes_of_the_template_have_one_spelling():
    parsed = {parse_channel(name).anode for name in NAMES}
    assert parsed == set(NAMES) - {"T3", "T4", "T5", "T6"}
    assert [parse_channel(name).anode for name in parsed] == list(parsed)


def test_aliases_are_where_the_template_has_them():
    places = mne.channels.make_standard_montage(TEMPLATE).get_positions()["ch_pos"]
    for alias, name in montage.ALIASES.items():
        if alias in places:
            np.testing.assert_allclose(places[alias], places[name], atol=1e-9)
    smaller = TEMPLATE.replace("1005", "1020")  # has another name for the row of the inion
    others = mne.channels.make_standard_montage(smaller).get_positions()["ch_pos"]
    np.testing.assert_allclose(others["O9"], places["I1"], atol=1e-9)
    np.testing.assert_allclose(others["O10"], places["I2"], atol=1e-9)


# positions ----------------------------------------------------------------------------------------
def test_axes():
    """Right ear, nose, up."""
    where = dict(zip(NAMES, channel_positions(NAMES), strict=True))
    # The head is no sphere and the head frame leans forward: 7 degrees for Cz and Fpz, 9 for the
    # others. Neighbours in the 10-10 system are some 20 degrees apart.
    for name, axis in [
        ("Cz", (0, 0, 1)),
        ("Fpz", (0, 1, 0)),
        ("Oz", (0, -1, 0)),
        ("T7", (-1, 0, 0)),
        ("T8", (1, 0, 0)),
    ]:
        assert degrees(where[name], axis) < 12, name
    assert where["C3"][0] < 0 < where["C4"][0]
    assert where["F3"][1] > where["C3"][1] > where["P3"][1] > where["O1"][1]
    assert where["Cz"][2] > where["C3"][2] > where["T7"][2] > where["A1"][2]


def test_mirrored_electrodes_are_exact_mirror_images():
    permutation = mirror_permutation([name for name in NAMES if name not in montage.ALIASES])
    positions = np.array(channel_positions([n for n in NAMES if n not in montage.ALIASES]))
    np.testing.assert_array_equal(positions[permutation], positions * [-1, 1, 1])
    middle = np.flatnonzero(np.arange(len(permutation)) == permutation)
    assert len(middle) == sum(name.endswith("z") for name in NAMES)
    assert not positions[middle, 0].any()


def test_agrees_with_mne_up_to_the_centre():
    """From one centre, each electrode of MNE lies in the direction that is given for it."""
    places = in_head_frame(NAMES)
    directions = np.array(channel_positions(NAMES))
    # The point nearest to all the lines through an electrode along its direction.
    across = np.eye(3) - directions[:, :, None] * directions[:, None, :]
    centre = np.linalg.solve(across.sum(0), (across @ places[:, :, None]).sum(0))[:, 0]
    away = np.linalg.norm((across @ (places - centre)[:, :, None])[:, :, 0], axis=1)
    # The sides of the template's head differ: 1.3 mm at most, 0.5 mm on average.
    assert away.max() < 2e-3
    assert away.mean() < 1e-3
    assert (((places - centre) * directions).sum(1) > 0.08).all()

    # That centre and the fit of a sphere to the electrodes above the ears agree.
    above = [not re.match("(O?I|A|M)(\\d|z)|.*(9|10)h?$", name) for name in NAMES]
    unknowns = np.c_[2 * places[above], np.ones(sum(above))]
    fit = np.linalg.lstsq(unknowns, (places[above] ** 2).sum(1), rcond=None)[0]
    np.testing.assert_allclose(centre, fit[:3], atol=1e-3)
    radius = math.sqrt(fit[3] + fit[:3] @ fit[:3])
    assert radius == pytest.approx(0.096, abs=1e-3)
    residuals = np.linalg.norm(places[above] - fit[:3], axis=1) - radius
    assert math.sqrt((residuals**2).mean()) < 6e-3


def test_agrees_with_another_template():
    """EasyCap's positions are on an ideal sphere; heads differ, so only roughly."""
    other = mne.channels.make_standard_montage("easycap-M1").get_positions()["ch_pos"]
    directions = np.array([place / np.linalg.norm(place) for place in other.values()])
    apart = degrees(channel_positions(list(other)), directions)
    assert apart.max() < 15
    assert apart.mean() < 8


def test_position_does_not_depend_on_the_other_channels():
    together = channel_positions(NAMES)
    for index in range(0, len(NAMES), 20):
        assert channel_positions([NAMES[index]]) == [together[index]]


def test_positions_are_fresh_lists_of_floats():
    first = channel_positions(["C3", "Cz"])
    assert [type(x) for position in first for x in position] == [float] * 6
    first[0][0] = 7.0
    assert channel_positions(["C3"])[0][0] != 7.0


def test_bipolar_is_at_the_midpoint():
    ends = np.array(channel_positions(["F3", "C3"]))
    (between,) = channel_positions(["F3-C3"])
    expected = ends.sum(0) / np.linalg.norm(ends.sum(0))
    np.testing.assert_allclose(between, expected, atol=1e-15)
    assert channel_positions(["C3-F3"]) == [between]


@pytest.mark.parametrize("name", ["C3-A2", "C3-M2", "EEG C3-LE", "C3-AVG", "C3-Ref", "C3..", "C3"])
def test_reference_does_not_move_a_channel(name):
    assert channel_positions([name, "C3"]) == channel_positions(["C3", "C3"])


@pytest.mark.parametrize("name", ["T7-T8", "T3-T4", "Fpz-Oz", "F7-P8"])
def test_derivation_through_the_head_has_no_position(name):
    with pytest.raises(ValueError, match=f"No position on the head for '{name}'.*opposite sides"):
        channel_positions(["C3", name])
    assert len(mirror_permutation(["C3", "C4", name])) == 3


# mirror images ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("ch_names", "expected"),
    [
        (["C3", "C4"], [1, 0]),
        (["C4", "Cz", "C3"], [2, 1, 0]),
        (["F3", "C3", "C4"], [0, 2, 1]),
        (["T3", "T8", "T5", "P8"], [1, 0, 3, 2]),
        (["AFF9h", "AFF10h", "I1", "O10"], [1, 0, 3, 2]),
        (["A1", "A2", "M1", "M2"], [1, 0, 3, 2]),
        # references
        (["C3-A2", "C4-A1"], [1, 0]),
        (["C3-A2", "C4-A2"], [1, 0]),
        (["C3-A2", "C4-M1"], [1, 0]),
        (["EEG C3-LE", "EEG C4-Ref"], [1, 0]),
        (["C3", "EEG C4-A1"], [1, 0]),
        (["C3-A2", "C4-A2", "C4-A1"], [2, 1, 0]),
        (["C3-A2", "C3-A1", "C4-A1", "C4-A2"], [2, 3, 0, 1]),
        (["C3-A1", "C3-A2", "C4-A2"], [2, 1, 0]),
        (["C3-A2", "C4-A2", "C4-M1", "C4-LE"], [2, 1, 0, 3]),
        (["C4-LE", "C3-A2", "C4-A2"], [0, 2, 1]),
        (["C3", "C4", "Cz-A1", "Cz-A2"], [1, 0, 3, 2]),
        (["C3", "C4", "Cz-A1", "Cz-REF"], [1, 0, 2, 3]),
        (["A1-A2", "A2-A1"], [1, 0]),
        # bipolar
        (["F3-C3", "F4-C4"], [1, 0]),
        (["Fz-C3", "Fz-C4", "Fz-Cz"], [1, 0, 2]),
        (["F3-C4", "F4-C3"], [1, 0]),
        (["C3", "C4", "F3-F4"], [1, 0, 2]),
        (["C3", "C4", "F3-C3", "C4-F4"], [1, 0, 2, 3]),
        (["C3", "C4", "F3-C3", "F4"], [1, 0, 2, 3]),
        (["C3-C4", "C4-C3"], [1, 0]),
        # whole recordings
        (EEGMAT, [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14, 16, 17, 18]),
        # T7-P7 and P7-T7 are one channel with two signs, so only one of them has a partner
        (
            CHB_MIT,
            [12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3, 16, 17, 18, 19, 20, 21],
        ),
    ],
    ids=lambda value: None if isinstance(value[0], int) else ",".join(value)[:40],
)
def test_mirror_permutation(ch_names, expected):
    assert mirror_permutation(ch_names) == expected


def test_mirror_permutation_of_a_cap_with_padded_names():
    permutation = mirror_permutation(EEGMMIDB)
    positions = np.array(channel_positions(EEGMMIDB))
    np.testing.assert_array_equal(positions[permutation], positions * [-1, 1, 1])


SOME = ["C3", "C4", "T3", "T8", "Cz", "Fz", "F3", "F4", "A1", "A2", "M1", "AFF5h", "AFF6h"]
SECONDS = ["", "-A1", "-A2", "-M1", "-M2", "-REF", "-C3", "-C4", "-Cz", "-P3", "-P4", "-AVG"]


def is_read(name):
    try:
        return bool(parse_channel(name))
    except ValueError:
        return False


CHANNELS = [first + second for first in SOME for second in SECONDS if is_read(first + second)]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=40, unique=True))
def test_mirror_permutation_is_an_involution_between_mirror_images(ch_names):
    try:
        permutation = mirror_permutation(ch_names)
    except ValueError as error:
        assert "No two of the channels mirror each other" in str(error)  # noqa: PT017
        return
    indices = list(range(len(ch_names)))
    assert [permutation[permutation[i]] for i in indices] == indices
    assert permutation != indices
    parsed = [parse_channel(name) for name in ch_names]
    for i, j in enumerate(permutation):
        if i != j:
            places = in_template([*parsed[i][:2], *parsed[j][:2]])
            np.testing.assert_array_equal(places[:2] * [-1, 1, 1], places[2:])


def in_template(electrodes):
    """Positions, zeros where there is no electrode."""
    return np.array([channel_positions([e])[0] if e else [0, 0, 0] for e in electrodes])


def test_mirror_permutation_follows_the_order_of_the_channels():
    order = np.random.default_rng(0).permutation(len(EEGMMIDB))
    before = mirror_permutation(EEGMMIDB)
    after = mirror_permutation([EEGMMIDB[i] for i in order])
    assert [order[i] for i in after] == [before[i] for i in order]


# errors -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("function", [channel_positions, mirror_permutation])
def test_unknown_names_are_all_listed(function):
    unknown = ["EOG horizontal", "ECG", "Resp", "foo", "EEG", "EMG-C3", "C3-foo", "C3-P3-O1"]
    with pytest.raises(ValueError, match="No known electrode") as caught:
        function(["C3", *unknown, "C4"])
    message = str(caught.value)
    assert ", ".join(map(repr, unknown)) + "." in message
    assert "10-20, 10-10 and 10-05" in message
    assert "Drop channels that are not EEG" in message
    assert "a transform that needs no positions" in message


@pytest.mark.parametrize(
    "name",
    [
        *["", " ", "-", "EEG", "EEG-0", "C3-", "-C3", "C", "C11", "Cz1", "T", "E1", "N1", "z"],
        *["C3-C3", "T3-T7", "A1-A1", "C3-4", "C3-2", "C3 A2", "C3-P3-REF", "EEG1", "EOG C3"],
    ],
)
def test_name_that_means_nothing(name):
    with pytest.raises(ValueError, match=re.escape(f"channels {name!r}.")):
        parse_channel(name)


@pytest.mark.parametrize("function", [channel_positions, mirror_permutation])
def test_wrong_lists(function):
    with pytest.raises(ValueError, match="ch_names is empty"):
        function([])
    with pytest.raises(TypeError, match="must be a list of channel names, got the string 'C3'"):
        function("C3")
    with pytest.raises(TypeError, match="must be strings, got 3"):
        function(["C3", 3])
    assert function(("C3", "C4")) == function(np.array(["C3", "C4"])) == function(["C3", "C4"])


def test_parse_channel_wants_one_string():
    with pytest.raises(TypeError, match="must be strings"):
        parse_channel(["C3"])


@pytest.mark.parametrize(
    "ch_names", [["C3", "Cz", "O2"], ["Fpz-Cz", "Pz-Oz"], ["C3-C4"], ["C3"], ["F3-C3", "C4-F4"]]
)
def test_no_pair(ch_names):
    listed = ", ".join(map(repr, ch_names))
    with pytest.raises(ValueError, match=f"mirror each other: {listed}.*such as C3 and C4"):
        mirror_permutation(ch_names)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        *[("T3", "T7"), ("C3", "C3"), ("C3", "EEG c3"), ("C3-A2", "C3:A2"), ("F7-T3", "F7-T7")],
        ("T8-P8-0", "T8-P8-1"),
    ],
)
def test_the_same_derivation_twice(first, second):
    with pytest.raises(ValueError, match=f"'{first}' and '{second}' are the same derivation"):
        mirror_permutation(["P3", first, "P4", second])
    one, other = channel_positions([first, second])
    assert one == other


# versions of MNE ----------------------------------------------------------------------------------
@pytest.fixture
def other_mne(monkeypatch):
    """Pretend that MNE knows certain templates; returns a function, given what was asked for."""
    real = mne.channels.make_standard_montage
    montage._template.cache_clear()
    asked = []

    def pretend(builtin):
        def make(kind):
            asked.append(kind)
            if kind not in builtin:
                raise ValueError(f"Invalid value for kind: {kind}")
            if kind == OLD and NEW in builtin:
                warnings.warn(f"Montage name {kind!r} is deprecated", FutureWarning, stacklevel=2)
            return real(TEMPLATE)

        monkeypatch.setattr(mne.channels, "get_builtin_montages", lambda: list(builtin))
        monkeypatch.setattr(mne.channels, "make_standard_montage", make)
        return asked

    yield pretend
    montage._template.cache_clear()


@pytest.mark.parametrize(
    ("builtin", "kind"),
    [([OLD, "standard_1020"], OLD), ([NEW, "colin27_1020"], NEW), ([OLD, NEW], NEW)],
)
def test_template_under_its_old_and_new_name(other_mne, builtin, kind):
    expected = channel_positions(["C3", "Fpz-Cz"])
    montage._template.cache_clear()
    asked = other_mne(builtin)
    assert channel_positions(["C3", "Fpz-Cz"]) == expected
    mirror_permutation(["C3", "C4"])
    assert asked == [kind]  # once: the template is kept


def test_mne_without_the_template(other_mne):
    other_mne(["biosemi64"])
    with pytest.raises(RuntimeError, match=f"MNE {re.escape(mne.__version__)} has no template"):
        channel_positions(["C3"])


def test_no_warning_from_mne(other_mne):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(channel_positions(NAMES)) == len(NAMES)
