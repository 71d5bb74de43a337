"""What a call is called: the text of its key, those of its tags, and its mark.

Most calls have arguments of a few simple types, and for these all of that is remembered.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from string import Formatter
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

from stillroom import Cache

from ._marks import exact, mark_of
from ._surroundings import NOW
from .formatter import default_formatter, parse_function, with_context
from .key import ARGS, KWARGS, call_values, get_func_params

__all__ = ["NOT_SIMPLE", "Called", "Naming", "tag_of"]

_SIMPLE: Final = frozenset({bool, bytes, int, str, type(None)})
"""Types whose values never change, and compare equal exactly if they are the same."""
_PLAIN: Final = _SIMPLE | {float, Decimal, UUID, date, datetime, timedelta}
"""Types of which stillroom's keys tell all that a text may be made of."""
_LONG: Final = 500
_REMEMBERED: Final = 4096


class NotSimple(Exception):
    """Raised rather than remembering the name of a call whose arguments may change, or run code when they are compared."""


NOT_SIMPLE: Final = (NotSimple, TypeError)  # what cannot be hashed raises the latter


class Called(NamedTuple):
    """What a call is called.

    Attributes:
        name: the text of its key.
        mark: what its key is made of, exactly.
        tags: the texts of its tags.
    """

    name: str
    mark: str
    tags: tuple[str, ...]


class _Piece(NamedTuple):
    """Text of a template, and the field that follows it, if any: its name, and what stands behind ``!`` and ``:``."""

    text: str
    name: str | None
    spec: str
    conversion: str | None
    is_made: bool
    """Whether a function makes the field's text, so that what it was made from does not count: ``{name:lower}``."""


class _Template:
    """A template, taken apart once.

    Attributes:
        fields: the names of its fields, with attributes and items.
    """

    def __init__(self, source: str) -> None:
        self._pieces = [
            _Piece(text, name, spec or "", conversion, parse_function(spec or "")[0] not in ("", "hash"))
            for text, name, spec, conversion in Formatter().parse(source)
        ]
        self.fields = [piece.name for piece in self._pieces if piece.name is not None]

    def made_of(self, leaves: Sequence[object]) -> tuple[str, list[object]]:
        """Return the text for the values that the fields lead to, and what it is made of."""
        texts: list[str] = []
        made_of: list[object] = []
        values = iter(leaves)
        for text, name, spec, conversion, is_made in self._pieces:
            texts.append(text)
            if name is not None:
                value = next(values)
                shown = default_formatter.format_field(default_formatter.convert_field(value, conversion), spec)
                texts.append(shown)
                made_of.append(shown if is_made or conversion else value)
        return "".join(texts), made_of


