"""From a url to a store on Redis, with all that belongs to it: connections, stand-ins for an outage, a near store.

::

    Core ── blocking ── Tiered ── Guarded ── RedisStore ── Wire ── ThreadLinks ──┐
         │                 │          │                                          ├── servers
         └─ tasks ─────── Tiered ── Guarded ── RedisStore ── Wire ── LoopLinks ──┘

Both sides share the near store and its feed, the state of an outage, the map of the nodes, and how far ahead their clocks are.
`Tiered` is there only if a near store is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from ... import settings
from ..._runtime.clock import SystemClock
from ..._runtime.runtime import drive
from ...capabilities import Watcher
from ...entry import MISSING
from ...errors import ConfigurationError, StoreError
from ...policy import flag
from ...protocols import Clock, Lookup, Serializer, Store
from ...serializers import serializer_for
from ...serializers.signing import Signer
from ..feed import Feed
from ..outage import GlancingGuarded, Outage
from ..tiered import Copies, Tiered
from .client import Node, connect, parse
from .commands import command
from .layout import Layout
from .locks import RedisLocks
from .renewal import Renewal
from .shared import Shared
from .side_by_side import BulkRedisStore
from .sightings import Sightings
from .tallies import RedisTallies
from .threads import ThreadLinks
from .times import ServerTimes
from .tokens import Lives
from .topology import Topology
from .turns import Turns
from .unconfirmed import Messenger, Unconfirmed
from .wire import Wire

if TYPE_CHECKING:
    from ...guards.lock import Locks
    from ..memory import MemoryStore
    from ..outage import Health

__all__ = ["RedisStores"]


class RedisStores:
    """Entries on Redis or Valkey, for callers of both colours.

    Nothing is connected before the first operation, so that an application starts while its servers are down.

    Args:
        url: where they are; see `client.parse`.
        clock: tells the time.
        prefix: what all keys begin with.
        serializer: for values of functions that say nothing else, see `serializer_for`.
        secret: signs what is stored; several, the newest first, while one takes the place of another.
        compress: ``"zlib"`` or ``"zstd"``, for what is large.
        on_error: what stands in while the store is out of reach.
        timeout: seconds that one operation may take.
        lease: seconds after which a load counts as dead if its process has not said that it goes on.
        near: entries that are kept in this process too.
        cluster: whether the server is part of a cluster; ``None`` if it is to tell.
        bare_names: whether the entry of a name has that name and nothing else.
        **options: handed to redis-py.

    Attributes:
        near: the entries that are kept in this process too.
        raises: whether callers want to see failures.
    """

    name = "redis"

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        prefix: str,
        serializer: Any,
        secret: Any,
        compress: str | None,
        on_error: Any,
        timeout: Any,
        lease: Any,
        near: MemoryStore | None,
        cluster: bool | None = None,
        bare_names: bool = False,
        **options: Any,
    ) -> None:
        target = parse(url, options, _checked_cluster(cluster))
        self._target = target
        self._timeout, lease_length = settings.timeout(timeout), settings.lease(lease)
        self._serializer, self._compress = serializer, compress
        signer = None if secret is None else Signer(secret)
        self._has_secret = signer is not None
        self._watcher: Watcher | None = None
        self.near = near
        self.raises = on_error == "raise"
        self._times = ServerTimes(clock.now, is_real=isinstance(clock, SystemClock))
        layout = Layout(prefix, bare_names=_checked_bare(bare_names, near))
        unconfirmed = Unconfirmed(command(layout.everything, b"DEL", layout.everything.name))
        self._topology = Topology(target, unconfirmed)
        wire = Wire(ThreadLinks(target, self._timeout, self._times), self._topology)
        self._messenger = Messenger(wire, unconfirmed)
        unconfirmed.on_add = self._messenger.start
        self._shared = Shared(
            layout,
            self._times,
            Lives(clock.now),
            Sightings(),
            Renewal(wire, lease_length),
            self.serializer_for(),
            signer,
            int(lease_length * 1000),
            self._serializer_of,
            self._tell_unreadable,
            self._tell_packed,
        )
        self._clock = clock
        self._turns = Turns(clock)
        self._wire = wire
        self._far = BulkRedisStore(wire, self._shared)
        self.outage = Outage(cast("Any", self._far), clock=clock, on_error=on_error, watcher=self)
        self._copies = None if near is None else Copies(near, self._shared.layout, clock)
        self.feed = None if self._copies is None else self._feed_of(self._copies)

    def __repr__(self) -> str:
        return f"RedisStores({self._target!r})"

    @property
    def blocking(self) -> Store:
        """What blocking callers ask."""
        return self._blocking

    @property
    def tasks(self) -> Store:
        """What callers on event loops ask."""
        return self._tasks

    @cached_property
    def _blocking(self) -> Store:
        return self._side(self._far)

    @cached_property
    def _tasks(self) -> Store:
        return self._side(BulkRedisStore(self._loop_wire, self._shared))

    @cached_property
    def _loop_wire(self) -> Wire:
        from .loops import LoopLinks

        return Wire(LoopLinks(self._target, self._timeout, self._times), self._topology)

    def locks(self, blocking: bool, local: Locks) -> Locks:
        """Return where callers of one colour take locks.

        Args:
            blocking: which colour.
            local: what stands in during an outage.
        """
        wire = self._wire if blocking else self._loop_wire
        return RedisLocks(wire, self._shared, self.outage, self._clock, local, self._turns)

    def tallies(self, blocking: bool) -> RedisTallies:
        """Return where guards of one colour keep count."""
        return RedisTallies(self._wire if blocking else self._loop_wire, self._shared.layout, self.outage)

    def _side(self, far: Any) -> Store:
        guarded = GlancingGuarded(far, self.outage)
        return guarded if self._copies is None or self.feed is None else Tiered(self._copies, guarded, self.feed)

    def _feed_of(self, copies: Copies) -> Feed:
        target, timeout, wire, topology = self._target, self._timeout, self._wire, self._topology

        def dial(node: Node) -> Any:
            try:
                return connect(target, node, timeout, protocol=3)
            except StoreError:
                topology.suspect(node)
                raise

        return Feed(
            dial,
            lambda: drive(wire.nodes()),
            f"{self._shared.layout.prefix}:".encode("utf-8", "surrogatepass"),
            copies.invalidate,
            copies.flush,
            lambda: topology.is_cluster,
        )

    def serializer_for(
        self,
        setting: Any = None,
        compress: Any = MISSING,
        returns: Any = MISSING,
        errors: tuple[type[BaseException], ...] = (),
    ) -> Serializer:
        """Return what turns the values of a function into bytes.

        Args:
            setting: the function's own choice; ``None`` for that of the store.
            compress: the same.
            returns: the function's return annotation.
            errors: the exceptions that are remembered.

        Raises:
            ConfigurationError: a setting makes no sense.
        """
        return serializer_for(
            self._serializer if setting is None else setting,
            returns=returns,
            errors=errors,
            compress=self._compress if compress is MISSING else compress,
            has_secret=self._has_secret,
        )

    def watch(self, watcher: Watcher) -> None:
        """Have somebody hear of what happens to the store."""
        self._watcher = watcher

    def health(self) -> Health:
        """Return how the store is doing, what its servers are, and whether its near copies are used."""
        near = None if self.feed is None else self.feed.state
        return replace(self.outage.health(), near=near, servers=self._topology.kind)

    async def ping(self, blocking: bool) -> bool:
        """Tell whether the servers answer."""
        try:
            await (self._wire if blocking else self._loop_wire).ping()
        except StoreError:
            return False
        return True

    def lost(self, error: StoreError) -> None:
        """Pass on that the store is out of reach."""
        if self._watcher is not None:
            self._watcher.lost(error)

    def regained(self, seconds: float) -> None:
        """Pass on that the store is within reach again."""
        if self._watcher is not None:
            self._watcher.regained(seconds)

    def _serializer_of(self, generation: str) -> Serializer | None:
        return None if self._watcher is None else self._watcher.serializer_of(generation)

    def _tell_unreadable(self, key: str, error: Exception) -> None:
        if self._watcher is not None:
            self._watcher.unreadable(key, error)

    def _tell_packed(self, lookup: Lookup, size: int) -> None:
        if self._watcher is not None:
            self._watcher.packed(lookup, size)

    def retire(self) -> None:
        """Let go of everything held: another store takes over."""
        self._messenger.close()
        drive(self.blocking.close())
        if "_tasks" in self.__dict__:
            close: Callable[[], Any] = self.tasks.close
            drive(close())


def _checked_cluster(given: bool | None) -> bool | None:
    if given is not None and not isinstance(given, bool):
        raise ConfigurationError(f"cluster must be True, False or None, not {given!r}", setting="cluster", given=given)
    return given


def _checked_bare(given: bool, near: object) -> bool:
    if flag(given, "bare_names") and near is not None:  # a server tells of changes by what keys begin with
        message = "near cannot stand beside bare_names: the server does not tell of changes to names without the prefix"
        raise ConfigurationError(message, setting="bare_names", given=given)
    return given
