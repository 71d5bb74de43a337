"""Several processes that share a store, each at the end of a pipe: see `worker` for what they do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

PATIENCE = 10.0
ROOT = Path(__file__).resolve().parents[2]


class Failed(Exception):
    """What was evaluated has raised."""


class Worker:
    """A process with a cache of its own.

    Attributes:
        loads: the loads that have begun: keys and values.
    """

    def __init__(self, url: str, source: Path, colour: str, **settings: Any) -> None:
        own: dict[str, Any] = {name: settings.pop(name) for name in ("skew", "date_is_off_by") if name in settings}
        config = {"url": url, "source": str(source), "colour": colour, "options": settings, **own}
        self.loads: list[tuple[str, int]] = []
        self.colour = colour
        self._answers: dict[int, Future[Any]] = {}
        self._number = 0
        self._heard = threading.Condition()
        self._is_ready = False
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", str(ROOT / "tests" / "redis" / "worker.py"), json.dumps(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Return when the worker listens."""
        with self._heard:
            assert self._heard.wait_for(lambda: self._is_ready, PATIENCE), self._process.poll()

    def begin(self, code: str) -> Future[Any]:
        """Have the worker evaluate something; the future will have the result, or `Failed`."""
        assert self._process.stdin is not None
        with self._heard:
            self._number += 1
            answer = self._answers[self._number] = Future()
            self._process.stdin.write(json.dumps({"number": self._number, "code": code}) + "\n")
            self._process.stdin.flush()
        return answer

    def ask(self, code: str, within: float = PATIENCE) -> Any:
        """Return what something evaluates to in the worker."""
        return self.begin(code).result(within)

    def hold(self, *values: int) -> None:
        """Let loads of these values wait, and all others go on."""
        self.ask(f"job.hold(*{list(values)!r})")

    def loading(self, key: str, value: int, within: float = PATIENCE) -> None:
        """Return when a load of this value has begun."""
        with self._heard:
            happened = self._heard.wait_for(lambda: (key, value) in self.loads, within)
        assert happened, f"{key} was not loaded; {self.loads[-10:]}"

    def signal(self, what: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, what)

    def kill(self) -> None:
        """End the worker at once."""
        self._process.kill()
        self._closed()

    def end(self) -> None:
        """Let the worker end, which it must do without a complaint."""
        assert self._process.stdin is not None
        if self._process.poll() is not None:
            return
        try:
            self._process.stdin.close()
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            said = self._closed()
        assert self._process.returncode == 0, said
        assert not said, said

    def _closed(self) -> str:
        self._process.wait(PATIENCE)
        self._thread.join(PATIENCE)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        said = self._process.stderr.read()
        self._process.stderr.close()
        self._process.stdout.close()
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        return said

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            with self._heard:
                if "load" in said:
                    self.loads.append((said["key"], said["load"]))
                self._is_ready |= "ready" in said
                self._heard.notify_all()
            if "answer" in said:
                answer = self._answers.pop(said["answer"])
                if "error" in said:
                    answer.set_exception(Failed(said["error"]))
                else:
                    answer.set_result(said["result"])
        for answer in list(self._answers.values()):
            answer.set_exception(Failed("the worker is gone"))


class Crew:
    """Some workers, and the source that they load from."""

    def __init__(self, workers: list[Worker], source: Path) -> None:
        self.workers = workers
        self._source = source

    def __iter__(self) -> Iterator[Worker]:
        return iter(self.workers)

    def set(self, key: str, value: int) -> None:
        """Change the source, in one step."""
        fresh = self._source / f"{key}.new"
        fresh.write_text(str(value))
        fresh.rename(self._source / key)

    def all_say(self, code: str) -> list[Any]:
        """Return what all workers say, asked side by side."""
        return [answer.result(PATIENCE) for answer in [worker.begin(code) for worker in self.workers]]

    def loads(self, key: str) -> list[int]:
        """Return the values of all loads of a key, in all workers."""
        return [value for worker in self.workers for name, value in list(worker.loads) if name == key]


@contextmanager
def crew(url: str, source: Path, *colours: Literal["sync", "async"] | dict[str, Any], **settings: Any) -> Iterator[Crew]:
    """Have workers of these colours; a colour may come with settings of its own, as ``{"colour": "sync", "skew": 3600}``."""
    source.mkdir(exist_ok=True)
    each: list[dict[str, Any]] = [{"colour": one} if isinstance(one, str) else one for one in colours]
    workers = [Worker(url, source, **{**settings, **one}) for one in each]
    try:
        for worker in workers:
            worker.wait_until_ready()
        yield Crew(workers, source)
        for worker in workers:
            worker.end()
    finally:
        for worker in workers:
            if worker._process.poll() is None:
                os.kill(worker.pid, signal.SIGCONT)
                worker.kill()
