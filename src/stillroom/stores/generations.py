"""Generation tokens of the memory store: what an invalidation ends, at once and for all entries loaded under it.

A token is an object that is alive until its name is invalidated. Entries, leases and partitions hold the tokens they go by;
the registry holds them only weakly, so a name that nobody goes by any more leaves nothing behind. Nothing in here takes a
lock: the store does.

A load may add tags to its value whose tokens nobody has held since before it began. So invalidations are numbered, and the last
ones are remembered by name: those of a name that is not among them were not after a number, unless that is so old that it has
been forgotten what came after it; then the answer is that they may have been.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final
from weakref import WeakValueDictionary

__all__ = ["Generation", "Generations", "in_force"]


REMEMBERED: Final = 4096
"""How many invalidated names are remembered."""


class Generation:
    """A token: all that was loaded under it counts while it is alive.

    Attributes:
        name: whose it is.
        alive: whether it is in force.
    """

    __slots__ = ("__weakref__", "alive", "name")

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.alive = True


class Generations:
    """The tokens now in force: one for everything, one for each namespace, one for each name of a function or tag.

    Attributes:
        everything: the token that every entry carries.
        number: that of the last invalidation of a name.
    """

    def __init__(self) -> None:
        self.number = 0
        self._ended: dict[str, int] = {}  # the number of each name's last invalidation, the latest ones last
        self._forgotten = 0
        self.everything = Generation()
        self._namespaces: WeakValueDictionary[str, Generation] = WeakValueDictionary()
        self._names: WeakValueDictionary[str, Generation] = WeakValueDictionary()

    def of_name(self, name: str) -> Generation:
        """Return the token of a function or tag; it is made when first asked for."""
        return _current(self._names, name)

    def of_namespace(self, namespace: str) -> Generation:
        """Return the token of a namespace; it is made when first asked for."""
        return _current(self._namespaces, namespace)

    def lasted(self, names: Iterable[str], since: int) -> bool:
        """Tell whether none of these names has been invalidated after a number; false if that is not known any more."""
        return self._forgotten <= since and all(self._ended.get(name, 0) <= since for name in names)

    def doom(self, names: Iterable[str], namespaces: Iterable[str], everything: bool) -> None:
        """Let tokens die where they are, by single assignments; `end` must follow."""
        tokens = [self._names.get(name) for name in names] + [self._namespaces.get(name) for name in namespaces]
        for token in [*tokens, self.everything if everything else None]:
            if token is not None:
                token.alive = False

    def end(self, names: Collection[str], namespaces: Collection[str], everything: bool) -> None:
        """End tokens, so that new ones are made when they are next asked for."""
        for name in names:
            self._note(name)
            _end(self._names, name)
        for namespace in namespaces:
            _end(self._namespaces, namespace)
        if everything:
            self.everything.alive = False
            self.everything = Generation()

    def _note(self, name: str) -> None:
        self.number += 1
        self._ended.pop(name, None)
        self._ended[name] = self.number
        if len(self._ended) > REMEMBERED:
            self._forgotten = self._ended.pop(next(iter(self._ended)))


def in_force(generations: tuple[Any, ...]) -> bool:
    """Tell whether all of these tokens are alive."""
    for generation in generations:  # noqa: SIM110 - all() and a generator take three times as long, and each read comes by
        if not generation.alive:
            return False
    return True


def _current(tokens: WeakValueDictionary[str, Generation], name: str) -> Generation:
    token = tokens.get(name)
    if token is None:
        token = tokens[name] = Generation(name)
    return token


def _end(tokens: WeakValueDictionary[str, Generation], name: str) -> None:
    token = tokens.pop(name, None)
    if token is not None:
        token.alive = False
