"""Key templates: what becomes of the values of their fields.

A value is written by its type: ``None`` as nothing, booleans in small letters, bytes as text, what has members one after the
other with colons between. A function after a colon makes something else of it: ``{name:lower}``, ``{token:jwt(user)}``. A field
that leads to nothing is empty.

These texts tell little of types, and two calls may have the same one; see `stillroom.compat.cashews._marks` for why no call is
served with what another has stored all the same.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from string import Formatter
from typing import Any, Final

from .key_context import get as context_values

__all__ = [
    "TemplateFormatter",
    "default_format",
    "default_formatter",
    "parse_function",
    "template_to_re_pattern",
    "with_context",
]


class TemplateFormatter(Formatter):
    """Fills templates in.

    Args:
        default: returns the text of a field that leads to nothing.
        like: another formatter, of which it learns all that that one is taught.
    """

    def __init__(self, default: Callable[[str], Any], like: TemplateFormatter | None = None) -> None:
        self._default = default
        self._by_type, self.functions = ({}, {}) if like is None else like.registered
        if like is None:
            self._by_type |= self._usual()

    def _usual(self) -> dict[type, Callable[[Any], Any]]:
        return {
            str: str,
            bool: lambda value: str(value).lower(),
            bytes: _text_of_bytes,
            Exception: lambda error: f"{type(error).__name__}:{error}",
            tuple: self._members,
            list: self._members,
            set: self._members,
            dict: lambda value: self._members([part for pair in sorted(value.items()) for part in pair]),
        }

    @property
    def registered(self) -> tuple[dict[type, Callable[[Any], Any]], dict[str, tuple[Callable[..., Any], bool]]]:
        """What it was taught: to write types, and functions."""
        return self._by_type, self.functions

    @contextmanager
    def default(self, default: Callable[[str], Any]) -> Generator[None]:
        """Have other texts stand for what is missing, until the block ends."""
        former, self._default = self._default, default
        try:
            yield
        finally:
            self._default = former

    def set_format_for_type(self, value: type, format_function: Callable[[Any], Any]) -> None:
        """Say how values of a type are written."""
        self._by_type[value] = format_function

    def type_format(self, value: type) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
        """Return a decorator for the function that writes values of a type."""

        def decorator(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
            self.set_format_for_type(value, function)
            return function

        return decorator

    def register(self, alias: str, preformat: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Return a decorator for a function that templates name after a colon.

        Args:
            alias: its name there.
            preformat: whether it is given the text of a value, or the value itself.
        """

        def decorator(function: Callable[..., Any]) -> Callable[..., Any]:
            self.functions[alias] = (function, preformat)
            return function

        return decorator

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Return the value that a field leads to."""
        try:
            return super().get_field(field_name, args, kwargs)
        except (KeyError, AttributeError):
            flat = field_name.replace(".", "__")
            return (kwargs[flat] if flat in kwargs else self._default(field_name)), field_name

    def format_field(self, value: Any, format_spec: str) -> Any:
        """Return the text of a field."""
        name, arguments = parse_function(format_spec)
        if name not in self.functions:
            return self.text(value)
        function, preformat = self.functions[name]
        made = function(self.text(value) if preformat else value, *arguments)
        return made if isinstance(made, str) else str(made)

    def text(self, value: object) -> str:
        """Return the text of a value."""
        if value is None:
            return ""
        write = self.writer(type(value))
        return str(value if write is None else write(value))

    def writer(self, kind: type) -> Callable[[Any], Any] | None:
        """Return what writes values of a type; ``None`` if they write themselves."""
        if kind in self._by_type:
            return self._by_type[kind]
        return next((write for known, write in self._by_type.items() if issubclass(kind, known)), None)

    def _members(self, values: Any) -> str:
        return ":".join([self.text(value) for value in values])


def parse_function(spec: str) -> tuple[str, list[str]]:
    """Return the name and the arguments of the function that stands after the colon in a field."""
    name, bracket, rest = spec.partition("(")
    return name, rest.replace(")", "").split(",") if bracket else []


def _text_of_bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()


default_formatter: Final = TemplateFormatter(lambda name: "")
"""Fills in all templates. `register` and `type_format` teach it more; that comes before the first key is made."""


@default_formatter.register("get", preformat=False)
def _get(values: Any, name: str) -> str:
    return str(values.get(name)) if hasattr(values, "get") else ""


@default_formatter.register("len")
def _len(text: str) -> str:
    return str(len(text))


@default_formatter.register("lower")
def _lower(text: str) -> str:
    return text.lower()


@default_formatter.register("upper")
def _upper(text: str) -> str:
    return text.upper()


@default_formatter.register("hash")
def _hash(text: str, algorithm: str = "md5") -> str:
    return hashlib.new(algorithm, text.encode(), usedforsecurity=False).hexdigest()


@default_formatter.register("jwt")
def _jwt(token: str, claim: str) -> Any:
    _, payload, _ = token.split(".", maxsplit=2)
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))).get(claim)


def default_format(template: str, **values: Any) -> str:
    """Return the text of a template for these values, and for those of the key context."""
    return default_formatter.format(template, **with_context(values))


def with_context(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values together with those of the key context."""
    context, rewrites = context_values()
    if not context:
        return dict(values)
    own = {**values, "@": context}
    return {**own, **context} if rewrites else {**context, **own}


_PATTERN: Final = TemplateFormatter(lambda name: f"(?P<{name.replace('.', '__')}>.+)?")
_ESCAPED: Final = {ord(sign): "\\" + sign for sign in "()[]?*+-|^$\\&~# \t\n\r\v\f"}


def template_to_re_pattern(template: str) -> re.Pattern[str]:
    """Return a pattern that matches the keys of a template, with a group for each field."""
    return re.compile(f"^{_PATTERN.format(template.translate(_ESCAPED))}$", re.MULTILINE)
