"""Values for key templates that are no arguments: ``{@:get(tenant)}``, or ``{tenant}`` where no parameter has that name."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Final

from ._surroundings import NOW, surroundings

__all__ = ["context", "get", "register"]

_UNSET: Final = object()
_VALUES: Final[ContextVar[dict[str, Any] | None]] = ContextVar("stillroom_cashews_key_context", default=None)


@contextmanager
def context(rewrite: Any = _UNSET, **values: Any) -> Generator[None]:
    """Set values for templates until the block ends.

    Args:
        rewrite: deprecated: the values stand in for arguments of the same name, too.
        **values: the values.
    """
    if rewrite is not _UNSET:
        warnings.warn("`rewrite` is deprecated, name values of the context with an @ instead", DeprecationWarning, stacklevel=3)
    with _set(values, rewrites=rewrite is not _UNSET and bool(rewrite)):
        yield


@contextmanager
def _set(values: dict[str, Any], *, rewrites: bool) -> Generator[None]:
    token = _VALUES.set({**(_VALUES.get() or {}), **values})
    now = surroundings()
    around = NOW.set(replace(now, rewrites=rewrites)) if now.rewrites is not rewrites else None
    try:
        yield
    finally:
        _VALUES.reset(token)
        if around is not None:
            NOW.reset(around)


def get() -> tuple[dict[str, Any], bool]:
    """Return the values that are set, and whether they stand in for arguments."""
    return dict(_VALUES.get() or {}), surroundings().rewrites


def register(*names: str) -> None:
    """Do what is deprecated: let templates name values that may not be set, and are empty then."""
    warnings.warn(
        "`register_key_context` is deprecated, name values of the context with an @", DeprecationWarning, stacklevel=2
    )
    _VALUES.set({**dict.fromkeys(names, ""), **(_VALUES.get() or {})})
