"""What a cache's verbs do to the names of a namespace, written once for both colours.

Every verb works on fresh entries: one that is past its ``ttl``, or whose tags were invalidated, is not there, whichever
verb asks.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from fnmatch import translate
from typing import TYPE_CHECKING, Any

from ._engine.call import Answer, Call, Source
from ._engine.generations import tag_generation
from ._engine.verdict import is_fresh, made
from ._runtime.runtime import Runtime
from .entry import MISSING, Entry, Missing
from .errors import ConfigurationError
from .keys import shorten
from .observe.events import CallAnswered, Invalidated, Outcome
from .policy import Policy
from .protocols import Key, Lookup

if TYPE_CHECKING:
    from .core import Core

__all__ = ["Names"]


class Names:
    """The names of one cache's own namespace.

    Args:
        core: the cache's parts.
        policy: returns the policy for a ttl.
    """

    def __init__(self, core: Core, policy: Callable[[Any], Policy]) -> None:
        self._core = core
        self._policy = policy

    async def get(self, name: str, default: Any) -> Any:
        found = await self.get_many([name])
        return found.get(name, default)

    async def get_many(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the values of those names that there are."""
        asked = list(dict.fromkeys(names))
        entries = await self._read([self._key(name) for name in asked])
        return {name: self._out(entry.value) for name, entry in zip(asked, entries, strict=True) if entry is not MISSING}

    async def set_many(self, values: Mapping[str, Any], ttl: Any, tags: Sequence[str]) -> None:
        for name, value in values.items():
            await self.set(name, value, ttl, tags)

    async def set(self, name: str, value: Any, ttl: Any, tags: Sequence[str], *, if_absent: bool = False) -> bool:
        if not self._core.enabled:
            return False
        lookup = Lookup(self._key(name), _generations(tags))
        stored = await self._core.store.write(lookup, self._entry(value, self._policy(ttl)), if_absent=if_absent)
        if stored:
            self._core.flights.drop(lookup.key)
        return stored

    async def delete_many(self, names: Iterable[str]) -> int:
        return await self._core.forget([self._key(name) for name in dict.fromkeys(names)])

    async def left(self, name: str, default: Any) -> Any:
        """Return for how many more seconds a value is fresh, ``inf`` if it has no end."""
        (entry,) = await self._read([self._key(name)])
        return default if entry is MISSING else entry.fresh_until - self._core.clock.now()

    async def touch(self, name: str, ttl: Any) -> bool:
        if not self._core.enabled:
            return False
        key = self._key(name)
        entry = self._entry(None, self._policy(ttl))
        touched = await self._core.store.touch(key, entry.fresh_until, entry.expires_at)
        self._core.flights.drop(key)
        return touched

    async def incr(self, name: str, amount: int, ttl: Any) -> int:
        if isinstance(amount, bool) or not isinstance(amount, int):
            raise ConfigurationError(f"amount must be a whole number, not {amount!r}", setting="amount", given=amount)
        key = self._key(name)
        value = await self._core.store.increment(Lookup(key), amount, self._entry(amount, self._policy(ttl)))
        self._core.flights.drop(key)
        return value

    async def matching(self, pattern: str) -> list[str]:
        """Return the names that a pattern of ``*``, ``?`` and ``[...]`` matches."""
        if not isinstance(pattern, str):
            raise ConfigurationError(
                f'pattern must be a text such as "user:*", not {pattern!r}', setting="pattern", given=pattern
            )
        matches = re.compile(translate(pattern)).match
        names = await self._core.store.names(self._core.names(self._core.namespace)) if self._core.enabled else []
        return [name for name in names if matches(name)]

    async def get_or_load(
        self, name: str, load: Callable[[], Any], ttl: Any, tags: Sequence[str], runtime: Runtime
    ) -> Answer:
        if not callable(load):
            raise ConfigurationError(f"load must be callable without arguments, not {load!r}", setting="load", given=load)
        key = self._key(name)
        if not self._core.enabled:
            return await self._bypass(key, load, runtime)
        source = Source("get_or_load", self._policy(ttl), self._core.ledger, awaits=not runtime.blocking)
        run = load if runtime.blocking else _awaiting(load)
        call = Call(source, Lookup(key, _generations(tags)), run, lambda: {"name": name})
        return await self._core.engine.fetch(call, runtime)

    async def clear(self) -> None:
        await self._core.store.invalidate(everything=True)
        self._tell(Invalidated(everything=True))

    async def invalidate(self, tags: Sequence[str], namespace: str | None) -> None:
        if not tags and namespace is None:
            raise ConfigurationError(
                "invalidate needs tags= or namespace=; clear() forgets everything, delete() a single name", setting="tags"
            )
        if namespace is not None and not isinstance(namespace, str):
            raise ConfigurationError(f"namespace must be a text, not {namespace!r}", setting="namespace", given=namespace)
        await self._core.store.invalidate(names=_generations(tags), namespaces=() if namespace is None else (namespace,))
        self._tell(Invalidated(tags=tuple(tags), namespace=namespace))

    async def _read(self, keys: list[Key]) -> list[Entry[Any] | Missing]:
        if not self._core.enabled:
            return [MISSING] * len(keys)
        readings = await self._core.store.read([Lookup(key) for key in keys])
        now = self._core.clock.now()
        return [MISSING if not is_fresh(one.entry, now) or _is_error(one.entry) else one.entry for one in readings]

    async def _bypass(self, key: Key, load: Callable[[], Any], runtime: Runtime) -> Answer:
        self._core.ledger.count(Outcome.BYPASS)
        if self._core.hub.hears_calls:
            self._core.hub.answered(CallAnswered(key.text, "get_or_load", Outcome.BYPASS, self._core.store.name, None))
        try:
            value = load() if runtime.blocking else await _awaiting(load)()
        except Exception as error:
            return Answer(None, error, Outcome.BYPASS)
        return Answer(value, None, Outcome.BYPASS)

    def _entry(self, value: Any, policy: Policy) -> Entry[Any]:
        ttl = policy.ttl
        assert isinstance(ttl, float)  # verbs take no rules
        return made(self._out(value), policy, ttl, self._core.clock.now(), 0.0, (), self._core.draw())

    def _out(self, value: Any) -> Any:
        return deepcopy(value) if self._core.copies else value

    def _key(self, name: str) -> Key:
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"key must be a text that is not empty, not {name!r}", setting="key", given=name)
        return Key(self._core.names(self._core.namespace), shorten(name))

    def _tell(self, event: Invalidated) -> None:
        if self._core.hub.wants(Invalidated):
            self._core.hub.emit(event)


def _generations(tags: Sequence[str]) -> tuple[str, ...]:
    return tuple(tag_generation(tag) for tag in tags)


def _is_error(entry: Entry[Any] | Missing) -> bool:
    return entry is not MISSING and entry.is_error


def _awaiting(load: Callable[[], Any]) -> Callable[[], Any]:
    async def run() -> Any:
        value = load()
        return await value if inspect.isawaitable(value) else value

    return run
