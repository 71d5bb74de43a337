"""How much values weigh."""

from __future__ import annotations

import gc
import sys
from typing import Any

__all__ = ["get_obj_size"]


def get_obj_size(obj: Any) -> int:
    """Return how many bytes a value takes, with all that it consists of."""
    seen: set[int] = set()
    waiting, total = [obj], 0
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type):
            continue
        seen.add(id(one))
        total += sys.getsizeof(one)
        waiting.extend(gc.get_referents(one))
    return total
