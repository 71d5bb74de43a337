"""`@cache.invalidate(...)`: what a function has changed is forgotten once it has succeeded."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Final

from ._loading import run
from ._reach import Reach
from .formatter import TemplateFormatter, default_formatter, with_context
from .key import ARGS, KWARGS, get_cache_key_template, get_call_values

__all__ = ["forget", "invalidating", "note_template", "templates_of"]

_TEMPLATES: Final = "__cashews_templates__"


def note_template(function: Callable[..., Any], template: str) -> None:
    """Have a decorated function know the key template of its results, besides those of the decorators below."""
    setattr(function, _TEMPLATES, (*getattr(function, _TEMPLATES, ()), template))


def templates_of(target: str | Callable[..., Any]) -> tuple[str, ...]:
    """Return the key templates that are meant by one, or by the function whose results are meant."""
    if isinstance(target, str):
        return (target,)
    return getattr(target, _TEMPLATES, None) or (get_cache_key_template(target),)


async def forget(reach: Reach, target: str | Callable[..., Any], values: Mapping[str, Any]) -> None:
    """Forget all results whose keys have these values; what is not among them may be anything."""
    for template in templates_of(target):
        pattern = _PATTERN.vformat(template, (), with_context({ARGS: _ANYTHING, KWARGS: _ANYTHING, **values}))
        if any(sign in pattern for sign in "*?["):
            await reach.delete_match(pattern)
        else:
            await reach.delete(pattern)


class _Anything:
    """Stands for what may be anything."""


_ANYTHING: Final = _Anything()


class _Pattern(TemplateFormatter):
    """Fills templates in so that they match keys."""

    def format_field(self, value: Any, format_spec: str) -> Any:
        return "*" if value is _ANYTHING else super().format_field(value, format_spec).replace("[", "[[]")


_PATTERN: Final = _Pattern(lambda name: _ANYTHING, like=default_formatter)


def invalidating(
    reach: Reach,
    function: Callable[..., Any],
    target: str | Callable[..., Any],
    args_map: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> Callable[..., Any]:
    """Return a function that forgets results once it has succeeded.

    Args:
        reach: what is needed of the cache.
        function: the function.
        target: a key template, or the function whose results are meant.
        args_map: from names in that template to names of this function's parameters, or to functions of its arguments.
        defaults: further values by name.
    """

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        result = await run(function, args, kwargs)
        values = {**get_call_values(function, args, kwargs), **defaults}
        for source, given in args_map.items():
            if callable(given):
                values[source] = given(*args, **kwargs)
            elif given in values:
                values[source] = values.pop(given)
        await forget(reach, target, values)
        return result

    return call
