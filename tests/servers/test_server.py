"""A real server does what the tests want of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, OutOfMemoryError
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import TimeoutError as TimedOut
from redis.retry import Retry
from tests.servers.processes import HOST, PREFIX, free_port, session_pids
from tests.servers.server import Server
from tests.servers.waiting import eventually

ODD = "a b/@:%"


@pytest.fixture
def connect():
    """Makes plain clients that neither wait nor try again; closes them."""
    clients: list[redis.Redis] = []

    def connect(url: str, **options):
        clients.append(redis.Redis.from_url(url, socket_timeout=0.2, retry=Retry(NoBackoff(), 0), driver_info=None, **options))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def test_a_paused_server_hangs_until_it_is_resumed(redis_server: Server, connect) -> None:
    client = connect(redis_server.url)
    client.set("a", 1)
    redis_server.pause()
    with pytest.raises(TimedOut):
        client.get("a")
    with socket.create_connection((HOST, redis_server.port), timeout=1):
        pass  # its port is as open as before
    redis_server.resume()
    assert client.get("a") == b"1"


def test_a_server_comes_back_empty_on_its_port(own_server: Server, connect) -> None:
    client, pid, port = connect(own_server.url), own_server.pid, own_server.port
    client.set("a", 1)
    own_server.kill()
    assert not own_server.is_up
    with pytest.raises(Disconnected):
        client.get("a")
    own_server.start()
    assert client.get("a") is None
    assert (own_server.port, own_server.pid != pid) == (port, True)
    client.set("a", 1)
    own_server.restart()
    assert client.get("a") is None


def test_a_server_that_is_cleaned_is_as_at_its_start(own_server: Server) -> None:
    client = own_server.client()
    client.config_set("maxmemory", "1000000")
    client.config_set("maxmemory-policy", "allkeys-random")
    digest = client.script_load("return 1")
    client.config_set("maxmemory", "0")
    client.set("a", 1)
    own_server.pause()
    own_server.clean()
    assert not own_server.commandstats()
    assert (client.dbsize(), client.script_exists(digest)) == (0, [False])
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    own_server.kill()
    own_server.clean()
    assert client.ping()


def test_statistics_count_what_clients_do_and_nothing_else(redis_server: Server, connect) -> None:
    assert redis_server.commandstats() == {}
    client = connect(redis_server.url)
    client.set("a", 1)
    client.get("a")
    client.get("b")
    redis_server.ask("GET", "a")
    redis_server.flush()
    assert redis_server.commandstats() == redis_server.commandstats() == {"set": 1, "get": 2}
    redis_server.reset_stats()
    assert redis_server.commandstats() == {}


def test_a_monitor_sees_every_command(redis_server: Server, connect) -> None:
    client = connect(redis_server.url)
    with redis_server.monitor() as seen:
        client.set("a", b'\x00\xff "\\\r\n')
        client.eval("return redis.call('get', KEYS[1])", 1, "a")
    client.get("later")
    assert [(command.name, *command.words[1:]) for command in seen if command.client != "lua"] == [
        ("SET", b"a", b'\x00\xff "\\\r\n'),
        ("EVAL", b"return redis.call('get', KEYS[1])", b"1", b"a"),
    ]
    assert [command.words for command in seen if command.client == "lua"] == [(b"get", b"a")]
    assert redis_server.commandstats() == {"set": 1, "eval": 1, "get": 2}


def test_a_monitor_ends_with_its_server(own_server: Server, connect) -> None:
    with own_server.monitor() as seen:
        connect(own_server.url).ping()
        eventually(lambda: seen)
        own_server.kill()
    assert [command.name for command in seen] == ["PING"]


def test_a_server_can_be_made_to_sleep(redis_server: Server, connect) -> None:
    with pytest.raises(TimedOut):
        connect(redis_server.url).execute_command("DEBUG", "SLEEP", "0.3")
    assert redis_server.client().ping()


def test_tls_needs_its_authority(tls_server: Server, connect) -> None:
    assert connect(tls_server.url, **tls_server.options).ping()
    with pytest.raises(Disconnected, match="CERTIFICATE_VERIFY_FAILED"):
        connect(tls_server.url).ping()
    with pytest.raises((Disconnected, TimedOut)):
        connect(tls_server.url.replace("rediss:", "redis:")).ping()


@pytest.mark.parametrize("user", [None, "alice"])
def test_a_password_is_asked_for(user: str | None, connect) -> None:
    with Server(user=user, password=ODD) as server:
        assert connect(server.url).ping()
        assert connect(server.unix_url).ping()
        with pytest.raises(AuthenticationError):
            connect(f"redis://{HOST}:{server.port}").ping()
        with pytest.raises(AuthenticationError):
            connect(f"redis://:wrong@{HOST}:{server.port}").ping()


def test_every_server_has_a_unix_socket(redis_server: Server, connect) -> None:
    assert connect(redis_server.unix_url).ping()


def test_little_memory_makes_room(tiny_server: Server) -> None:
    client = tiny_server.client()
    for number in range(100):
        client.set(number, bytes(100_000))
    assert 0 < client.dbsize() < 50
    client.config_set("maxmemory-policy", "noeviction")
    with pytest.raises(OutOfMemoryError):
        client.set("more", bytes(5_000_000))


def test_a_port_that_somebody_took_is_given_up() -> None:
    server = Server()
    port = server.port
    with socket.create_server((HOST, port)), server:
        assert server.port != port
        assert server.client().config_get("port") == {"port": str(server.port)}


def test_what_does_not_start_says_why() -> None:
    server = Server(config={"no-such-setting": "yes"})
    with pytest.raises(AssertionError, match="no-such-setting"):
        server.start()
    server.stop()


def test_ports_are_given_once() -> None:
    ports = [free_port(bus=True) for _ in range(20)]
    assert len(set(ports)) == len(ports)


# Nothing is left


def test_only_shared_servers_serve_the_session(redis_server: Server, own_server: Server) -> None:
    assert redis_server.pid in session_pids()
    assert own_server.pid not in session_pids()


def test_a_server_outlives_the_thread_that_started_it() -> None:
    server = Server()
    thread = threading.Thread(target=server.start, daemon=True)
    thread.start()
    thread.join()
    with server.monitor() as seen:  # somebody who is told when the server goes
        server.ask("GET", "a")
    assert seen
    server.stop()


def test_a_server_that_is_stopped_leaves_nothing(own_server: Server) -> None:
    pid, directory = own_server.pid, own_server.directory
    own_server.stop()
    assert not directory.exists()
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="nothing else ends a killed process's children")
def test_servers_die_with_a_killed_process_and_the_next_one_cleans_up(own_server: Server) -> None:
    code = """
import os, signal
from tests.servers.server import Server
server = Server()
server.start()
print(server.port, server.directory.parent, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    port, left = done.stdout.split()
    assert Path(left).name.startswith(PREFIX)
    eventually(lambda: _refuses(int(port)))
    subprocess.run([sys.executable, "-c", "from tests.servers.server import Server; Server().start()"], check=True)
    assert not Path(left).exists()
    assert own_server.directory.exists()  # that of a process that lives stays


def test_a_process_that_exits_takes_its_servers_along() -> None:
    code = "from tests.servers.server import Server; s = Server(); s.start(); print(s.pid, s.port, s.directory.parent)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    pid, port, home = done.stdout.split()
    assert not Path(home).exists()
    assert _refuses(int(port))
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_a_forked_child_takes_nothing_along(own_server: Server) -> None:
    code = """
import os
from tests.servers.server import Server
server = Server()
server.start()
if os.fork() == 0:
    raise SystemExit
assert os.wait()[1] == 0
assert server.is_up and server.directory.exists() and server.client().ping()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _refuses(port: int) -> bool:
    with socket.socket() as knock:
        return knock.connect_ex((HOST, port)) != 0
