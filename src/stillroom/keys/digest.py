"""Fixed-length stand-ins for long texts: BLAKE2b with 128 bits, for which no two texts with the same digest are known."""

from __future__ import annotations

import re

__all__ = ["LONGEST", "digest", "is_shortened", "may_stand_for", "shorten"]

LONGEST = 200
"""How many characters a key may have before it is shortened."""

_KEPT = LONGEST - 32  # the "~" and the digest then make LONGEST + 1 characters: a length that no unshortened text has


def digest(text: str) -> str:
    """Return the 32 hexadecimal digits that stand for a text."""
    from hashlib import blake2b  # only now: it loads OpenSSL, and few keys are so long

    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def shorten(text: str) -> str:
    """Return a text of up to 200 characters as it is, and a longer one as its beginning, ``~`` and its digest."""
    return text if len(text) <= LONGEST else f"{text[:_KEPT]}~{digest(text)}"


def is_shortened(text: str) -> bool:
    """Tell whether a text looks like one that `shorten` has made of a longer one."""
    return len(text) == LONGEST + 1 and text[_KEPT] == "~" and not text[_KEPT + 1 :].strip("0123456789abcdef")


def may_stand_for(name: str, pattern: str) -> bool:
    """Tell whether a text may be one that `shorten` has made of one that a pattern matches, going by what is left of it."""
    if not is_shortened(name) or ("*" not in pattern and len(pattern) <= LONGEST):
        return False
    fixed = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    return name[:_KEPT].startswith(fixed[:_KEPT])
