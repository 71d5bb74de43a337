"""The backend of ``redis://``, ``rediss://`` and ``unix://``: values on a server that all processes share."""

from __future__ import annotations

from typing import Any, Final

from ..._marks import unmarked
from ...picklers import PicklerType
from ...serialize import Serializer, get_serializer
from ..interface import Backend

__all__ = ["BcastClientSide", "Redis"]

_PREFIX: Final = "cashews"
_TIME_LIMITS: Final = ("socket_timeout", "create_connection_timeout", "socket_connect_timeout")
_OF_POOLS: Final = frozenset(
    {
        "auto_close_connection_pool",
        "client_side_listen_timeout",
        "client_side_prefix",
        "connection_pool_class",
        "decode_responses",
        "encoding",
        "encoding_errors",
        "health_check_interval",
        "index_field",
        "index_name",
        "local_cache",
        "max_connections",
        "maxsize",
        "minsize",
        "prefix",
        "retry",
        "retry_on_error",
        "retry_on_timeout",
        "single_connection_client",
        "socket_read_size",
        "timeout",
        "wait_for_connection_timeout",
    }
)
"""What concerns pools and clients of redis-py, which native caches do without, and what cashews itself has given up."""


class Redis(Backend):
    """Values on a Redis server, or a Cluster.

    Args:
        address: the server's url.
        suppress: whether a server out of reach is no error: memory stands in for it then.
        cluster: whether the server is part of a Cluster.
        serializer: what values become.
        **settings: those of redis-py's connections. What concerns its pools is taken and not needed; the longest of its time
            limits is that of one command.
    """

    def __init__(
        self, address: str, suppress: bool = True, cluster: bool = False, serializer: Serializer | None = None, **settings: Any
    ) -> None:
        chosen = serializer or get_serializer(pickle_type=PicklerType.DEFAULT)
        options: dict[str, Any] = {name: value for name, value in settings.items() if name not in {*_OF_POOLS, *_TIME_LIMITS}}
        limits = [float(settings[name]) for name in _TIME_LIMITS if settings.get(name)]
        if limits:
            options["timeout"] = max(limits)
        if cluster:
            options["cluster"] = True
        options |= {"prefix": _PREFIX, "on_error": "fallback" if suppress else "raise", **chosen.options}
        self._is_cluster = bool(cluster)
        super().__init__(serializer=chosen, url=address, options=options)

    @property
    def is_cluster(self) -> bool:
        """Whether the server was said to be part of a Cluster."""
        return self._is_cluster

    async def set_raw(self, key: str, value: Any, **kwargs: Any) -> Any:
        """Store a value as the server would: numbers as such, text as bytes. Takes ``ex``, ``px``, ``nx`` and ``xx``."""
        kept = value.encode() if isinstance(value, str) else value
        expire = kwargs.get("ex") or (kwargs["px"] / 1000 if kwargs.get("px") else None)
        exist = False if kwargs.get("nx") else True if kwargs.get("xx") else None
        return await self.set(key, kept, expire, exist) or None

    async def get_raw(self, key: str) -> bytes | None:
        """Return the bytes that stand for a value."""
        return self._serializer.raw(unmarked(await self.native.aget(key)))


class BcastClientSide(Redis):
    """The same, with values that are often asked for in this process too; the server tells when they are out of date."""

    def __init__(self, *args: Any, local_cache: Any = None, **settings: Any) -> None:
        entries = 10_000 if local_cache is None else local_cache.size
        super().__init__(*args, near=f"memory://?max_entries={entries}", **settings)
