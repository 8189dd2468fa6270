"""Save and load estimators as safetensors and JSON, without pickle."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from .._files import unused_name
from .._json import parse
from .._randomness import isolated
from ..augmentation import Augmentation, ClasswiseAugmentation, PolicyAugmentation
from ..policy import Policy
from ..transforms import REGISTRY, Transform
from .plain import NotPlainError, from_json, to_json
from .training import Trainer

if TYPE_CHECKING:
    from .._typing import PathLike
    from .augmentation_names import AugmentationLike
    from .base import InvariantEstimator

_FORMAT = 2
_WEIGHTS, _PREPROCESSING = "weights.safetensors", "preprocessing.json"
_NOT_PLAIN = "not saved"
# Parameters that say what network was trained.
OF_NETWORK = ("backbone", "backbone_params", "augmentation", "transforms", "n_layers")
_NOT_SAVED = ("backbone", "augmentation", "transforms", "callbacks", "device")
_PARTS = (
    *("params", "backbone", "augmentation", "transforms", "fitted", "arrays"),
    *("penalty_scores", "policy_history", "history"),
)
_FITTED = (
    "n_chans_",
    "n_times_",
    "n_outputs_",
    "sfreq_",
    "ch_names_",
    "scale_",
    "n_features_in_",
    "n_iter_",
    "penalty_",
)


def save_estimator(estimator: InvariantEstimator, path: PathLike) -> None:
    """Write a fitted estimator into a folder, completely or not at all.

    Parameters
    ----------
    estimator : InvariantClassifier | InvariantRegressor
        The fitted estimator.
    path : path-like
        The folder.
    """
    from safetensors.torch import save as to_bytes

    path = Path(path)
    empty = path.is_dir() and not any(path.iterdir())
    if path.exists() and not empty and not (path / "estimator.json").is_file():
        raise FileExistsError(f"{path} exists and does not hold a saved estimator.")
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = unused_name(path)
    scratch.mkdir()
    try:
        state = estimator.module_.state_dict()
        weights = {k: value.detach().cpu().clone().contiguous() for k, value in state.items()}
        # not with save_file, whose files only their owner can read
        content = to_bytes(weights)
        (scratch / _WEIGHTS).write_bytes(content)
        description = {**_describe(estimator), "weights": hashlib.sha256(content).hexdigest()}
        if estimator.preprocessing_ is not None:
            content = (json.dumps(estimator.preprocessing_, indent=1) + "\n").encode()
            (scratch / _PREPROCESSING).write_bytes(content)
            description["preprocessing"] = hashlib.sha256(content).hexdigest()
        text = json.dumps(description, indent=1, default=_number)
        (scratch / "estimator.json").write_text(text + "\n")
        if path.exists():  # at every moment one complete model exists, perhaps under another name
            old = unused_name(path, "-old")
            path.rename(old)
            scratch.rename(path)
            shutil.rmtree(old)
        else:
            scratch.rename(path)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def load_estimator(
    cls: type[InvariantEstimator],
    path: PathLike,
    backbone: type[nn.Module] | nn.Module | None = None,
    augmentation: Augmentation | None = None,
    transforms: Sequence[Transform] | None = None,
) -> InvariantEstimator:
    """Read a fitted estimator from a folder.

    Parameters
    ----------
    cls : type
        Class of the estimator.
    path : path-like
        The folder.
    backbone : type | nn.Module | None
        The backbone, needed if it was not given by name.
    augmentation : Augmentation | None
        The augmentation, needed if it was an object that learns.
    transforms : list of Transform | None
        The candidates, needed if some of them are not part of eeginv.

    Returns
    -------
    estimator : InvariantClassifier | InvariantRegressor
        The fitted estimator, on the CPU. It has no ``net_``, because it was not trained here.
    """
    from skorch.history import History

    path = Path(path)
    try:
        saved, _ = parse(path / "estimator.json", "what save() writes")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path} does not hold a saved estimator.") from error
    if not isinstance(saved, dict):
        raise ValueError(f"{path / 'estimator.json'} is not what save() writes.")
    if saved.get("format") != _FORMAT or saved.get("class") != cls.__name__:
        raise ValueError(
            f"{path} holds a {saved.get('class')} (format {saved.get('format')}), not a "
            f"{cls.__name__} (format {_FORMAT})."
        )
    missing = [name for name in _PARTS if name not in saved]
    if missing:
        raise ValueError(
            f"{path / 'estimator.json'} lacks {', '.join(missing)}: it was changed after save()."
        )
    weights = _read_weights(path, saved.get("weights"))
    preprocessing = None
    if "preprocessing" in saved:
        preprocessing = json.loads(_read_whole(path, _PREPROCESSING, saved["preprocessing"]))
    params: dict[str, Any] = {name: from_json(value) for name, value in saved["params"].items()}
    if saved.get("backbone_params_left_out") and not isinstance(backbone, nn.Module):
        raise ValueError(
            f"The backbone_params {saved['backbone_params_left_out']} could not be saved: pass the "
            "network, made with them, as backbone= to load()."
        )
    params["backbone"] = _choose("backbone", saved["backbone"], backbone)
    if isinstance(saved["augmentation"], dict):
        params["augmentation"] = _choose(
            "augmentation", _revive(saved["augmentation"]), augmentation
        )
    else:
        params["augmentation"] = saved["augmentation"]
    if saved["transforms"] == _NOT_PLAIN:
        params["transforms"] = _choose("transforms", None, transforms)
    else:
        params["transforms"] = _revive_transforms(saved["transforms"])
    if isinstance(params.get("class_weight"), list):
        params["class_weight"] = dict(params["class_weight"])
    estimator = cls(**params)
    for name, value in saved["fitted"].items():
        setattr(estimator, name, value)
    for name, value in saved["arrays"].items():
        setattr(estimator, name, np.array(value["values"], dtype=value["dtype"]))
    estimator.penalty_scores_ = {penalty: score for penalty, score in saved["penalty_scores"]}
    if "single_output" in saved:
        estimator._single_output = saved["single_output"]
    with isolated(0):  # initial weights, replaced below, are drawn from torch's generator
        module = Trainer(estimator).build(seed=0, penalty=estimator.penalty_)
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(
            f"The weights in {path} are of another network than the one that estimator.json "
            f"describes, or that was passed to load(): {error}"
        ) from error
    estimator.module_ = Trainer(estimator).compiled(module).eval()
    estimator.policy_ = None if module.augmentation is None else module.augmentation.policy()
    estimator.policy_history_ = [Policy.from_dict(values) for values in saved["policy_history"]]
    if transforms is not None or augmentation is not None:
        _check_names(estimator)
    estimator._fitted_with = {name: getattr(estimator, name) for name in OF_NETWORK}
    estimator.history_ = History(saved["history"])
    estimator.preprocessing_ = preprocessing
    return estimator


def _check_names(estimator: InvariantEstimator) -> None:
    """Raise an error if transforms that were passed are not those of the saved history."""
    policies = [*estimator.policy_history_[-1:], estimator.policy_]
    names = [
        # without modules, which depend on where a class is defined
        [[e.transform.rpartition(".")[2] for e in branch.entries] for branch in policy.branches]
        for policy in policies
        if policy is not None
    ]
    if len(names) == 2 and names[0] != names[1]:
        listed = [", ".join(dict.fromkeys(sum(found, []))) for found in names]
        raise ValueError(
            f"The model was fitted with the transforms {listed[0]}, and load() got {listed[1]}: "
            "pass the same ones in the same order."
        )


def _read_weights(path: Path, expected: str | None) -> dict[str, Tensor]:
    """Read the weights in a folder, and check that they are the saved ones."""
    from safetensors.torch import load

    return load(_read_whole(path, _WEIGHTS, expected))


def _read_whole(path: Path, name: str, expected: str | None) -> bytes:
    """Read a file of a folder, if it is what was saved into it."""
    file = path / name
    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{path} has an estimator.json, but no {name}: copy the whole folder."
        ) from error
    if expected is not None and hashlib.sha256(content).hexdigest() != expected:
        raise ValueError(
            f"{file} was cut, or is not what was saved together with the estimator.json beside "
            "it: copy the whole folder again."
        )
    return content


def _describe(estimator: InvariantEstimator) -> dict[str, Any]:
    params = {k: v for k, v in estimator.get_params(deep=False).items() if k not in _NOT_SAVED}
    module = estimator.module_
    changed = [
        name
        for name, value in getattr(estimator, "_fitted_with", {}).items()
        if not _is_same(value, getattr(estimator, name))
    ]
    if changed:
        raise ValueError(
            f"{' and '.join(changed)} {'was' if len(changed) == 1 else 'were'} changed after fit, "
            "and the network was trained with another value: fit again, or set it back."
        )
    params["precision"] = module.precision
    if module.augmentation is not None:  # what was fitted counts, not what was set since
        fitted = {"n_copies": module.n_copies, "average": module.average}
        params |= {name: value for name, value in fitted.items() if name in params}
    arrays = ("classes_", "target_mean_", "target_scale_", "feature_names_in_")
    left_out = None
    try:
        params["backbone_params"] = to_json(estimator.backbone_params)
    except NotPlainError:
        # saving does not fail, because the network can be passed when loading
        left_out, params["backbone_params"] = repr(estimator.backbone_params), None
    description = {
        "format": _FORMAT,
        "class": type(estimator).__name__,
        "params": {name: _plain(value, name) for name, value in params.items()},
        "backbone_params_left_out": left_out,
        "backbone": estimator.backbone if isinstance(estimator.backbone, str) else None,
        "augmentation": _describe_augmentation(estimator.augmentation),
        "transforms": _describe_transforms(estimator),
        "fitted": {name: getattr(estimator, name, None) for name in _FITTED},
        "arrays": {
            name: {
                "values": value.tolist(),
                "dtype": "str" if value.dtype == object else value.dtype.str,
            }
            for name in arrays
            if (value := getattr(estimator, name, None)) is not None
        },
        # as pairs, because keys of JSON objects are strings
        "penalty_scores": list(estimator.penalty_scores_.items()),
        "policy_history": [policy.to_dict() for policy in estimator.policy_history_],
        "history": [
            {k: v for k, v in row.items() if isinstance(v, (int, float, bool, str, np.number))}
            for row in estimator.history_
        ],
    }
    if hasattr(estimator, "_single_output"):
        description["single_output"] = estimator._single_output
    return description


def _is_same(value: Any, other: Any) -> bool:
    if value is other:
        return True
    try:
        return bool(to_json(value) == to_json(other))
    except NotPlainError:
        return False


def _plain(value: Any, name: str) -> Any:
    if name == "class_weight" and isinstance(value, dict):
        return [[_plain(k, name), float(v)] for k, v in value.items()]
    if name == "random_state" and isinstance(value, np.random.RandomState):
        return None  # a generator that has already drawn is not saved
    if name == "backbone_params":
        return value
    try:
        return to_json(value)
    except NotPlainError as error:
        raise ValueError(f"The parameter {name} cannot be saved: {error}") from error


def _number(value: Any) -> Any:
    """Convert numpy numbers and arrays of policies and transforms to JSON."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"{value!r} cannot be written as JSON.")


