"""Windows of two classes, and a classifier of them."""

import pytest
from recorded import classifier, epochs, signals


@pytest.fixture(scope="module")
def data():
    return signals()


@pytest.fixture(scope="module")
def fitted(data):
    clf = classifier().fit(epochs(*data))
    assert clf.score(epochs(*data)) > 0.9
    return clf
