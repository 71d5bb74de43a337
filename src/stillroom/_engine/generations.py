"""The names of generations.

An entry is loaded under one generation of everything, of its namespace, of its function and of each of its tags. Stores
know the first two by themselves, the others by these names.
"""

from __future__ import annotations

import sys

__all__ = ["function_generation", "shared_name", "tag_generation"]


def function_generation(name: str, number: int = 1) -> str:
    """Return the name of the generation of all entries of one function.

    Args:
        name: what the function is called.
        number: tells it from others of its name in this process.
    """
    own = name if number == 1 else f"{name}{_NUMBERED}{number}"
    return sys.intern("f:" + own)  # so that the plain hit path can compare by identity


def shared_name(generation: str) -> str:
    """Return the name of a generation as other processes know it."""
    return generation.partition(_NUMBERED)[0] if generation.startswith("f:") else generation


_NUMBERED = "\0#"


def tag_generation(tag: str) -> str:
    """Return the name of the generation of all entries that carry a tag."""
    return "t:" + tag
