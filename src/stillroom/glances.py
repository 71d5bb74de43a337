"""The shortest way to a hit on a shared store: what the plain hit path is for memory.

What is sent for a key is put together once and remembered. A value that comes back and needs no decision is the answer; with
anything else that the store has found, the call goes on its general way through the engine.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Final

from .keys import ENCODED
from .taking import as_bound

if TYPE_CHECKING:
    from .answering import Answering
    from .capabilities import Glancing
    from .side import Side
    from .taking import Taken

__all__ = ["Glances"]

REMEMBERED: Final = 4096
"""For how many keys of a function it is remembered what to send."""


class Glances:
    """The glances of one function.

    It is told anew with each call whose they are: if it kept that in mind, function and glances would keep each other alive.

    Args:
        operations: everything that the function does.
    """

    def __init__(self, operations: Answering) -> None:
        policy = operations.source.policy
        self._has_tags = operations.has_tags
        self._gives_as_is = not policy.copy and not operations.kind.is_generator
        self._hub = operations.core.hub
        self._is_for_all = not (policy.max_hits is not None or policy.keep_warm)  # these count hits, or note when they were
        self._known: tuple[object, dict[Hashable, Any]] = (None, {})

    def on(self, side: Side) -> Glancing | None:
        """Return what answers a hit in few steps, unless each hit is to be counted elsewhere or announced."""
        return side.glancing if self._is_for_all and not self._hub.hears_calls else None

    def prepared(self, operations: Answering, glancing: Glancing, sought: Any, values: tuple[Any, ...]) -> Any:
        """Return what it takes to look for the key of a call.

        Args:
            operations: everything that the function does.
            glancing: what is to be looked into.
            sought: what the plain hit path looks for: the call's local key, or what is no local key at all.
            values: the arguments.
        """
        owner, known = self._known
        if owner is glancing:
            try:
                prepared = known.get(sought)
            except TypeError:  # there is something unhashable in it
                prepared = None
            if prepared is not None:
                return prepared
        return self._by_key(operations, glancing, values)

    def _by_key(self, operations: Answering, glancing: Glancing, values: tuple[Any, ...]) -> Any:
        local: Any = operations.keying.local(values)
        if self._has_tags and (operations.tags_vary or ENCODED in local):
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

    def _all_prepared(self, operations: Answering, glancing: Glancing, asked: Sequence[Taken]) -> list[Any]:
        """Return the same for several calls."""
        return [
            self.prepared(operations, glancing, (*one, *map(type, one)), one)
            if type(one) is tuple
            else self._by_key(operations, glancing, as_bound(one).values)
            for one in asked
        ]

    async def seen(self, operations: Answering, glancing: Glancing, asked: Sequence[Taken]) -> list[tuple[bool, Any]]:
        """Look for several calls: for each, whether it was a plain hit; its value, or else what is known of its key."""
        prepared = self._all_prepared(operations, glancing, asked)
        distinct = _distinct(prepared)
        found = await glancing.glance_many(distinct)
        operations.source.ledger.hits += sum([is_hit for is_hit, _ in found])
        if distinct is prepared:
            return found
        seen = dict(zip(distinct, found, strict=True))
        return [seen[one] for one in prepared]

    async def many(self, operations: Answering, side: Side, glancing: Glancing, asked: list[Taken]) -> list[tuple[bool, Any]]:
        """Answer several calls: for each, whether it was a plain hit, and its value or else its answer."""
        landings = operations.core.flights.landings
        prepared = self._all_prepared(operations, glancing, asked)
        distinct = _distinct(prepared)
        found = await glancing.glance_many(distinct)
        misses = [(one, seen[1]) for one, seen in zip(distinct, found, strict=True) if not seen[0]]
        if not misses and distinct is prepared and self._gives_as_is:
            operations.source.ledger.hits += len(found)
            return found
        bounds = [as_bound(one) for one in asked]
        first = dict(zip(reversed(prepared), reversed(bounds), strict=True))  # of several calls with one key
        calls = {one: operations.call_of(first[one].values, first[one].args, first[one].kwargs) for one, _ in misses}
        looks = [(calls[one], None if reading is None else (reading, landings)) for one, reading in misses]
        answers = await side.engine.fetch_all(looks) if looks else []
        seen = dict(zip(distinct, found, strict=True))
        seen.update({one: (False, answer) for one, answer in zip(calls, answers, strict=True)})
        given: list[tuple[bool, Any]] = []
        for one, bound in zip(prepared, bounds, strict=True):
            is_hit, answer = seen[one]
            if is_hit:
                operations.source.ledger.hits += 1
                given.append((True, operations.kept(operations.kind.shown(answer))))
            else:
                given.append((False, await operations.answered_again(calls[one], answer, bound is first[one])))
        return given


def _distinct(prepared: list[Any]) -> list[Any]:
    """Return each once; the very same list if there is none twice."""
    return prepared if len(set(prepared)) == len(prepared) else list(dict.fromkeys(prepared))
