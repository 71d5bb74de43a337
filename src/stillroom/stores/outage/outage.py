"""The outages of one cache's far store: when one begins, how it is ended, and who is told.

The far store is probed on a thread of its own, woken by the clock, through its blocking side: never on a caller, never on an
event loop, and also while nobody asks for anything. Nothing of this keeps a process, or an outage that nobody holds any more,
alive.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Final, Protocol, runtime_checkable

from ..._runtime.pool import Pool
from ..._runtime.runtime import drive
from ...errors import StoreError
from ...observe.log import log
from ...protocols import Clock, Lease, Store, Timer
from ...settings import ON_ERROR, OnError, choice
from ..memory import MemoryStore
from .health import Health, text_of
from .journal import Notes, batches, replay
from .situation import News, Situation, Spell
from .standins import Bypass, Refusal

__all__ = ["FarStore", "OnError", "Outage", "Renewing", "Watcher"]

BATCH: Final = 500
"""So many invalidations are replayed in one operation, which must end within the far store's time limit."""


class FarStore(Store, Protocol):
    """A store that can be out of reach.

    Whatever keeps it from doing what it is asked it raises as a `StoreError`, within its time limit. What it has given up must
    not take effect later, unless it is a fill, a deletion or an invalidation.
    """

    async def ping(self) -> None:
        """Ask for nothing but an answer, as cheaply as can be.

        Raises:
            StoreError: there was none.
        """
        ...


@runtime_checkable
class Renewing(Protocol):
    """A far store that keeps a lease alive while its holder is at work, and so must be told when nobody will give it back."""

    def forget(self, lease: Lease) -> None:
        """Let a lease end by itself. Asks nobody, and does not fail."""


class Watcher(Protocol):
    """Hears of outages, one at a time and in their order; what it raises is logged."""

    def lost(self, error: StoreError) -> None:
        """An outage has begun."""

    def regained(self, seconds: float) -> None:
        """The far store is asked again, after so many seconds."""


class Outage:
    """Knows whether a far store is within reach, and gets it back when it is not.

    Args:
        far: the far store as blocking callers ask it.
        on_error: what stands in for it: ``"fallback"`` for a store in memory, ``"bypass"`` for none, so that functions run
            uncached, ``"raise"`` for an error.
        clock: the one that the times of entries are on.
        watcher: hears of outages.
        fallback: makes the store that stands in; a `MemoryStore` of the usual size unless given.
        pool: where the far store is probed.
        draw: returns a random number from 0 to 1.
        limit: how many invalidations are kept one by one; when there are more, their whole namespaces are invalidated instead.
    """

    def __init__(
        self,
        far: FarStore,
        *,
        clock: Clock,
        on_error: OnError,
        watcher: Watcher | None = None,
        fallback: Callable[[], Store] | None = None,
        pool: Pool | None = None,
        draw: Callable[[], float] | None = None,
        limit: int = 10_000,
    ) -> None:
        self.name = far.name
        self.on_error = choice(on_error, ON_ERROR, "on_error")
        self.situation = Situation(clock.now(), limit)
        self.bypass = Bypass(far.name)
        self._far = far
        self._clock = clock
        self._watcher = watcher
        self._fallback = fallback or (lambda: MemoryStore(clock=clock))
        self._pool = pool or Pool(threads=1, backlog=1)
        self._draw = draw or _draw
        self._timer: Timer | None = None
        _outages.add(self)

    def __repr__(self) -> str:
        return f"Outage({self.name!r}, {self.health().state!r})"

    def health(self) -> Health:
        """Return how the far store is doing."""
        return self.situation.health(self._clock.now())

    def failed(self, spell: Spell, error: StoreError, notes: Notes | None = None) -> None:
        """Take note that an operation has failed, which may begin an outage.

        Args:
            spell: the one in which it was begun.
            error: what it raised.
            notes: what may or may not have been invalidated by it; ``None`` if it was no invalidation.
        """
        next_spell = Spell(self._stand_in(error))  # not under the lock, for it takes that of all forks
        if self.situation.failed(spell, self._clock.now(), error, next_spell, notes):
            self._plan(next_spell)
        self._tell()

    def close(self) -> None:
        """Probe no more; whoever still asks finds nothing, and what has not been replayed is lost."""
        lost = self.situation.close(Spell(self.bypass))
        if self._timer is not None:
            self._timer.cancel()
        if lost:
            log().warning(
                "the %s store is closed during an outage: what was changed or invalidated never reached it (%d)",
                self.name,
                lost,
            )

    def resume(self) -> None:
        """Go on probing, in a child whose parent did: its timers and threads are not here."""
        if self.situation.spell.stand_in is not None:
            self._plan(self.situation.spell)

    def _stand_in(self, error: StoreError) -> Store:
        if self.on_error == "raise":
            return Refusal(self.name, error)
        return self.bypass if self.on_error == "bypass" else self._fallback()

    # Behind

    def _plan(self, spell: Spell) -> None:
        """Have the far store probed before long, unless this is no more by then."""
        mine = weakref.ref(self)

        def wake() -> None:
            outage = mine()
            if outage is not None:
                outage._wake(spell)

        self._timer = self._clock.call_at(self._clock.now() + self.situation.pause(self._draw()), wake)
        if self.situation.spell is not spell:
            self._timer.cancel()

    def _wake(self, spell: Spell) -> None:
        if self.situation.spell is spell and not self._pool.submit(lambda: self._recover(spell)):
            self._plan(spell)  # no thread could be started

    def _recover(self, spell: Spell) -> None:
        """Try to get the far store back, and see to it that somebody tries again if that fails."""
        try:
            drive(self._far.ping())
            self.situation.answered(spell, self._clock.now())
            while notes := self.situation.take(spell, self._clock.now()):
                for batch in batches(notes, BATCH):
                    drive(replay(batch, self._far))
                    if not self.situation.done(spell, batch):
                        return
        except Exception as error:
            if not isinstance(error, StoreError):
                log().exception("the %s store raised what it should not", self.name)
            if self.situation.lapsed(spell, self._clock.now(), error):
                self._plan(spell)
        self._tell()

    def _tell(self) -> None:
        """Tell of what has happened. Who comes while somebody else does so leaves it to them."""
        while (news := self.situation.next_news()) is not None:
            try:
                self._tell_of(news)
            except Exception:
                log().exception("a watcher of the %s store failed", self.name)
            finally:
                self.situation.told()

    def _tell_of(self, news: News) -> None:
        if news.error is not None:
            log().warning("the %s store is out of reach: %s", self.name, text_of(news.error))
            if self._watcher is not None:
                self._watcher.lost(news.error)
        else:
            log().warning("the %s store is back after %.1f s", self.name, news.seconds)
            if self._watcher is not None:
                self._watcher.regained(news.seconds)


def _draw() -> float:
    from ..._runtime import chance  # only now that a store is lost

    return chance.draw()


_outages: weakref.WeakSet[Outage] = weakref.WeakSet()


def _in_child() -> None:
    for outage in list(_outages):
        outage.resume()


if hasattr(os, "register_at_fork"):  # after that of `forks`, which this module imports: clock and pool are in order by then
    os.register_at_fork(after_in_child=_in_child)
