"""Server processes that never outlive this one, in directories that do not either.

A process is a child of this one and ends with it, however that happens: the kernel sees to it (``PR_SET_PDEATHSIG``, on Linux).
For the kernel the parent is the *thread* that started the child, so one thread, which never ends, starts them all. Directories
of test runs that were killed are removed by the next run: whoever lives holds a lock on its own.

Ports are below those that the kernel hands out to clients. A client that keeps knocking on a dead server's port would otherwise
be given that very port as its own one day, and be connected to itself.
"""

from __future__ import annotations

import atexit
import fcntl
import functools
import os
import queue
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from tests.servers.waiting import eventually

HOST = "127.0.0.1"
PORTS = range(10_000, 20_000)
BUS = 10_000
"""How far above its port a cluster node has its bus: also below the ports that the kernel hands out."""
TRIES = 20
LOG_TAIL = 2000

GUARD = """
import os, signal, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, which survives the exec
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
"""Becomes the server. Not a ``preexec_fn``: that is Python code in a forked process that has lost its other threads."""

_alive: set[Process] = set()


class Process:
    """A server process on a loopback port, with a directory for its files and its log. Subclasses say what runs."""

    session = False
    """Whether it serves the whole session: then no test has to end it."""

    def __init__(self, port: int | None = None, *, bus: bool = False) -> None:
        self._bus = bus
        self._fixed = port is not None
        self.port = port or free_port(bus)
        self.directory = Path(tempfile.mkdtemp(dir=_home()))
        self.is_paused = False
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """Return the program and its arguments."""
        raise NotImplementedError

    def forget(self) -> None:
        """Remove what a process that is down left in its directory, so that its next start is its first."""

    def answers(self) -> bool:
        """Tell whether the process is ready for its clients."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """The id of the process, which must be up."""
        assert self._process is not None, "it is down"
        return self._process.pid

    @property
    def is_up(self) -> bool:
        """Whether the process exists, maybe paused."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """All that the process has written."""
        path = self.directory / "log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def start(self) -> None:
        """Start the process and wait until it answers; its first start chooses another port if somebody took this one."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start the process and wait for nothing."""
        assert not self.is_up, "it is up"
        (self.directory / "log").unlink(missing_ok=True)
        with (self.directory / "log").open("wb") as log:
            self._process = _spawn(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory)
        _alive.add(self)

    def wait_until_ready(self) -> None:
        """Wait until the process that was launched answers."""
        for _ in range(TRIES):
            eventually(lambda: not self.is_up or self.answers(), otherwise=lambda: self.log[-LOG_TAIL:])
            if self.is_up:
                self._fixed = True
                return
            self._gone()
            if self._fixed or "in use" not in self.log:
                break
            self.forget()
            self.port = free_port(self._bus)
            self.launch()
        raise AssertionError(f"it does not start: {self.log[-LOG_TAIL:]}")

    def pause(self) -> None:
        """Stop the process where it is. Its port goes on accepting connections: that is what a hanging server looks like."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        self.is_paused = True

    def resume(self) -> None:
        """Let a paused process go on."""
        os.kill(self.pid, signal.SIGCONT)
        self.is_paused = False

    def kill(self) -> None:
        """End the process at once, without a chance to say goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._gone()

    def restart(self) -> None:
        """Kill the process and start it again, on the same port."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """End the process for good, and remove its files."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _gone(self) -> None:
        self._process, self.is_paused = None, False
        _alive.discard(self)


def session_pids() -> set[int]:
    """Return the ids of the processes that serve the whole session."""
    return {process.pid for process in tuple(_alive) if process.session}


# Ports

_given: set[int] = set()


def free_port(bus: bool = False) -> int:
    """Return a port that nobody listens on, and that this function has not returned before."""
    choice = random.SystemRandom()  # the tests' own chance may be the same in two sessions on one machine
    for _ in range(len(PORTS)):
        port = choice.choice(PORTS)
        if port not in _given and _is_free(port) and (not bus or _is_free(port + BUS)):
            _given.add(port)
            return port
    raise AssertionError("all ports are taken")


def _is_free(port: int) -> bool:
    with socket.socket() as knock:
        knock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            knock.bind((HOST, port))
        except OSError:
            return False
    return True


# The thread that starts processes

_orders: queue.SimpleQueue[tuple[Future[Any], list[str], dict[str, Any]]] = queue.SimpleQueue()


def _spawn(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    _starter()
    started: Future[subprocess.Popen[bytes]] = Future()
    _orders.put((started, command, options))
    return started.result()


@functools.cache
def _starter() -> None:
    threading.Thread(target=_follow_orders, daemon=True, name="starts servers").start()


def _follow_orders() -> None:
    guard = [sys.executable, "-I", "-S", "-c", GUARD, str(os.getpid())]
    while True:
        started, command, options = _orders.get()
        try:
            # In a session of its own, so that Ctrl-C in a terminal ends the tests first.
            started.set_result(subprocess.Popen([*guard, *command], start_new_session=True, **options))
        except OSError as error:
            started.set_exception(error)


# The directory that holds all others

PREFIX = "stillroom-servers-"


@functools.cache
def _home() -> Path:
    temporary = Path(tempfile.gettempdir())
    for left in temporary.glob(f"{PREFIX}*"):
        if (lock := _lock(left)) is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)
    fresh = Path(tempfile.mkdtemp(prefix=f"new-{PREFIX}"))
    _lock(fresh)  # before it has the name that other sessions look for
    home = fresh.rename(fresh.with_name(fresh.name.removeprefix("new-")))
    atexit.register(_leave, home, os.getpid())
    return home


def _lock(directory: Path) -> int | None:
    """Lock a directory for as long as this process lives; return ``None`` if somebody else's process does."""
    try:
        handle = os.open(directory, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _leave(home: Path, owner: int) -> None:
    if os.getpid() == owner:  # a forked child comes by here too
        for process in tuple(_alive):
            process.kill()
        shutil.rmtree(home, ignore_errors=True)
