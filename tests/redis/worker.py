"""One of several processes that share a store: evaluates what comes in on its standard input, as `crew` tells it to.

Its functions load from files that all workers see: the *source*. A load tells of itself, and waits for as long as its value is
held. Whatever the colour of the worker, its functions have the same names, so that blocking and asynchronous processes share
what they load.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stillroom import Cache

SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {"ttl": 1000},
    "item": {"ttl": 1000, "key": "item:{k}"},
    "alone": {"ttl": 1000, "lock": "shared"},
    "stale": {"ttl": 0.05, "stale_while_revalidate": 1000},
    "warm": {"ttl": 0.3, "keep_warm": True, "idle_after": 1000},
    "soft": {"ttl": 0.05, "stale_if_error": 1000, "soft_timeout": 0.02},
    "rescued": {"ttl": 0.05, "stale_if_error": 1000, "retry_after": 0.01},
    "lasting": {"ttl": None},
}


class Job:
    """What one worker does.

    Args:
        config: the url, the directory of the source, the colour, and the options of the cache.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.is_async = config["colour"] == "async"
        self.source = Path(config["source"])
        self.held: set[int] = set()
        self.pace = 0.0
        self.loads = 0
        self.failing = False
        self.logged: list[str] = []
        self.events: list[str] = []
        self._changed = threading.Condition()
        self._telling = threading.Lock()
        log = logging.getLogger("stillroom")
        log.propagate = False
        log.addHandler(_Kept(self.logged))
        clock: dict[str, Any] = {"clock": SkewedClock(config["skew"])} if config.get("skew") else {}
        if config.get("date_is_off_by"):
            _move_the_date(config["date_is_off_by"])
        self.cache = Cache(config["url"], client_name=f"worker-{os.getpid()}", **clock, **config["options"])
        self.names: dict[str, Any] = {"cache": self.cache, "job": self, "time": time, "os": os, "asyncio": asyncio}
        self.names |= {"threading": threading, "get_or_load": self.get_or_load, "verb": self.verb}
        for name, settings in SETTINGS.items():
            decorate = self.cache(name=name, tags=["all", "k:{k}"], **settings)
            self.names[name] = decorate(self._function())
        self.loop = asyncio.new_event_loop() if self.is_async else None

    # Loading

    def _function(self) -> Callable[[str], Any]:
        def load(k: str) -> int:
            return self.load(k)

        async def aload(k: str) -> int:
            return await self.aload(k)

        return aload if self.is_async else load

    def load(self, k: str) -> int:
        """Load from the source."""
        value = self._began(k)
        with self._changed:
            while value in self.held:
                self._changed.wait()
        time.sleep(self.pace)
        return self._ended(value)

    async def aload(self, k: str) -> int:
        """Do what `load` does."""
        value = self._began(k)
        while value in self.held:  # noqa: ASYNC110 - which a thread changes
            await asyncio.sleep(0.001)
        await asyncio.sleep(self.pace)
        return self._ended(value)

    def _began(self, k: str) -> int:
        value = int((self.source / k).read_text())
        self.loads += 1
        self.tell(load=value, key=k)
        return value

    def _ended(self, value: int) -> int:
        if self.failing:
            raise ValueError("the source is out of order")
        return value

    def hold(self, *values: int) -> None:
        """Let loads that have these values wait; all others, those that wait already included, go on."""
        with self._changed:
            self.held = set(values)
            self._changed.notify_all()

    # Shorthands

    def get_or_load(self, k: str) -> Any:
        """Load by name."""
        if self.is_async:
            return self.cache.aget_or_load(f"named:{k}", lambda: self.aload(k), 1000, tags=["all", f"k:{k}"])
        return self.cache.get_or_load(f"named:{k}", lambda: self.load(k), 1000, tags=["all", f"k:{k}"])

    def verb(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a verb of the worker's colour."""
        return getattr(self.cache, "a" + name if self.is_async else name)(*args, **kwargs)

    async def storm(self, chance: random.Random) -> None:
        """Write, read and delete names at random."""
        for _ in range(150):
            await self.cache.aset(f"n{chance.randrange(60)}", chance.random())
            await self.cache.aget(f"n{chance.randrange(60)}")
            if chance.random() < 0.2:
                await self.cache.adelete(f"n{chance.randrange(60)}")

    def listen(self) -> None:
        """Keep the names of all events but those of calls."""
        from stillroom.observe import events

        kinds = [getattr(events, name) for name in events.__all__ if name not in ("Event", "CallAnswered", "Outcome")]
        self.cache.subscribe(lambda event: self.events.append(type(event).__name__), *kinds)

    # What is said and heard

    def tell(self, **what: Any) -> None:
        """Write one line."""
        line = json.dumps(what)
        with self._telling:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def work(self) -> None:
        """Evaluate what comes in until that ends."""
        thread = None
        if self.loop is not None:
            thread = threading.Thread(target=self.loop.run_forever, daemon=True)
            thread.start()
        self.tell(ready=os.getpid())
        for line in sys.stdin:
            order = json.loads(line)
            if self.loop is not None:
                asyncio.run_coroutine_threadsafe(self._answer_async(order), self.loop)
            else:
                threading.Thread(target=self._answer, args=(order,), daemon=True).start()
        self.hold()
        if self.loop is not None:
            asyncio.run_coroutine_threadsafe(self._end(), self.loop).result(5)
            self.loop.call_soon_threadsafe(self.loop.stop)
            assert thread is not None
            thread.join(5)
            self.loop.close()
        else:
            self.cache.close()

    async def _end(self) -> None:
        await self.cache.aclose()
        assert self.loop is not None
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await self.loop.shutdown_asyncgens()

    def _answer(self, order: dict[str, Any]) -> None:
        try:
            self.tell(answer=order["number"], result=eval(order["code"], self.names))  # noqa: S307
        except BaseException as error:
            self.tell(answer=order["number"], error=f"{type(error).__name__}: {error}")

    async def _answer_async(self, order: dict[str, Any]) -> None:
        try:
            result = eval(order["code"], self.names)  # noqa: S307
            if inspect.isawaitable(result):
                result = await result
            self.tell(answer=order["number"], result=result)
        except BaseException as error:
            self.tell(answer=order["number"], error=f"{type(error).__name__}: {error}")


class SkewedClock:
    """A clock that is off, and otherwise runs as clocks do."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self) -> float:
        """Return a time that is wrong."""
        return time.monotonic() + self._seconds

    def call_at(self, when: float, callback: Callable[[], None]) -> threading.Timer:
        """Call at such a time."""
        timer = threading.Timer(max(0.0, when - self.now()), callback)
        timer.daemon = True
        timer.start()
        return timer


def _move_the_date(seconds: float) -> None:
    right = time.time
    time.time = lambda: right() + seconds


class _Kept(logging.Handler):
    def __init__(self, kept: list[str]) -> None:
        super().__init__()
        self._kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(record.getMessage() + (repr(record.exc_info[1]) if record.exc_info else ""))


if __name__ == "__main__":
    Job(json.loads(sys.argv[1])).work()
