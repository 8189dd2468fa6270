"""Searches on windows that stay on disk find what they find in memory, a batch at a time."""

import numpy as np
import pytest
from recorded import Watched
from searched import SMALL_TRIALS, data, prototype, registered

from eeginv.estimators.lazy import LazyWindows
from eeginv.transforms import GaussianNoise, SignFlip, TimeReverse


@pytest.mark.parametrize("cls", registered(), ids=lambda cls: cls.__name__)
def test_same_policy_without_reading_all(cls):
    X, y, groups = data(n=640)
    settings = SMALL_TRIALS.get(cls, {"search_epochs": 2, "warmup_epochs": 1})
    transforms = [TimeReverse(), SignFlip(), GaussianNoise(0.2)]
    reader = Watched(X)
    found = []
    for signals in (X, LazyWindows(reader)):
        search = cls(prototype(), transforms=transforms, random_state=0, **settings)
        found.append(search.fit(signals, y, groups=groups))
    assert found[0].policy_.to_json() == found[1].policy_.to_json()
    for values in zip(
        *(s.best_estimator_.module_.state_dict().values() for s in found), strict=True
    ):
        np.testing.assert_array_equal(*values)
    assert max(reader.sizes) <= 256 < len(X)
