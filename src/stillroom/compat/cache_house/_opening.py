"""From the settings of a client of redis-py to a cache on the same servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ... import ConfigurationError
from .._clients import place_of

try:
    import redis
except ImportError as error:
    raise ConfigurationError("a cache on Redis needs redis-py: pip install 'stillroom[redis]'", setting="host") from error

__all__ = ["cluster_client", "single_client", "time_limit", "where", "where_cluster"]

_untyped: Final[Any] = redis
_KEPT: Final = {
    "client_name",
    "credential_provider",
    "password",
    "socket_keepalive",
    "socket_keepalive_options",
    "username",
}
"""What connections of a cache take over, besides all about TLS. They decode nothing, and have time limits of their own."""

_DECIDED_HERE: Final = {"cluster", "timeout"}
_USUAL: Final = 0.25
_LONGEST: Final = 1.0
"""Seconds that an operation may take at most: a call is not worth waiting for a cache for longer."""


def single_client(**settings: Any) -> redis.Redis:
    """Return a client of one server, which connects when it is used.

    Raises:
        TypeError: redis-py does not know a setting.
    """
    return redis.Redis(**settings)


def cluster_client(**settings: Any) -> Any:
    """Return a client of a cluster, which connects at once."""
    kinds = _untyped.cluster
    nodes = [kinds.ClusterNode(host, port) for host, port in _places(settings.pop("startup_nodes", None))]
    return kinds.RedisCluster(startup_nodes=nodes or None, **settings)


def where(client: redis.Redis) -> tuple[str, dict[str, Any]]:
    """Return the url and the options of a cache on the server of a client."""
    url, options = place_of(client)
    return url, {name: value for name, value in options.items() if name not in _DECIDED_HERE}


def where_cluster(
    host: str, port: int, nodes: Sequence[Any] | None, url: str | None, settings: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return the url and the options of a cache on a cluster, of which some nodes or a url are given."""
    if url:
        found, options = where(_untyped.Redis.from_url(url))
        return found, {**options, "cluster": True}
    places = ",".join([_place(*one) for one in _places(nodes)] or [_place(host, port)])
    return f"{'rediss' if settings.get('ssl') else 'redis'}+cluster://{places}", _options(settings)


def _options(known: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in known.items() if value is not None and (name in _KEPT or name.startswith("ssl_"))}


def time_limit(settings: Mapping[str, Any]) -> float:
    """Return how many seconds an operation on the cache may take, given the settings of a client."""
    return min(settings.get("socket_timeout") or _USUAL, _LONGEST)


def _places(nodes: Sequence[Any] | None) -> list[tuple[str, int]]:
    as_dicts: list[Any] = [node if isinstance(node, Mapping) else vars(node) for node in nodes or ()]
    return [(str(node["host"]), int(node["port"])) for node in as_dicts]


def _place(host: str, port: int | str) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
