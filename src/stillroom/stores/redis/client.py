"""Everything that stillroom needs of redis-py: from a url to connections that are greeted, authenticated and ready.

redis-py parses urls, speaks TLS, logs in and selects the database. What is sent and read afterwards goes straight over its
connections: see `threads` and `loops`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast
from urllib.parse import unquote, urlsplit

from ...errors import ConfigurationError, StoreError

try:
    import redis
    import redis.asyncio as aredis
    from redis import connection as rconnection
except ImportError as _error:
    raise ConfigurationError("a cache on Redis needs redis-py: pip install 'stillroom[redis]'", setting="url") from _error

"".encode("idna")  # a signal handler that made the first connection could not import what that needs

__all__ = ["Node", "Target", "connect", "connect_async", "parse"]

_DEFAULT_PORT, _SENTINEL_PORT = 6379, 26379


class Node(NamedTuple):
    """Where a server listens: host and port, or the path of a socket and zero."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.port else self.host


class Target(NamedTuple):
    """What a url names.

    Attributes:
        kind: ``"single"``, ``"cluster"``, ``"sentinel"``, or ``None`` where the server will tell whether it is in a cluster.
        nodes: where to begin: the server, some of a cluster's, or the sentinels.
        service: what the sentinels call the server.
        options: what connections are made with, other than the address.
        sentinel_options: the same for connections to sentinels.
        transport: ``"tcp"``, ``"tls"`` or ``"unix"``.
    """

    kind: str | None
    nodes: tuple[Node, ...]
    service: str
    options: dict[str, Any]
    sentinel_options: dict[str, Any]
    transport: str

    def __repr__(self) -> str:
        return f"Target({self.kind}, {', '.join(map(str, self.nodes))})"  # and neither password nor options


def parse(url: str, options: Mapping[str, Any], cluster: bool | None) -> Target:
    """Return what a url and further options of redis-py name.

    Raises:
        ConfigurationError: they make no sense.
    """
    scheme, _, rest = url.partition("://")
    family, _, kind = scheme.lower().partition("+")
    plain = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss", "unix": "unix"}[family]
    rest, mark, query = rest.partition("?")
    netloc, slash, tail = rest.partition("/") if plain != "unix" else ("", "", rest)
    login, at, places = netloc.rpartition("@")
    service = ""
    if kind == "sentinel":
        service, _, tail = tail.partition("/")
        service = unquote(service)
        if not service:
            raise _wrong(scheme, "must name the service behind the sentinels: redis+sentinel://host1,host2/service/0")
    nodes = _nodes(places, scheme, _SENTINEL_PORT if kind == "sentinel" else _DEFAULT_PORT)
    place = f"{login}{at}{_spelled(nodes[0])}{slash}" if plain != "unix" else ""
    shared = f"{plain}://{place}{tail}{mark}{query}"
    for name in ("host", "port", "path", "connection_class", "protocol"):
        if name in options:
            raise ConfigurationError(f"{name} is for the url to say, not an option", setting=name, given=options[name])
    settings = {**_parsed(shared, scheme), **options}
    connection_class = settings.pop("connection_class", redis.Connection)
    for name in ("host", "port"):
        settings.pop(name, None)
    if plain == "unix":
        nodes = (Node(settings.pop("path", ""), 0),)
    if (kind == "cluster" or cluster) and settings.get("db"):
        raise ConfigurationError("db must be 0 on a cluster, which has no others", setting="db", given=settings["db"])
    transport = {redis.SSLConnection: "tls", redis.UnixDomainSocketConnection: "unix"}.get(connection_class, "tcp")
    sentinel_options: dict[str, Any] = settings.pop("sentinel_kwargs", None) or {}
    chosen = kind or ("cluster" if cluster else "single" if cluster is False or plain == "unix" or settings.get("db") else None)
    target = Target(chosen, nodes, service, settings, {**_of_transport(settings), **sentinel_options}, transport)
    _check(target)
    return target


def _nodes(places: str, scheme: str, port: int) -> tuple[Node, ...]:
    nodes: list[Node] = []
    for place in places.split(",") if places else ["localhost"]:
        node = _node(place, port)
        if node is None:  # raised out here: the error in there has parts of the url, which may be those of a password
            raise _wrong(scheme, "names a place that is none; / ? # @ in a password must be percent-encoded")
        nodes.append(node)
    return tuple(nodes)


