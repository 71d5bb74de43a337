"""Transactions of a cache around those of a database, beside many readers: nobody sees what is uncommitted or outdated."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from stillroom import Cache

ITEMS = range(3)
ROUNDS = 60


class Database:
    """Numbers that only grow, in transactions whose changes nobody else sees before they are committed.

    Attributes:
        committed: the numbers.
        floor: for each, the lowest that a reader who begins now may be served.
    """

    def __init__(self) -> None:
        self.committed = dict.fromkeys(ITEMS, 0)
        self.floor = dict.fromkeys(ITEMS, 0)
        self.rows = [threading.Lock() for _ in ITEMS]
        self.own: ContextVar[dict[int, int] | None] = ContextVar("own", default=None)

    def read(self, item: int) -> int:
        own = self.own.get()
        return own[item] if own is not None and item in own else self.committed[item]


class RolledBack(Exception):
    pass


def test_readers_see_neither_what_is_uncommitted_nor_what_is_outdated() -> None:
    cache, database, wrong = Cache(), Database(), list[str]()

    @cache(ttl="1h", key="item:{item}", tags=["all"])
    def get(item: int) -> int:
        return database.read(item)

    def write(chance: random.Random) -> None:
        for _ in range(ROUNDS):
            item = chance.choice(ITEMS)
            with database.rows[item]:
                try:
                    _change(cache, database, get, item, chance, wrong)
                except RolledBack:
                    continue
                database.floor[item] = database.committed[item]

    def read(chance: random.Random, ended: threading.Event) -> None:
        while not ended.is_set():
            item = chance.choice(ITEMS)
            floor = database.floor[item]
            found = get(item)
            if not floor <= found <= database.committed[item]:
                wrong.append(f"{found} of {item} is not from {floor} to {database.committed[item]}")

    _run(write, read)
    assert wrong == []
    assert {item: get(item) for item in ITEMS} == database.committed


def _change(cache: Cache, database: Database, get: Any, item: int, chance: random.Random, wrong: list[str]) -> None:
    with cache.transaction():
        token = database.own.set({})
        own: Any = database.own.get()
        try:
            if chance.random() < 0.5:
                get(item)
            own[item] = database.committed[item] + 1000
            if chance.random() < 0.5:
                get(item)  # before the cache is told
            own[item] += 1
            chance.choice([lambda: get.invalidate(item), get.invalidate_all, lambda: cache.invalidate(tags=["all"])])()
            if get(item) != own[item]:
                wrong.append(f"inside, {get(item)} of {item} is not {own[item]}")
            if chance.random() < 0.3:
                raise RolledBack
            database.committed[item] = own[item]
        finally:
            database.own.reset(token)


def _run(write: Callable[[random.Random], None], read: Callable[[random.Random, threading.Event], None]) -> None:
    ended = threading.Event()
    writers = [threading.Thread(target=write, args=(random.Random(seed),)) for seed in range(2)]
    readers = [threading.Thread(target=read, args=(random.Random(seed), ended)) for seed in range(2)]
    for thread in [*writers, *readers]:
        thread.start()
    for thread in writers:
        thread.join()
    ended.set()
    for thread in readers:
        thread.join()
