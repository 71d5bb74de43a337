"""Chance of our own, which spreads loads and attempts in time and keeps no secret.

It leaves the numbers of the module `random` alone: a program that seeds those gets the same ones whatever is cached. To be
imported only where something is left to chance, since `random` imports hashlib.
"""

from __future__ import annotations

import os
import random

__all__ = ["bits", "draw"]

_chance = random.Random()  # noqa: S311 - nobody has to guess it
draw = _chance.random
"""Returns a random number from [0, 1)."""
bits = _chance.getrandbits
"""Returns a whole number of so many random bits."""

if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_chance.seed)  # or all children would do the same at the same time
