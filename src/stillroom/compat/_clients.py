"""From a client of redis-py to what `stillroom.Cache` takes: a url, and options.

A facade is handed clients, and stillroom makes connections of its own, for threads and for event loops. So only *where* a
client leads is read here, and how it logs in: a single server, a Cluster or a master behind Sentinels, over TCP, TLS or a
socket on this machine, for callers of either colour. How it reads replies, such as ``decode_responses``, does not matter, and
of its time limits the one for replies counts.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, cast
from urllib.parse import quote

from .. import ConfigurationError, StoreError

try:
    import redis
except ImportError as _error:
    raise ConfigurationError(
        "a client of redis-py needs redis-py: pip install 'stillroom[redis]'", setting="client"
    ) from _error

__all__ = ["Place", "as_redis_error", "decodes", "place_of", "prefix_of", "redis_errors"]

_LOGIN: Final = frozenset({"client_name", "credential_provider", "password", "username"})
_SOCKET: Final = frozenset({"socket_keepalive", "socket_keepalive_options"})
_MAKERS: Final = frozenset({"redis", "valkey"})
_KINDS: Final[tuple[tuple[Any, type[redis.RedisError]], ...]] = (
    (redis.AuthenticationError, redis.AuthenticationError),
    ((redis.TimeoutError, TimeoutError), redis.TimeoutError),
    (redis.ConnectionError, redis.ConnectionError),
    (redis.ResponseError, redis.ResponseError),
)
_DEFAULTS: Final = {
    name: one.default for name, one in inspect.signature(cast("Any", redis.SSLConnection).__init__).parameters.items()
}


class Place(NamedTuple):
    """Where a client leads.

    Attributes:
        url: the url.
        options: further options for a `stillroom.Cache`.
    """

    url: str
    options: dict[str, Any]


def place_of(client: Any) -> Place:
    """Return where a client of redis-py leads.

    Raises:
        ConfigurationError: it is no such client.
    """
    nodes: Any = getattr(client, "nodes_manager", None)
    pool: Any = getattr(client, "connection_pool", None)
    if nodes is not None:
        settings: Mapping[str, Any] = nodes.connection_kwargs
        places = [_spelled(node.host, node.port) for node in nodes.startup_nodes.values()]
        return Place(f"{_scheme(settings)}+cluster://{','.join(places)}", _options(settings))
    made: Any = getattr(pool, "connection_class", None)
    if getattr(made, "__module__", "").partition(".")[0] not in _MAKERS:  # what others connect to, nobody knows
        raise ConfigurationError(f"a client of redis-py is needed, not {client!r}", setting="client", given=client)
    settings = pool.connection_kwargs
    if hasattr(pool, "sentinel_manager"):
        return _behind_sentinels(pool, settings)
    if "path" in settings:
        return Place(f"unix://{quote(settings['path'])}?db={settings.get('db') or 0}", _options(settings))
    place = _spelled(settings.get("host", "localhost"), settings.get("port", 6379))
    scheme = _scheme(settings, made)
    return Place(f"{scheme}://{place}/{settings.get('db') or 0}", {**_options(settings), "cluster": False})


def decodes(client: Any) -> bool:
    """Tell whether a client gives text where the server has bytes."""
    keeper = getattr(client, "nodes_manager", None) or getattr(client, "connection_pool", None)
    return bool(getattr(keeper, "connection_kwargs", {}).get("decode_responses"))


def prefix_of(given: str) -> str:
    """Return a prefix as stillroom takes it, which has no braces and is not empty."""
    return given.replace("{", "").replace("}", "") or "stillroom"


def as_redis_error(error: StoreError) -> redis.RedisError:
    """Return an error of a store as callers of redis-py know it."""
    causes: list[BaseException] = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    kinds = (kind for known, kind in _KINDS if any(isinstance(cause, known) for cause in causes))
    made = next(kinds, redis.ConnectionError)(str(error))
    made.__cause__ = error
    return made


@contextmanager
def redis_errors() -> Generator[None]:
    """Raise errors of a store within a block as callers of redis-py know them."""
    try:
        yield
    except StoreError as error:
        raise as_redis_error(error) from error


def _behind_sentinels(pool: Any, settings: Mapping[str, Any]) -> Place:
    sentinels = [one.connection_pool.connection_kwargs for one in pool.sentinel_manager.sentinels]
    places = ",".join(_spelled(one["host"], one["port"]) for one in sentinels)
    url = f"{_scheme(settings, pool.connection_class)}+sentinel://{places}/{quote(pool.service_name, safe='')}"
    apart = {name: value for name, value in _options(sentinels[0]).items() if name != "timeout"}
    return Place(f"{url}/{settings.get('db') or 0}", {**_options(settings), "sentinel_kwargs": apart})


def _scheme(settings: Mapping[str, Any], connection_class: Any = None) -> str:
    made = settings.get("connection_class", connection_class)
    is_secret = settings.get("ssl") or "SSL" in getattr(made, "__name__", "")
    return "rediss" if is_secret else "redis"


def _options(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what connections are to be made with; what redis-py takes for granted is left to it."""
    options = {name: value for name, value in settings.items() if name in _LOGIN | _SOCKET and value}
    options |= {
        name: value
        for name, value in settings.items()
        if name.startswith("ssl_") and name in _DEFAULTS and value != _DEFAULTS[name]
    }
    if settings.get("socket_timeout"):
        options["timeout"] = min(max(float(settings["socket_timeout"]), 0.001), 3600.0)
    return options


def _spelled(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
