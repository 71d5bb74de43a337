"""What the decorators need of a cache: who is responsible for a key, and what stands around the commands for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ._surroundings import surroundings
from .backends.memory import Memory

if TYPE_CHECKING:
    from stillroom import Cache as Native

    from .backends.interface import Backend
    from .commands import Command

__all__ = ["Place", "Reach"]


class _HasEpoch(Protocol):
    epoch: object


class Place(NamedTuple):
    """Where the keys of a call live.

    Attributes:
        backend: the backend that is responsible for them.
        home: its native cache.
        epoch: that of the set-up under which both are right; ``None`` if something stands around commands, so that calls must
            not go to the native cache by the shortest way.
    """

    backend: Backend
    home: Native
    epoch: object

    @property
    def kind(self) -> str:
        """What detectors call the backend."""
        return "mem" if isinstance(self.backend, Memory) else "redis"

    def is_surrounded(self) -> bool:
        """Tell whether something stands around the commands of the backend."""
        return self.epoch is None or self.backend.is_disable() or surroundings().forgets


class Reach(NamedTuple):
    """What the decorators need of a cache.

    Attributes:
        cache: its ``epoch`` differs after every change of the set-up.
        backend_of: returns the backend that is responsible for a key.
        is_surrounded: tells whether something stands around all commands of a backend.
        around: returns what runs a command of a backend with all that stands around it.
        check_setup: raises if there is no set-up.
        is_off: tells whether all commands are disabled.
        lock: takes a lock as the command of this name does.
        delete: forgets a key as the command of this name does.
        delete_match: forgets keys as the command of this name does.
    """

    cache: _HasEpoch
    backend_of: Callable[[str], Backend]
    is_surrounded: Callable[[Backend], bool]
    around: Callable[[Command, Backend, Callable[..., Any]], Callable[..., Any]]
    check_setup: Callable[[], None]
    is_off: Callable[[], bool]
    lock: Callable[..., Any]
    delete: Callable[[str], Any]
    delete_match: Callable[[str], Any]

    def place(self, name: str) -> Place:
        """Return where a key lives."""
        backend = self.backend_of(name)
        return Place(backend, backend.native, None if self.is_surrounded(backend) else self.cache.epoch)
