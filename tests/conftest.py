"""Runs every ``async def`` test under both runtimes, and lets no test leave anything behind.

``async def test_x()`` becomes ``test_x[blocking]`` and ``test_x[asyncio]``. Under asyncio it runs on a new event loop. Under
the blocking runtime a single ``send(None)`` has to finish it, because there nothing may ever suspend. ``runtime`` is the
runtime that the test runs under; ``@pytest.mark.asyncio_only`` is for what only an event loop has, such as cancellation.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from tests.servers.processes import session_pids

if TYPE_CHECKING:
    from stillroom._runtime.runtime import Runtime
    from stillroom.protocols import Clock

pytest_plugins = ["tests.servers.fixtures", "tests.backends"]

COLOURS = ("blocking", "asyncio")
GRACE = 1.0
"""Seconds that what a test has stopped may take to be gone."""


def _set_up_hypothesis() -> None:
    on_purpose = [hypothesis.HealthCheck.differing_executors]  # one method runs under two runtimes
    hypothesis.settings.register_profile("here", deadline=None, suppress_health_check=on_purpose)
    hypothesis.settings.register_profile("ci", hypothesis.settings.get_profile("here"), derandomize=True)
    hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")


_set_up_hypothesis()


# Both runtimes


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if _body(metafunc.function) is not None:
        only_asyncio = metafunc.definition.get_closest_marker("asyncio_only")
        metafunc.fixturenames.append("colour")
        metafunc.parametrize("colour", COLOURS[1:] if only_asyncio else COLOURS)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    body = _body(pyfuncitem.obj)
    if body is None:
        return None
    run = _run_on_a_loop if pyfuncitem.callspec.params["colour"] == "asyncio" else _run_in_one_step
    plain = functools.wraps(body)(lambda *args, **kwargs: run(body(*args, **kwargs)))
    given = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    if body is pyfuncitem.obj:
        plain(**given)
    else:  # hypothesis calls the body, once for each example
        pyfuncitem.obj.hypothesis.inner_test = plain
        try:
            pyfuncitem.obj(**given)
        finally:
            pyfuncitem.obj.hypothesis.inner_test = body
    return True


def _body(test: Any) -> Callable[..., Coroutine[Any, Any, None]] | None:
    """Return the coroutine function that a test consists of, also from under ``@given``; ``None`` for other tests."""
    body = test.hypothesis.inner_test if getattr(test, "is_hypothesis_test", False) else test
    return body if inspect.iscoroutinefunction(body) else None


def _run_in_one_step(test: Coroutine[Any, Any, None]) -> None:
    try:
        test.send(None)
    except StopIteration:
        return
    where = _innermost(test)
    test.close()
    pytest.fail(f"suspended under the blocking runtime, {where}", pytrace=False)


def _innermost(waiting: Any) -> str:
    """Say where a suspended coroutine stands."""
    frame = waiting.cr_frame
    while (waiting := getattr(waiting, "cr_await", None)) is not None:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "gi_frame", None) or frame
    return f"in {frame.f_code.co_name}, {frame.f_code.co_filename}:{frame.f_lineno}"


def _run_on_a_loop(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(_leaving_no_task(test), debug=False)


async def _leaving_no_task(test: Coroutine[Any, Any, None]) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _, context: _unhandled.append(_told(context)))
    await test
    for _ in range(5):  # what was cancelled needs a turn or two to end
        await asyncio.sleep(0)
    if left := asyncio.all_tasks() - {asyncio.current_task()}:
        pytest.fail(f"left tasks running: {left}", pytrace=False)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until it is told to move."""
    from stillroom.testing import FakeClock

    return FakeClock()


@pytest.fixture
def runtime(request: pytest.FixtureRequest, clock: Clock) -> Runtime:
    """The runtime that the test runs under; the blocking one for tests that are not ``async def``."""
    callspec = getattr(request.node, "callspec", None)
    if callspec is not None and callspec.params.get("colour") == "asyncio":
        from stillroom._runtime.tasks import TaskRuntime

        return TaskRuntime(clock)
    from stillroom._runtime.blocking import BlockingRuntime

    return BlockingRuntime(clock)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what is there for good: with thousands of tests, each full round would take half a second."""
    gc.collect()
    gc.freeze()


# Nothing left behind

_unhandled: list[str] = []
"""Errors that came up in event loops with nobody there to receive them."""


def _told(context: dict[str, Any]) -> str:
    return f"{context['message']}: {context.get('exception', context.get('task', ''))!r}"


class _LoopErrors(logging.Handler):
    """Collects what event loops report that a test has made by itself, and therefore without our exception handler."""

    def emit(self, record: logging.LogRecord) -> None:
        _unhandled.append(record.getMessage())


@pytest.fixture(autouse=True, scope="session")
def _loop_errors_are_kept() -> Iterator[None]:
    handler = _LoopErrors(level=logging.ERROR)
    logging.getLogger("asyncio").addHandler(handler)
    yield
    logging.getLogger("asyncio").removeHandler(handler)


@pytest.fixture(autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    threads, children = set(threading.enumerate()), _children()
    yield
    gc.collect(1)  # a task that failed unseen says so when it goes; the young generations have the test's own
    problems = [f"an event loop had nobody to tell: {error}" for error in _unhandled]
    _unhandled.clear()
    problems += [f"left a thread running: {thread}" for thread in _threads_beyond(threads)]
    problems += [f"left a child process: {child}" for child in _children_beyond(children)]
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


def _threads_beyond(before: set[threading.Thread]) -> list[threading.Thread]:
    new = [thread for thread in threading.enumerate() if thread not in before and not thread.daemon]
    deadline = time.monotonic() + GRACE
    for thread in new:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [thread for thread in new if thread.is_alive()]


def _children_beyond(before: set[int]) -> set[int]:
    deadline = time.monotonic() + GRACE
    while (new := _children() - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    return new


def _children() -> set[int]:
    """Return the process ids of this process's children, without those that stay on purpose: shared servers, a helper."""
    children = {child.pid for child in multiprocessing.active_children() if child.pid}
    for listing in Path("/proc/self/task").glob("*/children"):
        try:
            children.update(map(int, listing.read_text().split()))
        except OSError:  # the thread has just ended
            continue
    return children - {_resource_tracker()} - session_pids()


def _resource_tracker() -> int | None:
    from multiprocessing import resource_tracker

    return getattr(resource_tracker._resource_tracker, "_pid", None)
