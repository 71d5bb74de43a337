"""Who does what in a Redis Cluster, as one of its nodes sees it."""

from __future__ import annotations

from typing import NamedTuple

from tests.servers.server import Server


class Part(NamedTuple):
    """What a node does: the port of the node that it follows, or the ranges of slots that it owns; and whether it is missed."""

    follows: int | None
    slots: tuple[tuple[int, int], ...]
    missed: bool = False

    def owns(self, slot: int) -> bool:
        """Tell whether a slot is among the node's."""
        return any(first <= slot <= last for first, last in self.slots)


def layout(node: Server) -> dict[int, Part]:
    """Return the parts of all nodes that a node knows, by their ports."""
    lines = _lines(node)
    ports = {fields[0]: _port(fields[1]) for fields in lines}
    parts = {}
    for name, _, flags, follows, _, _, _, _, *slots in lines:
        if not {"handshake", "noaddr"} & set(flags.split(",")):
            ranges = tuple(_range(slot) for slot in slots if not slot.startswith("["))
            parts[ports[name]] = Part(ports.get(follows), ranges, "fail" in flags)
    return parts


def open_moves(node: Server) -> list[int]:
    """Return the slots that a node is moving, to or from another."""
    mine = next(fields for fields in _lines(node) if "myself" in fields[2])
    return [int(slot[1:].partition("-")[0]) for slot in mine[8:] if slot.startswith("[")]


def is_at_ease(node: Server) -> bool:
    """Tell whether a node takes the cluster for complete, and has what its primary has."""
    replication: bytes = node.ask("INFO", "replication")
    if b"role:slave" in replication and b"master_link_status:up" not in replication:
        return False
    return b"cluster_state:ok" in node.ask("CLUSTER INFO")


def _lines(node: Server) -> list[list[str]]:
    return [line.split() for line in node.ask("CLUSTER NODES").decode().splitlines()]


def _port(address: str) -> int:
    return int(address.partition("@")[0].rpartition(":")[2])


def _range(slots: str) -> tuple[int, int]:
    first, _, last = slots.partition("-")
    return int(first), int(last or first)
