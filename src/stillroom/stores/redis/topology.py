"""Which node has which keys: a single server, the one that the sentinels name, or the primaries of a cluster.

Both colours share one picture. It is drawn when first needed, corrected by every redirection, and drawn anew when a node
cannot be reached or is no primary any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import StoreError
from .client import Node, ReplyError, Target, pack
from .layout import SLOTS
from .links import Batch, Links

__all__ = ["Topology"]

_CLUSTER_INFO = pack(b"INFO", b"cluster")
_ASKED_AT_ONCE = 6
"""How many nodes of a cluster are asked for its map at a time."""
_CLUSTER_SLOTS = pack(b"CLUSTER", b"SLOTS")


class Topology:
    """The nodes of one target.

    Attributes:
        only_node: the node that has all keys; ``None`` on a cluster, and while nothing is known yet.
        is_known: whether the picture may be trusted.
        epoch: changes with the picture.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._kind = target.kind
        self._slots: list[Node | None] = []
        self._known: tuple[Node, ...] = target.nodes
        self.only_node: Node | None = target.nodes[0] if target.kind == "single" else None
        self.is_known = self.only_node is not None
        self.epoch = 0

    @property
    def is_cluster(self) -> bool:
        """Whether keys are spread over several nodes."""
        return self._kind == "cluster"

    def node_of(self, slot: int) -> Node:
        """Return the node that has the keys of a slot.

        Raises:
            StoreError: none has.
        """
        if self.only_node is not None:
            return self.only_node
        node = self._slots[slot] if self._slots else None
        if node is None:
            self.is_known = False
            raise StoreError(f"no node of the cluster has slot {slot}", store="redis", operation="route")
        return node

    def primaries(self) -> list[Node]:
        """Return all nodes that have keys."""
        if self.only_node is not None:
            return [self.only_node]
        return sorted({node for node in self._slots if node is not None})

    def moved(self, slot: int, node: Node) -> None:
        """Take note of where a slot is now; whatever else has moved is asked for."""
        if self._kind != "cluster":  # it was taken for a single server: `cluster=False`, or it has been made one since
            self._kind, self.only_node = "cluster", None
        if self._slots:
            self._slots[slot] = node
        self.is_known = False

    def suspect(self, node: Node) -> None:
        """Take note that a node did not do what it should."""
        if self._kind != "single":
            self.is_known = False

    async def learn(self, links: Links, until: float) -> None:
        """Draw the picture anew.

        Raises:
            StoreError: nobody who was asked could tell.
        """
        if self._kind is None:
            await self._learn_kind(links, until)
        if self._kind == "sentinel":
            await self._ask_sentinels(links, until)
        elif self._kind == "cluster":
            await self._ask_cluster(links, until)
        self.is_known = True
        self.epoch += 1

    async def _learn_kind(self, links: Links, until: float) -> None:
        node = self._target.nodes[0]
        reply = (await _ask(links, [node], _CLUSTER_INFO, until))[node]
        if isinstance(reply, StoreError) and "refused to tell" not in str(reply):
            raise reply
        if isinstance(reply, bytes) and b"cluster_enabled:1" in reply:
            self._kind = "cluster"
        else:
            self._kind, self.only_node = "single", node

    async def _ask_sentinels(self, links: Links, until: float) -> None:
        question = pack(b"SENTINEL", b"get-master-addr-by-name", self._target.service.encode())
        problem: Any = None
        for reply in (await _ask(links, self._target.nodes, question, until)).values():
            if reply is not None and not isinstance(reply, StoreError):
                host, port = reply
                master = Node(host.decode(), int(port))
                if master != self.only_node and self.only_node is not None:
                    links.forget(self.only_node)
                self.only_node = master
                return
            problem = reply or f"it knows no service {self._target.service!r}"
        raise StoreError(f"no sentinel tells where the server is: {problem}", store="redis", operation="route")

    async def _ask_cluster(self, links: Links, until: float) -> None:
        problem: Any = None
        nodes = list(dict.fromkeys([*self._known, *self._target.nodes]))[:_ASKED_AT_ONCE]
        for node, reply in (await _ask(links, nodes, _CLUSTER_SLOTS, until)).items():
            if reply and not isinstance(reply, StoreError):
                self._draw(reply, node)
                return
            problem = reply
        raise StoreError(f"no node of the cluster tells where its keys are: {problem}", store="redis", operation="route")

    def _draw(self, ranges: list[Any], asked: Node) -> None:
        slots: list[Node | None] = [None] * SLOTS
        known: set[Node] = set()
        for first, last, *nodes in ranges:
            homes = [Node(host.decode() if host else asked.host, port) for host, port, *_ in nodes]
            slots[first : last + 1] = [homes[0]] * (last + 1 - first)
            known.update(homes)
        self._slots = slots
        self._known = tuple(sorted(known))


async def _ask(links: Links, nodes: Sequence[Node], question: bytes, until: float) -> dict[Node, Any]:
    """Ask several nodes side by side, so that one that hangs costs no more than one that answers."""
    answers: dict[Node, Any] = {}
    batches = [Batch(node, question, 1) for node in nodes]
    for node, outcome in zip(nodes, await links.exchange(batches, until), strict=True):
        answer = outcome if isinstance(outcome, StoreError) else outcome[0]
        if isinstance(answer, ReplyError):
            answer = StoreError(f"{node} refused to tell: {answer}", store="redis", operation="route")
        answers[node] = answer
    return answers