def _describe_augmentation(augmentation: AugmentationLike) -> Any:
    if augmentation is None or isinstance(augmentation, str):
        return augmentation
    if isinstance(augmentation, Policy):
        return {"policy": augmentation.to_dict()}
    if type(augmentation) is PolicyAugmentation:
        return {"schedule": [policy.to_dict() for policy in augmentation.schedule]}
    if type(augmentation) is ClasswiseAugmentation:
        policies, weights = augmentation.policies, augmentation.weights
        return {
            "labels": [_plain(label, "label") for label in policies],
            "policies": [policy.to_dict() for policy in policies.values()],
            "weights": None if weights is None else [float(weights[k]) for k in policies],
        }
    return {"object": type(augmentation).__name__}


def _revive(saved: Any) -> Augmentation | Policy | None:
    if "policy" in saved:
        return Policy.from_dict(saved["policy"])
    if "schedule" in saved:
        return PolicyAugmentation([Policy.from_dict(values) for values in saved["schedule"]])
    if "policies" in saved:
        policies, labels = map(Policy.from_dict, saved["policies"]), saved["labels"]
        weights = saved["weights"] and dict(zip(labels, saved["weights"], strict=True))
        return ClasswiseAugmentation(dict(zip(labels, policies, strict=True)), weights)
    return None


