"""What a call is keyed by where its arguments as they are do not do.

stillroom keys by value what it knows, and refuses the rest. cachify pickles: whatever can be pickled can be part of a key, and
an object stands for the state that it is in. So the pickle steps in for arguments that stillroom refuses, and for ``self``,
which stillroom would tell apart by instance.
"""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from .utils.errors import CacheKeyError

__all__ = ["by_rule", "by_state", "has_state_or_more"]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_ANY = [inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD]

Keys = Callable[[tuple[Any, ...], dict[str, Any]], Any]


def by_rule(rule: Callable[..., Any]) -> Keys:
    """Return what makes keys by the user's own function."""

    def key(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        made = rule(args, kwargs)
        return made if type(made) is str else _digest(made)

    return key


def by_state(signature: inspect.Signature, ignored: tuple[str, ...], is_wrapped: bool) -> Keys:
    """Return what makes keys of the values that the parameters have, but for those that are ignored.

    Args:
        signature: what the function shows to take.
        ignored: names of parameters.
        is_wrapped: another function shows through it, and it may take something else, such as one argument less.
    """
    names = tuple(signature.parameters)
    at = [index for index, name in enumerate(names) if name not in ignored]
    kinds = [one.kind for one in signature.parameters.values()]
    count = len(names) if all(kind in _POSITIONAL for kind in kinds) else -1
    if kinds == _ANY and not ignored:
        return lambda args, kwargs: _digest((args, sorted(kwargs.items(), key=_name)))

    def key(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        try:
            values = args if not kwargs and len(args) == count else _bound(signature, args, kwargs)
        except TypeError:
            if not is_wrapped:
                raise
            return _digest(("as given", args, sorted([item for item in kwargs.items() if item[0] not in ignored], key=_name)))
        return _digest(values if len(at) == len(names) else tuple([values[index] for index in at]))

    return key


def has_state_or_more(signature: inspect.Signature, ignored: tuple[str, ...]) -> bool:
    """Tell whether a function is a method whose object counts, or takes any number of arguments, where a pickle is faster."""
    parameters = [one for name, one in signature.parameters.items() if name not in ignored]
    return [one.name for one in parameters[:1]] in (["self"], ["cls"]) or any(one.kind in _ANY for one in parameters)


def _bound(signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    for name, one in signature.parameters.items():
        if one.kind is one.VAR_KEYWORD:  # in any order
            bound.arguments[name] = sorted(bound.arguments[name].items(), key=_name)
    return tuple(bound.arguments.values())


def _name(item: tuple[str, Any]) -> str:
    return item[0]


def _digest(value: Any) -> bytes:
    try:
        pickled = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise CacheKeyError(
            f"the arguments of a call must be such that pickle can write them, or ignored: {type(error).__name__}: {error}"
        ) from error
    return blake2b(pickled, digest_size=16).digest()
