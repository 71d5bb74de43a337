"""Events as structured log records, for whoever collects logs.

The records go to the logger ``stillroom.events``. Their message reads well, and what it is made of stands in attributes too:
``record.event`` is the name of the event's type, and each of its fields is an attribute that begins with ``cache_``. Formatters
that write JSON pick these up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigurationError
from .events import (
    CallRefused,
    EntryUnreadable,
    Event,
    LoadFailed,
    RefreshRefused,
    ResultRefused,
    StoreFailed,
    StoreLost,
    StoreRegained,
)

if TYPE_CHECKING:
    from .measures import Measured

__all__ = ["TROUBLE", "log_events"]

TROUBLE: Final[tuple[type[Event], ...]] = (
    CallRefused,
    EntryUnreadable,
    LoadFailed,
    RefreshRefused,
    ResultRefused,
    StoreFailed,
    StoreLost,
    StoreRegained,
)
"""What is worth a record in any application: nothing that happens at each call."""


def log_events(cache: Measured, *kinds: type[Event], level: int = logging.INFO) -> Callable[[], None]:
    """Write a record for each event of some kinds, and return what ends that.

    Args:
        cache: the cache.
        *kinds: types of events; `TROUBLE` if none are given.
        level: the level of the records.

    Raises:
        ConfigurationError: the level is no number, or a kind is no type of event.

    Example:
        >>> stop = log_events(cache)
    """
    if isinstance(level, bool) or not isinstance(level, int):
        raise ConfigurationError(f"level must be a number such as logging.INFO, not {level!r}", setting="level", given=level)
    logger = logging.getLogger("stillroom.events")

    def write(event: Any) -> None:
        told = {field.name: getattr(event, field.name) for field in fields(event)}
        name = type(event).__name__
        words = " ".join(f"{key}={value!r}" for key, value in told.items())
        extra = {"event": name, **{f"cache_{key}": value for key, value in told.items()}}
        logger.log(level, "%s %s", name, words, extra=extra)

    return cache.subscribe(write, *(kinds or TROUBLE))
