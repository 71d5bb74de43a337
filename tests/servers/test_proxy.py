"""Each switch of the proxy does to a connection what it says."""

from __future__ import annotations

import socket
import threading
import time

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from tests.servers.processes import HOST
from tests.servers.proxy import Proxy
from tests.servers.server import Server

GET = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n"
BIG = bytes(3_000_000)


@pytest.fixture
def proxy(redis_server: Server):
    redis_server.client().set("a", "0123456789")
    with Proxy(redis_server) as proxy:
        yield proxy


REPLY = b"$10\r\n0123456789\r\n"


@pytest.fixture
def line(proxy: Proxy):
    """A connection to the proxy that has been used."""
    with dial(proxy) as line:
        line.sendall(GET)
        assert received(line) == REPLY
        yield line


def dial(proxy: Proxy) -> socket.socket:
    """Connect to a proxy."""
    return socket.create_connection((HOST, proxy.port), timeout=5)


def received(line: socket.socket, size: int = len(REPLY)) -> bytes:
    """Return what arrives until there is enough or the end."""
    data = bytearray()
    while len(data) < size and (more := line.recv(size - len(data))):
        data += more
    return bytes(data)


def test_a_calm_proxy_is_not_felt(proxy: Proxy) -> None:
    with redis.Redis.from_url(proxy.url) as client:
        assert client.get("a") == b"0123456789"
        client.set("big", BIG)
        assert client.get("big") == BIG
    assert proxy.accepted == 1


def test_a_proxy_passes_tls_on(tls_server: Server) -> None:
    with Proxy(tls_server) as proxy, redis.Redis.from_url(proxy.url, **tls_server.options) as client:
        assert proxy.url.startswith("rediss://")
        assert client.ping()


def test_delay(proxy: Proxy, line: socket.socket) -> None:
    proxy.delay(0.05)
    began = time.monotonic()
    line.sendall(GET)
    assert received(line) == REPLY
    assert time.monotonic() - began >= 0.1
    proxy.calm()
    began = time.monotonic()
    line.sendall(GET)
    assert received(line) == REPLY
    assert time.monotonic() - began < 0.1


def test_drip(proxy: Proxy, line: socket.socket) -> None:
    proxy.drip(4, 0.02)
    began = time.monotonic()
    line.sendall(GET)
    assert line.recv(100) == REPLY[:4]
    assert received(line, len(REPLY) - 4) == REPLY[4:]
    assert time.monotonic() - began >= 0.06


def test_a_black_hole_swallows_until_it_is_calm(proxy: Proxy, line: socket.socket) -> None:
    proxy.black_hole()
    line.settimeout(0.1)
    line.sendall(GET)
    with pytest.raises(TimeoutError):
        line.recv(1)
    with dial(proxy) as new:  # new connections are accepted, and hang as well
        new.settimeout(0.1)
        new.sendall(GET)
        with pytest.raises(TimeoutError):
            new.recv(1)
        proxy.calm()
        new.settimeout(5)
        assert received(new) == REPLY
    line.settimeout(5)
    assert received(line) == REPLY  # late, for a request that was given up


def test_a_black_hole_hides_the_death_of_a_server(own_server: Server) -> None:
    with Proxy(own_server) as proxy, dial(proxy) as line:
        line.sendall(b"PING\r\n")
        assert received(line, 7) == b"+PONG\r\n"
        proxy.black_hole()
        own_server.kill()
        line.settimeout(0.1)
        with pytest.raises(TimeoutError):
            line.recv(1)
        proxy.calm()
        line.settimeout(5)
        assert line.recv(1) == b""


def test_cut(proxy: Proxy, line: socket.socket) -> None:
    proxy.cut()
    assert proxy.connections == 0
    assert line.recv(1) == b""
    with dial(proxy) as new:
        new.sendall(GET)
        assert received(new) == REPLY
        proxy.cut(reset=True)
        with pytest.raises(ConnectionResetError):
            new.recv(1)


def test_cut_after(proxy: Proxy, line: socket.socket) -> None:
    proxy.cut_after(7)
    line.sendall(GET)
    assert received(line) == REPLY[:7]
    assert line.recv(1) == b""
    with dial(proxy) as new:  # once
        new.sendall(GET)
        assert received(new) == REPLY


def test_refuse(proxy: Proxy, line: socket.socket) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        dial(proxy)
    line.sendall(GET)
    assert received(line) == REPLY
    proxy.calm()
    dial(proxy).close()


def test_garble(proxy: Proxy, line: socket.socket) -> None:
    proxy.garble_next()
    line.sendall(GET)
    reply = received(line)
    assert sum(one != other for one, other in zip(reply, REPLY, strict=True)) == 1
    line.sendall(GET)
    assert received(line) == REPLY
    proxy.garble(0.5)
    garbled = 0
    for _ in range(40):
        line.sendall(GET)
        garbled += received(line) != REPLY
    assert 5 < garbled < 35
    proxy.tamper(lambda data: data.replace(b"1234", b"4321"))
    line.sendall(GET)
    assert received(line) == b"$10\r\n0432156789\r\n"


def test_a_server_that_refuses_ends_the_connection(own_server: Server) -> None:
    own_server.kill()
    with Proxy(own_server) as proxy, dial(proxy) as line:
        assert line.recv(1) == b""


def test_a_proxy_reads_no_more_than_it_can_pass_on(proxy: Proxy, redis_server: Server) -> None:
    redis_server.client().set("big", BIG)
    with dial(proxy) as line:
        line.sendall(b"GET big\r\n" * 10)
        assert received(line, 10 * (len(BIG) + 12)) == (b"$3000000\r\n" + BIG + b"\r\n") * 10


def test_a_proxy_sleeps_while_nothing_happens(proxy: Proxy, line: socket.socket) -> None:
    proxy.black_hole()
    line.sendall(GET)
    began = time.process_time()
    threading.Event().wait(0.2)
    assert time.process_time() - began < 0.05


def test_many_clients_at_once_while_the_weather_changes(proxy: Proxy, redis_server: Server) -> None:
    stop = threading.Event()
    wrong: list[object] = []

    def work() -> None:
        client = redis.Redis.from_url(proxy.url, socket_timeout=1, retry=Retry(NoBackoff(), 0))
        while not stop.is_set():
            try:
                if (value := client.get("a")) != b"0123456789":
                    wrong.append(value)
            except redis.RedisError:
                continue
        client.close()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        proxy.cut()
        proxy.delay(0.001)
        proxy.cut_after(20)
        proxy.refuse()
        proxy.calm()
    stop.set()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert not wrong


def test_a_closed_proxy_leaves_nothing(redis_server: Server) -> None:
    proxy = Proxy(redis_server)
    with dial(proxy) as line:
        proxy.close()
        proxy.close()
        assert line.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        dial(proxy)
    assert not any(str(proxy.port) in thread.name for thread in threading.enumerate())
