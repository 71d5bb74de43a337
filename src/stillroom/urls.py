"""From a url and settings to a store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from . import settings
from ._runtime.clock import SystemClock
from .capabilities import TwoSided
from .errors import ConfigurationError
from .protocols import Clock, Store
from .serializers.setting import check
from .stores.memory import MemoryStore

__all__ = ["open_store"]

_WHOLE_NUMBERS: Final = ("max_bytes", "max_entries")
_REDIS: Final = ("redis", "rediss", "unix", "valkey", "valkeys")
_SCHEMES: Final = (*_REDIS, *(f"{scheme}+{kind}" for scheme in _REDIS if scheme != "unix" for kind in ("cluster", "sentinel")))

_IN_URL: Final = frozenset({"near", "prefix", "serializer", "compress", "on_error", "timeout", "lease", "cluster"})
"""What may stand in the url of a store outside of this process, besides the options of redis-py. A secret may not: urls end up
in logs."""

AnyStore: TypeAlias = "Store | TwoSided"


def open_store(url: str | AnyStore, clock: Clock, far: Mapping[str, Any], options: Mapping[str, Any]) -> AnyStore:
    """Return the store that a url names; a store is returned as it is.

    Args:
        url: the url, or the store.
        clock: tells the time.
        far: settings for a store outside of this process, checked also while there is none.
        options: further options of the store.

    Raises:
        ConfigurationError: the url, a setting or an option makes no sense.
    """
    _check(far)
    if not isinstance(url, str):
        return _given(url, options)
    scheme = url.partition("://")[0].lower()
    if "://" in url and scheme in _SCHEMES:
        return _open_redis(url, clock, far, options)
    if scheme != "memory" or not url.lower().startswith("memory://"):
        raise ConfigurationError(
            f'url must be like "memory://?max_entries=10000" or "redis://localhost:6379/0", which {_shown(url)!r} is not',
            setting="url",
            given=_shown(url),
        )
    return _open_memory(url, clock, options)


def _check(far: Mapping[str, Any]) -> None:
    _near(far["near"], SystemClock())
    settings.prefix(far["prefix"])
    check(far["serializer"], far["compress"])
    settings.choice(far["on_error"], settings.ON_ERROR, "on_error")
    settings.timeout(far["timeout"])
    settings.lease(far["lease"])
    if far["secret"] is not None:
        from .serializers.signing import Signer  # only now: it imports hashlib

        Signer(far["secret"])


def _near(near: object, clock: Clock) -> MemoryStore | None:
    if near is None:
        return None
    if not isinstance(near, str) or near.partition("?")[0].lower() != "memory://":
        raise ConfigurationError(f'near must be like "memory://?max_entries=10000", not {near!r}', setting="near", given=near)
    return _open_memory(near, clock, {})


def _open_memory(url: str, clock: Clock, options: Mapping[str, Any]) -> MemoryStore:
    place, _, query = url.partition("?")
    if place.lower() != "memory://":
        raise ConfigurationError(
            f'url must be like "memory://" or "memory://?max_entries=10000", which {_shown(url)!r} is not',
            setting="url",
            given=_shown(url),
        )
    chosen = {**_settings(query), **options}
    unknown = sorted(chosen.keys() - {*_WHOLE_NUMBERS, "weigher", "eviction"})
    if unknown:
        raise ConfigurationError(
            f"{unknown[0]} is no option of memory://; there are max_entries, max_bytes, weigher and eviction",
            setting=unknown[0],
            given=chosen[unknown[0]],
        )
    return MemoryStore(clock=clock, **chosen)


def _open_redis(url: str, clock: Clock, far: Mapping[str, Any], options: Mapping[str, Any]) -> TwoSided:
    from .stores.redis.opening import RedisStores  # only now: it imports redis-py

    place, _, query = url.partition("?")
    ours, theirs = _divided(query)
    chosen: dict[str, Any] = {**far, **{name: _of_text(name, text) for name, text in ours.items()}, **options}
    chosen["near"] = _near(chosen["near"], clock)
    return RedisStores(f"{place}?{theirs}" if theirs else place, clock, **chosen)


def _divided(query: str) -> tuple[dict[str, str], str]:
    """Return the options in a url that are stillroom's own, and the others as they stand there."""
    from urllib.parse import unquote_plus

    ours: dict[str, str] = {}
    theirs: list[str] = []
    for part in filter(None, query.split("&")):
        name, equals, text = part.partition("=")
        if not equals:
            message = "url has an option without a value; / ? # @ in a password must be percent-encoded"
            raise ConfigurationError(message, setting="url")
        if name == "secret":
            raise ConfigurationError("secret must be given as a keyword: urls end up in logs", setting="secret")
        if name in _WHOLE_NUMBERS:
            message = f'{name} is an option of memory://; on Redis, near="memory://?{name}=..." takes it'
            raise ConfigurationError(message, setting=name, given=text)
        if name in _IN_URL:
            ours[name] = unquote_plus(text)
        else:
            theirs.append(part)
    return ours, "&".join(theirs)


def _of_text(name: str, text: str) -> object:
    if name == "cluster":
        known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if text.lower() not in known:
            raise ConfigurationError(f"cluster must be true or false, not {text!r}", setting=name, given=text)
        return known[text.lower()]
    if name in ("timeout", "lease"):
        try:
            return float(text)
        except ValueError:
            return text
    return text


def _given(store: AnyStore, options: Mapping[str, Any]) -> AnyStore:
    if isinstance(store, type) or not isinstance(store, (Store, TwoSided)):
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
