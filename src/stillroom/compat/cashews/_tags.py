"""Tags: what carries one is forgotten with it, at once, however much it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from string import Formatter
from typing import Any

from ._commands import Commands
from .backends.interface import TAG_PREFIX, Backend

__all__ = ["Tags"]


class Tags(Commands):
    """Forgetting by tag, and which tags go with which keys."""

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self._tags_key_prefix = TAG_PREFIX
        self._templates_of: dict[str, list[re.Pattern[str]]] = {}

    def register_tag(self, tag: str, key_template: str) -> None:
        """Say that keys made from a template carry a tag, which may be a template of the same names."""
        self._templates_of.setdefault(tag, []).append(_pattern(key_template))

    def get_key_tags(self, key: str) -> list[str]:
        """Return the tags that a key carries by its template."""
        found: list[str] = []
        for tag, patterns in self._templates_of.items():
            match = next(filter(None, (pattern.fullmatch(key) for pattern in patterns)), None)
            if match is not None:
                found.append(_filled(tag, match.groupdict(default="")))
        return found

    def _tags_of(self, key: str, tags: Iterable[str] = ()) -> list[str]:
        """Return what a value carries that is stored under a key: what it is given, and what keys of its template carry.

        A decorated function stores its results with the latter, and what a command puts in their place must not outlive them.
        """
        return list(dict.fromkeys([*tags, *self.get_key_tags(key)])) if self._templates_of else list(tags)

    async def delete_tags(self, *tags: str) -> None:
        """Forget what carries one of these tags; loads of it that are in progress no longer count."""
        if not tags:
            return
        self._check_setup()
        for backend in self._backends.values():
            await backend.invalidate_tags(tags)

    def setup_tags_backend(self, settings_url: str, middlewares: Iterable[Any] = (), **kwargs: Any) -> Backend:
        """Say where tags live. They live beside the values that carry them, so this is no more than a further `setup`."""
        return self.setup(settings_url, middlewares=tuple(middlewares), prefix=self._tags_key_prefix, **kwargs)

    @property
    def tags_backend(self) -> Backend:
        """What is responsible for keys that begin as cashews' own tags do."""
        return self._get_backend(self._tags_key_prefix)


def _fields(template: str) -> Iterator[tuple[str, str | None]]:
    for text, field, _, _ in Formatter().parse(template):
        yield text, field


def _pattern(template: str) -> re.Pattern[str]:
    """Return what matches the keys that a template makes, with a group for each of its names."""
    seen: set[str] = set()
    parts: list[str] = []
    for text, field in _fields(template):
        parts.append(re.escape(text))
        if field is None:
            continue
        name = _group(field)
        parts.append("(?:.+)?" if name in seen or not name.isidentifier() else f"(?P<{name}>.+)?")
        seen.add(name)
    return re.compile("".join(parts), flags=re.DOTALL)


def _filled(tag: str, values: dict[str, str]) -> str:
    return "".join(text + ("" if field is None else values.get(_group(field), "")) for text, field in _fields(tag))


def _group(field: str) -> str:
    return field.replace(".", "__")
