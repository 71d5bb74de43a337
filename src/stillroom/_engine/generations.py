"""The names of generations.

An entry is loaded under one generation of everything, of its namespace, of its function and of each of its tags. Stores
know the first two by themselves, the others by these names.
"""

from __future__ import annotations

import sys

__all__ = ["function_generation", "tag_generation"]


def function_generation(name: str) -> str:
    """Return the name of the generation of all entries of one function."""
    return sys.intern("f:" + name)  # so that the plain hit path can compare by identity


def tag_generation(tag: str) -> str:
    """Return the name of the generation of all entries that carry a tag."""
    return "t:" + tag
