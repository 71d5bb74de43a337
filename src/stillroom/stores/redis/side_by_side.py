"""Operations on several keys, side by side: what each of them asks of the servers next leaves in one batch with the others.

An operation is written for one key, as a coroutine that awaits the wire. Here it is given a wire at which it suspends. Whoever
runs several of these collects what they ask, sends it in one batch, and lets each go on with its own replies. So there is one
way to take a lease, and a hundred of them take as many round trips as one.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Sequence
from types import coroutine
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from ...errors import StillroomError, StoreError, UncacheableValue
from .store import RedisLease, RedisStore

if TYPE_CHECKING:
    from ...capabilities import Settlement, Wanted
    from ...protocols import Lease
    from .commands import Command
    from .layout import RedisKey
    from .shared import Shared
    from .wire import Wire

__all__ = ["BulkRedisStore"]

T = TypeVar("T")

_AT_ONCE = 500
"""How many keys are dealt with in one batch, which must end within the time that one operation may take."""


_BYTES = 1 << 20
"""How many bytes are sent in one batch, unless a single value has more."""


class _Ask(NamedTuple):
    """What an operation asks of the servers: the values of keys, or the replies to commands that run in one manner."""

    items: Sequence[RedisKey] | Sequence[Command]
    manner: tuple[bool, bool] | None


class _PausingWire:
    """The wire, for operations that suspend at it."""

    def __init__(self, wire: Wire) -> None:
        self.links = wire.links
        self.topology = wire.topology
        self.patience = wire.patience

    async def values(self, keys: Sequence[RedisKey]) -> list[bytes | None]:
        replies: list[bytes | None] = await _asked(_Ask(keys, None))
        return replies

    async def run(self, commands: Sequence[Command], *, is_repeatable: bool = True, is_lasting: bool = False) -> list[Any]:
        replies: list[Any] = await _asked(_Ask(commands, (is_repeatable, is_lasting)))
        return replies


@coroutine
def _asked(ask: _Ask) -> Generator[_Ask, Any, Any]:
    return (yield ask)


class _Step(NamedTuple):
    """An operation that is to go on."""

    place: int
    work: Coroutine[Any, Any, Any]
    reply: Any


class BulkRedisStore(RedisStore):
    """Entries on Redis, of which several can be leased and filled at once; see `stillroom.capabilities.Bulk`."""

    def __init__(self, wire: Wire, shared: Shared) -> None:
        super().__init__(wire, shared)
        self._apart = RedisStore(cast("Wire", _PausingWire(wire)), shared)

    async def lease_many(self, wanted: Sequence[Wanted], *, renew: bool = False, alone: bool = False) -> list[Lease]:
        """Take several leases; see `Bulk.lease_many`."""
        leases: list[RedisLease | StillroomError] = []
        try:
            await self._each(wanted, lambda one: self._apart.lease(*one, renew=renew, alone=alone), leases)
            failure = next((one for one in leases if isinstance(one, StillroomError)), None)
            if failure is not None:
                raise failure
        except BaseException:
            for lease in leases:
                if isinstance(lease, RedisLease):
                    self.forget(lease)
            raise
        return cast("list[Lease]", leases)

    async def settle_many(self, settlements: Sequence[Settlement]) -> list[UncacheableValue | None]:
        """Give several leases back; see `Bulk.settle_many`."""
        outcomes: list[object] = []
        await self._each(settlements, self._settle, outcomes)
        failure = next((one for one in outcomes if isinstance(one, StoreError)), None)
        if failure is not None:
            raise failure
        return [one if isinstance(one, UncacheableValue) else None for one in outcomes]

    def _settle(self, settlement: Settlement) -> Coroutine[Any, Any, object]:
        key, entry, lease = settlement
        return self._apart.release(key, lease) if entry is None else self._apart.fill(key, entry, lease)

    async def stand(self, leases: Sequence[Lease]) -> list[bool]:
        """Tell which leases still stand; see `Bulk.stand`."""
        outcomes: list[bool | StillroomError] = []
        await self._each(leases, self._apart.stands, outcomes)
        return [one is True for one in outcomes]

    async def _each(self, items: Sequence[Any], operation: Callable[[Any], Coroutine[Any, Any, Any]], into: list[Any]) -> None:
        """Do an operation for each item, and add what each returns, or the error it raises, to a list."""
        for at in range(0, len(items), _AT_ONCE):
            await self._batch([operation(one) for one in items[at : at + _AT_ONCE]], into)

    async def _batch(self, works: Sequence[Coroutine[Any, Any, Any]], into: list[Any]) -> None:
        base = len(into)
        into.extend([None] * len(works))
        steps = [_Step(base + place, work, None) for place, work in enumerate(works)]
        try:
            while steps:
                asks: list[tuple[_Step, _Ask]] = []
                for step in steps:
                    try:
                        asks.append((step, _resumed(step)))
                    except StopIteration as ended:
                        into[step.place] = ended.value
                    except StillroomError as error:
                        into[step.place] = error
                steps = [step for step, _ in asks]
                steps = await self._answered(asks)
        finally:
            for step in steps:
                step.work.close()

    async def _answered(self, asks: list[tuple[_Step, _Ask]]) -> list[_Step]:
        """Ask for all that is asked for, and return how the operations go on."""
        steps: list[_Step] = []
        for manner in dict.fromkeys([ask.manner for _, ask in asks]):
            alike = [(step, ask) for step, ask in asks if ask.manner == manner]
            replies = await self._replies(manner, [item for _, ask in alike for item in ask.items])
            at = 0
            for step, ask in alike:
                own = replies if isinstance(replies, StoreError) else replies[at : at + len(ask.items)]
                at += len(ask.items)
                steps.append(step._replace(reply=own))
        return steps

    async def _replies(self, manner: tuple[bool, bool] | None, items: list[Any]) -> list[Any] | StoreError:
        try:
            if manner is not None:
                replies: list[Any] = []
                for part in _parts(items):
                    replies += await self._wire.run(part, is_repeatable=manner[0], is_lasting=manner[1])
                return replies
            keys: dict[bytes, RedisKey] = {key.name: key for key in items}
            values = dict(zip(keys, await self._wire.values(list(keys.values())), strict=True))
            return [values[key.name] for key in items]
        except StoreError as error:
            return error


def _parts(commands: Sequence[Command]) -> list[list[Command]]:
    """Return commands in as many parts as it takes for each to be of a size that can be sent in time."""
    parts: list[list[Command]] = [[]]
    size = 0
    for one in commands:
        if parts[-1] and size + len(one.data) > _BYTES:
            parts.append([])
            size = 0
        parts[-1].append(one)
        size += len(one.data)
    return parts


def _resumed(step: _Step) -> _Ask:
    """Let an operation go on, and return what it asks for next."""
    if isinstance(step.reply, StoreError):
        ask: _Ask = step.work.throw(step.reply)
        return ask
    return cast("_Ask", step.work.send(step.reply))
