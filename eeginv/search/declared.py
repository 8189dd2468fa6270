"""Parameters of searches: declared once as annotated class attributes, documented once."""

import inspect
import re
from dataclasses import dataclass, field, fields
from typing import dataclass_transform


def _parameter(default, accepts, expected):
    if default is None:
        expected = f"{expected}, or None"

    def check(name, value):
        if value is None and default is None:
            return
        try:
            accepted = not isinstance(value, bool) and accepts(value)
        except (TypeError, ValueError, OverflowError):
            accepted = False
        if not accepted:
            raise ValueError(f"{name} must be {expected}, got {value!r}.")

    return field(default=default, metadata={"check": check})


def count(default, at_least=1):
    """Declare a parameter that is a whole number. None is accepted only if it is the default."""
    expected = f"a whole number of at least {at_least}"
    return _parameter(default, lambda value: int(value) == value >= at_least, expected)


def share(default):
    """Declare a parameter that is a number between 0 and 1, both excluded."""
    return _parameter(default, lambda value: 0 < value < 1, "between 0 and 1")


def positive(default, or_zero=False):
    """Declare a parameter that is a number above 0. None is accepted only if it is the default."""
    if or_zero:
        return _parameter(default, lambda value: value >= 0, "a number of at least 0")
    return _parameter(default, lambda value: value > 0, "a number above 0")


@dataclass_transform(kw_only_default=True, field_specifiers=(field, count, share, positive))
class DeclaredParameters:
    """Base class whose subclasses declare the parameters of their constructor as attributes.

    Each subclass is a dataclass with keyword-only fields. An annotated class attribute is a
    parameter with a default, and subclasses inherit it. scikit-learn reads the parameters from the
    signature of ``__init__``, as it does for any estimator. A subclass may also define ``__init__``
    by hand.

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

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        text, own = cls.__doc__, inspect.get_annotations(cls)
        for base in cls.__mro__[1:]:
            for name in getattr(base, "__dataclass_fields__", ()):
                if name in vars(cls) and name not in own:
                    # A dataclass would keep the default of the base class.
                    raise TypeError(
                        f"{cls.__name__}.{name} changes a parameter of {base.__name__}: annotate "
                        f"it, as in `{name}: int = ...`."
                    )
        by_hand = [base.__name__ for base in cls.__mro__ if _defines_init_by_hand(base)]
        if own and by_hand and cls.__name__ not in by_hand:
            # A generated __init__ would not know the parameters of the one that it replaces.
            raise TypeError(
                f"{cls.__name__} declares parameters, but {by_hand[0]} defines __init__ by hand: "
                f"define __init__ in {cls.__name__} as well."
            )
        dataclass(cls, init=not by_hand, kw_only=True, eq=False, repr=False, match_args=False)
        if not by_hand:
            cls.__init__.__signature__ = _own_parameters_first(cls)
        cls.__doc__ = None if text is None else _complete(text, cls)

    def _check_parameters(self):
        """Check the values of all parameters that were declared with a range."""
        for parameter in fields(self):
            if "check" in parameter.metadata:
                parameter.metadata["check"](parameter.name, getattr(self, parameter.name))


def _defines_init_by_hand(cls):
    init = vars(cls).get("__init__")
    # Only generated ones have a signature that was set.
    return cls is not object and init is not None and not hasattr(init, "__signature__")


def _own_parameters_first(cls):
    """Return the signature of ``__init__``, in the order from the class to its base classes."""
    owners = [inspect.get_annotations(base) for base in cls.__mro__]

    def depth(parameter):
        if parameter.kind is not parameter.KEYWORD_ONLY:
            return -1
        return next((i for i, names in enumerate(owners) if parameter.name in names), len(owners))

    signature = inspect.signature(cls.__init__)
    return signature.replace(parameters=sorted(signature.parameters.values(), key=depth))


def _complete(text, cls):
    """Return a docstring that describes inherited parameters and attributes as well."""
    sections = _sections(text)
    for heading in ("Parameters", "Attributes"):
        entries = _entries(sections.pop(heading, ""))
        for base in cls.__mro__[1:]:
            if issubclass(base, DeclaredParameters) and base is not DeclaredParameters:
                inherited = _sections(base.__doc__ or "").get(heading, "")
                entries = {**_entries(inherited), **entries}
        if heading == "Parameters":
            names = [name for name in inspect.signature(cls.__init__).parameters if name in entries]
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


def _sections(text):
    """Split a docstring in numpydoc's format: its sections by heading, the text before as ""."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}\n", inspect.cleandoc(text), flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def _entries(section):
    """Split a section into its entries: the text of each, by the name that it describes."""
    parts = re.split(r"^(?=\S)", section.strip("\n"), flags=re.MULTILINE)
    return {part.split(":")[0].strip(): part.rstrip() for part in parts if part.strip()}
