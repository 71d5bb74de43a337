"""Fixed-length stand-ins for long texts: BLAKE2b with 128 bits, for which no two texts with the same digest are known."""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["LONGEST", "digest", "shorten"]

LONGEST = 200
"""How many characters a key may have before it is shortened."""

_KEPT = LONGEST - 32  # the "~" and the digest then make LONGEST + 1 characters: a length that no unshortened text has


def digest(text: str) -> str:
    """Return the 32 hexadecimal digits that stand for a text."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def shorten(text: str) -> str:
    """Return a text of up to 200 characters as it is, and a longer one as its beginning, ``~`` and its digest."""
    return text if len(text) <= LONGEST else f"{text[:_KEPT]}~{digest(text)}"
