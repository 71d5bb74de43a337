"""All partitions of a memory store, and what an invalidation does to them.

Keyspaces are held weakly, so that what belongs to a function vanishes with it. A keyspace may end at any time, also in the
middle of a change that this very thread is making under the store's lock; so its end only puts it on a list, which the next
insertion works off. Nothing in here takes a lock: the store does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias
from weakref import ref

from ..entry import Generations as Tokens
from ..protocols import Keyspace
from .generations import Generations
from .partition import Partition

if TYPE_CHECKING:
    from .node import Node

__all__ = ["Over", "Partitions"]

Over: TypeAlias = "list[tuple[Partition, dict[Hashable, Node]]]"
"""Partitions that have started anew, each with its former dict of entries."""


class Partitions:
    """The partitions by keyspace, under the generations now in force.

    Attributes:
        generations: the tokens.
        lost: keyspaces that are gone, whose partitions are to be taken out.
    """

    def __init__(self) -> None:
        self.generations = Generations()
        self._partitions: dict[ref[Keyspace], Partition] = {}
        self._of_function: dict[str, list[Partition]] = {}
        self.lost: deque[ref[Keyspace]] = deque()

    def __iter__(self) -> Iterator[Partition]:
        return iter(self._partitions.values())

    def get(self, space: Keyspace) -> Partition | None:
        """Return the partition of a keyspace, if there is one; needs no lock."""
        return self._partitions.get(ref(space))

    def make(self, space: Keyspace) -> Partition:
        """Return the partition of a keyspace; it is made if there is none."""
        partition = self.get(space)
        if partition is None:
            weak = ref(space, self.lost.append)
            usual = self._usual(space.namespace, space.function)
            partition = Partition(weak, space.namespace, space.function, usual)
            self._partitions[weak] = partition
            if space.function is not None:
                self._of_function.setdefault(space.function, []).append(partition)
        return partition

    def tokens(self, partition: Partition, names: tuple[str, ...]) -> Tokens:
        """Return the tokens now in force: of everything, of the namespace, then of these names."""
        if names == partition.names:
            return partition.usual
        return partition.usual[:2] + tuple([self.generations.of_name(name) for name in names])

    def doom(self, names: Iterable[str], namespaces: Iterable[str], everything: bool) -> None:
        """Let what was loaded under these generations count no more; `end` must follow."""
        self.generations.doom(names, namespaces, everything)

    def end(self, names: Collection[str], namespaces: Collection[str], everything: bool) -> Over:
        """End generations, and let the partitions that this ends as a whole start anew."""
        self.generations.end(names, namespaces, everything)
        over: Over = []
        for partition in self._under(names, namespaces, everything):
            partition.usual = self._usual(partition.namespace, partition.function)
            over.append((partition, partition.renew()))
        return over

    def take_lost(self) -> Over:
        """Take out the partitions whose keyspaces are gone."""
        gone: Over = []
        while self.lost:
            partition = self._partitions.pop(self.lost.popleft())
            if partition.function is not None:
                siblings = self._of_function[partition.function]
                siblings.remove(partition)
                if not siblings:
                    del self._of_function[partition.function]
            gone.append((partition, partition.renew()))
        return gone

    def _usual(self, namespace: str, function: str | None) -> Tokens:
        usual = (self.generations.everything, self.generations.of_namespace(namespace))
        return usual if function is None else (*usual, self.generations.of_name(function))

    def _under(self, names: Collection[str], namespaces: Collection[str], everything: bool) -> list[Partition]:
        if everything:
            return list(self)
        under = {partition for name in names for partition in self._of_function.get(name, ())}
        if namespaces:
            under.update(partition for partition in self if partition.namespace in namespaces)
        return list(under)
