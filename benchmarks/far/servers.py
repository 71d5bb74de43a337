"""A Redis server, and a Cluster of three primaries, for the length of a ``with``; they end with this process at the latest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers.cluster import CONFIG, FORMING, SHARES
from tests.servers.processes import HOST
from tests.servers.server import Server
from tests.servers.waiting import eventually

__all__ = ["Server", "cluster", "cluster_url"]


@contextmanager
def cluster() -> Iterator[list[Server]]:
    """Run a Cluster without replicas, which would only share the processors with it; give its nodes."""
    nodes = [Server(bus=True, config=CONFIG) for _ in SHARES]
    try:
        for number, (node, (first, last)) in enumerate(zip(nodes, SHARES, strict=True)):
            node.start()
            node.ask("CLUSTER SET-CONFIG-EPOCH", number + 1)
            node.ask("CLUSTER ADDSLOTS", *range(first, last + 1))
            for other in nodes[:number]:
                node.ask("CLUSTER MEET", HOST, other.port)
        eventually(lambda: all(_sees_all(node, len(nodes)) for node in nodes), FORMING)
        yield nodes
    finally:
        for node in nodes:
            node.stop()


def cluster_url(nodes: list[Server]) -> str:
    """Return the url of a Cluster."""
    return f"redis+cluster://{','.join(f'{HOST}:{node.port}' for node in nodes)}"


def _sees_all(node: Server, size: int) -> bool:
    told: bytes = node.ask("CLUSTER INFO")
    return b"cluster_state:ok" in told and b"cluster_known_nodes:%d\r" % size in told
