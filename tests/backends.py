"""Runs the tests of the cache on every store that a cache may be on.

Each test in one of the `FOLDERS` runs on all `KINDS`: in memory, on a single Redis server, on a Cluster, and on both with a
near store in front; those of guards, which no near store has a part in, on the first three. ``memory_only`` says why a test
means nothing elsewhere; ``by_reference`` is for tests that tell values apart by identity, which then survives the way to the
server and back. Nothing in a test says which store it is on: ``Cache()`` opens one of the kind that it runs on, under a prefix
of its own, and `new_store` and `new_chaos` make one for tests that need the store itself. ``pytest --store memory`` runs on one
kind only.

What is said of very many cases that differ in little is tried out of all of them in memory, and of a part elsewhere: `stride`.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

import pytest
from tests.concurrency.meeting import eventually
from tests.servers.fixtures import is_clean, make_clean

from stillroom import Cache
from stillroom._runtime.clock import SystemClock
from stillroom.capabilities import TwoSided
from stillroom.errors import StoreError
from stillroom.protocols import Clock, Store
from stillroom.stores.memory import MemoryStore
from stillroom.stores.tiered import Tiered
from stillroom.testing import ChaosStore
from stillroom.urls import open_store

if TYPE_CHECKING:
    from stillroom.stores.redis.opening import RedisStores

KINDS: Final = ("memory", "redis", "cluster", "redis+near", "cluster+near")
FOLDERS: Final = {"tests/engine": KINDS, "tests/surface": KINDS, "tests/concurrency": KINDS, "tests/guards": KINDS[:3]}
SERVERS: Final = {"redis": "_redis_server", "cluster": "_redis_cluster"}
FAR: Final[Mapping[str, Any]] = Cache()._far
"""What holds for a store outside of this process if nothing is said."""
LONG: Final = 5.0
"""Seconds that an operation on a server may take: a busy machine must not look like an outage."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--store", choices=KINDS, action="append", help="run tests of the cache on this kind of store only")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    kinds = _kinds(metafunc.definition)
    if kinds:
        metafunc.parametrize("backend", kinds, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = config.getoption("--store")
    if chosen:
        others = {item for item in items if _kind(item) not in (None, *chosen)}
        config.hook.pytest_deselected(items=list(others))
        items[:] = [item for item in items if item not in others]


def _kind(item: Any) -> str | None:
    """Return the kind of store that a test runs on, if it is one of those that run on several."""
    callspec = getattr(item, "callspec", None)
    return callspec and callspec.params.get("backend")


def _kinds(test: pytest.Item) -> tuple[str, ...]:
    """Return the kinds of stores that a test runs on; none for tests of something else."""
    why = test.get_closest_marker("memory_only")
    if why is not None:
        assert why.args, f"{test.nodeid}: memory_only must say why"
        return ()
    return next((kinds for folder, kinds in FOLDERS.items() if test.nodeid.startswith(folder)), ())


class Backend:
    """The kind of store that a test runs on.

    Attributes:
        kind: one of `KINDS`.
        opened: the stores outside of this process that the test has opened.
        keeps_alive: whether they are kept alive and closed after the test.
        failures: why they were out of reach, which they never are.
    """

    def __init__(self, kind: str, server: Any = None) -> None:
        self.kind = kind
        self.opened: list[Any] = []
        self.keeps_alive = True
        self.prefixes: dict[int, str] = {}
        self.failures: list[StoreError] = []
        self.references: list[Any] | None = None
        self._server = server

    @property
    def is_memory(self) -> bool:
        return self.kind == "memory"

    @property
    def has_near(self) -> bool:
        return self.kind.endswith("+near")

    def open(
        self, url: Any, clock: Clock, far: Mapping[str, Any] = FAR, options: Mapping[str, Any] | None = None
    ) -> Store | TwoSided:
        """Do what `open_store` does, on another kind of store where memory is asked for, and nothing that only memory has."""
        if self.is_memory or url != "memory://" or options:
            return open_store(url, clock, far, options or {})
        own: dict[str, Any] = {
            "prefix": f"test-{secrets.token_hex(6)}",
            "timeout": LONG,
            "near": "memory://" if self.has_near else None,
        }
        if self.references is not None:
            own["serializer"] = (self._refer, self._referred)
        opened = cast("RedisStores", open_store(self._server.url, clock, {**far, **own}, {}))
        self.prefixes[id(opened)] = own["prefix"]
        if (feed := opened.feed) is not None:
            feed.start()
            eventually(lambda: feed.is_live)  # or the near store would not be asked
        opened.outage.failed = noting(opened.outage.failed, self.failures)  # type: ignore[method-assign]
        if self.keeps_alive:
            self.opened.append(opened)
        return opened

    def _refer(self, value: Any) -> bytes:
        assert self.references is not None
        self.references.append(value)
        return b"%d" % (len(self.references) - 1)

    def _referred(self, data: bytes) -> Any:
        assert self.references is not None
        return self.references[int(data)]

    def leases(self, store: Any, alive: bool) -> list[str]:
        """Return which leases there are in a store that the test has opened, or which of them are kept alive."""
        if isinstance(store, MemoryStore):
            return [repr(local) for partition in store._partitions for local in partition.leases]
        if alive:
            return [*map(repr, store._shared.renewal._held), *([] if store.near is None else self.leases(store.near, alive))]
        nodes = self._server.primaries() if hasattr(self._server, "primaries") else [self._server]
        found = [key for node in nodes for key in node.client().scan_iter(self.prefixes[id(store)] + "!*", count=1000)]
        return [*map(repr, found), *([] if store.near is None else self.leases(store.near, alive))]

    def close(self) -> None:
        """Close all that was opened."""
        for opened in self.opened:
            opened.retire()


def noting(fail: Callable[..., None], failures: list[StoreError]) -> Callable[..., None]:
    """Return what takes note of failures in place of `Outage.failed`, and passes them on."""

    def failed(spell: Any, error: StoreError, *notes: Any) -> None:
        failures.append(error)
        fail(spell, error, *notes)

    return failed


_current = [Backend("memory")]


@pytest.fixture(autouse=True)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """The kind of store that the test runs on."""
    kind = getattr(request, "param", "memory")
    made = Backend(kind, _server(request, kind.partition("+")[0]))
    if request.node.get_closest_marker("by_reference"):
        made.references = []
    monkeypatch.setattr(sys.modules["stillroom.cache"], "open_store", made.open)  # the package has a `cache` of its own
    _current.append(made)
    yield made
    _current.pop()
    made.close()
    failures = [failure for failure in made.failures if "closed" not in str(failure)]
    if failures:
        pytest.fail(f"the store was out of reach: {failures}", pytrace=False)


def _server(request: pytest.FixtureRequest, kind: str) -> Any:
    """Return what runs the stores of a kind, without a key; it is healed only after tests that may do it harm."""
    if kind not in SERVERS:
        return None
    server = request.getfixturevalue(SERVERS[kind])
    if is_clean(server):
        server.flush()
    else:
        make_clean(server)
    return server


# For tests that need the store itself


def new_store(clock: Clock | None = None, **bounds: Any) -> Any:
    """Return a new, empty store of the kind that the test runs on; only memory has bounds."""
    chosen = clock or SystemClock()
    here = _current[-1]
    return MemoryStore(clock=chosen, **bounds) if here.is_memory else here.open("memory://", chosen)


def new_chaos(clock: Clock | None = None, **bounds: Any) -> Any:
    """Return a chaos store around a new, empty store."""
    inner = new_store(clock, **bounds)
    return ChaosSides(inner) if isinstance(inner, TwoSided) else ChaosStore(inner)


def stride() -> int:
    """Return which part of very many cases is enough on the kind of store that the test runs on: one in so many."""
    return {"memory": 1, "redis": 2}.get(_current[-1].kind, 7)


def let_go(cache: Cache) -> None:
    """Close the store of a cache, if there is anything to close."""
    store = cache._core.store
    if isinstance(store, TwoSided):
        store.retire()


def leases(cache: Cache, *, alive: bool = False) -> list[str]:
    """Return which leases there are in the store of a cache; of those that end by themselves, only if they are kept alive."""
    store: Any = cache._core.store
    return _current[-1].leases(getattr(store, "inner", store), alive)


class ChaosSides:
    """Chaos on both sides of a store, which have their hooks in common; behind the near store, if there is one."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self._chaos = ChaosStore(MemoryStore())

    @cached_property
    def blocking(self) -> Store:
        return self._disturbed(self.inner.blocking)

    @cached_property
    def tasks(self) -> Store:
        return self._disturbed(self.inner.tasks)

    def _disturbed(self, side: Any) -> Store:
        chaos = ChaosStore(side.far if isinstance(side, Tiered) else side)
        chaos.calls, chaos._hooks = self._chaos.calls, self._chaos._hooks
        if not isinstance(side, Tiered):
            return chaos
        side.far = chaos
        return side

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chaos if name in ("before", "after", "fail", "hold", "calm", "calls") else self.inner, name)
