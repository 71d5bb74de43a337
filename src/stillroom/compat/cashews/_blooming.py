"""The Bloom filters of cashews upon stillroom's.

A filter that is not there is certain of nothing, so the function is called; cashews answers ``False``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from stillroom import Cache as Native

from ._eras import Eras
from ._identities import identity_of
from ._loading import run
from ._marks import exact
from ._naming import Called, Naming
from ._reach import Reach
from ._translation import translated
from .exceptions import CacheBackendInteractionError

__all__ = ["blooming", "dual_blooming"]


class _Filter:
    """A filter of calls.

    Args:
        reach: what is needed of the cache.
        name: what it is called.
        capacity: for how many calls it is made.
        percent: how many strangers in a hundred may be taken for members.
    """

    def __init__(self, reach: Reach, name: str, capacity: int, percent: float) -> None:
        self._reach = reach
        self._settings: dict[str, Any] = {"capacity": capacity, "false_positive_rate": percent / 100, "name": name}
        self._made: WeakKeyDictionary[Native, Any] = WeakKeyDictionary()

    async def may_have(self, called: Called) -> bool:
        """Tell whether a call may be in it; so may any, while there is no filter."""
        return bool(await self._of(self._home(called))(called))

    async def is_there(self, called: Called) -> bool:
        """Tell whether there is a filter."""
        return await self._of(self._home(called)).bloom.peek() is not None

    @translated
    async def add(self, called: Called) -> None:
        """Put a call into it."""
        await self._of(self._home(called)).add(called)

    @translated
    async def empty(self, home: Native) -> None:
        """Begin anew: nothing is in it."""
        await self._of(home).bloom.fill([])

    def _home(self, called: Called) -> Native:
        return self._reach.place(called.name).home

    def _of(self, home: Native) -> Any:
        if home not in self._made:
            self._made[home] = home.bloom(key=_member, **self._settings)(_maybe)
        return self._made[home]


async def _maybe(called: Called) -> bool:  # noqa: ARG001 - the filter looks at it
    return True


def _member(called: Called) -> str:
    return exact((called.name, called.mark))


def blooming(
    reach: Reach, function: Callable[..., Any], naming: Naming, capacity: int, percent: float, checks: bool
) -> Callable[..., Any]:
    """Return a predicate that answers ``False`` without a call where its filter is certain; ``set`` puts calls into it.

    Args:
        reach: what is needed of the cache.
        function: the predicate.
        naming: tells calls apart.
        capacity: for how many calls the filter is made.
        percent: how many strangers in a hundred may be taken for members.
        checks: call the function where the filter is not certain, instead of answering ``True``.
    """
    members = _Filter(reach, f"{naming.template}:{identity_of(function)}", capacity, percent)
    former: Callable[..., Any] = getattr(function, "set", function)

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        called = naming.called(args, kwargs)
        if not await members.may_have(called):
            return False
        if checks or not await members.is_there(called):
            return await run(function, args, kwargs)
        return True

    async def set(*args: Any, **kwargs: Any) -> Any:
        result = await run(former, args, kwargs)
        if result:
            await members.add(naming.called(args, kwargs))
        return result

    call.set = set  # type: ignore[attr-defined]
    return call


def dual_blooming(
    reach: Reach,
    function: Callable[..., Any],
    naming: Naming,
    capacities: tuple[int, int],
    percents: tuple[float, float],
    is_strict: bool,
) -> Callable[..., Any]:
    """Return a predicate that remembers its answers in two filters, one of those that are true and one of the others.

    Args:
        reach: what is needed of the cache.
        function: the predicate.
        naming: tells calls apart.
        capacities: for how many calls the filters are made.
        percents: how many strangers in a hundred may be taken for members.
        is_strict: leave an answer out whose call is in the filter already by the looks of it.
    """
    name = f"{naming.template}:{identity_of(function)}"
    positive = _Filter(reach, f"{name}:true", capacities[0], percents[0])
    negative = _Filter(reach, f"{name}:false", capacities[1], percents[1])

    async def begin(home: Native) -> None:
        await positive.empty(home)
        await negative.empty(home)

    eras = Eras(begin)

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        called = naming.called(args, kwargs)
        backend = reach.backend_of(called.name)
        try:
            era = await eras.of(backend, name)
        except CacheBackendInteractionError:  # what is out of reach is certain of nothing
            return await run(function, args, kwargs)
        in_positive, in_negative = await positive.may_have(called), await negative.may_have(called)
        if in_positive is not in_negative:
            return in_positive
        result = await run(function, args, kwargs)
        if not (in_positive and is_strict):
            with suppress(CacheBackendInteractionError):
                if await eras.of(backend, name) == era:
                    await (positive if result else negative).add(called)
        return result

    return call
