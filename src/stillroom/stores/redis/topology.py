"""Which node has which keys: a single server, the one that the sentinels name, or the primaries of a cluster.

Both colours share one picture. It is drawn when first needed, corrected by every redirection, and drawn anew when a node
cannot be reached or is no primary any more.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ...errors import StoreError
from ..resp import ReplyError, pack
from .client import Node, Target
from .layout import SLOTS
from .links import Batch, Links
from .unconfirmed import Unconfirmed

__all__ = ["Topology"]

_CLUSTER_INFO = pack(b"INFO", b"cluster")
_ASKED_AT_ONCE = 6
"""How many nodes of a cluster are asked for its map at a time."""
_CLUSTER_SLOTS = pack(b"CLUSTER", b"SLOTS")


_BELIEVED = {"sentinel": 1.0, "cluster": 10.0}
"""For how many seconds the picture is believed: a server that has been replaced may not know it, and replicas come and go."""


_WHILE_UNCONFIRMED = 0.1
"""The same while there is something of which no replica has heard."""


class Topology:
    """The nodes of one target.

    Attributes:
        unconfirmed: what has to be told again to whoever takes the place of a node.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._kind = target.kind
        self._slots: list[Node | None] = []
        self._known: tuple[Node, ...] = target.nodes
        self._only: Node | None = target.nodes[0] if target.kind == "single" else None
        self._is_known = self._only is not None
        self._replicated: frozenset[Node] = frozenset()
        self._suspects: set[Node] = set()
        self._doubt_at = math.inf
        self.unconfirmed = Unconfirmed()

    @property
    def only_node(self) -> Node | None:
        """The node that has all keys; ``None`` on a cluster, and while it is to be asked for."""
        return self._only if self._is_known and time.monotonic() < self._doubt_at else None

    @property
    def is_cluster(self) -> bool:
        """Whether keys are spread over several nodes."""
        return self._kind == "cluster"

    @property
    def is_known(self) -> bool:
        """Whether the picture may be trusted."""
        return self._is_known and time.monotonic() < self._doubt_at

    def has_replica(self, node: Node) -> bool:
        """Tell whether a node has a replica that may take over."""
        return node in self._replicated

    def node_of(self, slot: int) -> Node:
        """Return the node that has the keys of a slot.

        Raises:
            StoreError: none has.
        """
        if self._only is not None:
            return self._only
        node = self._slots[slot] if self._slots else None
        if node is None:
            self._is_known = False
            raise StoreError(f"no node of the cluster has slot {slot}", store="redis", operation="route")
        return node

    def primaries(self) -> list[Node]:
        """Return all nodes that have keys."""
        if self._only is not None:
            return [self._only]
        return sorted({node for node in self._slots if node is not None})

    def moved(self, slot: int, node: Node) -> None:
        """Take note of where a slot is now; whatever else has moved is asked for."""
        if self._kind != "cluster":  # it was taken for a single server: `cluster=False`, or it has been made one since
            self._kind, self._only = "cluster", None
        if self._slots:
            self._slots[slot] = node
        self._is_known = False

    def suspect(self, node: Node) -> None:
        """Take note that a node did not do what it should."""
        self._suspects.add(node)
        if self._kind != "single":
            self._is_known = False

    async def learn(self, links: Links, until: float) -> None:
        """Draw the picture anew; `trust` must follow.

        Raises:
            StoreError: nobody who was asked could tell.
        """
        if self._kind is None:
            await self._learn_kind(links, until)
        if self._kind == "sentinel":
            await self._ask_sentinels(links, until)
        elif self._kind == "cluster":
            await self._ask_cluster(links, until)
        self._suspects.clear()

    def trust(self) -> None:
        """Say that the picture may be relied on: whoever is new in it has been told what it may not have heard."""
        believed = _BELIEVED.get(self._kind or "", math.inf)
        self._doubt_at = time.monotonic() + (min(believed, _WHILE_UNCONFIRMED) if self.unconfirmed else believed)
        self._is_known = True

    async def _learn_kind(self, links: Links, until: float) -> None:
        node = self._target.nodes[0]
        (reply,) = (await _ask(links, [node], until, [_CLUSTER_INFO]))[node]
        if isinstance(reply, StoreError) and "refused to tell" not in str(reply):
            raise reply
        if isinstance(reply, bytes) and b"cluster_enabled:1" in reply:
            self._kind = "cluster"
        else:
            self._kind, self._only = "single", node

    async def _ask_sentinels(self, links: Links, until: float) -> None:
        service = self._target.service.encode()
        where, replicas = pack(b"SENTINEL", b"get-master-addr-by-name", service), pack(b"SENTINEL", b"replicas", service)
        problem: Any = None
        for place, others in (await self._ask(links, self._target.nodes, until, where, replicas)).values():
            if place is None or isinstance(place, StoreError):
                problem = place or f"it knows no service {self._target.service!r}"
                continue
            host, port = place
            master = Node(host.decode(), int(port))
            if self._only not in (master, None):
                links.forget(self._only)
            self._only = master
            heard = not isinstance(others, StoreError) and any(map(_is_well, others))
            self._replicated = frozenset([master] if heard else [])
            return
        raise StoreError(f"no sentinel tells where the server is: {problem}", store="redis", operation="route")

    async def _ask_cluster(self, links: Links, until: float) -> None:
        nodes = list(dict.fromkeys([*self._known, *self._target.nodes]))[:_ASKED_AT_ONCE]
        maps: list[tuple[Any, Node]] = []
        problem: Any = None
        for node, (reply,) in (await self._ask(links, nodes, until, _CLUSTER_SLOTS)).items():
            if not reply or isinstance(reply, StoreError):
                problem = reply
            else:
                maps.append((reply, node))
        if not maps and self._slots and not self._suspects:
            return  # they are busy; what is known is corrected by redirections in any case
        if not maps:
            raise StoreError(f"no node of the cluster tells where its keys are: {problem}", store="redis", operation="route")
        votes = Counter(_primaries(ranges) for ranges, _ in maps)  # a node that is cut off from the others goes by an old map
        self._draw(*max(maps, key=lambda one: votes[_primaries(one[0])]))

    async def _ask(self, links: Links, nodes: Sequence[Node], until: float, *questions: bytes) -> dict[Node, list[Any]]:
        """Ask several nodes side by side; those that have just failed only if no other answers."""
        well = [node for node in nodes if node not in self._suspects]
        answers = await _ask(links, well, until, questions)
        if all(isinstance(first, StoreError) for first, *_ in answers.values()):
            answers.update(await _ask(links, [node for node in nodes if node not in well], until, questions))
        return answers

    def _draw(self, ranges: list[Any], asked: Node) -> None:
        slots: list[Node | None] = [None] * SLOTS
        known: set[Node] = set()
        replicated: set[Node] = set()
        for first, last, *nodes in ranges:
            homes = [Node(host.decode() if host else asked.host, port) for host, port, *_ in nodes]
            slots[first : last + 1] = [homes[0]] * (last + 1 - first)
            known.update(homes)
            replicated.update(homes[:1] if homes[1:] else ())
        self._slots = slots
        self._replicated = frozenset(replicated)
        self._known = tuple(sorted(known))


async def _ask(links: Links, nodes: Sequence[Node], until: float, questions: Sequence[bytes]) -> dict[Node, list[Any]]:
    batches = [Batch(node, b"".join(questions), len(questions)) for node in nodes]
    answers: dict[Node, list[Any]] = {}
    for node, outcome in zip(nodes, await links.exchange(batches, until), strict=True):
        if isinstance(outcome, StoreError):
            answers[node] = [outcome] * len(questions)
        else:
            answers[node] = [_refusal(node, one) if isinstance(one, ReplyError) else one for one in outcome]
    return answers


def _refusal(node: Node, error: Exception) -> StoreError:
    return StoreError(f"{node} refused to tell: {error}", store="redis", operation="route")


def _primaries(ranges: list[Any]) -> tuple[tuple[Any, ...], ...]:
    """Return what makes two maps of a cluster the same."""
    return tuple(sorted((first, last, primary[1], primary[0]) for first, last, primary, *_ in ranges))


def _is_well(replica: list[bytes]) -> bool:
    """Tell whether a sentinel's description of a replica says that it could take over."""
    told = dict(zip(replica[::2], replica[1::2], strict=False))
    return not any(sign in told.get(b"flags", b"") for sign in (b"down", b"disconnected"))
