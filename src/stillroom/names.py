"""What a cache's verbs do to the names of a namespace, written once for both colours.

Every verb works on fresh entries: one that is past its ``ttl``, or whose tags were invalidated, is not there, whichever
verb asks.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from fnmatch import translate
from typing import TYPE_CHECKING, Any

from ._engine.call import Answer, Call, Source
from ._engine.generations import tag_generation
from ._engine.verdict import is_fresh, made
from ._runtime.runtime import Runtime
from .durations import Duration, seconds
from .entry import MISSING, Entry, Missing
from .errors import ConfigurationError
from .keys import is_shortened, may_stand_for, shorten
from .load import Said, within
from .observe.outcome import Outcome
from .policy import Policy
from .protocols import Key, Keyspace, Lookup
from .settings import text

if TYPE_CHECKING:
    from .core import Core
    from .side import Side

__all__ = ["Names"]


class Names:
    """The names of one cache's own namespace.

    Args:
        core: the cache's parts.
        ttl: how long values are fresh for which no other ttl is given.
        is_async: whether callers are on an event loop.
    """

    def __init__(self, core: Core, ttl: Duration | None, *, is_async: bool) -> None:
        self._core = core
        self._is_async = is_async
        self._default = self._policy_of(ttl)

    async def get(self, name: str, default: Any) -> Any:
        (entry,) = await self._read([self._key(name)])
        return default if entry is MISSING else self._out(entry.value)

    async def get_many(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the values of those names that there are."""
        keys = self._keys(names)
        entries = await self._read(list(keys.values()))
        return {name: self._out(entry.value) for name, entry in zip(keys, entries, strict=True) if entry is not MISSING}

    async def set_many(self, values: Mapping[str, Any], ttl: Duration | Missing | None, tags: Sequence[str]) -> None:
        if not isinstance(values, Mapping):
            raise ConfigurationError(
                f"values must be a mapping of names to values, not {values!r}", setting="values", given=values
            )
        await self._write([(key, values[name]) for name, key in self._keys(values).items()], ttl, tags)

    async def set(self, name: str, value: Any, ttl: Duration | Missing | None, tags: Sequence[str]) -> None:
        await self._write([(self._key(name), value)], ttl, tags)

    async def add(self, name: str, value: Any, ttl: Duration | Missing | None, tags: Sequence[str]) -> bool:
        lookup, policy = Lookup(self._key(name), _generations(tags)), self._policy(ttl)
        if not self._core.enabled:
            return False
        stored = await self._side.store.add(lookup, self._entry(value, policy))
        if stored:
            self._side.flights.drop(lookup.key)
        return stored

    async def delete_many(self, names: Iterable[str]) -> int:
        return await self._delete(list(self._keys(names).values()))

    async def delete_matching(self, pattern: str) -> int:
        """Delete what a pattern matches, and names that are shortened if it may match what they stand for."""
        return await self._delete([Key(self._space, name) for name in await self._matching(pattern, fresh=False)])

    async def left(self, name: str, default: Any) -> Any:
        """Return for how many more seconds a value is fresh, ``inf`` if it has no end."""
        (entry,) = await self._read([self._key(name)])
        return default if entry is MISSING else entry.fresh_until - self._core.clock.now()

    async def touch(self, name: str, ttl: Duration | Missing | None) -> bool:
        key, entry = self._key(name), self._entry(None, self._policy(ttl))
        if not self._core.enabled:
            return False
        touched = await self._side.store.touch(key, entry.fresh_until, entry.expires_at)
        self._side.flights.drop(key)
        return touched

    async def incr(self, name: str, amount: int, ttl: Duration | Missing | None, tags: Sequence[str]) -> int:
        if isinstance(amount, bool) or not isinstance(amount, int):
            raise ConfigurationError(f"amount must be a whole number, not {amount!r}", setting="amount", given=amount)
        lookup, initial = Lookup(self._key(name), _generations(tags)), self._entry(amount, self._policy(ttl))
        if not self._core.enabled:
            await self._side.forget([lookup.key])
            return amount
        value = await self._increment(lookup, amount, initial)
        self._side.flights.drop(lookup.key)
        return value

    async def _increment(self, lookup: Lookup, amount: int, initial: Entry[Any]) -> int:
        store, turns = self._side.store, self._side.turns
        if turns is None:
            return await store.increment(lookup, amount, initial)
        turn = turns.join(lookup.key)
        try:
            await turns.wait(turn)
            return await store.increment(lookup, amount, initial)
        finally:
            turns.leave(turn)

    async def matching(self, pattern: str) -> list[str]:
        """Return the names that a pattern of ``*``, ``?`` and ``[...]`` matches."""
        names = await self._matching(pattern, fresh=True)
        return names if self._core.enabled else []

    async def get_or_load(
        self, name: str, load: Callable[[], Any], ttl: Duration | Missing | None, tags: Sequence[str]
    ) -> Answer:
        runtime = self._side.runtime
        _check_load(load, runtime)
        key, policy = self._key(name), self._policy(ttl)
        if not self._core.enabled:
            return await self._bypass(key, load, policy, runtime)
        source = Source("get_or_load", policy, self._core.ledger, awaits=not runtime.blocking)
        run = load if runtime.blocking else _awaiting(load)
        call = Call(source, Lookup(key, _generations(tags)), run, lambda: {"name": name}, self._core.clock.now())
        return await self._side.engine.fetch(call)

    async def clear(self) -> None:
        await self._side.store.invalidate(everything=True)
        if self._core.hub.has_listeners:
            self._core.hub.announcer.invalidated(everything=True)

    async def invalidate(self, tags: Sequence[str], namespace: str | None) -> None:
        if not tags and namespace is None:
            raise ConfigurationError(
                "invalidate needs tags= or namespace=; clear() forgets everything, delete() a single name", setting="tags"
            )
        await self._side.invalidate(tags, None if namespace is None else text(namespace, "namespace"))

    async def _read(self, keys: list[Key]) -> list[Entry[Any] | Missing]:
        if not self._core.enabled:
            return [MISSING] * len(keys)
        readings = await self._side.store.read([Lookup(key) for key in keys])
        now = self._core.clock.now()
        return [MISSING if not is_fresh(one.entry, now) or _is_error(one.entry) else one.entry for one in readings]

    async def _bypass(self, key: Key, load: Callable[[], Any], policy: Policy, runtime: Runtime) -> Answer:
        self._core.note_bypass(self._core.ledger, key.text, "get_or_load")
        try:
            with within(Said(lambda: key.text, policy)):
                value = load() if runtime.blocking else await _awaiting(load)()
        except Exception as error:
            return Answer(None, error, Outcome.BYPASS)
        return Answer(value, None, Outcome.BYPASS)

    def _entry(self, value: Any, policy: Policy) -> Entry[Any]:
        ttl = policy.ttl
        assert isinstance(ttl, float)  # verbs take no rules
        return made(self._out(value), policy, ttl, self._core.clock.now(), 0.0, (), 1.0)  # without jitter, nothing is drawn

    def _out(self, value: Any) -> Any:
        return deepcopy(value) if self._core.copies else value

    def _policy(self, ttl: Duration | Missing | None) -> Policy:
        return self._default if ttl is MISSING else self._policy_of(ttl)

    def _policy_of(self, ttl: Duration | None) -> Policy:
        return Policy(ttl=math.inf if ttl is None else seconds(ttl, "ttl"), copy=self._core.copies)

    @property
    def _side(self) -> Side:
        return self._core.tasks if self._is_async else self._core.blocking

    @property
    def _space(self) -> Keyspace:
        return self._core.names(self._core.namespace)

    def _key(self, name: str) -> Key:
        checked = text(name, "key")
        return Key(self._space, checked if is_shortened(checked) else shorten(checked))

    def _keys(self, names: Iterable[str]) -> dict[str, Key]:
        if isinstance(names, (str, bytes)) or not isinstance(names, Iterable):
            raise ConfigurationError(f'keys must be several, such as ["a", "b"], not {names!r}', setting="keys", given=names)
        return dict([(name, self._key(name)) for name in names])  # noqa: C404 - names are hashed after they were checked

    async def _matching(self, pattern: str, *, fresh: bool) -> list[str]:
        if not isinstance(pattern, str):
            raise ConfigurationError(
                f'pattern must be a text such as "user:*", not {pattern!r}', setting="pattern", given=pattern
            )
        matches, names = re.compile(translate(pattern)).match, await self._side.store.names(self._space, fresh=fresh)
        return [name for name in names if matches(name) or (not fresh and may_stand_for(name, pattern))]

    async def _delete(self, keys: list[Key]) -> int:
        found = await self._side.forget(keys) if keys else 0
        return found if self._core.enabled else 0

    async def _write(self, values: list[tuple[Key, Any]], ttl: Duration | Missing | None, tags: Sequence[str]) -> None:
        policy, generations = self._policy(ttl), _generations(tags)
        if not self._core.enabled:  # what this replaces is out of date, and must not be there again afterwards
            await self._delete([key for key, _ in values])
            return
        await self._side.store.write([(Lookup(key, generations), self._entry(value, policy)) for key, value in values])
        for key, _ in values:
            self._side.flights.drop(key)


def _generations(tags: Sequence[str]) -> tuple[str, ...]:
    return tuple(tag_generation(tag) for tag in tags)


def _is_error(entry: Entry[Any] | Missing) -> bool:
    return entry is not MISSING and entry.is_error


def _awaiting(load: Callable[[], Any]) -> Callable[[], Any]:
    async def run() -> Any:
        value = load()
        return await value if inspect.isawaitable(value) else value

    return run


def _check_load(load: Callable[[], Any], runtime: Runtime) -> None:
    if not callable(load):
        raise ConfigurationError(f"load must be callable without arguments, not {load!r}", setting="load", given=load)
    if runtime.blocking and inspect.iscoroutinefunction(load):
        raise ConfigurationError(
            f"load must not be a coroutine function such as {load!r}; aget_or_load awaits it", setting="load", given=load
        )
