"""Functions with a cache in front of them: `Caching` is what all strategies of cashews have in common.

Each decorated function has native ones underneath, in which the engine is at work: single flight, leases, invalidation that
wins. They are called with what a call is called (`Seat`), then with its arguments. What they load is `Kept` with the mark of
the call.

Nearly all calls go the shortest way: what they are called is remembered, nothing stands around commands, and the native
function answers. The others go through `Caching.answer`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

from stillroom import Cache as Native
from stillroom import LockTimeout, StoreError

from ._detecting import CacheDetect, listening
from ._identities import identity_of
from ._loading import Loading
from ._marks import Kept, Raised
from ._naming import NOT_SIMPLE, Naming
from ._reach import Reach
from ._recipes import Recipe
from ._seats import Seat, entry_name
from ._surroundings import NOW, surroundings
from .commands import Command
from .exceptions import CacheBackendInteractionError

__all__ = ["ABSENT", "Caching"]

ABSENT: Final = object()
_REMEMBERED: Final = 4096
_LONG: Final = 500
_PATIENCE: Final = 10.0


class Caching:
    """A function with a cache in front of it.

    Args:
        reach: what is needed of the cache.
        function: the function.
        naming: names its calls.
        recipe: what the decorator was told.
    """

    def __init__(self, reach: Reach, function: Callable[..., Any], naming: Naming, recipe: Recipe) -> None:
        self.recipe = recipe
        self._reach = reach
        self._function = function
        self._naming = naming
        self._loading = Loading(reach, function, recipe)
        self._identity = identity_of(function)
        self._natives: WeakKeyDictionary[Native, dict[Any, Any]] = WeakKeyDictionary()
        self._epoch: object = None
        self._known = functools.lru_cache(_REMEMBERED, typed=True)(self._seat_of_arguments)
        self._plain: dict[str, Seat] = {}
        self._found = functools.lru_cache(_REMEMBERED, typed=True)(self._seat_of_leaves)

    def caller(self) -> Callable[..., Any]:
        """Return what users call."""
        return self._short() if self.recipe.is_fixed else self._long()

    def _short(self) -> Callable[..., Any]:
        known, found, plain, answer, settled = self._known, self._found, self._seat_of_plain, self.answer, self.settled
        skips, leaves, cache, around = self._naming.skips_first, self._naming.leaves, self._reach.cache, NOW.get
        by_leaves = self._naming.goes_deep

        @functools.wraps(self._function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal by_leaves
            seat: Seat | None
            try:
                seat = found(*leaves(args, kwargs)) if by_leaves else known(*args[1:] if skips else args, **kwargs)
            except NOT_SIMPLE:
                by_leaves = not by_leaves  # what the other way makes of such calls is seen with the next one
                seat = plain(args, kwargs)
            if seat is None or seat.epoch is not cache.epoch or around() is not None or seat.backend.is_touched:
                return await answer(args, kwargs)
            try:
                kept = await seat.native(seat, args, kwargs)
                if type(kept) is Kept and kept.mark == seat.mark:
                    return kept.value
                return await settled(seat, args, kwargs, kept)
            except StoreError as error:
                raise CacheBackendInteractionError(str(error)) from error

        return call

    def _long(self) -> Callable[..., Any]:
        @functools.wraps(self._function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self.answer(args, kwargs)

        return call

    # The general way

    async def answer(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a call, whatever stands around it."""
        self._reach.check_setup()
        if isinstance(kwargs.get("_from_cache"), CacheDetect):
            detector = kwargs.pop("_from_cache")
            with listening(detector):
                return await self.answer(args, kwargs)
        if self._reach.is_off():
            return await self._loading.run(args, kwargs)
        if self._epoch is not self._reach.cache.epoch:  # what is remembered is of another set-up
            self._known.cache_clear()
            self._found.cache_clear()
            self._plain.clear()
            self._epoch = self._reach.cache.epoch
        seat = self._seat(Seat(self._naming(args, kwargs)), args, kwargs)
        try:
            return await self._answer(seat, args, kwargs)
        except StoreError as error:
            raise CacheBackendInteractionError(str(error)) from error

    async def _answer(self, seat: Seat, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        may_read, instead = True, ABSENT
        if seat.is_surrounded():
            may_read, seat, instead = await self._asked(seat, args, kwargs)
            if instead is not ABSENT:
                return instead
        if not may_read:
            return await self.settled(seat, args, kwargs, await seat.native.refresh(seat, args, kwargs))
        if surroundings().detector is None:
            kept = await seat.native(seat, args, kwargs)
        else:
            kept = await self._detected(seat, args, kwargs)
        await self._refreshed(seat, args, kwargs)
        return await self.settled(seat, args, kwargs, kept)

    async def _asked(self, seat: Seat, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bool, Seat, Any]:
        """Ask for a result past all that stands around.

        Returns:
            Whether what is stored may be served; where it is stored, which middlewares may have changed; and what they answer
            instead of it, if they do.
        """
        reached: list[tuple[Seat, Any]] = []

        async def get(key: str, default: Any = None) -> Any:
            there = seat.moved(key)
            kept = await there.native.peek(there, args, kwargs, default=ABSENT)
            shown = default if kept is ABSENT or not there.fits(kept) else await there.shown(kept, default)
            reached[:] = [(there, shown)]
            return shown

        found = await self._reach.around(Command.GET, seat.backend, get)(key=seat.name, default=ABSENT)
        if not reached:
            return False, seat, ABSENT if found is None else found
        there, shown = reached[0]
        if found is shown:
            return True, there, ABSENT
        return False, there, found

    async def _detected(self, seat: Seat, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the native function, and tell detectors of what comes from the cache."""
        seat = seat.of_one_call()
        is_there = await seat.native.peek(seat, args, kwargs, default=ABSENT) is not ABSENT
        kept = await seat.native(seat, args, kwargs)
        if seat.fits(kept) and (seat.has_failed or (is_there and not seat.has_loaded)):
            await self.tell(seat, args, kwargs, kept, await seat.place.home.attl(seat.name))
        return kept

    async def tell(
        self, seat: Seat, args: tuple[Any, ...], kwargs: dict[str, Any], kept: Any, left: float | None, **more: Any
    ) -> None:
        """Tell detectors of a result that comes from the cache."""
        detector = surroundings().detector
        if detector is not None:
            value = await seat.shown(kept)
            known = self.recipe.told(args, kwargs, value, left)
            known |= {**more, "name": self.recipe.name, "template": self._naming.template, "value": value}
            detector.heard(seat.name, seat.place.kind, known)

    async def _refreshed(self, seat: Seat, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not self.recipe.background and self.recipe.is_due(args, kwargs, await seat.place.home.attl(seat.name)):
            await seat.native.refresh(seat, args, kwargs)

    async def settled(self, seat: Seat, args: tuple[Any, ...], kwargs: dict[str, Any], kept: Any) -> Any:
        """Return what callers get of what the native function gave."""
        if not seat.fits(kept):
            kept = await self._taken_over(seat, args, kwargs)
        value = await seat.shown(kept, ABSENT)
        if value is ABSENT:
            value = await seat.shown(await seat.native.refresh(seat, args, kwargs), ABSENT)
        if value is ABSENT:
            return await self._loading.run(args, kwargs)
        if type(value) is Raised:
            raise value.exc.with_traceback(None)
        return value

    async def _taken_over(self, seat: Seat, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Load for a call whose name holds what was loaded for another one; once for all that are called alike exactly."""
        kept: Any = ABSENT
        try:
            async with seat.place.home.lock(f"taking over:{seat.name}:{seat.mark}", wait=_PATIENCE):
                kept = await seat.native(seat, args, kwargs)
                if not seat.fits(kept):
                    kept = await seat.native.refresh(seat, args, kwargs)
        except LockTimeout:
            pass
        return kept if seat.fits(kept) else Kept(seat.mark, await self._loading.run(args, kwargs))

    # What calls are called, and the native functions

    def _seat_of_arguments(self, *args: Any, **kwargs: Any) -> Seat:
        return self._seat(Seat(self._naming.simple(args, kwargs)), args, kwargs)

    def _seat_of_leaves(self, *leaves: Any) -> Seat:
        return self._seat(Seat(self._naming.simple_leaves(leaves)), (), {})

    def _seat_of_plain(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Seat | None:
        try:
            text = self._naming.plain(args, kwargs)
        except NOT_SIMPLE:
            return None
        seat = self._plain.get(text)
        if seat is None:
            seat = self._seat(Seat(self._naming(args, kwargs)), args, kwargs)
            if len(text) <= _LONG:  # what is remembered must not take much memory
                if len(self._plain) >= _REMEMBERED:
                    self._plain.clear()
                self._plain[text] = seat
        return seat

    def _seat(self, seat: Seat, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Seat:
        place = self._reach.place(seat.name)
        seat.sit(place, self._native(place.home, args, kwargs))
        return seat

    def _native(self, home: Native, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        settings = self.recipe.settings(args, kwargs)
        made, which = self._natives.setdefault(home, {}), tuple(settings.items())
        if which not in made:
            if len(made) >= _MOST_SETTINGS:
                made.clear()
            tags = [f"t:{{seat.tags[{index}]}}" for index in range(len(self._naming.tags))]
            made[which] = home(key=entry_name, name=self._identity, tags=tags, **settings)(self._loading.native())
        return made[which]


_MOST_SETTINGS: Final = 64
"""How many native functions are remembered for a function whose settings depend on its calls."""
