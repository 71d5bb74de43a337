"""Generation tokens of the memory store: what an invalidation ends, at once and for all entries loaded under it.

A token is an object that is alive until its name is invalidated. Entries, leases and partitions hold the tokens they go by;
the registry holds them only weakly, so a name that nobody goes by any more leaves nothing behind. Nothing in here takes a
lock: the store does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from weakref import WeakValueDictionary

__all__ = ["Generation", "Generations", "in_force"]


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
    """

    def __init__(self) -> None:
        self.everything = Generation()
        self._namespaces: WeakValueDictionary[str, Generation] = WeakValueDictionary()
        self._names: WeakValueDictionary[str, Generation] = WeakValueDictionary()

    def of_name(self, name: str) -> Generation:
        """Return the token of a function or tag; it is made when first asked for."""
        return _current(self._names, name)

    def of_namespace(self, namespace: str) -> Generation:
        """Return the token of a namespace; it is made when first asked for."""
        return _current(self._namespaces, namespace)

    def doom(self, names: Iterable[str], namespaces: Iterable[str], everything: bool) -> None:
        """Let tokens die where they are, by single assignments; `end` must follow."""
        tokens = [self._names.get(name) for name in names] + [self._namespaces.get(name) for name in namespaces]
        for token in [*tokens, self.everything if everything else None]:
            if token is not None:
                token.alive = False

    def end(self, names: Collection[str], namespaces: Collection[str], everything: bool) -> None:
        """End tokens, so that new ones are made when they are next asked for."""
        for name in names:
            _end(self._names, name)
        for namespace in namespaces:
            _end(self._namespaces, namespace)
        if everything:
            self.everything.alive = False
            self.everything = Generation()


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
