"""The shortest way to a hit on a shared store: what the plain hit path is for memory.

What is sent for a key is put together once and remembered. A value that comes back and needs no decision is the answer; with
anything else that the store has found, the call goes on its general way through the engine.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Final

from .keys import ENCODED

if TYPE_CHECKING:
    from .compile import Bound
    from .function import Operations
    from .protocols import Glancing
    from .side import Side

__all__ = ["Glances"]

REMEMBERED: Final = 4096
"""For how many keys of a function it is remembered what to send."""


class Glances:
    """The glances of one function.

    It is told anew with each call whose they are: if it kept that in mind, function and glances would keep each other alive.

    Args:
        operations: everything that the function does.
    """

    def __init__(self, operations: Operations) -> None:
        policy = operations.source.policy
        self._has_tags = operations.has_tags
        self._hub = operations.core.hub
        self._is_for_all = not (policy.max_hits is not None or policy.keep_warm)  # these count hits, or note when they were
        self._known: tuple[object, dict[Hashable, Any]] = (None, {})

    def on(self, side: Side) -> Glancing | None:
        """Return what answers a hit in few steps, unless each hit is to be counted elsewhere or announced."""
        return side.glancing if self._is_for_all and not self._hub.hears_calls else None

    def prepared(self, operations: Operations, glancing: Glancing, values: tuple[Any, ...]) -> Any:
        """Return what it takes to look for the key of a call."""
        local: Any = operations.keying.local(values)
        if self._has_tags and (operations.keying.is_partial or ENCODED in local):
            local = (local, operations.lookup(values).generations)  # tags may differ where keys are the same
        owner, known = self._known
        if owner is not glancing:
            known = {}
            self._known = (glancing, known)
        prepared = known.get(local)
        if prepared is None:
            if len(known) >= REMEMBERED:
                known.clear()
            prepared = known[local] = glancing.prepare(operations.lookup(values))
        return prepared

    async def many(self, operations: Operations, side: Side, glancing: Glancing, bounds: list[Bound]) -> list[tuple[bool, Any]]:
        """Answer several calls: for each, whether it was a plain hit, and its value or else its answer."""
        landings = operations.core.flights.landings
        prepared = [self.prepared(operations, glancing, bound.values) for bound in bounds]
        first: dict[Any, Bound] = {}  # of several calls with one key
        for one, bound in zip(prepared, bounds, strict=True):
            first.setdefault(one, bound)
        seen = dict(zip(first, await glancing.glance_many(list(first)), strict=True))
        missed = [one for one, (is_hit, _) in seen.items() if not is_hit]
        calls = {one: operations.call_of(first[one].values, first[one].args, first[one].kwargs) for one in missed}
        if missed:
            looks = [(calls[one], None if seen[one][1] is None else (seen[one][1], landings)) for one in missed]
            answers = await side.engine.fetch_all(looks)
            seen.update({one: (False, answer) for one, answer in zip(missed, answers, strict=True)})
        found: list[tuple[bool, Any]] = []
        for one, bound in zip(prepared, bounds, strict=True):
            is_hit, answer = seen[one]
            if is_hit:
                operations.source.ledger.hits += 1
                found.append((True, operations.kept(operations.kind.shown(answer))))
            else:
                found.append((False, await operations.answered_again(calls[one], answer, bound is first[one])))
        return found
