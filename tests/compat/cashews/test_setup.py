"""What `setup` takes, which backend is responsible for a key, and what is refused."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cashews
import pytest

import stillroom.compat.cashews as facade
from stillroom.compat.cashews.backends.interface import Backend
from stillroom.compat.cashews.backends.memory import Memory
from stillroom.compat.cashews.exceptions import (
    BackendNotAvailableError,
    CacheBackendInteractionError,
    NotConfiguredError,
    UnsupportedDigestmod,
)

if TYPE_CHECKING:
    from tests.servers.server import Server

pytestmark = pytest.mark.asyncio_only
SECRET: Any = {"secret": "short"}
OTHER_SECRET: Any = {"secret": b"another"}


async def test_a_cache_without_setup_refuses_commands() -> None:
    for library in (cashews, facade):
        cache: Any = library.Cache()
        assert not cache.is_setup()
        with pytest.raises(library.exceptions.NotConfiguredError):
            await cache.get("key")
    assert issubclass(NotConfiguredError, facade.exceptions.CacheError)


async def test_the_cache_that_is_there_and_the_one_in_memory() -> None:
    assert facade.cache.name == "default"
    assert facade.mem.is_setup()
    assert isinstance(facade.mem.tags_backend, Memory)
    assert await facade.mem.get("never set") is None


async def test_the_longest_prefix_counts() -> None:
    cache = facade.Cache()
    everything, users, admins = (
        cache.setup("mem://"),
        cache.setup("mem://", prefix="user:"),
        cache.setup("", prefix="user:admin"),
    )
    await cache.set_many({"user:1": 1, "user:admin:1": 2, "other": 3})
    assert [await one.get_keys_count() for one in (everything, users, admins)] == [1, 1, 0]
    assert await cache.get_many("other", "user:1", "user:admin:1") == (3, 1, None)
    assert await cache.get_keys_count() == 2
    await cache.delete_many("other", "user:1")
    assert await cache.get_keys_count() == 0


async def test_keys_of_no_prefix_are_refused() -> None:
    cache = facade.Cache()
    cache.setup("mem://", prefix="user:")
    with pytest.raises(NotConfiguredError, match="other"):
        await cache.set("other", 1)


@pytest.mark.parametrize(
    "url",
    ["mem://", "mem://?check_interval=10&size=10000", "mem://localhost?size=500", "mem://?secret=abc&digestmod=sha256"],
)
async def test_urls_of_memory(url: str) -> None:
    for library in (cashews, facade):
        cache: Any = library.Cache()
        cache.setup(url)
        await cache.set("key", {"a": 1})
        assert await cache.get("key") == {"a": 1}
        await cache.close()


async def test_memory_is_bounded_by_size() -> None:
    cache = facade.Cache()
    cache.setup("mem://?size=50")
    for number in range(200):
        await cache.set(f"key:{number}", number)
    assert await cache.get_keys_count() <= 50


@pytest.mark.parametrize(
    ("url", "settings", "is_enabled"),
    [
        ("mem://?enable=1", {}, True),
        ("mem://?enable=True", {}, True),
        ("mem://?enable=0", {}, False),
        ("mem://?disable=1", {}, False),
        ("mem://?size=500", {"enable": False}, False),
        ("mem://?enable=0", {"enable": True}, True),
        ("", {}, False),
        ("anything", {}, False),
    ],
)
async def test_a_cache_can_be_set_up_disabled(url: str, settings: dict[str, Any], is_enabled: bool) -> None:
    for library in (cashews, facade):
        cache: Any = library.Cache()
        cache.setup(url, **settings)
        assert cache.is_enable() is is_enabled
        assert cache.is_full_disable is not is_enabled
        await cache.set("key", 1)
        assert await cache.get("key") == (1 if is_enabled else None)
        await cache.close()


@pytest.mark.parametrize("url", ["disk://", "disk://?directory=/tmp/cache", "memcached://localhost"])
def test_other_backends_are_refused(url: str) -> None:
    with pytest.raises(BackendNotAvailableError):
        facade.Cache().setup(url)


def test_other_digests_picklers_and_compressions_are_refused() -> None:
    with pytest.raises(UnsupportedDigestmod):
        facade.Cache().setup("mem://", **SECRET, digestmod="crc")
    for settings in ({"pickle_type": "yaml"}, {"compress_type": "lzma"}):
        for library in (cashews, facade):
            with pytest.raises(ValueError, match="is not a valid"):
                library.Cache().setup("mem://", **settings)


async def test_the_settings_of_the_document_are_taken(redis_server: Server) -> None:
    address = f"redis://127.0.0.1:{redis_server.port}/"
    cases: list[tuple[str, dict[str, Any]]] = [
        (f"{address}?db=1&create_connection_timeout=0.5&safe=0&hash_key=my_secret&enable=1", {}),
        (address, {"db": 1, "create_connection_timeout": 0.5, "safe": False, "hash_key": b"my_key", "enable": True}),
        (f"{address}?db=1&minsize=10&safe=0&hash_key=my_secret", {"prefix": "func"}),
        (f"{address}?db=2", {"hash_key": None, "prefix": "func", "index_name": "user", "index_field": "user_uid"}),
        (address, {"db": 1, "create_connection_timeout": 0.1, "safe": 1, "hash_key": "my_secret", "client_side": True}),
        (address, {"max_connections": 5, "socket_timeout": 2, "retry_on_timeout": True, "health_check_interval": 5}),
        (address, {"secret": "s", "digestmod": "sha256", "compress_type": "gzip", "pickle_type": "json", "check_repr": False}),
        (address, {"client_name": "shop", "socket_keepalive": True, "wait_for_connection_timeout": 1}),
    ]
    for url, settings in cases:
        cache = facade.Cache()
        cache.setup(url, **settings)
        await cache.set("func:key", {"any": True}, expire=60)
        assert await cache.get("func:key") == {"any": True}
        await cache.close()


def test_setting_up_asks_no_server() -> None:
    for url in (
        "redis://redis/0?enable=1",
        "redis://redis?enable=True",
        "rediss://user:password@redis:6380/1",
        "unix:///redis.sock",
    ):
        facade.Cache().setup(url)


async def test_the_local_cache_says_how_much_is_kept_near(redis_server: Server) -> None:
    cache = facade.Cache()
    backend = cache.setup(redis_server.url, client_side=True, local_cache=Memory(size=5))
    assert type(backend).__name__ == "BcastClientSide"
    await cache.set_many({f"key:{number}": number for number in range(20)})
    assert [await cache.get(f"key:{number}") for number in range(20)] == list(range(20))
    assert backend.native.size() <= 5
    await cache.close()


async def test_database_and_secret_keep_values_apart(redis_server: Server) -> None:
    url = f"redis://127.0.0.1:{redis_server.port}/"
    first, second, secret, other = [facade.Cache() for _ in range(4)]
    first.setup(f"{url}?db=1")
    second.setup(url, db=2)
    secret.setup(f"{url}?db=3", **SECRET)
    other.setup(f"{url}3", **OTHER_SECRET)
    await first.set("key", "value")
    await secret.set("key", "value")
    assert await second.get("key") is None
    assert await secret.get("key") == "value"
    assert await other.get("key") is None
    for cache in (first, second, secret, other):
        await cache.close()


async def test_what_is_not_signed_is_not_unpickled(redis_server: Server) -> None:
    plain, signed = facade.Cache(), facade.Cache()
    plain.setup(redis_server.url)
    signed.setup(redis_server.url, **SECRET)
    await plain.set("key", Bomb())
    assert await signed.get("key", "nothing") == "nothing"
    with pytest.raises(ZeroDivisionError):
        pickle.loads(pickle.dumps(Bomb()))
    for cache in (plain, signed):
        await cache.close()


class Bomb:
    """Does something when it is unpickled."""

    def __reduce__(self) -> Any:
        return divmod, (1, 0)


async def test_a_server_out_of_reach_is_no_error_unless_asked_for() -> None:
    safe, strict = facade.Cache(), facade.Cache()
    safe.setup("redis://127.0.0.1:1/", socket_timeout=0.1)
    strict.setup("redis://127.0.0.1:1/", suppress=False)
    assert await safe.get("key", "nothing") == "nothing"
    assert await safe.set("key", 1, expire="1m") is True
    for call in (strict.get("key"), strict.set("key", 1), strict.delete("key"), strict.incr("key"), strict.get_many("key")):
        with pytest.raises(CacheBackendInteractionError):
            await call
    for cache in (safe, strict):
        with pytest.raises(CacheBackendInteractionError):
            await cache.ping()
        await cache.close()


async def test_init_and_close(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()
    assert cache.is_setup()
    assert not cache.is_init
    await cache.init()
    assert cache.is_init
    await cache.set("key", 1)
    await cache.close()
    assert not cache.is_init
    assert await cache.get("key") == 1  # it opens anew
    await cache.close()
    fresh = facade.Cache()
    await fresh.init("mem://", size=10)
    assert fresh.is_init


async def test_a_new_setup_takes_the_place_of_the_former() -> None:
    cache = facade.Cache()
    cache.setup("mem://")
    await cache.set("key", 1)
    former = cache.epoch
    cache.setup("mem://")
    assert cache.epoch is not former
    assert await cache.get("key") is None


async def test_backends_of_users_own() -> None:
    class Loud(Memory):
        async def get(self, key: str, default: Any = None) -> Any:
            value = await super().get(key, default)
            return value.upper() if isinstance(value, str) else value

    class Constant(Backend):
        def __init__(self, address: str, answer: str, **_: Any) -> None:
            super().__init__()
            self.answer = f"{answer} from {address}"

        async def get(self, key: str, default: Any = None) -> Any:
            return self.answer

    facade.register_backend("loud", Loud)
    facade.register_backend("constant", Constant, pass_uri=True)
    cache = facade.Cache()
    cache.setup("loud://?size=5")
    cache.setup("constant://somewhere?answer=hello", prefix="c:")
    await cache.set("key", "value")
    assert await cache.get("key") == "VALUE"
    assert await cache.get("c:key") == "hello from constant://somewhere"
    async with cache.transaction():
        assert await cache.get("c:key") == "hello from constant://somewhere"


async def test_objects_in_memory_are_copied_on_their_way_in(open_cache: Callable[..., Any]) -> None:
    cache, value = open_cache(), {"a": 1}
    await cache.set("key", value)
    value["a"] = 2
    assert await cache.get("key") == {"a": 1}
    await cache.close()