class Naming:
    """Names the calls of one function.

    Args:
        function: the function.
        template: its key template, with all prefixes.
        tags: the templates of its tags.

    Attributes:
        template: its key template.
        tags: the templates of its tags.
        skips_first: its first parameter has no part in names, as ``self`` has none with `noself`.
        goes_deep: names are made of attributes or items of arguments.
        leaves: returns the values that the fields of all templates lead to, given the arguments, or raises `NotSimple`.
    """

    def __init__(self, function: Callable[..., Any], template: str, tags: tuple[str, ...] = ()) -> None:
        self.template = template
        self.tags = tags
        self._function = function
        self._template, self._tags = _Template(template), [_Template(tag) for tag in tags]
        self._fields = [field for one in (self._template, *self._tags) for field in one.fields]
        parameters, roots = list(get_func_params(function)), {_root(field) for field in self._fields}
        self._is_of_arguments = roots <= {*parameters}
        self.skips_first = bool(parameters) and self._is_of_arguments and parameters[0] not in {*roots, ARGS, KWARGS}
        self.goes_deep = any(field != _root(field) for field in self._fields)
        self.leaves = _leaves(function, self._fields) if self._is_of_arguments else _no_leaves
        self._remembered = lru_cache(_REMEMBERED, typed=True)(lambda *args, **kwargs: self.simple(args, kwargs))

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Called:
        """Return what a call is called."""
        values = with_context(call_values(self._function, args, kwargs))
        return self._called([default_formatter.get_field(field, (), values)[0] for field in self._fields])

    def called(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Called:
        """Do the same, and remember it where that may be."""
        if NOW.get() is None:
            try:
                return self._remembered(*args[1:] if self.skips_first else args, **kwargs)
            except NOT_SIMPLE:
                pass
        return self(args, kwargs)

    def simple(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Called:
        """Return what a call is called, if that may be remembered; ``args`` are without the first one if that is skipped.

        Raises:
            NotSimple: it may not.
        """
        if not self._is_of_arguments or self.goes_deep:
            raise NotSimple
        _check((*args, *kwargs.values()))
        return self((None, *args) if self.skips_first else args, kwargs)

    def plain(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Return a text that no call has that may be called anything else, if there is one: lists and the like are told by it.

        Raises:
            NotSimple: there is none.
        """
        if self.goes_deep:
            made_of: tuple[object, ...] = tuple(self.leaves(args, kwargs))
        elif self._is_of_arguments:
            made_of = (args[1:] if self.skips_first else args, kwargs)
        else:
            raise NotSimple
        if not _is_plain(made_of):
            raise NotSimple
        return exact(made_of)

    def simple_leaves(self, leaves: Sequence[object]) -> Called:
        """Return what a call is called whose fields lead to these values, if that may be remembered.

        Raises:
            NotSimple: it may not.
        """
        _check(leaves)
        return self._called(leaves)

    def _called(self, leaves: Sequence[object]) -> Called:
        at = len(self._template.fields)
        name, made_of = self._template.made_of(leaves[:at])
        tags: list[str] = []
        for tag in self._tags:
            tags.append(tag.made_of(leaves[at : at + len(tag.fields)])[0])
            at += len(tag.fields)
        return Called(name, mark_of(made_of, default_formatter.text), tuple(tags))


def _check(values: Collection[object]) -> None:
    if not _SIMPLE.issuperset(map(type, values)):
        raise NotSimple
    if any(len(value) > _LONG for value in values if isinstance(value, (str, bytes))):
        raise NotSimple  # what is remembered must not take much memory


def _is_plain(values: Iterable[object]) -> bool:
    """Tell whether values, and all that they consist of, are of plain types, and not too many."""
    waiting = list(values)
    for value in waiting:
        kind = type(value)
        if kind in _PLAIN:
            continue
        if kind is dict:
            waiting += [part for pair in cast("dict[Any, Any]", value).items() for part in pair]
        elif kind in (list, tuple):
            waiting += cast("Iterable[object]", value)
        else:
            return False
        if len(waiting) > _LONG:
            return False
    return True


def _root(field: str) -> str:
    return field.partition(".")[0].partition("[")[0]


def _no_leaves(*_: object) -> list[object]:
    raise NotSimple


def _leaves(function: Callable[..., Any], fields: Sequence[str]) -> Callable[[tuple[Any, ...], dict[str, Any]], list[object]]:
    """Return a function from the arguments of a call to the values that fields lead to.

    It raises `NotSimple` where that takes a closer look: at a call that may be wrong, or a field that leads to nothing.
    """
    parameters = list(inspect.signature(function).parameters.values())
    names = [parameter.name for parameter in parameters]
    if any(parameter.kind is not parameter.POSITIONAL_OR_KEYWORD for parameter in parameters):
        return _no_leaves
    ways = [(names.index(_root(field)), _root(field), _way(field)) for field in fields]
    defaults = {one.name: one.default for one in parameters if one.default is not one.empty}
    required = len(parameters) - len(defaults)

    def leaves(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[object]:
        count = len(args)
        if kwargs:
            if not kwargs.keys() <= set(names[count:]) or any(name not in kwargs for name in names[count:required]):
                raise NotSimple
        elif not required <= count <= len(names):
            raise NotSimple
        found: list[object] = []
        for index, name, way in ways:
            value = args[index] if index < count else kwargs[name] if name in kwargs else defaults[name]
            try:
                found.append(value if way is None else way(value))
            except (AttributeError, LookupError):
                raise NotSimple from None
        return found

    return leaves


def _way(field: str) -> Callable[[Any], Any] | None:
    """Return what leads from an argument to the value of a field; ``None`` if it is the argument itself."""
    root = _root(field)
    if field == root:
        return None
    if "[" not in field:
        return attrgetter(field[len(root) + 1 :])
    return lambda value: Formatter().get_field(field, (), {root: value})[0]


@Cache()(key="t:{text}")
def _tag(text: str) -> None:
    """Exist for its keys, which are what the native functions make of tags."""


def tag_of(text: str) -> str:
    """Return what a tag is called in native caches."""
    return _tag.key(text)
