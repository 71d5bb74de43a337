"""From a url to a store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import ConfigurationError
from .protocols import Clock, Store
from .stores.memory import MemoryStore

__all__ = ["open_store"]

_WHOLE_NUMBERS = ("max_bytes", "max_entries")


def open_store(url: str | Store, clock: Clock, options: Mapping[str, Any]) -> Store:
    """Return the store that a url names; a store is returned as it is.

    Raises:
        ConfigurationError: the url or an option makes no sense.
    """
    if not isinstance(url, str):
        return _given(url, options)
    place, _, query = url.partition("?")
    if place.lower() != "memory://":
        raise ConfigurationError(
            f'url must be like "memory://" or "memory://?max_entries=10000", which {_shown(url)!r} is not',
            setting="url",
            given=_shown(url),
        )
    settings = {**_settings(query), **options}
    unknown = sorted(settings.keys() - {*_WHOLE_NUMBERS, "weigher"})
    if unknown:
        raise ConfigurationError(
            f"{unknown[0]} is no option of memory://; there are max_entries, max_bytes and weigher",
            setting=unknown[0],
            given=settings[unknown[0]],
        )
    return MemoryStore(clock=clock, **settings)


def _given(store: Store, options: Mapping[str, Any]) -> Store:
    if isinstance(store, type) or not isinstance(store, Store):
        raise ConfigurationError(f"url must be a text or a store, not {store!r}", setting="url", given=store)
    if options:
        raise ConfigurationError(
            f"{next(iter(options))} has no effect beside a store that is made already", setting="url", given=store
        )
    return store


def _settings(query: str) -> dict[str, Any]:
    if not query:
        return {}
    from urllib.parse import parse_qsl  # only now: the cache that is there without any set-up has no options

    return dict(_option(name, text) for name, text in parse_qsl(query, keep_blank_values=True))


def _shown(url: str) -> str:
    """Return what an error may show of a url: neither password nor options."""
    scheme, separator, rest = url.partition("?")[0].partition("://")
    return scheme + separator + rest.rpartition("@")[2]


def _option(name: str, text: str) -> tuple[str, object]:
    if name in _WHOLE_NUMBERS:
        try:
            return name, int(text)
        except ValueError as error:
            raise ConfigurationError(f"{name} must be a whole number, not {text!r}", setting=name, given=text) from error
    if name == "weigher":
        raise ConfigurationError("weigher must be given as a keyword: a url can only hold its name", setting=name, given=text)
    return name, text
