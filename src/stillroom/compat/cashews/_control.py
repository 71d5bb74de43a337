"""Disabling commands: for the context that does it, so that what one request disables is no concern of another."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from .commands import ALL, Command

__all__ = ["Control"]

_NONE: Final[frozenset[Command]] = frozenset()


class Control:
    """The commands that are disabled.

    Attributes:
        is_touched: whether commands were ever disabled, so that it takes a look to know.
    """

    def __init__(self) -> None:
        self.is_touched = False
        self._everywhere = _NONE
        self._here: ContextVar[frozenset[Command] | None] = ContextVar("stillroom_cashews_disabled", default=None)

    @property
    def disabled(self) -> frozenset[Command]:
        """The commands that are disabled in this context."""
        here = self._here.get()
        return self._everywhere if here is None else here

    @property
    def is_full_disable(self) -> bool:
        """Whether all commands are disabled."""
        return self.disabled == ALL

    def is_disable(self, *cmds: Command) -> bool:
        """Tell whether one of these commands is disabled, or any at all if none is named."""
        disabled = self.disabled
        return bool(disabled.intersection(cmds) if cmds else disabled)

    def is_enable(self, *cmds: Command) -> bool:
        """Tell whether none of these commands is disabled."""
        return not self.is_disable(*cmds)

    def disable(self, *cmds: Command) -> None:
        """Disable commands, or all of them, from now on in this context."""
        self.is_touched = True
        self._here.set(self.disabled.union(cmds) if cmds else ALL)

    def enable(self, *cmds: Command) -> None:
        """Enable commands, or all of them, from now on in this context."""
        self._here.set(self.disabled.difference(cmds) if cmds else _NONE)

    def disable_everywhere(self) -> None:
        """Disable all commands in every context that says nothing else."""
        self.is_touched = True
        self._everywhere = ALL
