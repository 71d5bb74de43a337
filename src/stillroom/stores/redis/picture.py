"""Which node has which keys, as it was at one moment. A picture does not change: another one takes its place.

Pictures are drawn from what servers and sentinels tell. All of it is pure: who asks them, and when, is for `topology`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import StoreError
from .client import Node
from .layout import SLOTS

__all__ = ["Picture", "of_cluster", "of_master", "of_server"]


class Picture:
    """The nodes that have keys.

    Attributes:
        only: the node that has all of them; ``None`` on a cluster.
        known: all nodes that have been heard of.
        replicas: how many replicas follow a node at present, for those that have any, and so may be replaced.
    """

    __slots__ = ("_slots", "known", "only", "replicas")

    def __init__(
        self,
        only: Node | None,
        slots: Sequence[Node | None] = (),
        known: tuple[Node, ...] = (),
        replicas: Mapping[Node, int] | None = None,
    ) -> None:
        self.only = only
        self.known = known
        self.replicas = replicas or {}
        self._slots = slots

    def node_of(self, slot: int) -> Node | None:
        """Return the node that has the keys of a slot, if one has."""
        return self.only or self._slots[slot]

    def primaries(self) -> list[Node]:
        """Return all nodes that have keys."""
        return [self.only] if self.only is not None else sorted({node for node in self._slots if node is not None})

    def corrected(self, moves: Mapping[int, tuple[Node, Node]]) -> Picture:
        """Return the picture with what redirections have told: where slots are now, according to the nodes that had them."""
        wrong = {slot: new for slot, (old, new) in moves.items() if self.only is None and self._slots[slot] == old}
        if not wrong:
            return self
        slots = list(self._slots)
        for slot, node in wrong.items():
            slots[slot] = node
        return Picture(None, slots, self.known, self.replicas)


def of_server(node: Node) -> Picture:
    """Return the picture of a single server."""
    return Picture(node)


def of_master(answers: Sequence[Sequence[Any]]) -> Picture | None:
    """Return what sentinels tell, or nothing if none of them knows the service.

    Args:
        answers: from each: where the master is, what is known of it, and of each of its replicas; errors among them.
    """
    best: tuple[int, Picture] | None = None
    for place, master, replicas in answers:
        if place is None or isinstance(place, StoreError):
            continue
        # During a failover some know of the new master and others do not yet: they number the choices that they have made.
        epoch = 0 if isinstance(master, StoreError) else int(_told(master).get(b"config-epoch", 0))
        if best is None or epoch > best[0]:
            node = Node(place[0].decode(), int(place[1]))
            listed: list[Any] = [] if isinstance(replicas, StoreError) else replicas
            best = (epoch, Picture(node, replicas={node: sum(map(_is_following, listed))} if listed else {}))
    return None if best is None else best[1]


def of_cluster(maps: Sequence[tuple[list[Any], Node]]) -> Picture:
    """Return what nodes of a cluster tell: the map that most of them agree on, for one that is cut off goes by an old one.

    Args:
        maps: at least one reply to ``CLUSTER SLOTS``, with the node that it comes from.
    """
    votes = Counter(_primaries(ranges) for ranges, _ in maps)
    ranges, asked = max(maps, key=lambda one: votes[_primaries(one[0])])
    slots: list[Node | None] = [None] * SLOTS
    known: set[Node] = set()
    replicas: dict[Node, int] = {}
    for first, last, *nodes in ranges:
        homes = [Node(host.decode() if host else asked.host, port) for host, port, *_ in nodes]
        slots[first : last + 1] = [homes[0]] * (last + 1 - first)
        known.update(homes)
        if homes[1:]:
            replicas[homes[0]] = len(homes) - 1
    return Picture(None, slots, tuple(sorted(known)), replicas)


def _primaries(ranges: list[Any]) -> tuple[tuple[Any, ...], ...]:
    """Return what makes two maps of a cluster the same."""
    return tuple(sorted((first, last, primary[1], primary[0]) for first, last, primary, *_ in ranges))


def _is_following(replica: list[bytes]) -> bool:
    """Tell whether a sentinel's description of a replica says that it hears what the master is told."""
    told = _told(replica)
    is_down = any(sign in told.get(b"flags", b"") for sign in (b"down", b"disconnected"))
    return not is_down and told.get(b"role-reported") == b"slave" and told.get(b"master-link-status") == b"ok"


def _told(pairs: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(pairs[::2], pairs[1::2], strict=False))
