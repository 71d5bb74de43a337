"""Rule 9 where a name is all that tells functions apart: those that differ are refused before they share a value."""

from __future__ import annotations

import gc
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.servers.server import Server

from stillroom import Cache, ConfigurationError


@pytest.fixture
def cache(redis_server: Server) -> Iterator[Cache]:
    made = Cache(redis_server.url, prefix=secrets.token_hex(4), timeout=5)
    yield made
    made.close()


def refused(call: Callable[[], Any]) -> None:
    with pytest.raises(ConfigurationError, match="name="):
        call()


def test_local_functions_are_told_apart_by_the_values_they_close_over(cache: Any) -> None:
    def made(word: str) -> Any:
        return cache(ttl=60)(lambda a: word)

    one, other, again = made("one"), made("other"), made("one")
    assert (one(1), other(1), again(1)) == ("one", "other", "one")
    assert (one.stats.loads, other.stats.loads, again.stats.loads) == (1, 1, 0)
    assert one.invalidate(1) is True
    assert other.peek(1) == "other"


def test_local_functions_that_close_over_what_has_no_value_are_refused_but_for_the_first(cache: Any) -> None:
    def made(words: list[str]) -> Any:
        @cache(ttl=60)
        def local(a):
            return words[0]

        return local

    one, other = made(["one"]), made(["other"])
    assert one(1) == "one"
    refused(lambda: other(1))
    refused(lambda: other.put("other", 1))
    refused(lambda: other.invalidate(1))
    assert one(1) == "one"


def test_a_name_of_its_own_helps(cache: Any) -> None:
    def made(word: str) -> Any:
        return cache(ttl=60, name=f"named {word}")(lambda a: word)

    one, other = made("one"), made("other")
    assert (one(1), other(1)) == ("one", "other")


def test_two_lambdas_of_one_scope_are_refused(cache: Any) -> None:
    first, second = cache(ttl=60)(lambda a: "first"), cache(ttl=60)(lambda a: "second")
    assert first(1) == "first"
    refused(lambda: second(1))


def test_a_function_that_is_made_twice_is_one_function(cache: Any) -> None:
    first, second = (cache(ttl=60)(lambda a, b=2.5: [a, b]) for _ in range(2))
    assert first(1) == second(1) == [1, 2.5]
    assert (first.stats.loads, second.stats.loads) == (1, 0)


@pytest.mark.parametrize("is_keyword", [False, True])
def test_functions_that_differ_in_defaults_which_are_no_part_of_the_key_are_refused(cache: Any, is_keyword: bool) -> None:
    def made(word: str) -> Any:
        decorated = cache(ttl=60, ignore=["word"])
        return decorated(lambda a, *, word=word: word) if is_keyword else decorated(lambda a, word=word: word)

    one, other = made("one"), made("other")
    assert one(1) == "one"
    refused(lambda: other(1))


def test_a_function_of_a_module_may_take_the_place_of_one_that_is_gone(cache: Any) -> None:
    """As when a cell of a notebook is run again: at that moment the name still stands for the former one."""
    module: dict[str, Any] = {"cache": cache, "__name__": "notebook"}
    gc.disable()  # what counts is that nobody can call it any more
    try:
        for number in range(3):
            exec(f"@cache(ttl=60)\ndef load(a): return {number}", module)
            module["load"].invalidate(1)
            assert module["load"](1) == number
    finally:
        gc.enable()


def test_a_function_of_a_module_does_not_take_the_place_of_one_that_is_there(cache: Any) -> None:
    module: dict[str, Any] = {"cache": cache, "__name__": "twice"}
    exec("@cache(ttl=60)\ndef load(a): return 'one'", module)
    kept = module["load"]
    exec("@cache(ttl=60)\ndef load(a): return 'other'", module)
    assert kept(1) == "one"
    refused(lambda: module["load"](1))
    assert kept(1) == "one"


def test_methods_of_one_name_in_two_classes_never_meet(cache: Any) -> None:
    class One:
        @cache(ttl=60, ignore=["self"])
        def load(self, a):
            return "one"

    class Other:
        @cache(ttl=60, ignore=["self"])
        def load(self, a):
            return "other"

    assert (One().load(1), Other().load(1)) == ("one", "other")
