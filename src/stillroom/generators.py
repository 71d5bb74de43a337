"""Calls of cached generators: a recording is replayed, or made on the way through.

On a miss the items reach the caller as they are made. Only when the last one has been taken is the recording stored; an
iteration that is abandoned, fails or is talked to by ``send`` or ``throw`` leaves nothing. Concurrent misses each iterate
for themselves: to wait for somebody else's loop to take its next item would be to wait for something that may never come.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from ._runtime.runtime import drive
from .kinds import Recording

if TYPE_CHECKING:
    from ._engine.call import Call
    from .function import Operations

__all__ = ["play", "play_async"]

_Arguments: TypeAlias = "tuple[tuple[Any, ...], tuple[Any, ...], dict[str, Any]]"


def play(operations: Operations, arguments: _Arguments) -> Generator[Any, Any, Any]:
    """Return the iterator that a call of a cached generator function gives."""
    core = operations.core
    if not core.enabled:
        return (yield from operations.past_the_cache(*arguments[1:]))
    call = operations.call_of(*arguments)
    answer = drive(core.engine.recall(call, core.blocking))
    if answer is not None:
        recording = operations.given(answer)
        yield from recording.items
        return recording.returned
    return (yield from _record(operations, call, arguments))


def _record(operations: Operations, call: Call, arguments: _Arguments) -> Generator[Any, Any, Any]:
    take = drive(operations.core.engine.take(call))
    tape = _Tape(operations.function(*arguments[1], **arguments[2]))
    try:
        returned = yield from tape
    except Exception as error:
        answer = drive(take.fail(error, at_once=not tape.items and not tape.talked_to))
        if answer.error is not None:
            raise
        recording = operations.given(answer)
        yield from recording.items
        return recording.returned
    except BaseException:
        drive(take.drop())
        raise
    drive(take.drop() if tape.talked_to else take.complete(Recording(tuple(tape.items), returned)))
    return returned


class _Tape:
    """An iterator that keeps what passes through it; ``yield from`` talks to it as to the generator itself (PEP 380)."""

    def __init__(self, source: Iterator[Any]) -> None:
        self._source: Any = source
        self.items: list[Any] = []
        self.talked_to = False

    def __iter__(self) -> _Tape:
        return self

    def __next__(self) -> Any:
        item = next(self._source)
        self.items.append(item)
        return item

    def send(self, value: Any) -> Any:
        self.talked_to = True
        return self._source.send(value)

    def throw(self, *error: Any) -> Any:
        self.talked_to = True
        return self._source.throw(*error)

    def close(self) -> None:
        self._source.close()


async def play_async(operations: Operations, arguments: _Arguments) -> AsyncGenerator[Any, Any]:
    """Return the iterator that a call of a cached asynchronous generator function gives."""
    core = operations.core
    if not core.enabled:
        async for item in operations.past_the_cache(*arguments[1:]):
            yield item
        return
    call = operations.call_of(*arguments)
    answer = await core.engine.recall(call, core.tasks)
    if answer is not None:
        for item in operations.given(answer).items:
            yield item
        return
    take = await core.engine.take(call)
    source: AsyncGenerator[Any, Any] = operations.function(*arguments[1], **arguments[2])
    items: list[Any] = []
    talked_to, sent = False, None
    try:
        while True:
            try:
                item = await (source.__anext__() if sent is None else source.asend(sent))
            except StopAsyncIteration:
                break
            items.append(item)
            sent = yield item
            talked_to = talked_to or sent is not None
    except Exception as error:
        await _close(source)
        answer = await take.fail(error, at_once=not items)
        if answer.error is not None:
            raise
        for item in operations.given(answer).items:
            yield item
    except BaseException:  # closed before its end, or cancelled
        await _close(source)
        await take.drop()
        raise
    else:
        await (take.drop() if talked_to else take.complete(Recording(tuple(items))))


async def _close(source: Any) -> None:
    close: Callable[[], Any] | None = getattr(source, "aclose", None)  # an asynchronous iterator need not have one
    if close is not None:
        await close()
