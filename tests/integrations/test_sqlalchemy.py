"""The transactions of a cache follow those of SQLAlchemy sessions, on a real database."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Transaction, create_engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import StaticPool
from tests.surface.colours import outside

from stillroom import Cache, ConfigurationError
from stillroom.integrations.sqlalchemy import bind_transactions
from stillroom.stores.memory import MemoryStore
from stillroom.testing import ChaosStore

CREATE = text("CREATE TABLE price (item TEXT PRIMARY KEY, amount INT)")
FILL = text("INSERT INTO price VALUES ('tea', 4)")
READ = text("SELECT amount FROM price WHERE item = 'tea'")
RAISE = text("UPDATE price SET amount = amount + 1 WHERE item = 'tea'")


class Oops(Exception):
    pass


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.begin() as connection:
        connection.execute(CREATE)
        connection.execute(FILL)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine, cache: Cache) -> sessionmaker[Session]:
    sessions = sessionmaker(engine)
    bind_transactions(sessions, cache)
    return sessions


def price(session: Session) -> Any:
    return session.execute(READ).scalar_one()


def test_a_commit_applies(sessions: sessionmaker[Session], cache: Cache) -> None:
    @cache(ttl="1h", key="tea")
    def tea(session: Session) -> Any:
        return price(session)

    with sessions() as session:
        assert tea(session) == 4
    with sessions.begin() as session:
        session.execute(RAISE)
        assert tea(session) == 4
        tea.invalidate(session)
        assert tea(session) == 5
        assert outside(cache.get, "tea") in (None, 4)
    assert cache.get("tea") is None
    with sessions() as session:
        assert tea(session) == 5
    assert not cache._core._transactions


def test_a_rollback_drops(sessions: sessionmaker[Session], cache: Cache) -> None:
    cache.set("a", 1)

    def work() -> None:
        with sessions.begin() as session:
            session.execute(RAISE)
            cache.set("a", 2)
            cache.clear()
            raise Oops

    with pytest.raises(Oops):
        work()
    assert cache.get("a") == 1
    with sessions() as session:
        session.execute(RAISE)
        cache.delete("a")
    assert cache.get("a") == 1, "closed without a commit"


def test_a_commit_that_fails_drops(engine: Engine, sessions: sessionmaker[Session], cache: Cache) -> None:
    with sessions() as session:
        session.execute(text("INSERT INTO price VALUES ('milk', 1)"))
        cache.set("a", 1)
        with pytest.raises(IntegrityError):
            session.execute(text("INSERT INTO price VALUES ('milk', 1)"))
        session.rollback()
    assert cache.get("a") is None


def test_savepoints_follow(sessions: sessionmaker[Session], cache: Cache) -> None:
    with sessions() as session:
        session.execute(RAISE)
        cache.set("a", 1)
        savepoint = session.begin_nested()
        cache.set("a", 2)
        savepoint.rollback()
        assert cache.get("a") == 1
        with session.begin_nested():
            cache.set("b", 1)
            session.flush()
        assert (cache.get("b"), outside(cache.get, "b")) == (1, None)
        session.commit()
        assert outside(cache.get_many, ["a", "b"]) == {"a": 1, "b": 1}
        cache.set("c", 1)
        assert outside(cache.get, "c") == 1, "between two transactions"
        session.execute(RAISE)
        cache.set("c", 2)
    assert cache.get("c") == 1


def test_a_savepoint_is_one_of_its_own_session(sessions: sessionmaker[Session], cache: Cache) -> None:
    """Nothing of it is seen outside when another session commits that has begun meanwhile."""
    with sessions() as one, sessions() as other:
        price(one)
        price(other)
        with one.begin_nested():
            cache.set("a", 1)
            cache.invalidate(tags=["prices"])
        other.commit()
        assert outside(cache.get, "a") is None
        one.rollback()
    assert cache.get("a") is None


def test_a_savepoint_that_begins_elsewhere_is_applied_no_sooner_than_the_whole(
    sessions: sessionmaker[Session], cache: Cache
) -> None:
    """Rule 1: or somebody would load again, before the commit, what has just been invalidated."""
    cache.set("a", 1)
    with sessions() as session:
        outside(price, session)
        with session.begin_nested():
            cache.delete("a")
        assert outside(cache.get, "a") == 1
        session.commit()
    assert cache.get("a") is None


def test_what_has_begun_before_it_was_bound_is_not_followed(engine: Engine, cache: Cache) -> None:
    class Own(Session):
        pass

    cache.set("a", 1)
    with Own(engine) as session:
        price(session)
        with pytest.raises(ConfigurationError, match="target is in a transaction"):
            bind_transactions(session, cache)
        bind_transactions(Own, cache)
        with session.begin_nested():
            cache.set("a", 2)
        session.commit()
        assert cache.get("a") == 2
        session.execute(RAISE)
        cache.set("a", 3)
        session.rollback()
    assert cache.get("a") == 2


def test_a_commit_whose_end_fails_is_applied_all_the_same(
    engine: Engine, sessions: sessionmaker[Session], cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the connection is lost on its way back to the pool, or the task is cancelled there."""
    cache.set("a", 1)
    session = sessions()
    session.execute(RAISE)
    cache.delete("a")
    with monkeypatch.context() as broken:
        broken.setattr(Connection, "close", fail)
        with pytest.raises(Oops):
            session.commit()
    assert cache.get("a") is None
    cache.set("a", 2)
    assert outside(cache.get, "a") == 2
    session.close()


