"""A master behind Sentinels that steps down, dies or hangs: no error at a caller, no wrong answer, and the new one is found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.concurrency.meeting import Worker
from tests.redis.subject import Subject, subjects, timed
from tests.servers.sentinel import Sentinel

TIMEOUT = 0.25
SLACK = 0.15


@pytest.fixture(params=["blocking", "asyncio"])
def made(request: pytest.FixtureRequest) -> Iterator[Callable[..., Subject]]:
    with subjects(request.param) as make:
        yield make


@pytest.mark.parametrize("how", ["ask", "kill"])
def test_a_failover_under_load(sentinel: Sentinel, made: Callable[..., Subject], how: Any) -> None:
    subject = made(sentinel.url)
    subject.answers = {f"k{k}": 0 for k in range(20)}
    assert all(subject.is_right(k) for k in subject.answers)
    trouble = Worker(lambda: sentinel.fail_over(how))
    version = 0
    while trouble.thread.is_alive():
        version += 1
        k = f"k{version % 20}"
        subject.answers[k] = version
        subject.invalidate(k)
        assert all(subject.is_right(one) for one in (k, f"k{version * 7 % 20}"))
        time.sleep(0.001)
    assert trouble.error is None, trouble.error
    subject.recovers(5)
    assert all(subject.is_right(k) for k in subject.answers)


@pytest.mark.parametrize("how", ["ask", "kill"])
def test_others_see_no_outdated_value_during_a_failover(sentinel: Sentinel, made: Callable[..., Subject], how: Any) -> None:
    """They find the new master at other moments: what one of them has told the former one, the others must not miss."""
    mine, others = made(sentinel.url, on_error="bypass"), made(sentinel.url, on_error="bypass")
    others.answers = mine.answers = {f"k{k}": 0 for k in range(20)}
    assert all(subject.is_right(k) for k in mine.answers for subject in (mine, others))
    trouble = Worker(lambda: sentinel.fail_over(how))
    version = 0
    while trouble.thread.is_alive():
        version += 1
        k = f"k{version % 20}"
        mine.answers[k] = version
        (mine, others)[version // 20 % 2].invalidate(k)
        assert all(subject.is_right(one) for one in (k, f"k{version * 7 % 20}") for subject in (mine, others))
    assert trouble.error is None, trouble.error
    for subject in (mine, others):
        subject.recovers(5)
    assert all(subject.is_right(k) for k in mine.answers for subject in (mine, others))


def test_a_master_that_hangs_is_left_alone_and_its_replica_found(sentinel: Sentinel, made: Callable[..., Subject]) -> None:
    subject = made(sentinel.url)
    subject.answers = {f"k{k}": 0 for k in range(30)}
    assert all(subject.is_right(k) for k in subject.answers)
    trouble = Worker(lambda: sentinel.fail_over("pause"))
    lengths = []
    while trouble.thread.is_alive():
        lengths += [timed(lambda k=k: subject.is_right(k)) for k in subject.answers]  # type: ignore[misc]
        time.sleep(0.01)
    assert trouble.error is None, trouble.error
    assert max(lengths) < TIMEOUT + SLACK
    assert sum(one > 0.05 for one in lengths) <= 5
    subject.recovers(5)
    assert all(subject.is_right(k) for k in subject.answers)


def test_a_sentinel_that_hangs_or_is_gone_is_not_needed(sentinel: Sentinel, made: Callable[..., Subject]) -> None:
    sentinel.watchers[0].pause()
    sentinel.watchers[1].kill()
    subject = made(sentinel.url)
    subject.answers = {f"k{k}": 0 for k in range(5)}
    assert timed(lambda: subject.is_right("k0")) < TIMEOUT + SLACK
    assert all(subject.is_right(k) for k in subject.answers)
    subject.recovers()