def _describe_transforms(estimator: InvariantEstimator) -> Any:
    if estimator.transforms is None or isinstance(estimator.augmentation, Augmentation):
        return None
    described = _describe_list(estimator.transforms)
    # not needed for a given policy, or without augmentation
    needed = described != _NOT_PLAIN or isinstance(estimator.augmentation, str)
    return described if needed else None


def _describe_list(transforms: Sequence[Any]) -> Any:
    """Describe transforms; if one is not part of eeginv, all have to be passed when loading."""
    described = []
    for transform in transforms:
        if isinstance(transform, (list, tuple)):  # the candidates of a layer
            described.append(_describe_list(transform))
        elif REGISTRY.get(type(transform).__name__) is not type(transform):
            return _NOT_PLAIN
        else:
            strength = {transform.strength_name: transform.strength.item()}
            arguments = {**strength, **transform.config()}
            described.append({"name": type(transform).__name__, "arguments": arguments})
    return _NOT_PLAIN if _NOT_PLAIN in described else described


def _revive_transforms(saved: Any) -> list[Any] | None:
    if saved is None:
        return None
    return [
        _revive_transforms(one)
        if isinstance(one, list)
        else REGISTRY[one["name"]](**one["arguments"])
        for one in saved
    ]


def _choose(name: str, saved: Any, given: Any) -> Any:
    if given is None and saved is None:
        raise ValueError(f"Not saved by name: {name}. Pass {name}= to load().")
    return saved if given is None else given
