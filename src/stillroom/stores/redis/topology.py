"""Which node has which keys: a single server, the one that the sentinels name, or the primaries of a cluster.

Both colours share one picture. It is drawn when first needed, drawn anew when a node cannot be reached, redirects or is no
primary any more, and otherwise believed for a while. A new one is published only after whoever is new in it has been told what
it may not have heard (see `Wire`): until then everybody goes by the former one, or asks and tells for himself.

What is shared here is changed by single assignments, without a lock: threads and event loops of both colours use it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ...errors import StoreError
from ..resp import ReplyError, pack
from .client import Node, Target
from .links import Batch, Links
from .picture import Picture, of_cluster, of_master, of_server
from .unconfirmed import Unconfirmed

if TYPE_CHECKING:
    from ..outage.health import Servers

__all__ = ["Draft", "Topology"]

_CLUSTER_INFO = pack(b"INFO", b"cluster")
_CLUSTER_SLOTS = pack(b"CLUSTER", b"SLOTS")
_ASKED_AT_ONCE = 6
"""How many nodes of a cluster are asked for its map at a time."""
_BELIEVED = {"sentinel": 1.0, "cluster": 10.0}
"""For how many seconds a picture is believed: a server that has been replaced may not know it, and replicas come and go."""
_PATIENCE = 0.4
"""The part of an operation's time for which all are waited for that are asked side by side: some of them may hang."""
_SHUNNED = 10.0
"""For how many seconds a node that did not answer is asked for the picture only if no other tells."""
_FORMER = 3.0
"""For how many seconds others may take a master for the present one that is not: longer than they believe a picture."""


class Draft(NamedTuple):
    """A picture that has not been published.

    Attributes:
        number: later ones have higher numbers.
        picture: the picture.
        is_succession: whether a node in it has taken the place of another.
    """

    number: int
    picture: Picture
    is_succession: bool


