"""Parameters of searches, declared and documented once, as annotated class attributes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, dataclass_transform


def _parameter(default: Any, accepts: Callable[[Any], bool], expected: str) -> Any:
    if default is None:
        expected = f"{expected}, or None"

    def check(name: str, value: Any) -> None:
        if value is None and default is None:
            return
        try:
            accepted = not isinstance(value, bool) and accepts(value)
        except (TypeError, ValueError, OverflowError):
            accepted = False
        if not accepted:
            raise ValueError(f"{name} must be {expected}, got {value!r}.")

    return field(default=default, metadata={"check": check})


def count(default: int | None, at_least: int = 1) -> Any:
    """Declare a parameter that is a whole number. None is accepted only if it is the default."""
    expected = f"a whole number of at least {at_least}"
    return _parameter(default, lambda value: int(value) == value >= at_least, expected)


def share(default: float) -> Any:
    """Declare a parameter that is a number between 0 and 1, both excluded."""
    return _parameter(default, lambda value: 0 < value < 1, "between 0 and 1")


def positive(default: float | None, or_zero: bool = False) -> Any:
    """Declare a parameter that is a number above 0. None is accepted only if it is the default."""
    if or_zero:
        return _parameter(default, lambda value: value >= 0, "a number of at least 0")
    return _parameter(default, lambda value: value > 0, "a number above 0")


@dataclass_transform(kw_only_default=True, field_specifiers=(field, count, share, positive))
class DeclaredParameters:
    """Base class whose subclasses declare the parameters of their constructor as attributes.

    Each subclass is a dataclass with keyword-only fields. An annotated class attribute is a
    parameter with a default, and subclasses inherit it. An attribute that ``fit`` sets is declared
    with ``field(init=False)``. scikit-learn reads the parameters from the signature of
    ``__init__``, as for any estimator. A subclass may also define ``__init__`` by hand.

    The docstring of a subclass describes only the parameters and fitted attributes that the
    subclass adds or changes. The descriptions of the others are copied from its base classes.

    Examples
    --------
    >>> from sklearn.base import BaseEstimator
    >>> from eeginv.search.declared import DeclaredParameters, count
    >>> class Repeated(DeclaredParameters, BaseEstimator):
    ...     '''Repeat something.
    ...
    ...     Parameters
    ...     ----------
    ...     n_times : int
    ...         Number of repetitions.
    ...     '''
    ...
    ...     n_times: int = count(1)
    >>> class Noted(Repeated):
    ...     '''Repeat something and take notes.'''
    ...
    ...     verbose: int = 0
    >>> Noted(n_times=3).get_params()
    {'n_times': 3, 'verbose': 0}
    >>> "Number of repetitions." in Noted.__doc__
    True
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        text, annotated = cls.__doc__, inspect.get_annotations(cls)
        by_hand = [base.__name__ for base in cls.__mro__ if _defines_init_by_hand(base)]
        dataclass(cls, init=not by_hand, kw_only=True, eq=False, repr=False, match_args=False)
        for base in cls.__mro__[1:]:
            for name in _parameters(base):
                if name in vars(cls) and name not in annotated:
                    # A dataclass would keep the default of the base class.
                    raise TypeError(
                        f"{cls.__name__}.{name} changes a parameter of {base.__name__}: annotate "
                        f"it, as in `{name}: int = ...`."
                    )
        own = [name for name in _parameters(cls) if name in annotated]
        if own and by_hand and cls.__name__ not in by_hand:
            # A generated __init__ would not know the parameters of the one that it replaces.
            raise TypeError(
                f"{cls.__name__} declares parameters, but {by_hand[0]} defines __init__ by hand: "
                f"define __init__ in {cls.__name__} as well."
            )
        if not by_hand:
            init = vars(cls)["__init__"]
            init.__signature__ = _own_parameters_first(cls, inspect.signature(init))
        cls.__doc__ = None if text is None else _complete(text, cls)

    def _check_parameters(self) -> None:
        """Check the values of all parameters that were declared with a range."""
        for parameter in fields(self):
            if "check" in parameter.metadata:
                parameter.metadata["check"](parameter.name, getattr(self, parameter.name))


def _parameters(cls: type) -> list[str]:
    """Return the declared parameters, without attributes that fit sets and class variables."""
    return [f.name for f in fields(cls) if f.init] if is_dataclass(cls) else []


def _defines_init_by_hand(cls: type) -> bool:
    init = vars(cls).get("__init__")
    # Only generated ones have the attribute __signature__.
    return cls is not object and init is not None and not hasattr(init, "__signature__")


def _own_parameters_first(cls: type, signature: inspect.Signature) -> inspect.Signature:
    """Return the signature of ``__init__`` in the order from the class to its base classes."""
    owners = [inspect.get_annotations(base) for base in cls.__mro__]

    def depth(parameter: inspect.Parameter) -> int:
        if parameter.kind is not parameter.KEYWORD_ONLY:
            return -1
        return next((i for i, names in enumerate(owners) if parameter.name in names), len(owners))

    return signature.replace(parameters=sorted(signature.parameters.values(), key=depth))


def _complete(text: str, cls: type) -> str:
    """Return a docstring that describes inherited parameters and attributes as well."""
    sections = _sections(text)
    for heading in ("Parameters", "Attributes"):
        entries = _entries(sections.pop(heading, ""))
        for base in cls.__mro__[1:]:
            if issubclass(base, DeclaredParameters) and base is not DeclaredParameters:
                inherited = _sections(base.__doc__ or "").get(heading, "")
                entries = {**_entries(inherited), **entries}
        if heading == "Parameters":
            names = [name for name in inspect.signature(cls).parameters if name in entries]
            entries = {name: entries[name] for name in names}
        if entries:
            sections[heading] = "\n".join(entries.values())
    order = ["", "Parameters", "Attributes"]
    order += [heading for heading in sections if heading not in order]
    parts = [
        f"{heading}\n{'-' * len(heading)}\n{sections[heading]}" if heading else sections[""]
        for heading in order
        if heading in sections
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _sections(text: str) -> dict[str, str]:
    """Split a numpydoc docstring into sections by heading; the text before has heading ""."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}\n", inspect.cleandoc(text), flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def _entries(section: str) -> dict[str, str]:
    """Split a section into the texts of its entries, by the name that each describes."""
    parts = re.split(r"^(?=\S)", section.strip("\n"), flags=re.MULTILINE)
    return {part.split(":")[0].strip(): part.rstrip() for part in parts if part.strip()}
