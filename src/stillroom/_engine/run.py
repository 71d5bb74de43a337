"""One run of the user's function, and what it says of its value meanwhile (`stillroom.load`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..entry import MISSING, Entry, Generations, Missing
from ..load import Said
from .generations import tag_generation

if TYPE_CHECKING:
    from ..policy import Policy
    from ..protocols import Lease
    from .call import Call

__all__ = ["Run"]


class Run(Said):
    """A run that begins now.

    Attributes:
        call: what is loaded.
        lease: what it runs under; ``None`` if the store gave none.
        began: when it began.
        tags: the generations of the tags that the function has added, once it has ended.
        uses_former: what it brings may be made of the entry that was there when the lease was given.
    """

    tags: tuple[str, ...] = ()
    uses_former = False

    def __init__(self, call: Call, lease: Lease | None, began: float) -> None:
        self.call = call
        self.lease = lease
        self.began = began

    @property
    def key(self) -> str:
        """What the entry is called."""
        return self.call.key.text

    @property
    def entry(self) -> Entry[Any] | Missing:
        """The entry that was there when the lease was given."""
        return MISSING if self.lease is None else self.lease.reading.entry

    @property
    def policy(self) -> Policy:
        """What holds for the value if nothing is said of it."""
        return self.call.source.policy

    @property
    def generations(self) -> Generations:
        """The tokens that were read before it began."""
        return () if self.lease is None else self.lease.reading.generations

    def end(self, value: object = MISSING) -> None:
        """Let nothing more be said; ``MISSING`` stands for the value of a function that raised."""
        super().end(value)
        if self._added is not None:
            fixed = self.call.lookup.generations
            self.tags = tuple([name for name in map(tag_generation, self.added) if name not in fixed])
        if self.given is not MISSING:
            self.uses_former = True

    def tagged(self, entry: Entry[Any]) -> Entry[Any]:
        """Let an entry carry the tags that the function has added, and those of the entry that goes on in it."""
        if self.tags:
            entry.tags = tuple([(name, None) for name in self.tags])
        if self.is_renewal:
            known = self.entry
            assert known is not MISSING
            kept = dict(known.tags)
            entry.tags = (*known.tags, *[tag for tag in entry.tags if tag[0] not in kept])
            entry.generations += tuple([token for token in known.generations if token not in entry.generations])
        return entry
