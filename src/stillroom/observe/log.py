"""Where stillroom logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

__all__ = ["log"]


def log() -> logging.Logger:
    """Return the logger of stillroom."""
    import logging  # only now: it takes its time to import, and most programs never have anything to log

    return logging.getLogger("stillroom")
