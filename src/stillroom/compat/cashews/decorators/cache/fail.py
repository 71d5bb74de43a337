"""``failover(backend, ttl)``, and a condition that goes with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._handed import handed

__all__ = ["failover", "fast_condition"]

failover = handed("failover", "ttl", "exceptions", "key", "condition", "prefix")


def fast_condition(getter: Callable[[str], Any], setter: Callable[[str, Any], Any] | None = None) -> Callable[..., bool]:
    """Return a condition that keeps a result only if ``getter`` finds none for its key, and tells ``setter`` of it."""

    def condition(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any], key: str = "") -> bool:  # noqa: ARG001 - called so
        if getter(key):
            return False
        if setter:
            setter(key, result)
        return True

    return condition
