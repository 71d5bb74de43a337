"""The same decorated function by another library, and by the facade that stands in for it, in memory.

Libraries are imported where they are used, and by name: the facade's name is the only difference.
"""

from __future__ import annotations

import importlib
from typing import Any

from .contenders import CALL, CAPACITY, TTL, Build, aload, load, present
from .timing import Contender

__all__ = ["FACADE", "ORIGINAL", "contenders", "of_both"]

ORIGINAL, FACADE = "{library}", "{library}, facade"
"""What the two are called in the results."""


def contenders() -> list[Contender]:
    """Hits of functions that were written for other libraries."""
    return present(
        *of_both("cashews", lambda package: _cashews(package)(ttl=TTL)(aload), awaited=True),
        *of_both("cashews, key", lambda package: _cashews(package)(ttl=TTL, key="user:{a}:{b}")(aload), awaited=True),
        *of_both("cashews, early", lambda package: _cashews(package).early(ttl=TTL)(aload), awaited=True),
        *of_both("cachify", lambda package: importlib.import_module(package).cache(ttl=TTL)(load)),
        *of_both("cachify async", lambda package: importlib.import_module(package).cache(ttl=TTL)(aload), awaited=True),
    )


def of_both(library: str, decorated: Any, call: str = CALL, **settings: Any) -> list[Build]:
    """Return what builds two contenders: one by the library itself, one by its facade.

    Args:
        library: its name, and after a comma what else there is to say.
        decorated: from the name of a package to the decorated function.
        call: the timed expression.
        **settings: further ones of the contenders.
    """
    package = library.split(",")[0].split()[0].replace("python-", "").replace("-", "_")

    def build(name: str, package: str) -> Build:
        return lambda: Contender(name.format(library=library), call, {"f": decorated(package)}, **settings)

    return [build(ORIGINAL, package), build(FACADE, f"stillroom.compat.{package}")]


def _cashews(package: str) -> Any:
    cache = importlib.import_module(package).Cache()
    cache.setup("mem://", size=CAPACITY)
    return cache
