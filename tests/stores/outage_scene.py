"""What the tests of outages share: a far store that can be out of reach, and a cache's way to it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from stillroom._runtime.pool import Pool
from stillroom._runtime.runtime import drive
from stillroom.entry import MISSING, Entry
from stillroom.errors import StoreError
from stillroom.protocols import Key, Keyspace, Lease, Lookup
from stillroom.stores.memory import MemoryStore
from stillroom.stores.outage import Guarded, Health, Outage
from stillroom.testing import ChaosStore, FakeClock


class Far(ChaosStore):
    """A store that is out of reach while ``is_up`` is false.

    Attributes:
        told: the invalidations that it has been told of, in their order.
        forgotten: the leases that end by themselves.
    """

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(MemoryStore(clock=clock))
        self.is_up = True
        self.told: list[Any] = []
        self.forgotten: list[Lease] = []

    async def _around(self, operation: str, work: Callable[[], Any]) -> Any:
        if not self.is_up:
            self.calls.append(operation)
            raise StoreError("no answer from redis://me:hunter2@example", store=self.name, operation=operation)
        return await super()._around(operation, work)

    async def ping(self) -> None:
        await self._around("ping", _nothing)

    def forget(self, lease: Lease) -> None:
        self.forgotten.append(lease)

    async def delete(self, keys: Iterable[Key]) -> int:
        keys = tuple(keys)
        found = await super().delete(keys)
        self.told += [key.local for key in keys]
        return found

    async def invalidate(self, *, names: Iterable[str] = (), namespaces: Iterable[str] = (), everything: bool = False) -> None:
        names, namespaces = tuple(names), tuple(namespaces)
        await super().invalidate(names=names, namespaces=namespaces, everything=everything)
        self.told += [*[{"namespace": one} for one in namespaces], *[{"name": one} for one in names]]
        self.told += ["everything"] if everything else []


async def _nothing() -> None:
    pass


class AtOnce(Pool):
    """Runs a job when it is handed over."""

    refuses = False

    def submit(self, job: Callable[[], None]) -> bool:
        if not self.refuses:
            job()
        return not self.refuses


class Diary:
    """A watcher that writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def lost(self, error: StoreError) -> None:
        self.heard.append(error)

    def regained(self, seconds: float) -> None:
        self.heard.append(seconds)


class Scene:
    """A far store, and one colour's way to it."""

    def __init__(self, **settings: Any) -> None:
        self.clock = FakeClock(1000.0)
        self.far = Far(self.clock)
        self.diary = Diary()
        self.pool = AtOnce()
        given = {"clock": self.clock, "watcher": self.diary, "pool": self.pool, "draw": lambda: 1.0, "on_error": "fallback"}
        self.outage = Outage(self.far, **{**given, **settings})
        self.store = Guarded(self.far, self.outage)
        self.space = Keyspace("main", "", str)

    @property
    def health(self) -> Health:
        return self.outage.health()

    def key(self, local: str = "k") -> Key:
        return Key(self.space, local)

    def lookup(self, local: str = "k", *names: str) -> Lookup:
        return Lookup(self.key(local), names)

    def entry(self, value: object, lease: Lease | None = None) -> Entry[Any]:
        now = self.clock.now()
        generations = () if lease is None else lease.reading.generations
        return Entry(value, now, now + 600, now + 600, generations=generations, plain_until=now + 600)

    async def value(self, local: str = "k", *names: str) -> Any:
        """Read through the guard."""
        (reading,) = await self.store.read((self.lookup(local, *names),))
        return reading.entry if reading.entry is MISSING else reading.entry.value

    async def load(self, value: object, local: str = "k", *names: str) -> bool:
        """Fill through the guard."""
        lease = await self.store.lease(self.lookup(local, *names))
        return await self.store.fill(self.key(local), self.entry(value, lease), lease)

    def kept(self, local: str = "k", *names: str) -> Any:
        """Return what the server itself holds."""
        (reading,) = drive(self.far.inner.read((self.lookup(local, *names),)))
        return reading.entry if reading.entry is MISSING else reading.entry.value

    def lose(self) -> None:
        """Begin an outage."""
        self.far.is_up = False
        try:
            drive(self.store.delete((self.key("the one that found out"),)))
        except StoreError:
            assert self.outage.on_error == "raise"
        assert self.health.state == "down"

    def regain(self) -> None:
        """End an outage."""
        self.far.is_up = True
        self.clock.advance(2)
        assert self.health.state == "ok"


def each_change(scene: Scene) -> dict[str, Callable[[], Coroutine[Any, Any, Any]]]:
    """Return everything that makes the value of the key ``"k"``, which carries the tag ``"t:red"``, outdated."""
    store, key, lookup = scene.store, scene.key(), scene.lookup("k", "t:red")
    return {
        "delete": lambda: store.delete((key,)),
        "tag": lambda: store.invalidate(names=("t:red",)),
        "namespace": lambda: store.invalidate(namespaces=("main",)),
        "everything": lambda: store.invalidate(everything=True),
        "write": lambda: store.write([(lookup, scene.entry(7))]),
        "add": lambda: store.add(lookup, scene.entry(7)),
        "increment": lambda: store.increment(scene.lookup(), 1, scene.entry(1)),
        "touch": lambda: store.touch(key, 0.0, 0.0),
        "renew": lambda: store.lease(lookup, renew=True),
        "match": lambda: store.names(scene.space, fresh=False),
    }


CHANGES = tuple(each_change(Scene()))
