"""What befalls the server of a soak, every few seconds."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable

from redis.exceptions import RedisError
from tests.servers.server import Server

__all__ = ["Faults"]


class Faults:
    """Harms a server until told to stop, and leaves it well.

    Args:
        server: the server.
        every: how many seconds lie between two faults.
        seed: for the choice among them.
    """

    def __init__(self, server: Server, every: float, seed: int) -> None:
        self.survived: Counter[str] = Counter()
        self.error: BaseException | None = None
        self._server = server
        self._every = every
        self._chance = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """Harm it no more."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        kinds: dict[str, Callable[[], object]] = {
            "paused": self._pause,
            "killed": self._server.restart,
            "scripts flushed": lambda: self._server.ask("SCRIPT FLUSH"),
            "clients killed": lambda: self._server.ask("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes"),
            "asleep": lambda: self._server.ask("DEBUG SLEEP", f"{self._chance.uniform(0.1, 1):.2f}"),
            "tokens evicted": lambda: self._evict("stillroom:[a-z]*"),
            "entries evicted": lambda: self._evict("stillroom[:!]{*"),
        }
        left: list[str] = []
        try:
            while not self._stop.wait(self._chance.uniform(0.5, 1.5) * self._every):
                if not left:  # each kind once before any comes again
                    left = self._chance.sample(list(kinds), len(kinds))
                kind = left.pop()
                kinds[kind]()
                self.survived[kind] += 1
        except BaseException as error:
            self.error = error

    def _pause(self) -> None:
        self._server.pause()
        time.sleep(self._chance.uniform(0.05, 2))
        self._server.resume()

    def _evict(self, pattern: str) -> None:
        try:
            for key in self._server.ask("KEYS", pattern):
                if self._chance.random() < 0.7:
                    self._server.ask("DEL", key)
        except RedisError:  # it was busy with something else
            pass
