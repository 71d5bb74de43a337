"""Calls of cached generators: a recording is replayed, or made on the way through.

On a miss the items reach the caller as they are made. Only when the last one has been taken is the recording stored; an
iteration that is abandoned, fails on its way or is talked to by ``send`` or ``throw`` leaves nothing. What a generator raises
before its first item counts like the error of any load. Concurrent misses each iterate for themselves: to wait for somebody
else's loop to take its next item would be to wait for something that may never come.

Whatever becomes of the key context between a call and its last item, a generator runs in that of the call, which its key is of.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ._runtime.runtime import drive
from .keys import Held
from .kinds import Recording
from .load import within
from .stepping import Steps, StepsAsync

if TYPE_CHECKING:
    from ._engine.call import Call
    from .function import Operations

__all__ = ["play", "play_async"]

_Arguments: TypeAlias = "tuple[tuple[Any, ...], tuple[Any, ...], dict[str, Any]]"


def play(operations: Operations, arguments: _Arguments) -> Generator[Any, Any, Any]:
    """Return the iterator that a call of a cached generator function gives."""
    return _play(operations, arguments, Held())


def _play(operations: Operations, arguments: _Arguments, held: Held) -> Generator[Any, Any, Any]:
    core = operations.core
    if not operations.is_on:
        source: Steps = operations.past_the_cache(*arguments[1:])
        return (yield from source)
    with held:
        call = operations.call_of(*arguments)
        answer = drive(core.blocking.engine.recall(call))
    if answer is not None:
        return (yield from _replay(operations.given(answer)))
    return (yield from _record(operations, call, arguments, held))


def _replay(recording: Recording) -> Generator[Any, Any, Any]:
    for item in recording.items:  # noqa: UP028 - `yield from` would hand on to the tuple what is sent
        yield item
    return recording.returned


def _record(operations: Operations, call: Call, arguments: _Arguments, held: Held) -> Generator[Any, Any, Any]:
    take = drive(operations.core.blocking.engine.take(call))
    with held, within(take.said):
        source = operations.function(*arguments[1], **arguments[2])
    tape = _Tape(Steps(take.said, source), operations.kept, held)
    try:
        returned = yield from cast("Generator[Any, Any, Any]", tape)
    except Exception as error:
        answer = drive(take.fail(error, at_once=not tape.items))
        if answer.error is not None:
            raise
        return (yield from _replay(operations.given(answer)))
    except BaseException:
        drive(take.drop())
        raise
    drive(take.drop() if tape.talked_to else take.complete(Recording(tuple(tape.items), returned)))
    return returned


class _Tape:
    """An iterator that keeps what passes through it; ``yield from`` talks to it as to the generator itself (PEP 380)."""

    def __init__(self, source: Steps, kept: Callable[[Any], Any], held: Held) -> None:
        self._source = source
        self._kept = kept
        self._held = held
        self.items: list[Any] = []
        self.talked_to = False

    def __iter__(self) -> _Tape:
        return self

    def __next__(self) -> Any:
        with self._held:
            item = next(self._source)
        self.items.append(self._kept(item))
        return item

    def send(self, value: Any) -> Any:
        self.talked_to = True
        with self._held:
            return self._source.send(value)

    def throw(self, *error: Any) -> Any:
        self.talked_to = True
        with self._held:
            return self._source.throw(*error)

    def close(self) -> None:
        with self._held:
            self._source.close()


def play_async(operations: Operations, arguments: _Arguments) -> AsyncGenerator[Any, Any]:
    """Return the iterator that a call of a cached asynchronous generator function gives."""
    if not operations.is_on:
        source: StepsAsync = operations.past_the_cache(*arguments[1:])
        return source
    return _play_async(operations, operations.call_of(*arguments), arguments, Held())


async def _play_async(operations: Operations, call: Call, arguments: _Arguments, held: Held) -> AsyncGenerator[Any, Any]:
    engine = operations.core.tasks.engine
    with held:
        answer = await engine.recall(call)
    if answer is not None:
        for item in operations.given(answer).items:
            yield item
        return
    take = await engine.take(call)
    with held, within(take.said):
        source = operations.function(*arguments[1], **arguments[2])
    tape = _AsyncTape(StepsAsync(take.said, source), operations.kept, held)
    try:
        while await tape.advance():
            try:
                sent = yield tape.item
            except Exception as error:
                tape.throw(error)
            else:
                tape.resume(sent)
    except Exception as error:
        await tape.close()
        answer = await take.fail(error, at_once=not tape.items)
        if answer.error is not None:
            raise
        for item in operations.given(answer).items:
            yield item
    except BaseException:  # closed before its end, or cancelled
        await tape.close()
        await take.drop()
        raise
    else:
        await (take.drop() if tape.talked_to else take.complete(Recording(tuple(tape.items))))


class _AsyncTape:
    """What `_Tape` is, for asynchronous generators, which have no ``yield from``: the player says what its caller does."""

    def __init__(self, source: StepsAsync, kept: Callable[[Any], Any], held: Held) -> None:
        self._source = source
        self._kept = kept
        self._held = held
        self._step = source.__anext__()
        self.item: Any = None
        self.items: list[Any] = []
        self.talked_to = False

    async def advance(self) -> bool:
        """Take the next item; false if there is none."""
        try:
            with self._held:
                self.item = await self._step
        except StopAsyncIteration:
            return False
        self.items.append(self._kept(self.item))
        return True

    def resume(self, sent: Any) -> None:
        """Say what the caller has sent, which is ``None`` if it just iterates."""
        self.talked_to = self.talked_to or sent is not None
        self._step = self._source.__anext__() if sent is None else self._source.asend(sent)

    def throw(self, error: Exception) -> None:
        """Say what the caller has thrown."""
        self.talked_to = True
        self._step = self._source.athrow(error)

    async def close(self) -> None:
        """Let the generator know that nobody takes its items any more."""
        with self._held:
            await self._source.aclose()
