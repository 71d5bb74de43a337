"""What guards cost on Redis, beside one bare round trip."""

from __future__ import annotations

from typing import Any

from ..guards import guarded
from ..timing import Contender
from .peers import bare, bare_script, load, stillroom

__all__ = ["contenders"]

CALL = "f(1, 2)"


def contenders(url: str) -> list[Contender]:
    """One round trip of redis-py, to read a value or to run the smallest script; the function behind each guard."""
    made = [
        Contender("bare redis-py", "get('user:1:2')", {"get": bare(url, 2)}),
        Contender("bare redis-py, script", "run()", {"run": bare_script(url)}),
    ]
    functions: dict[str, Any] = guarded(stillroom(url), load)
    functions["bloom"].add(1, 2)
    return [*made, *(Contender(name, CALL, {"f": f}) for name, f in functions.items())]
