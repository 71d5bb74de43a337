"""The invalidations that a far store has still to be told of: in order, each once, and within a bound.

Nothing in here takes a lock: `Situation` does. What is taken out is handed back to be freed after the lock has been released,
since keys hold objects of the user. And whatever is changed is changed by single steps, since a finalizer that runs in the
middle of them may note something too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import Any, Final, NamedTuple, TypeAlias

from ...protocols import Key, Keyspace, Store

__all__ = ["EVERYTHING", "Journal", "Note", "Notes", "batches", "deletions", "invalidations", "replay"]


class Note(NamedTuple):
    """One invalidation: what kind of thing it ends, and which.

    Notes are compared by texts alone, so that no code of the user runs while they are.

    Attributes:
        kind: ``"key"`` for a name, ``"call"`` for a call of a function, ``"generation"``, ``"namespace"`` or ``"everything"``.
        namespace: that of a key; the namespace itself.
        text: the text of a key, as other processes know it; the name of a generation.
    """

    kind: str
    namespace: str = ""
    text: str = ""


Notes: TypeAlias = dict[Note, "Key | None"]
"""Notes in their order, with the keys of those that are about one."""

EVERYTHING: Final = Note("everything")
KEYS: Final = ("key", "call")


def _about(space: Keyspace, local: Any) -> Note:
    return Note("key" if space.function is None else "call", space.namespace, space.label + space.shared_text(local))


def deletions(keys: Iterable[Key]) -> Notes:
    """Return the notes that keys are to be deleted.

    Raises:
        UncacheableArgument: a key holds something that means nothing to other processes, so that no far store has it.
    """
    return {_about(key.space, key.local): key for key in keys}


def invalidations(names: Iterable[str] = (), namespaces: Iterable[str] = (), everything: bool = False) -> Notes:
    """Return the notes that generations are to be replaced."""
    if everything:
        return {EVERYTHING: None}
    spaces = [Note("namespace", namespace) for namespace in namespaces]
    return dict.fromkeys([*spaces, *[Note("generation", text=name) for name in names]])


class Journal:
    """Keeps notes until they have been replayed.

    When there are too many, those about keys are replaced by the end of their namespaces; if that is not enough, which names of
    generations and a great many namespaces can bring about, all of them by the end of everything.

    Args:
        limit: how many notes there may be.

    Attributes:
        waiting: the notes to replay.
        under_way: those that are being replayed.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.waiting: Notes = {}
        self.under_way: Notes = {}

    def __len__(self) -> int:
        return len(self.waiting) + len(self.under_way)

    def add(self, notes: Notes) -> list[Any]:
        """Keep notes, unless one that has still to be replayed covers them; return what is to be freed."""
        if EVERYTHING in notes:
            former, self.waiting = self.waiting, invalidations(everything=True)
            return [former]
        for note, key in notes.items():
            if not self._covers(note):
                self.waiting.setdefault(note, key)
        return self._collapse() if len(self.waiting) > self._limit else []

    def take(self) -> Notes:
        """Return what is to be replayed. Until `done` says so it still counts as pending."""
        self.under_way, self.waiting = self.waiting, {}
        return dict(self.under_way)

    def done(self, notes: Notes) -> None:
        """Forget what has been replayed; an equal note that came meanwhile stays."""
        for note in notes:
            self.under_way.pop(note, None)

    def give_back(self) -> list[Any]:
        """Have everything that was under way replayed again, before what came later; return what is to be freed."""
        former, self.under_way = self.under_way, {}
        later, self.waiting = self.waiting, former
        return [later, *self.add(later)]

    def clear(self) -> list[Any]:
        """Forget everything; return what is to be freed."""
        former = [self.waiting, self.under_way]
        self.waiting, self.under_way = {}, {}
        return former

    def _covers(self, note: Note) -> bool:
        return EVERYTHING in self.waiting or (note.kind in KEYS and Note("namespace", note.namespace) in self.waiting)

    def _collapse(self) -> list[Any]:
        former, self.waiting = self.waiting, {}
        for note in former:
            self.waiting.setdefault(Note("namespace", note.namespace) if note.kind in KEYS else note, None)
        # Down to half, or else as many names as there may be would make the very next keys collapse again and again.
        return [former, *(self.add(invalidations(everything=True)) if len(self.waiting) > self._limit // 2 else ())]


def batches(notes: Notes, size: int) -> Iterator[Notes]:
    """Yield notes in their order, as many together as go into one operation."""
    for _, run in groupby(notes.items(), lambda item: item[0].kind in KEYS):
        while batch := dict(islice(run, size)):
            yield batch


async def replay(batch: Notes, store: Store) -> None:
    """Tell a store of one batch."""
    keys = [key for key in batch.values() if key is not None]
    if keys:
        await store.delete(keys)
        return
    await store.invalidate(
        names=[note.text for note in batch if note.kind == "generation"],
        namespaces=[note.namespace for note in batch if note.kind == "namespace"],
        everything=EVERYTHING in batch,
    )
