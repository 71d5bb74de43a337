"""The names of generations.

An entry is loaded under one generation of everything, of its namespace, of its function and of each of its tags. Stores
know the first two by themselves, the others by these names.
"""

from __future__ import annotations

import sys
from functools import lru_cache

__all__ = ["function_generation", "is_owner", "owner_digest", "owner_name", "shared_name", "tag_generation"]


def function_generation(name: str, number: int = 1) -> str:
    """Return the name of the generation of all entries of one function.

    Args:
        name: what the function is called.
        number: tells it from others of its name in this process.
    """
    own = name if number == 1 else f"{name}{_NUMBERED}{number}"
    return sys.intern("f:" + own)  # so that the plain hit path can compare by identity


def function_name(generation: str) -> str:
    """Return what the function of a generation is called."""
    return generation.removeprefix("f:").partition(_NUMBERED)[0]


@lru_cache(8192)
def shared_name(generation: str) -> str:
    """Return the name of a generation as other processes know it.

    That of a function is sixteen hexadecimal digits, since entries under a name carry it. 64 bits are enough: nobody but the
    authors of an application chooses the names of its functions, and besides, an entry counts only if the token is right.
    """
    if not generation.startswith("f:"):
        return generation
    from hashlib import blake2b  # only now: it loads OpenSSL, which nobody needs who has no shared store

    name = generation.partition(_NUMBERED)[0]
    return _OWNER + blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


_NUMBERED = "\0#"
_OWNER = "o:"


def is_owner(shared: str) -> bool:
    """Tell whether a name as other processes know it is that of a function."""
    return shared.startswith(_OWNER)


def owner_digest(shared: str) -> bytes:
    """Return the eight bytes that such a name consists of."""
    return bytes.fromhex(shared[len(_OWNER) :])


def owner_name(digest: bytes) -> str:
    """Return the name that consists of eight bytes."""
    return _OWNER + digest.hex()


def tag_generation(tag: str) -> str:
    """Return the name of the generation of all entries that carry a tag."""
    return "t:" + tag