class Topology:
    """The nodes of one target.

    Args:
        target: what the url names.
        unconfirmed: what has to be told again to whoever takes the place of a node.
    """

    def __init__(self, target: Target, unconfirmed: Unconfirmed) -> None:
        self._target = target
        self._kind: Servers | None = cast("Servers | None", target.kind)
        self._picture = of_server(target.nodes[0]) if target.kind == "single" else None
        self._doubt_at = math.inf if self._picture is not None else -math.inf
        self._numbers = count(1)
        self._published = 0
        self._former: tuple[Node, float] | None = None
        self._shunned: dict[Node, float] = {}
        self._moves: dict[int, tuple[Node, Node]] = {}
        self.unconfirmed = unconfirmed

    @property
    def only_node(self) -> Node | None:
        """The node that has all keys; ``None`` on a cluster, and while it is to be asked for."""
        picture = self._picture
        return picture.only if picture is not None and time.monotonic() < self._doubt_at else None

    @property
    def kind(self) -> Servers | None:
        """How the nodes belong together; ``None`` until the first one has told."""
        return self._kind

    @property
    def is_cluster(self) -> bool:
        """Whether keys are spread over several nodes."""
        return self._kind == "cluster"

    @property
    def is_known(self) -> bool:
        """Whether the picture may be relied on."""
        return time.monotonic() < self._doubt_at

    @property
    def picture(self) -> Picture:
        """The picture.

        Raises:
            StoreError: there is none yet.
        """
        if self._picture is None:
            raise StoreError("it is not known yet which node has the keys", store="redis", operation="route")
        return self._picture

    def node_of(self, slot: int) -> Node:
        """Return the node that has the keys of a slot.

        Raises:
            StoreError: none has, or it is not known yet.
        """
        node = self.picture.node_of(slot)
        if node is None:
            self._doubt_at = -math.inf
            raise StoreError(f"no node of the cluster has slot {slot}", store="redis", operation="route")
        return node

    def former(self) -> Node | None:
        """Return the master that others may still take for the present one."""
        former = self._former
        return former[0] if former is not None and time.monotonic() < former[1] else None

    def dismiss(self, former: Node) -> None:
        """Take note that a former master does not answer any more."""
        if self._former is not None and self._former[0] == former:
            self._former = None

    def moved(self, slot: int, old: Node, new: Node) -> None:
        """Take note of a redirection; whatever else has moved is asked for."""
        if self._kind != "cluster":  # it was taken for a single server: `cluster=False`, or it has been made one since
            self._kind = "cluster"
        self._moves[slot] = (old, new)
        self._doubt_at = -math.inf

    def suspect(self, node: Node) -> None:
        """Take note that a node did not do what it should."""
        self._shunned[node] = time.monotonic() + _SHUNNED
        if self._kind != "single":
            self._doubt_at = -math.inf

    async def learn(self, links: Links, until: float) -> Draft:
        """Draw the picture anew. It is to be published when those who are new in it have been told what they must know.

        Raises:
            StoreError: nobody who was asked could tell.
        """
        number, moves = next(self._numbers), dict(self._moves)
        former = self._picture
        if self._kind is None:
            await self._learn_kind(links, until)
        if self._kind == "sentinel":
            picture = await self._ask_sentinels(links, until)
        elif self._kind == "cluster":
            picture = (await self._ask_cluster(links, until)).corrected(moves)
        else:
            picture = of_server(self._target.nodes[0])
        newcomers = set(picture.primaries()).difference(former.primaries()) if former is not None else ()
        return Draft(number, picture, bool(newcomers))

    def publish(self, draft: Draft) -> None:
        """Have everybody go by a picture, unless a later one has been published already."""
        if draft.number < self._published:
            return
        now, former = time.monotonic(), self._picture
        if draft.is_succession and self._kind == "sentinel" and former is not None and former.only is not None:
            self._former = (former.only, now + _FORMER)
        self._published, self._picture = draft.number, draft.picture
        self._moves = {}
        self._shunned = {node: until for node, until in self._shunned.copy().items() if now < until}
        self._doubt_at = now + _BELIEVED.get(self._kind or "", math.inf)

    async def _learn_kind(self, links: Links, until: float) -> None:
        node = self._target.nodes[0]
        (reply,) = (await _ask(links, [node], until, [_CLUSTER_INFO]))[node]
        if isinstance(reply, StoreError) and "refused to tell" not in str(reply):
            raise reply
        self._kind = "cluster" if isinstance(reply, bytes) and b"cluster_enabled:1" in reply else "single"

    async def _ask_sentinels(self, links: Links, until: float) -> Picture:
        service = self._target.service.encode()
        questions = [pack(b"SENTINEL", word, service) for word in (b"get-master-addr-by-name", b"MASTER", b"replicas")]
        answers = list((await self._ask(links, self._target.nodes, until, questions)).values())
        picture = of_master(answers)
        if picture is None:
            problem = next((one[0] for one in answers if one[0] is not None), f"they know no service {self._target.service!r}")
            raise StoreError(f"no sentinel tells where the server is: {problem}", store="redis", operation="route")
        return picture

    async def _ask_cluster(self, links: Links, until: float) -> Picture:
        known = self._picture if self._picture is not None and self._picture.only is None else None
        nodes = list(dict.fromkeys([*(known.known if known is not None else ()), *self._target.nodes]))
        answers = await self._ask(links, nodes[:_ASKED_AT_ONCE], until, [_CLUSTER_SLOTS])
        maps = [(reply, node) for node, (reply,) in answers.items() if reply and not isinstance(reply, StoreError)]
        if maps:
            return of_cluster(maps)
        if known is not None and not any(map(self._is_shunned, known.primaries())):
            return known  # they are busy; what is known is corrected by redirections in any case
        problem = next(iter(answers.values()), [None])[0]
        raise StoreError(f"no node of the cluster tells where its keys are: {problem}", store="redis", operation="route")

    async def _ask(
        self, links: Links, nodes: Sequence[Node], until: float, questions: Sequence[bytes]
    ) -> dict[Node, list[Any]]:
        """Ask several nodes side by side; those that have failed a moment ago only if no other answers."""
        shunned = list(filter(self._is_shunned, nodes))
        soon = min(until, time.monotonic() + _PATIENCE * links.timeout)
        answers: dict[Node, list[Any]] = {}
        for some, within in (([node for node in nodes if node not in shunned], soon), (shunned, until)):
            answers.update(await _ask(links, some, within, questions))
            if any(not isinstance(first, StoreError) for first, *_ in answers.values()):
                break
        for node, (first, *_) in answers.items():
            if isinstance(first, StoreError):
                self._shunned[node] = time.monotonic() + _SHUNNED
        return answers

    def _is_shunned(self, node: Node) -> bool:
        return time.monotonic() < self._shunned.get(node, -math.inf)


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
