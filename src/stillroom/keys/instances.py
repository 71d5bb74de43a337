"""Which instance a method was called on.

Instances that are not values are numbered: each gets an integer of its own, which no other object of this process ever gets.
The number is found by the object's address, but is not the address: addresses are used again, numbers are not. Nothing here
keeps an instance alive.
"""

from __future__ import annotations

import itertools
import weakref
from typing import Any

from .encode import has_value_identity
from .names import is_named
from .refusals import Refused, type_name

__all__ = ["InstanceNumber", "Instances", "instances"]


class InstanceNumber(int):
    """The number of an instance; it equals the plain ``int``, but remembers whose number it is.

    Attributes:
        owner: a weak reference to the type of the instance.
    """

    owner: weakref.ref[type[Any]]

    def __repr__(self) -> str:
        owner = self.owner()
        return f"<{owner.__qualname__ if owner else 'instance'} #{int(self)}>"


class _Reference(weakref.ref[Any]):
    __slots__ = ("address",)

    address: int


class Instances:
    """The numbers of the instances that are alive.

    No lock: a weak reference's callback may run at any moment, also while its own thread holds the lock. Every step is a single
    operation on a dict instead.

    Attributes:
        numbers: from the address of an instance to its number. Callers who hold the instance may look into it directly: its
            entry goes before its address can be used again.
    """

    def __init__(self) -> None:
        self.numbers: dict[int, InstanceNumber] = {}
        self._references: dict[int, _Reference] = {}
        self._next = itertools.count(1)

    def number(self, instance: object, parameter: str = "self") -> InstanceNumber:
        """Return the number of an instance, the same for as long as the instance lives.

        Raises:
            UncacheableArgument: its class allows no weak references, so nobody could tell when its number is over.
        """
        known = self.numbers.get(id(instance))
        return known if known is not None else self._add(instance, parameter)

    def identity(self, instance: object, parameter: str = "self") -> object:
        """Return what stands for ``self`` or ``cls`` in a key: the object itself if it is a value, else its number."""
        is_value = is_named(instance) if isinstance(instance, type) else has_value_identity(type(instance))
        if not is_value:
            return self.number(instance, parameter)
        self.drop(instance)  # a class that had no name yet, or whose type was registered since, was numbered before
        return instance

    def drop(self, instance: object) -> None:
        """Forget the number of an instance, so that nothing is found under it any more."""
        self.numbers.pop(id(instance), None)
        self._references.pop(id(instance), None)

    def drop_all_of(self, kind: type[Any]) -> None:
        """Forget the numbers of all instances of a class and its subclasses."""
        for reference in list(self._references.values()):
            instance = reference()
            if isinstance(instance, kind):
                self.drop(instance)

    def _add(self, instance: object, parameter: str) -> InstanceNumber:
        number = InstanceNumber(next(self._next))
        number.owner = weakref.ref(type(instance))
        # The reference first, so that no number can be found that nothing will remove. Of two threads that add one instance,
        # the later one's reference stays, and the number of whoever comes first.
        reference = self._refer(instance, parameter)
        self._references[reference.address] = reference
        return self.numbers.setdefault(reference.address, number)

    def _refer(self, instance: object, parameter: str) -> _Reference:
        try:
            reference = _Reference(instance, self._forget)
        except TypeError:
            kind = type(instance)
            reason = f"{type_name(kind)} allows no weak references to its instances (add '__weakref__' to its __slots__)"
            error = Refused.unknown(kind, reason).error(parameter)
        else:
            reference.address = id(instance)
            return reference
        raise error

    def _forget(self, reference: _Reference) -> None:
        self.numbers.pop(reference.address, None)
        self._references.pop(reference.address, None)


instances = Instances()
"""The numbers of this process."""
