"""Recordings with samples of 24 bits, as BioSemi's amplifiers write them."""

import edfio
import numpy as np
import pytest
from trials import EVENTS, NAMES, SFREQ, trials

from eeginv.datasets import load_windows

SPAN = {"events": EVENTS, "tmax": 2.0, "standardize": False}
pytestmark = pytest.mark.skipif(not hasattr(edfio, "Bdf"), reason="needs an edfio that writes BDF")


@pytest.fixture
def path(tmp_path):
    raw = trials()
    signals = [
        edfio.BdfSignal(
            values, SFREQ, label=name, physical_dimension="uV", physical_range=(-500, 500)
        )
        for name, values in zip(NAMES, raw.get_data(units="uV"), strict=True)
    ]
    events = [
        edfio.EdfAnnotation(one["onset"], one["duration"], one["description"])
        for one in raw.annotations
    ]
    edfio.Bdf(signals, annotations=events).write(tmp_path / "S1R1.bdf")
    return tmp_path / "S1R1.bdf"


def test_windows_are_those_of_the_recording(path):
    trials().save(path.with_name("S1R2_raw.fif"), verbose="error")
    both = load_windows(path.parent, **SPAN).X
    np.testing.assert_allclose(both[:6], both[6:], atol=1e-3)
    assert both.std() > 1


def test_a_file_that_was_cut_off_is_refused(path):
    path.write_bytes(path.read_bytes()[: int(0.6 * path.stat().st_size)])
    with pytest.raises(ValueError, match=r"S1R1\.bdf is truncated: its header promises"):
        load_windows(path.parent, **SPAN)
