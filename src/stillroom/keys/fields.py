"""The fields of a template: how ``{user.id}`` is read, looked up and refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from ..errors import ConfigurationError, UncacheableArgument
from .context import values_now
from .refusals import alternatives

__all__ = ["Field", "Piece", "parse", "parse_field"]


class Field(NamedTuple):
    """A field of a template.

    Attributes:
        source: the field as written, without its braces.
        path: the field as errors call it, such as ``user.id``.
        root: what it starts from: a parameter, or with an ``@`` before it, a value of the key context.
        steps: the attributes and items to follow from there.
        is_hashed: it stands for the digest of its value.
        template: the template it is from, for errors.
    """

    source: str
    path: str
    root: str
    steps: tuple[Step, ...]
    is_hashed: bool
    template: str

    @property
    def context(self) -> str | None:
        """The name of the value of the key context that it starts from; ``None`` if it starts from a parameter."""
        return self.root[1:] if self.root.startswith("@") else None

    def start(self, arguments: Mapping[str, object]) -> object:
        """Return what it starts from, given the values of the parameters.

        Raises:
            MissingKeyContext: the key context does not have it.
        """
        return arguments[self.root] if self.context is None else values_now()[self.context]

    def lookup(self, value: object) -> object:
        """Return the field's value, given the value that it starts from.

        Raises:
            UncacheableArgument: an attribute or item is not there.
        """
        for step in self.steps:
            try:
                value = step.of(value)
            except (AttributeError, LookupError, TypeError) as error:
                raise self._missing(step, value) from error
        return value

    def _missing(self, step: Step, value: object) -> UncacheableArgument:
        kind = type(value)
        message = f"template {self.template!r} asks for {{{self.source}}}, but was given a {kind.__qualname__} without {step}"
        return UncacheableArgument(message, parameter=self.path, type=kind)


class Step(NamedTuple):
    """A step from a value into it.

    Attributes:
        name: the attribute's name, or the item's key.
        is_item: it is an item.
    """

    name: str | int
    is_item: bool

    def __str__(self) -> str:
        return f"[{self.name}]" if self.is_item else f".{self.name}"

    def of(self, value: object) -> object:
        """Return what the step leads to."""
        return value[self.name] if self.is_item else getattr(value, str(self.name))  # type: ignore[index]


Piece: TypeAlias = "str | Field"
"""A part of a template: literal text or a field."""

# Left to `re` to compile when the first template is read: most programs have none.
_PIECE = r"(?P<text>[^{}]+|\{\{|\}\})|\{(?P<field>[^{}]*)\}|(?P<stray>[{}])"
_FIELD = r"(?P<root>@?[^\W\d]\w*)(?P<steps>(?:\.[^\W\d]\w*|\[[^\[\]]+\])*)(?:!(?P<conversion>\w*))?"
_STEP = r"\.(\w+)|\[([^\[\]]+)\]"


def parse(source: object, parameters: Sequence[str], setting: str) -> list[Piece]:
    """Read a template.

    Returns:
        Its literal texts and fields, in their order. No two texts are neighbours.

    Raises:
        ConfigurationError: it is no template, or names what is no parameter.
    """
    if not isinstance(source, str):
        message = f'{setting} must be a template such as "user:{{user_id}}", not {source!r}'
        raise ConfigurationError(message, setting=setting, given=source)
    reader = _Reader(source, parameters, setting)
    return list(reader.pieces())


def parse_field(source: object, parameters: Sequence[str], setting: str) -> Field:
    """Read a single field, with its braces or without them.

    Raises:
        ConfigurationError: it is no field, or names what is no parameter.
    """
    braced = f"{{{source}}}" if isinstance(source, str) and not source.startswith("{") else source
    pieces = parse(braced, parameters, setting)
    if len(pieces) != 1 or not isinstance(pieces[0], Field) or pieces[0].is_hashed:
        raise ConfigurationError(
            f"{setting} must lead to a value, as user_id or user.id do, not {source!r}", setting=setting, given=source
        )
    return pieces[0]


class _Reader:
    def __init__(self, source: str, parameters: Sequence[str], setting: str) -> None:
        self._source = source
        self._parameters = parameters
        self._setting = setting

    def pieces(self) -> Iterator[Piece]:
        text = ""
        for found in re.finditer(_PIECE, self._source):
            if found["stray"]:
                raise self._error(f"has a {found['stray']!r} without its counterpart; a brace itself is written twice")
            if found["text"]:
                text += found["text"][:1] if found["text"] in ("{{", "}}") else found["text"]
                continue
            if text:
                yield text
                text = ""
            yield self._field(found["field"])
        if text:
            yield text

    def _field(self, source: str) -> Field:
        found = re.match(_FIELD, source)
        if found is None:
            raise self._error(self._no_field(source))
        if found.end() < len(source):
            raise self._error(self._trailing(source, found.end()))
        if found["conversion"] not in (None, "hash"):
            raise self._error(f"asks for {{{source}}}, but the only conversion is !hash")
        if not found["root"].startswith("@") and found["root"] not in self._parameters:
            raise self._error(
                f"names {found['root']!r}, which is no parameter: {alternatives(found['root'], self._parameters)}"
            )
        steps = tuple(map(_step, re.finditer(_STEP, found["steps"])))
        path = found["root"] + found["steps"]
        return Field(source, path, found["root"], steps, found["conversion"] is not None, self._source)

    def _no_field(self, source: str) -> str:
        if not source:
            return f"has an empty field; {self._example()}"
        if source[0].isdigit():
            return f"has the positional field {{{source}}}; {self._example()}"
        return f"has the field {{{source}}}, which is not the name of a parameter; {self._example()}"

    def _trailing(self, source: str, end: int) -> str:
        if source[end] == ":":
            return f"gives a format in {{{source}}}; formats could make different values look alike, write {{{source[:end]}}}"
        return (
            f"has the field {{{source}}}; a field is a parameter with attributes and items, as in {{user.id}} or {{doc[slug]}}"
        )

    def _example(self) -> str:
        if not self._parameters:
            return "there are no parameters to name"
        return f"name a parameter, as in {{{self._parameters[0]}}} (the parameters are {', '.join(self._parameters)})"

    def _error(self, fault: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self._setting} template {self._source!r} {fault}", setting=self._setting, given=self._source
        )


def _step(found: re.Match[str]) -> Step:
    attribute, item = found.groups()
    if attribute is not None:
        return Step(attribute, is_item=False)
    return Step(int(item) if item.isascii() and item.isdigit() else item, is_item=True)
