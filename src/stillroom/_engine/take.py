"""A load whose value comes in pieces: the items of a generator, recorded whole or not at all.

A take is no flight: whoever iterates decides when the next item is made, so nobody else can be asked to wait for it. Its
recording counts under the same lease and generations as any other value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..observe.outcome import Outcome
from .call import Answer

if TYPE_CHECKING:
    from ..entry import Entry
    from ..load import Said
    from .loading import Loader
    from .run import Run

__all__ = ["Take"]


class Take:
    """One iteration that is being recorded."""

    def __init__(self, loader: Loader, run: Run) -> None:
        self._loader = loader
        self._run = run

    @property
    def said(self) -> Said:
        """What the generator says of it."""
        return self._run

    async def complete(self, recording: Any) -> None:
        """Store what was recorded, from the first item to the last."""
        entry, answer = self._loader.loaded(self._run, recording)
        self._count()
        await self._settle(entry)
        self._report(answer)

    async def fail(self, error: Exception, *, at_once: bool) -> Answer:
        """Say that the generator raised; what it raised before its first item may be rescued or remembered."""
        entry, answer = self._loader.failed(self._run, error, behind=False, at_once=at_once)
        self._count()
        await self._settle(entry)
        self._report(answer)
        return answer

    async def drop(self) -> None:
        """Say that the iteration ended early: nothing is stored."""
        self._run.end()
        await self._settle(None)
        self._report(Answer(None, None, Outcome.MISS))

    def _count(self) -> None:
        self._run.call.source.ledger.load_seconds += self._loader.now() - self._run.began

    async def _settle(self, entry: Entry[Any] | None) -> None:
        if self._run.lease is not None:
            await self._loader.settle(self._run.call, self._run.lease, entry)

    def _report(self, answer: Answer) -> None:
        self._loader.reporter.answered(self._run.call, answer)
