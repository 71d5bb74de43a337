"""Times many contenders in one run so that a noisy machine is noisy for all of them.

Every round gives each contender its turn, in an order that rotates; the garbage collector is off meanwhile. A contender's time
is the median of its rounds, a ratio of two contenders the median of their ratios round by round. What a loop costs besides the
call is spread over ten calls written out, or, where every call has a key of its own, counted for all alike.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from time import perf_counter_ns
from typing import Any

__all__ = ["Contender", "Timings", "time_rounds"]

WRITTEN_OUT = 10

Timed = Callable[[int], float]
"""From a number of iterations to the nanoseconds that they took."""


@dataclass(frozen=True)
class Contender:
    """What is timed.

    Attributes:
        name: how the results call it.
        call: the timed expression, such as ``"f(1, 2)"``.
        names: the values of the names in it.
        awaited: whether the expression is awaited.
        keys: from a number of calls to as many values for the name ``key``, where each call needs one of its own.
        each: how many of the calls that are compared one evaluation of the expression makes.
        warm_up: how many iterations it takes until everything is as it will be.
    """

    name: str
    call: str
    names: Mapping[str, Any]
    awaited: bool = False
    keys: Callable[[int], Iterable[object]] | None = None
    each: int = 1
    warm_up: int = 1

    @property
    def calls(self) -> int:
        """How many calls one iteration makes."""
        return self.each * self._evaluations

    @property
    def _evaluations(self) -> int:
        return 1 if self.keys else WRITTEN_OUT

    def compiled(self, loop: asyncio.AbstractEventLoop) -> Timed:
        """Return a function that makes the calls and tells how long they took."""
        source = "\n".join(
            [
                f"{'async ' * self.awaited}def timed(_each, _clock, {', '.join(self.names)}):",
                "    _start = _clock()",
                "    for key in _each:",
                *[f"        {'await ' * self.awaited}{self.call}"] * self._evaluations,
                "    return _clock() - _start",
            ]
        )
        scope: dict[str, Any] = {}
        exec(source, scope)
        timed, keys = scope["timed"], self.keys or (lambda number: repeat(None, number))
        if self.awaited:
            return lambda number: float(loop.run_until_complete(timed(keys(number), perf_counter_ns, **self.names)))
        return lambda number: float(timed(keys(number), perf_counter_ns, **self.names))


@dataclass
class Timings:
    """Nanoseconds a call, by contender and round."""

    rounds: dict[str, list[float]] = field(default_factory=dict)

    def ns(self, name: str) -> float:
        """Return the median time of a call."""
        return statistics.median(self.rounds[name])

    def spread(self, name: str) -> float:
        """Return how far apart the quartiles of the rounds are, as a fraction of the median."""
        low, _, high = statistics.quantiles(self.rounds[name], n=4)
        return (high - low) / self.ns(name)

    def ratio(self, name: str, base: str) -> float:
        """Return how many times as long as another contender one takes."""
        return statistics.median(one / other for one, other in zip(self.rounds[name], self.rounds[base], strict=True))

    def beyond(self, name: str, base: str) -> float:
        """Return how many nanoseconds longer than another contender one takes."""
        return statistics.median(one - other for one, other in zip(self.rounds[name], self.rounds[base], strict=True))


def time_rounds(contenders: Sequence[Contender], *, rounds: int, seconds: float) -> Timings:
    """Time all contenders, each for so many seconds in each round."""
    loop = asyncio.new_event_loop()
    try:
        runs = {contender.name: contender.compiled(loop) for contender in contenders}
        calls = {contender.name: contender.calls for contender in contenders}
        for contender in contenders:
            runs[contender.name](contender.warm_up)
        numbers = {name: _iterations(run, seconds) for name, run in runs.items()}
        timings = Timings({name: [] for name in runs})
        for number in range(rounds):
            for name in _rotated(list(runs), number):
                took = _without_garbage_collection(runs[name], numbers[name])
                timings.rounds[name].append(took / numbers[name] / calls[name])
            gc.collect()
        return timings
    finally:
        loop.run_until_complete(_cancel_all())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _iterations(run: Timed, seconds: float) -> int:
    """Return how many iterations take about so long; finding out warms up further."""
    number = 1
    while (took := run(number)) < 2e6:
        number *= 2
    return max(1, round(number * seconds * 1e9 / took))


def _without_garbage_collection(run: Timed, number: int) -> float:
    gc.disable()
    try:
        return run(number)
    finally:
        gc.enable()


def _rotated(names: list[str], by: int) -> list[str]:
    by %= len(names)
    return names[by:] + names[:by]


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
