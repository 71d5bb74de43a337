"""What a batch function does: it is asked for several items at once, and caches each by itself.

Beside it stands a cached function of one item, made of the same settings, which users know as ``f.one``. It says what an
item is called in the store, who else shares it, and what becomes of it. So the batch function has no entries, and no rules, of
its own: it asks for the keys of that function, and brings what is missing in one run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial, update_wrapper
from types import MethodType
from typing import TYPE_CHECKING, Any, NamedTuple

from ._engine.joint import Brought, Joint
from ._engine.together import Together
from ._engine.verdict import is_fresh
from ._runtime.runtime import drive
from .compile import Bound
from .entry import ABSENT, MISSING
from .errors import MissingKeyContext, UncacheableArgument
from .function import Operations, followed, run_as
from .items import Shape, Slot, group_of, told
from .keys import values_now
from .load import Said, repeat, within

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ._engine.call import Answer, Call
    from ._engine.loading import Look
    from ._runtime.collecting import Send, TaskCollector, ThreadCollector
    from .entry import Entry
    from .protocols import Key, Lookup
    from .side import Side
    from .taking import Taken

__all__ = ["HELPERS", "BatchMethod", "BatchOperations", "ItemOperations"]

HELPERS = ("bypass", "invalidate", "invalidate_all", "peek", "put", "refresh")


class ItemOperations(Operations):
    """What the function of one item does: where there is no such item, it returns ``None``."""

    def given(self, answer: Answer) -> Any:
        return None if answer.error is ABSENT else _or_none(super().given(answer))

    def past_the_cache(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        found = super().past_the_cache(args, kwargs)
        return followed(found, _or_none) if self.kind.is_async else _or_none(found)


class _Asked(NamedTuple):
    """The items that a call asks for, with their calls, of which some may have the same key."""

    items: list[Any]
    bounds: list[Bound]
    calls: list[Call]


class BatchOperations:
    """Everything that one batch function does.

    Args:
        function: the function as the user wrote it.
        bind: binds arguments to its signature.
        slot: where the items stand among its arguments.
        shape: what it returns.
        at_most: how many items it is asked for at a time.

    Attributes:
        one: what the function of one item does.
        one_slot: where the item stands among its arguments.
        collector: brings items together that are asked for one by one; ``None`` if each is loaded by itself.
    """

    one: ItemOperations
    one_slot: Slot

    def __init__(
        self, function: Callable[..., Any], bind: Callable[..., Bound], slot: Slot, shape: Shape, at_most: int | None
    ) -> None:
        self.function = function
        self.collector: TaskCollector | ThreadCollector | None = None
        self._bind = bind
        self._slot = slot
        self._shape = shape
        self._at_most = at_most

    # How calls are answered

    def call(self, values: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a call."""
        bound = Bound(values, args, kwargs)
        return self._run(self._fetch(bound, self._items(bound)), self._unwrapped)

    def load_one(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Load one item by a run of the function, with others if they are collected; return its value, or an awaitable."""
        if self.one.kind.is_async:
            return self._load_one(*self._one_of(args, kwargs))
        item, group, send = self._one_of(args, kwargs)
        collector: Any = self.collector

        def driven(items: Sequence[Any]) -> list[Brought]:
            return drive(send(items))

        return _alone(driven([item])[0] if collector is None else collector.load(item, group, driven))

    async def _load_one(self, item: Any, group: Hashable, send: Send) -> Any:
        collector: Any = self.collector
        return _alone((await send([item]))[0] if collector is None else await collector.load(item, group, send))

    def _one_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Hashable, Send]:
        """Return the item, what is equal for calls that may be collected, and what loads several items."""
        slot = self.one_slot
        others = kwargs if not slot.is_named else {name: one for name, one in kwargs.items() if name != slot.name}
        # Whoever is in a transaction sees what others do not, so they have flights of their own, and runs.
        context = map(_told_now, self.one.context)  # a run is in the key context of one of them
        group = (self._side.flights, *context, *group_of(args, others, None if slot.is_named else slot.at))
        return slot.of(args, kwargs), group, partial(self._send, Bound((), args, others))

    async def _send(self, bound: Bound, items: Sequence[Any]) -> list[Brought]:
        """Run the function for items, each of them once, and return what it brings for each, or its error for all."""
        left: Mapping[Hashable, Any] = {told(item): item for item in items}
        brought: dict[Hashable, Brought] = {}
        while left:  # once, but for items that must not meet in a run
            together = self._shape.apart(left)
            brought.update(zip(together, await self._run_for(bound, list(together.values())), strict=True))
            left = {one: item for one, item in left.items() if one not in together}
        return [brought[told(item)] for item in items]

    async def _run_for(self, bound: Bound, items: list[Any]) -> list[Brought]:
        """Run the function once, for different items."""
        _, args, kwargs = self._slot.with_(bound, list(items))
        said = Said(lambda: self.one.name, self.one.source.policy)
        try:
            with within(said):
                returned = self.function(*args, **kwargs)
                if self.one.kind.is_async:
                    returned = await returned
            values = self._shape.values(items, returned)
        except Exception as error:
            said.end()
            return [Brought(None, error, said)] * len(items)
        said.end()
        return [Brought(value, None, said) for value in values]

    # The helpers, for users

    def invalidate(self, /, *args: Any, **kwargs: Any) -> Any:
        """Forget these items; a load that is in progress no longer counts for them. Returns how many there were."""
        bound = self._bind(*args, **kwargs)
        return self._run(self._invalidate(bound, self._items(bound)))

    def invalidate_all(self) -> Any:
        """Forget all items of this function, at a cost that does not depend on how many there are."""
        return self.one.invalidate_all()

    def refresh(self, /, *args: Any, **kwargs: Any) -> Any:
        """Load these items now, store them, and return what a call would. Loads that began earlier no longer count."""
        bound = self._bind(*args, **kwargs)
        return self._run(self._refresh(bound, self._items(bound)), self._unwrapped)

    def peek(self, /, *args: Any, **kwargs: Any) -> Any:
        """Return a dict of those items of which there is a fresh value; never load."""
        bound = self._bind(*args, **kwargs)
        return self._run(self._peek(bound, self._items(bound)))

    def put(self, /, *args: Any, **kwargs: Any) -> Any:
        """Store values for items, given as a mapping in the place of the items. Loads in progress no longer count for them."""
        bound = self._bind(*args, **kwargs)
        given = bound.values[self._slot.at]
        if not isinstance(given, Mapping):
            raise TypeError(f"{self._slot.name} must be a mapping of items to values, not {given!r}")
        return self._run(self._put(bound, given))  # pyright: ignore[reportUnknownArgumentType]

    def bypass(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run the function and return what a call would; the cache is neither read nor changed."""
        bound = self._bind(*args, **kwargs)
        return self._run(self._past_the_cache(bound, self._items(bound)), self._unwrapped)

    # The same, for both colours

    async def _fetch(self, bound: Bound, items: list[Any]) -> tuple[list[Any], list[Any]]:
        if not self.one.is_on:
            return await self._past_the_cache(bound, items)
        glancing = self.one.glances.on(self._side)
        if glancing is None or not items:
            return items, await self._fetched(bound, items)
        landings = self._side.flights.landings
        seen = await self.one.glances.seen(self.one, glancing, self._taken(bound, items))
        missed = [item for item, (is_hit, _) in zip(items, seen, strict=True) if not is_hit]
        looks = [None if found is None else (found, landings) for is_hit, found in seen if not is_hit]
        fetched = await self._fetched(bound, missed, looks) if missed else []
        if fetched and isinstance(fetched[0], _Raised):
            return items, fetched
        others = iter(fetched)
        return items, [self.one.kept(found) if is_hit else next(others) for is_hit, found in seen]

    async def _fetched(self, bound: Bound, items: list[Any], looks: Sequence[Look | None] = ()) -> list[Any]:
        """Return the value for each item, by way of the engine; whoever has looked into the store says what was found there."""
        asked = self._asked(bound, items)
        seen = {call.key: look for call, look in zip(asked.calls, looks, strict=False) if look is not None}
        return await self._in_order(asked, self._together(bound, asked, seen).fetch)

    async def _refresh(self, bound: Bound, items: list[Any]) -> tuple[list[Any], list[Any]]:
        if not self.one.is_on:
            with suppress(UncacheableArgument, MissingKeyContext):  # nothing can be stored for such
                await self._invalidate(bound, items)
            return await self._past_the_cache(bound, items)
        asked = self._asked(bound, items)
        return items, await self._in_order(asked, self._together(bound, asked).refresh)

    async def _invalidate(self, bound: Bound, items: list[Any]) -> int:
        keys = dict.fromkeys([call.key for call in self._asked(bound, items).calls])
        return await self._side.forget(list(keys)) if keys else 0

    async def _peek(self, bound: Bound, items: list[Any]) -> dict[Any, Any]:
        if not self.one.is_on or not items:
            return {}
        asked = self._asked(bound, items)
        readings = await self._side.store.read([call.lookup for call in asked.calls], count=False)
        now = self.one.core.clock.now()
        entries = [(item, reading.entry) for item, reading in zip(items, readings, strict=True)]
        return {
            item: self.one.kept(entry.value)
            for item, entry in entries
            if entry is not MISSING and not entry.is_error and is_fresh(entry, now)
        }

    async def _put(self, bound: Bound, given: Mapping[Any, Any]) -> None:
        entries: dict[Key, tuple[Lookup, Entry[Any] | None]] = {}
        for one, value in zip(self._bounds(bound, list(given)), given.values(), strict=True):
            lookup = self.one.lookup(one.values)
            entries[lookup.key] = (lookup, self.one.entry_of(value, one.values) if self.one.is_on else None)
        outdated = [key for key, (_, entry) in entries.items() if entry is None]
        kept = [(lookup, entry) for lookup, entry in entries.values() if entry is not None]
        if outdated:
            await self._side.forget(outdated)
        if kept:
            await self._side.store.write(kept)
            for lookup, _ in kept:
                self._side.flights.drop(lookup.key)

    async def _past_the_cache(self, bound: Bound, items: list[Any]) -> tuple[list[Any], list[Any]]:
        if not items:
            return [], []
        self.one.core.note_bypass(self.one.source.ledger, "", self.one.name)
        brought = await self._send(bound, items)
        return items, [one.value if one.error is None else _Raised(one.error) for one in brought]

    # What they are made of

    @property
    def _side(self) -> Side:
        return self.one.core.tasks if self.one.kind.is_async else self.one.core.blocking

    def _run(self, work: Coroutine[Any, Any, Any], then: Callable[[Any], Any] | None = None) -> Any:
        return run_as(self.one.kind, work, then)

    def _items(self, bound: Bound) -> list[Any]:
        given = bound.values[self._slot.at]
        if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
            raise TypeError(f"{self._slot.name} must be several items, such as [1, 2], not {given!r}")
        return list(given)  # pyright: ignore[reportUnknownArgumentType]

    def _bounds(self, bound: Bound, items: list[Any]) -> list[Bound]:
        if self._slot.is_named:  # the function of one item knows it by another name
            others = {name: one for name, one in bound.kwargs.items() if name != self._slot.name}
            bound = bound._replace(kwargs=others)
        return [self.one_slot.with_(bound, item) for item in items]

    def _asked(self, bound: Bound, items: list[Any]) -> _Asked:
        bounds = self._bounds(bound, items)
        return _Asked(items, bounds, [self.one.call_of(*one) for one in bounds])

    def _taken(self, bound: Bound, items: list[Any]) -> list[Taken]:
        """Return the arguments of the function of one item for each, of which only the values count."""
        before, after = bound.values[: self._slot.at], bound.values[self._slot.at + 1 :]
        several = [(*before, item, *after) for item in items]
        return list(several) if self.one.keying.flat == len(bound.values) else [Bound(one, one, {}) for one in several]

    def _together(self, bound: Bound, asked: _Asked, seen: dict[Key, Look] | None = None) -> Together:
        item_of = {call.key: item for call, item in zip(asked.calls, asked.items, strict=True)}

        def run(calls: Sequence[Call]) -> Any:
            work = self._send(bound, [item_of[call.key] for call in calls])
            return work if self.one.kind.is_async else drive(work)

        return Together(self._side.engine, Joint(run, self._at_most), seen)

    async def _in_order(self, asked: _Asked, way: Callable[[Sequence[Call]], Coroutine[Any, Any, list[Answer]]]) -> list[Any]:
        """Have different calls answered; return the value for each item asked for. The first error takes the place of all."""
        distinct = {call.key: call for call in asked.calls}
        answers = dict(zip(distinct, await way(list(distinct.values())), strict=True))
        found: list[Any] = []
        for call in asked.calls:
            answer = answers[call.key]
            if answer.error is not None and answer.error is not ABSENT:
                return [_Raised(answer.error)]
            found.append(ABSENT if answer.error is ABSENT else self.one.given(answer))
        return found

    def _unwrapped(self, found: tuple[list[Any], list[Any]]) -> Any:
        items, values = found
        if values and isinstance(values[0], _Raised):
            raise values[0].error
        return self._shape.returned(items, values)


def _told_now(name: str) -> Hashable:
    """Return what is equal for contexts with the same value; past the cache, there need not be any."""
    try:
        return told(values_now()[name])
    except MissingKeyContext:
        return None


def _alone(brought: Brought) -> Any:
    """Return what a run has brought for one item as its own load brings it, or raise the error."""
    repeat(brought.said)
    if brought.error is not None:
        raise brought.error
    return brought.value


class _Raised(NamedTuple):
    """An error on its way out of a coroutine, through which some could not pass as what they are."""

    error: Exception


def _or_none(value: Any) -> Any:
    return None if value is ABSENT else value


class BatchMethod:
    """A batch function in the body of a class.

    Args:
        function: the caller, as it works outside of classes, helpers and all.
        one: what stands in the body of a class for the function of one item.
        of_class: binding is to the class, as for ``classmethod``.
    """

    def __init__(self, function: Callable[..., Any], one: Any, *, of_class: bool) -> None:
        update_wrapper(self, function)
        self.function = function
        self._one = one
        self._of_class = of_class

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __get__(self, obj: Any, owner: type[Any] | None = None) -> Any:
        if obj is None and not self._of_class:
            return self.function
        kind: Any = owner if owner is not None else obj.__class__
        return _BoundBatch(self.function, self._one.__get__(obj, owner), kind if self._of_class else obj)


class _BoundBatch:
    """A batch method of one object, or a batch class method of one class.

    Args:
        function: the caller, as it works outside of classes, helpers and all.
        one: the function of one item, bound already.
        owner: the object or class.
    """

    def __init__(self, function: Callable[..., Any], one: Any, owner: Any) -> None:
        self.__func__ = function
        self.__self__ = owner
        self.__doc__ = function.__doc__
        self.one = one

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.__func__(self.__self__, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<bound batch method {self.__func__.__qualname__} of {self.__self__!r}>"

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.__func__, name)
        return partial(found, self.__self__) if name in HELPERS and name != "invalidate_all" else found

    @property
    def __wrapped__(self) -> Any:
        return MethodType(self.__func__.__wrapped__, self.__self__)  # type: ignore[attr-defined]
