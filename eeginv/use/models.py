"""Loading of models and policies from files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .._braindecode import load_braindecode
from .._json import read_object
from ..estimators import InvariantClassifier, InvariantRegressor
from ..policy import Policy

if TYPE_CHECKING:
    from .._typing import PathLike


def load_model(path: PathLike, device: str = "cpu") -> InvariantClassifier:
    """Load a classifier onto a device.

    Parameters
    ----------
    path : path-like
        Folder of the model.
    device : str
        Torch device.

    Returns
    -------
    model : InvariantClassifier
        The classifier.

    Raises
    ------
    FileNotFoundError, ValueError
        If the folder does not contain a classifier, or its files are inconsistent.

    Examples
    --------
    >>> from eeginv.use import load_model
    >>> model = load_model("model")  # doctest: +SKIP
    """
    load_braindecode()
    return InvariantClassifier.load(path).set_params(device=device)


def load_policy(path: PathLike) -> Policy:
    """Read a policy from the folder of a model or a JSON file.

    Parameters
    ----------
    path : path-like
        Folder of a classifier or a regressor, or JSON file of a policy.

    Returns
    -------
    policy : Policy
        The policy.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no policy.

    Examples
    --------
    >>> import tempfile
    >>> from eeginv import Policy, PolicyEntry
    >>> from eeginv.use import load_policy
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Policy([PolicyEntry("TimeShift", 0.5)]).to_json(f"{folder}/policy.json")
    ...     load_policy(f"{folder}/policy.json").n_layers
    1
    """
    path = Path(path)
    if path.is_file():
        return Policy.from_json(path)
    load_braindecode()
    saved = read_object(path / "estimator.json") or {}
    is_regressor = saved.get("class") == InvariantRegressor.__name__
    cls = InvariantRegressor if is_regressor else InvariantClassifier
    policy = cls.load(path).policy_
    if policy is None:
        raise ValueError(f"The model in {path} was trained without augmentation: it has no policy.")
    return policy