def _node(place: str, port: int) -> Node | None:
    try:
        split = urlsplit(f"//{place}")
        return Node(split.hostname or "localhost", split.port or port)
    except ValueError:
        return None


def _spelled(node: Node) -> str:
    return f"[{node.host}]:{node.port}" if ":" in node.host else f"{node.host}:{node.port}"


def _parsed(url: str, scheme: str) -> dict[str, Any]:
    parsed = _parsed_by_redis(url)
    if parsed is None:
        raise _wrong(scheme, "has an option that makes no sense; / ? # @ in a password must be percent-encoded")
    path = urlsplit(url).path.strip("/")
    if path and not path.isdigit() and not url.startswith("unix"):
        raise _wrong(scheme, "must end with the number of a database; / ? # @ in a password must be percent-encoded")
    return parsed


def _parsed_by_redis(url: str) -> dict[str, Any] | None:
    try:
        parsed: dict[str, Any] = cast("Any", rconnection).parse_url(url)
    except ValueError:
        return None
    return parsed


def _of_transport(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that connections to sentinels share with others: those of TLS and sockets."""
    return {name: value for name, value in settings.items() if name.startswith(("ssl_", "socket_"))}


def _wrong(scheme: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"url ({scheme}://...) {what}", setting="url", given=f"{scheme}://...")


def _check(target: Target) -> None:
    """Make connections that are never used, so that an unknown option is found before the first call."""
    for colour in (redis, aredis):
        for options in (target.options, target.sentinel_options):
            try:
                _class(colour, target.transport)(**_arguments(target.nodes[0], target.transport, options, 1.0))
            except (TypeError, ValueError, redis.RedisError) as error:
                names = ", ".join(sorted(options)) or "none"
                raise ConfigurationError(
                    f"redis-py refuses one of these options: {names} ({error})", setting="options", given=sorted(options)
                ) from error


def _class(colour: Any, transport: str) -> Any:
    if transport == "tls":
        return colour.SSLConnection
    return colour.UnixDomainSocketConnection if transport == "unix" else colour.Connection


_SILENT: Final = (
    {"driver_info": None}
    if "driver_info" in inspect.signature(rconnection.AbstractConnection.__init__).parameters
    else {"lib_name": None, "lib_version": None}
)
"""Keeps redis-py from telling the server its name and version, which takes two more round trips at each connection."""


def _arguments(node: Node, transport: str, options: Mapping[str, Any], timeout: float) -> dict[str, Any]:
    place = {"path": node.host} if transport == "unix" else {"host": node.host, "port": node.port}
    limits = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    return {**_SILENT, "protocol": 2, **options, **limits, **place}


def connect(target: Target, node: Node, timeout: float, **more: Any) -> Any:
    """Return a blocking connection that is ready for commands.

    Args:
        target: what to connect with.
        node: where to.
        timeout: how many seconds it may take.
        **more: options that count for this one only.

    Raises:
        StoreError: it could not be made.
    """
    options = {**_options_for(target, node), **more}
    connection = _class(redis, target.transport)(**_arguments(node, target.transport, options, timeout))
    try:
        connection.connect()
    except (redis.RedisError, OSError) as error:
        connection.disconnect()
        raise StoreError(f"cannot connect to {node}: {error}", store="redis", operation="connect") from error
    return connection


async def connect_async(target: Target, node: Node, timeout: float) -> Any:
    """Return a connection of the running event loop that is ready for commands.

    Raises:
        StoreError: it could not be made.
    """
    options = _options_for(target, node)
    connection = _class(aredis, target.transport)(**_arguments(node, target.transport, options, timeout))
    try:
        await connection.connect()
    except (redis.RedisError, OSError) as error:
        await connection.disconnect(nowait=True)
        raise StoreError(f"cannot connect to {node}: {error}", store="redis", operation="connect") from error
    return connection


def _options_for(target: Target, node: Node) -> dict[str, Any]:
    is_sentinel = target.kind == "sentinel" and node in target.nodes
    return target.sentinel_options if is_sentinel else target.options
