"""Bloom's filter: a set of texts in a few bits for each, which may take a text for a member that is none, and never the
reverse.

Pure arithmetic over plain values (Bloom, "Space/time trade-offs in hash coding with allowable errors", 1970; the positions are
derived from two hashes, as in Kirsch and Mitzenmacher, "Less hashing, same performance", 2006).
"""

from __future__ import annotations

import math
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

__all__ = ["Shape", "rate_of", "shape_for"]

_LN2 = math.log(2)
_two_numbers = Struct("<QQ48x").unpack


class Shape(NamedTuple):
    """The size of a filter.

    Attributes:
        bits: how many bits it has.
        hashes: how many of them stand for a text.
    """

    bits: int
    hashes: int

    def walk(self, text: str) -> range:
        """Return the steps, round and round through the filter, to the bits that stand for a text."""
        start, stride = _two_numbers(blake2b(text.encode("utf-8", "surrogatepass")).digest())
        start, stride = start % self.bits, (stride | 1) % self.bits or 1  # small numbers are quick to reckon with
        return range(start, start + self.hashes * stride, stride)

    def positions(self, text: str) -> list[int]:
        """Return which bits stand for a text."""
        bits = self.bits
        return [at % bits for at in self.walk(text)]


def shape_for(capacity: int, false_positive_rate: float) -> Shape:
    """Return the smallest filter that keeps to a rate of false positives with so many members."""
    bits = math.ceil(-capacity * math.log(false_positive_rate) / _LN2**2)
    return Shape(bits, max(1, round(bits / capacity * _LN2)))


def rate_of(shape: Shape, members: int) -> float:
    """Return the rate of false positives that is to be expected with so many members."""
    rate: float = (1 - math.exp(-shape.hashes * members / shape.bits)) ** shape.hashes
    return rate