def test_a_transaction_that_ended_without_a_word_is_dropped_when_the_next_one_begins(
    sessions: sessionmaker[Session], cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = sessions()
    price(session)
    cache.set("a", 1)
    with monkeypatch.context() as broken:
        broken.setattr(Connection, "close", fail)
        broken.setattr(Transaction, "close", fail)
        with pytest.raises(Oops):
            session.close()
    price(session)
    assert cache.get("a") is None
    cache.set("b", 1)
    session.commit()
    assert outside(cache.get, "b") == 1
    assert not cache._core._transactions


def fail(*_: Any) -> None:
    raise Oops


def test_two_sessions_at_a_time_lose_no_invalidation(sessions: sessionmaker[Session], cache: Cache) -> None:
    """Nobody can tell for which of them the cache was told."""
    cache.set_many({"a": 1, "b": 1})
    with sessions() as one, sessions() as other:
        price(one)
        cache.set("a", 2)
        price(other)
        cache.delete("b")
        cache.set("c", 1)
        other.rollback()
        assert outside(cache.get_many, ["a", "b", "c"]) == {"a": 1, "b": 1}
        one.commit()
        assert outside(cache.get_many, ["a", "b", "c"]) == {"a": 2}


def test_an_inner_session_that_commits_applies_at_once(sessions: sessionmaker[Session], cache: Cache) -> None:
    with sessions() as one:
        price(one)
        with sessions.begin() as other:
            price(other)
            cache.set("a", 1)
        assert outside(cache.get, "a") == 1


def test_a_session_that_is_gone_without_an_end_drops(sessions: sessionmaker[Session], cache: Cache) -> None:
    session = sessions()
    price(session)
    cache.set("a", 1)
    del session
    gc.collect()
    assert cache.get("a") is None
    assert not cache._core._transactions


def test_an_error_of_the_cache_comes_out_of_the_commit(engine: Engine) -> None:
    store = ChaosStore(MemoryStore())
    cache, session = Cache(store), Session(engine)
    bind_transactions(session, cache)
    session.execute(RAISE)
    cache.delete("a")
    store.fail("delete", Oops())
    with pytest.raises(Oops):
        session.commit()
    assert price(session) == 5
    session.close()


@pytest.mark.parametrize("target", [None, int, "session"])
def test_what_has_no_sessions_is_refused(target: Any, cache: Cache) -> None:
    with pytest.raises(ConfigurationError, match="target must be a session"):
        bind_transactions(target, cache)


def test_what_makes_no_sense_is_refused_at_once(sessions: Any, cache: Cache) -> None:
    with pytest.raises(ConfigurationError, match="cache must be a Cache"):
        bind_transactions(sessions, sessions)
    with pytest.raises(ConfigurationError, match="keep_loads must be True or False"):
        bind_transactions(sessions, cache, keep_loads="no")  # type: ignore[arg-type]


# On an event loop


@asynccontextmanager
async def async_sessions(cache: Cache) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    engine = create_async_engine("sqlite+aiosqlite://", poolclass=StaticPool)
    async with engine.begin() as connection:
        await connection.execute(CREATE)
        await connection.execute(FILL)
    sessions = async_sessionmaker(engine)
    bind_transactions(sessions, cache)
    yield sessions
    await engine.dispose()


@pytest.mark.asyncio_only
async def test_asynchronous_sessions_do_the_same(cache: Cache) -> None:
    async with async_sessions(cache) as sessions:
        async with sessions.begin() as session:
            await session.execute(RAISE)
            await cache.aset("a", 1)
            async with session.begin_nested():
                await cache.aset("b", 1)
            assert await cache.aget("b") == 1
            assert outside(cache.get_many, ["a", "b"]) == {}
        assert outside(cache.get_many, ["a", "b"]) == {"a": 1, "b": 1}
        async with sessions() as session:
            await session.execute(RAISE)
            await cache.adelete("a")
        assert await cache.aget("a") == 1
    assert not cache._core._transactions


@pytest.mark.asyncio_only
@pytest.mark.parametrize("said_by", ["class", "setting"])
async def test_what_a_maker_makes_stays_what_it_was(cache: Cache, said_by: str) -> None:
    class Routed(Session):
        pass

    class AsyncRouted(AsyncSession):
        sync_session_class = Routed

    maker = async_sessionmaker(class_=AsyncRouted) if said_by == "class" else async_sessionmaker(sync_session_class=Routed)
    bind_transactions(maker, cache)
    bind_transactions(maker, Cache())
    async with maker() as session, session.begin():
        assert isinstance(session.sync_session, Routed)
        cache.set("a", 1)
        assert outside(cache.get, "a") is None
        with Routed() as other, other.begin():
            assert cache._core._transactions == 1, "sessions of others are not bound"
    assert cache.get("a") == 1


@pytest.mark.asyncio_only
async def test_the_end_of_a_transaction_waits_for_the_store_and_holds_up_no_loop(cache: Cache) -> None:
    store = ChaosStore(MemoryStore())
    cache.configure(store)
    async with async_sessions(cache) as sessions, sessions() as session:
        await session.execute(RAISE)
        await cache.adelete("a")
        reached, may_go_on = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            reached.set()
            await may_go_on.wait()

        store.before("delete", hold, times=1)
        commit = asyncio.create_task(session.commit())
        await reached.wait()
        may_go_on.set()
        await commit


@pytest.mark.asyncio_only
async def test_requests_side_by_side_have_transactions_of_their_own(cache: Cache) -> None:
    async with async_sessions(cache) as sessions:

        async def request(number: int) -> Any:
            async with sessions() as session:
                await session.execute(READ)
                await cache.aset("who", number)
                await asyncio.sleep(0)
                found = await cache.aget("who")
                if number % 2:
                    await session.commit()
                return found

        assert list(await asyncio.gather(*map(request, range(6)))) == list(range(6))
        assert await cache.aget("who") in (1, 3, 5)
