"""A real Redis Sentinel deployment: a master, its replica, and three Sentinels of which two have to agree."""

from __future__ import annotations

import secrets
from typing import Literal

from tests.servers.processes import HOST
from tests.servers.server import Server
from tests.servers.waiting import eventually, holds

SERVICE = "mymaster"
SENTINELS = 3
QUORUM = 2
DOWN_AFTER = 500
"""Milliseconds for which a master is silent before a Sentinel takes it for dead."""
FAILOVER_TIMEOUT = 3000
"""Milliseconds after half of which a failed attempt to fail over is repeated."""
FORMING = 15.0
TAKING_OVER = 20.0


class Watcher(Server):
    """One Sentinel. It is told of the others, who would otherwise meet within some seconds."""

    sentinel = True

    def __init__(self) -> None:
        super().__init__()
        self.name = secrets.token_hex(20)

    def watch(self, master: Server, replicas: list[Server], watchers: list[Watcher]) -> None:
        """Say what to watch, and with whom, from the first start on."""
        self.config |= {
            "sentinel myid": self.name,
            "sentinel monitor": f"{SERVICE} {HOST} {master.port} {QUORUM}",
            "sentinel down-after-milliseconds": f"{SERVICE} {DOWN_AFTER}",
            "sentinel failover-timeout": f"{SERVICE} {FAILOVER_TIMEOUT}",
        }
        for replica in replicas:
            self.config[f"sentinel known-replica {SERVICE} {HOST} {replica.port}"] = ""
        for other in watchers:
            if other is not self:
                self.config[f"sentinel known-sentinel {SERVICE} {HOST} {other.port} {other.name}"] = ""

    def master_port(self) -> int:
        """Return the port of what this Sentinel takes for the master."""
        return int(self.ask("SENTINEL GET-MASTER-ADDR-BY-NAME", SERVICE)[1])

    def about_master(self) -> dict[str, str]:
        """Return what this Sentinel knows of the master."""
        told = [word.decode() for word in self.ask("SENTINEL MASTER", SERVICE)]
        return dict(zip(told[::2], told[1::2], strict=True))


class Sentinel:
    """The first of the nodes is the master when all is well, the others its replicas."""

    def __init__(self, *, replicas: int = 1) -> None:
        self.nodes = [Server() for _ in range(1 + replicas)]
        self.watchers = [Watcher() for _ in range(SENTINELS)]

    @property
    def processes(self) -> list[Server]:
        """All servers and Sentinels."""
        return [*self.nodes, *self.watchers]

    def __enter__(self) -> Sentinel:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start all processes and wait until every Sentinel sees all is well."""
        master, *replicas = self.nodes
        master.start()
        for replica in replicas:
            replica.config["replicaof"] = f"{HOST} {master.port}"
        _start(replicas)
        eventually(lambda: all(map(_is_synced, replicas)), FORMING)
        for watcher in self.watchers:  # their ports are known before they run: they are told of each other
            watcher.watch(master, replicas, self.watchers)
        _start(self.watchers)
        eventually(self.is_clean, FORMING, self._told)
        self.reset_stats()

    def stop(self) -> None:
        """End all processes for good."""
        for process in self.processes:
            process.stop()

    # How to reach it

    @property
    def url(self) -> str:
        """The URL of the master, by way of the Sentinels."""
        return f"redis+sentinel://{','.join(f'{HOST}:{watcher.port}' for watcher in self.watchers)}/{SERVICE}/0"

    def master(self) -> Server:
        """Return the node that the Sentinels name."""
        port = self._living_watchers()[0].master_port()
        return next(node for node in self.nodes if node.port == port)

    def replicas(self) -> list[Server]:
        """Return the living nodes that are not the master."""
        master = self.master()
        return [node for node in self.nodes if node is not master and node.is_up and not node.is_paused]

    def _living_watchers(self) -> list[Watcher]:
        return [watcher for watcher in self.watchers if watcher.is_up and not watcher.is_paused]

    # What goes wrong

    def fail_over(self, how: Literal["kill", "pause", "ask"] = "kill") -> Server:
        """Get rid of the master, or ask for another one; return it once all Sentinels name it and it takes writes."""
        old = self.master()
        if how == "kill":
            old.kill()
        elif how == "pause":
            old.pause()
        else:
            self._living_watchers()[0].ask("SENTINEL FAILOVER", SERVICE)
        eventually(lambda: self._has_replaced(old), TAKING_OVER, self._told)
        return self.master()

    def _has_replaced(self, old: Server) -> bool:
        named = {watcher.master_port() for watcher in self._living_watchers()}
        new = self.master()
        return new is not old and named == {new.port} and b"role:master" in new.ask("INFO", "replication")

    def _told(self) -> str:
        return "\n\n".join(str(watcher.about_master()) for watcher in self._living_watchers())

    # Well again

    def is_clean(self) -> bool:
        """Tell whether all processes are up, play the parts that they began with, and agree on that."""
        master, *replicas = self.nodes
        return (
            all(process.is_up and not process.is_paused for process in self.processes)
            and b"role:master" in master.ask("INFO", "replication")
            and all(map(_is_synced, replicas))
            and all(self._is_content(watcher) for watcher in self.watchers)
        )

    def _is_content(self, watcher: Watcher) -> bool:
        about = watcher.about_master()
        numbers = (about["num-slaves"], about["num-other-sentinels"])
        expected = (str(len(self.nodes) - 1), str(SENTINELS - 1))
        return about["flags"] == "master" and watcher.master_port() == self.nodes[0].port and numbers == expected

    def heal(self) -> None:
        """Bring everything back to how it started, whatever was done to it, on the same ports; keys may be lost."""
        for process in self.processes:
            if process.is_paused:
                process.resume()
        if not holds(self.is_clean):
            for process in self.processes:
                process.kill()
                process.forget()
            self.start()

    def clean(self) -> None:
        """Heal everything, and forget all keys, scripts and counts."""
        self.heal()
        self.flush()
        for node in self.nodes:
            node.ask("SCRIPT FLUSH")
        self.reset_stats()

    def flush(self) -> None:
        """Forget all keys."""
        self.master().flush()

    def reset_stats(self) -> None:
        """Count from zero."""
        for node in self.nodes:
            if node.is_up:
                node.reset_stats()


def _start(servers: list[Server] | list[Watcher]) -> None:
    for server in servers:
        server.launch()
    for server in servers:
        server.wait_until_ready()


def _is_synced(replica: Server) -> bool:
    return b"master_link_status:up" in replica.ask("INFO", "replication")
