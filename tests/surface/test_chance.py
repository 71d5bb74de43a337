"""What is left to chance disturbs nobody else's."""

from __future__ import annotations

import random
from typing import Any


def test_the_numbers_of_a_program_that_has_seeded_them_stay_the_same_whatever_is_cached(cache: Any) -> None:
    @cache(ttl=60, jitter=0.5, refresh_ahead="xfetch")
    def double(number: int) -> int:
        return 2 * number

    random.seed(1)
    expected = [random.random() for _ in range(3)]
    random.seed(1)
    assert [double(number) for number in (1, 2, 1)] == [2, 4, 2]
    cache.incr("visits")
    assert [random.random() for _ in range(3)] == expected
