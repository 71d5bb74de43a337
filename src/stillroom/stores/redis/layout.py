"""How things are called on the server.

==============================  =========================================================================
``<prefix>:{<namespace>:name}``  the entry of a name
``<prefix>:{<namespace>@f(1)}``  the entry of a call of a function that is keyed by its arguments
``<prefix>!{...}``               the leases on the key with the same hash tag
``<prefix>#{...}``               how often its entry has been read, for policies that count
``<prefix>:o:``, ``:t:``         the generation of a function, of a tag
``<prefix>:n:``, ``:all``        the generation of a namespace, of everything
``<prefix>%{...}``               a lock; the same with a ``#`` behind, the number of its last holder, with ``?`` who waits
``<prefix>+{...}``               what a guard counts; the same with a ``!`` behind, more of it
==============================  =========================================================================

An entry and its lease share a hash tag made of that key alone: scripts reach both, and the keys of one function spread over a
cluster. No name can imitate another's: prefix and namespace are written without braces and separators, everything that begins
with ``<prefix>:{`` ends with a brace, and what follows the other beginnings is either in braces or free of them.

With bare names, the entry of a name has that name and nothing else, and what stands beside it ends with a full stop:
``<prefix>!{name}.``, in the slot of the name. A name may begin with a hash tag of its own: ``{cart:7}:tea`` is bare, and
``<prefix>!{cart:7}:tea.`` stands beside it. Names with other braces, and those that begin as all the others do, are not bare.
One name is in one place then for all namespaces. That costs values, but mixes up none: they carry the generation of theirs.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from collections.abc import Callable
from typing import Any, TypeAlias
from weakref import ref

from ..._engine.generations import shared_name
from ...keys import shorten
from ...protocols import Key, Keyspace
from ...settings import prefix as checked

__all__ = ["Layout", "RedisKey", "bulk"]

Known: TypeAlias = "tuple[ref[Keyspace], dict[Any, RedisKey]]"

SLOTS = 16384
_braced_as_bare = re.compile(r"(\{[^{}]+\}(?=.))?[^{}]*", re.DOTALL).fullmatch
_KNOWN_LIMIT = 8192
"""How many keys of one keyspace, and how many generations and tallies, are remembered in the form in which they are sent."""


def bulk(data: bytes) -> bytes:
    """Return bytes as the protocol of Redis sends them."""
    return b"$%d\r\n%b\r\n" % (len(data), data)


class RedisKey:
    """A key on the server.

    Attributes:
        name: the key.
        bulk: the key as it is sent.
    """

    __slots__ = ("_slot", "bulk", "name")

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.bulk = bulk(name)
        self._slot = -1

    def __repr__(self) -> str:
        return f"RedisKey({self.name!r})"

    @property
    def slot(self) -> int:
        """The hash slot that it belongs to on a cluster."""
        if self._slot < 0:
            start = self.name.find(b"{")
            end = self.name.find(b"}", start + 1) if start >= 0 else -1
            tag = self.name[start + 1 : end] if end > start + 1 else self.name
            self._slot = crc_hqx(tag, 0) % SLOTS
        return self._slot


class Layout:
    """The names of one prefix.

    Args:
        prefix: what all keys begin with.
        bare_names: whether names stand for themselves.

    Raises:
        ConfigurationError: the prefix has braces, which would decide where its keys go on a cluster.
    """

    def __init__(self, prefix: str, *, bare_names: bool = False) -> None:
        self.prefix = checked(prefix)
        self.bare_names = bare_names
        self._ours = tuple([prefix + sign for sign in ":!#%+"])
        self.everything = RedisKey(f"{prefix}:all".encode())
        self._spaces: dict[int, Known] = {}
        self._generations: dict[str, RedisKey] = {}
        self._tallies: dict[str, RedisKey] = {}

    def entry(self, key: Key) -> RedisKey:
        """Return the key of an entry.

        Raises:
            UncacheableArgument: the key holds something that means nothing to other processes.
        """
        space, local = key
        known = self._spaces.get(id(space))
        if known is None or known[0]() is not space:
            known = self._remember(space)
        found = known[1].get(local)
        if found is None:
            if len(known[1]) >= _KNOWN_LIMIT:
                known[1].clear()
            text = space.shared_text(local)
            is_bare = space.function is None and self.may_be_bare(text)
            found = known[1][local] = RedisKey(_encoded(text) if is_bare else self.beginning(space) + _encoded(text) + b"}")
        return found

    def named(self, space: Keyspace, name: bytes) -> str | None:
        """Return the name within a keyspace whose entry or leases have this key; ``None`` if it is none such, or bare."""
        beginning = self.beginning(space)
        at = len(self.prefix.encode("utf-8", "surrogatepass"))
        is_one = name.startswith((beginning, beginning[:at] + b"!" + beginning[at + 1 :])) and name.endswith(b"}")
        return name[len(beginning) : -1].decode("utf-8", "surrogatepass") if is_one else None

    def may_be_bare(self, text: str) -> bool:
        """Tell whether a name stands for itself."""
        return self.bare_names and not text.startswith(self._ours) and _braced_as_bare(text) is not None

    def leased(self, name: bytes) -> str | None:
        """Return the bare name whose leases have this key; ``None`` if it is none such."""
        start = _encoded(f"{self.prefix}!")
        if not (name.startswith(start + b"{") and name.endswith(b".")):
            return None
        text = name[len(start) : -1].decode("utf-8", "surrogatepass")
        return text[1:-1] if text.endswith("}") else text

    def lease(self, entry: RedisKey) -> bytes:
        """Return the key of the leases on an entry."""
        return self._beside(entry, "!")

    def uses(self, entry: RedisKey) -> bytes:
        """Return the key of the number of times that an entry has been read."""
        return self._beside(entry, "#")

    def lock(self, name: str) -> bytes:
        """Return the key of a lock."""
        return _encoded(f"{self.prefix}%{{{_unbraced(shorten(name))}}}")

    def tally(self, name: str) -> RedisKey:
        """Return the key of what a guard counts."""
        found = self._tallies.get(name)
        if found is None:
            if len(self._tallies) >= _KNOWN_LIMIT:
                self._tallies.clear()
            found = self._tallies[name] = RedisKey(_encoded(f"{self.prefix}+{{{_unbraced(shorten(name))}}}"))
        return found

    def generation(self, name: str) -> RedisKey:
        """Return the key of the generation of a function or a tag."""
        return self._generations.get(name) or self._make(name)

    def namespace(self, namespace: str) -> RedisKey:
        """Return the key of the generation of a namespace."""
        name = "n:" + namespace
        return self._generations.get(name) or self._make(name)

    def _make(self, name: str) -> RedisKey:
        if len(self._generations) >= _KNOWN_LIMIT:
            self._generations.clear()
        kind, _, rest = shared_name(name).partition(":")
        made = RedisKey(_encoded(f"{self.prefix}:{kind}:{_unbraced(shorten(rest))}"))
        self._generations[name] = made
        return made

    def _remember(self, space: Keyspace) -> Known:
        number = id(space)

        def forget(_: object, spaces: dict[int, Known] = self._spaces) -> None:
            spaces.pop(number, None)

        known: Known = (ref(space, forget), {})
        self._spaces[number] = known
        return known

    def beginning(self, space: Keyspace) -> bytes:
        """Return what the keys of all entries of a keyspace begin with."""
        sign = ":" if space.function is None else "@"
        return _encoded(f"{self.prefix}:{{{_plain(space.namespace)}{sign}{space.label}")

    def _beside(self, entry: RedisKey, sign: str) -> bytes:
        if self.bare_names and b"{" not in entry.name:
            return _encoded(f"{self.prefix}{sign}{{") + entry.name + b"}."
        if entry.name.startswith(b"{"):  # which no prefix does
            return _encoded(f"{self.prefix}{sign}") + entry.name + b"."
        length = len(self.prefix.encode("utf-8", "surrogatepass"))
        return entry.name[:length] + sign.encode() + entry.name[length + 1 :]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _escaper(signs: str) -> Callable[[str], str]:
    table = {ord(sign): f"%{ord(sign):02x}" for sign in signs}
    return lambda text: text.translate(table)


_plain = _escaper("%{}:@")
_unbraced = _escaper("%{}")
