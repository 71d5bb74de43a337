"""In what form a transaction keeps values: as the store outside would, so that none of them changes in its hands.

A store outside of this process keeps bytes. Whoever sets a list there, and changes it afterwards, has not changed what is
stored; nor has anybody who changes what was read. So it is in a transaction on such a store. And what the store would refuse
at the end, when it is too late, is refused at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, NamedTuple, cast

from ...entry import ABSENT, MISSING, Entry, Missing
from ...errors import StillroomError, UncacheableValue
from ...protocols import Lookup, Serializer

__all__ = ["Packing"]

_LASTING: Final = frozenset({type(None), bool, bytes, float, int, str})
"""Types of values that nobody can change."""


class _Packed(NamedTuple):
    """A value as bytes, and what reads them."""

    data: bytes
    serializer: Serializer


class Packing:
    """Packs values for a transaction, and unpacks them.

    Args:
        usual: returns the serializer of the store; ``None`` for a store that keeps values as they are.
    """

    def __init__(self, usual: Callable[[], Serializer] | None) -> None:
        self._usual = usual

    def packed(self, lookup: Lookup, entry: Entry[Any]) -> Entry[Any]:
        """Return an entry as the transaction keeps it.

        Raises:
            UncacheableValue: the store cannot keep its value.
        """
        if self._usual is None or entry.value is ABSENT:
            return entry
        serializer, kind = lookup.serializer or self._usual(), cast("type[object]", type(entry.value))
        try:
            data = serializer.dump(entry.value)
        except StillroomError:
            raise
        except Exception as error:  # whatever a serializer of the user's may raise
            raise UncacheableValue(f"the serializer refused a {kind.__qualname__}: {error}", type=kind) from error
        return entry if kind in _LASTING else replace(entry, value=_Packed(data, serializer))

    def unpacked(self, entry: Entry[Any] | Missing) -> Entry[Any] | Missing:
        """Return an entry as others see it; what cannot be read is not there."""
        if entry is MISSING or not isinstance(entry.value, _Packed):
            return entry
        try:
            return replace(entry, value=entry.value.serializer.load(entry.value.data))
        except Exception:  # whatever a serializer may raise
            return MISSING
