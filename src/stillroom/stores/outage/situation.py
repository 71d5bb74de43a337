"""What is so at this moment: the spell, the condition and the journal, which change together under one short lock.

Under the lock there is no waiting, no logging and no code of the user. It is reentrant, since a finalizer that the garbage
collector runs may ask a cache for something in the middle of a change; so what counts is changed by single assignments.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ..._runtime.forks import on_fork
from ...errors import StoreError
from ...protocols import Store
from . import breaker
from .breaker import Condition
from .health import Health, text_of
from .journal import Journal, Notes

__all__ = ["News", "Situation", "Spell"]

UNTOLD: Final = 64
"""So many news wait at most for a listener that takes its time."""


class Spell:
    """A stretch of time in which a far store is asked, or something else in its place.

    Attributes:
        stand_in: what is asked instead; ``None`` in a fair spell.
    """

    __slots__ = ("stand_in",)

    def __init__(self, stand_in: Store | None = None) -> None:
        self.stand_in = stand_in


class News(NamedTuple):
    """An outage has begun, or has ended after so many seconds."""

    error: StoreError | None
    seconds: float = 0.0


class Situation:
    """Knows whether a far store is asked, and what it has still to be told of.

    Args:
        now: the time on the clock that all others are taken from.
        limit: how many invalidations the journal holds.

    Attributes:
        spell: the present one.
        is_suspect: whether the last operation failed, though the spell is fair.
    """

    def __init__(self, now: float, limit: int) -> None:
        self.spell = Spell()
        self.is_suspect = False
        self._is_closed = False
        self._condition = breaker.at_first(now)
        self._journal = Journal(limit)
        self._news: deque[News] = deque(maxlen=UNTOLD)
        self._is_telling = False
        self._lock = threading.RLock()
        on_fork(self)

    def health(self, now: float) -> Health:
        """Return how the far store is doing."""
        with self._lock:
            one, pending = self._condition, len(self._journal)
        return Health(one.state, max(0.0, now - one.since), pending, one.error, one.failures)

    def pause(self, draw: float) -> float:
        """Return for how long to leave the far store alone."""
        return breaker.pause(self._condition, draw)

    # What operations bring about

    def failed(self, spell: Spell, now: float, error: StoreError, next_spell: Spell, notes: Notes | None) -> bool:
        """Take note that an operation has failed, and tell whether this began an outage.

        Args:
            spell: the one in which it was begun.
            now: the time.
            error: what it raised.
            next_spell: the one that begins if this is too much.
            notes: what may or may not have been invalidated by it; ``None`` if it was no invalidation. With notes, the
                failure is too much whenever the operation was begun.
        """
        freed: list[Any] = []
        text, is_grave = text_of(error), notes is not None
        with self._lock:
            if self._is_closed or not (is_grave or self.spell is spell):
                return False
            condition = self._move(lambda before: breaker.failed(before, now, text, grave=is_grave))
            begins = condition.state != "ok" and self.spell.stand_in is None
            if begins:
                self.spell = next_spell
                self._news.append(News(error))
            if notes is not None:
                freed = self._journal.add(notes)
            self.is_suspect = condition.state == "ok"
        del freed
        return begins

    def succeeded(self, spell: Spell) -> None:
        """Take note that an operation has succeeded."""
        with self._lock:
            if self.spell is spell and spell.stand_in is None:
                self._move(breaker.succeeded)
                self.is_suspect = False

    def note(self, spell: Spell, notes: Notes) -> bool:
        """Keep invalidations for when the far store is back; false if the spell is over, so that all is to be done anew."""
        with self._lock:
            if self.spell is not spell:
                return False
            freed = [] if self._is_closed else self._journal.add(notes)
        del freed
        return True

    # What the recovery brings about

    def answered(self, spell: Spell, now: float) -> None:
        """Take note that the far store has answered a probe."""
        with self._lock:
            if self.spell is spell:
                self._move(lambda before: breaker.answered(before, now))

    def take(self, spell: Spell, now: float) -> Notes:
        """Return what is to be replayed. If there is nothing any more, the far store is asked again from this moment on."""
        fair = Spell()
        with self._lock:
            if self.spell is not spell or self._is_closed:
                return {}
            if self._journal.waiting or self._journal.under_way:
                return self._journal.take()
            self.spell = fair  # right after the test, so that no finalizer can note anything in between
            before = self._condition
            self._move(lambda before: breaker.recovered(before, now))
            self._news.append(News(None, now - (before.lost_at or 0.0)))
        return {}

    def done(self, spell: Spell, notes: Notes) -> bool:
        """Take note of what has been replayed; false if the spell is over, so that it makes no sense to go on."""
        with self._lock:
            if self.spell is spell:
                self._journal.done(notes)
            return self.spell is spell

    def lapsed(self, spell: Spell, now: float, error: Exception) -> bool:
        """Take note that the far store is not back; false if the spell is over, so that nobody need try again."""
        text = text_of(error)
        with self._lock:
            if self.spell is not spell or self._is_closed:
                return False
            self._move(lambda before: breaker.lapsed(before, now, text))
            freed = self._journal.give_back()
        del freed
        return True

    def close(self, last_spell: Spell) -> int:
        """End for good, with a spell that lasts, and return how many invalidations are lost."""
        with self._lock:
            self._is_closed = True
            former, self.spell, self.is_suspect = self.spell, last_spell, False
            lost = len(self._journal)
            freed = self._journal.clear()
        del freed, former
        return lost

    # News, which are told outside of the lock, one at a time and in their order

    def next_news(self) -> News | None:
        """Return what is to be told next; ``None`` if there is nothing, or somebody else is telling."""
        with self._lock:
            if self._is_telling or not self._news:
                return None
            self._is_telling = True
            return self._news.popleft()

    def told(self) -> None:
        """Take note that what `next_news` returned has been told."""
        with self._lock:
            self._is_telling = False

    # Fork

    def before_fork(self) -> None:
        """Take the lock, so that the child's copy is whole."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Give the lock back."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Give the lock back; what the parent was replaying or telling, it does for itself alone."""
        freed = self._journal.give_back()
        self._news.clear()
        self._is_telling = False
        self._lock.release()
        del freed

    # Under the lock

    def _move(self, change: Callable[[Condition], Condition]) -> Condition:
        """Change the condition; once more if a finalizer has changed it meanwhile."""
        while True:
            before = self._condition
            after = change(before)
            if self._condition is before:
                self._condition = after
                return after
