"""Which near copies a far store's key stands for.

A feed tells of changes by the keys of the far store. Whoever is about to copy an entry into a near store says so before it
reads the far one, so that no message which concerns the copy finds nothing here. A key may stand for several copies: functions
of one name are one on the far store, and as many as there are in memory.

Keys of which there are no copies any more are forgotten as others come. So there are never many more than copies.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final, NamedTuple, Protocol
from weakref import ref

from ...protocols import Key, Keyspace, Lookup
from .anew import AnewLock

__all__ = ["Concerned", "FarKey", "Index", "Layout", "Place"]

SPARE: Final = 64
"""So many keys more than there are copies nobody looks for."""
LOOKED_AT: Final = 2
"""How many keys are looked at for each that comes, so that those that are of no use go twice as fast."""


class FarKey(Protocol):
    """A key of the far store."""

    @property
    def name(self) -> bytes:
        """The key as messages name it."""
        ...


class Layout(Protocol):
    """How a far store names its keys."""

    @property
    def everything(self) -> FarKey:
        """The key of the generation of everything."""
        ...

    def entry(self, key: Key) -> FarKey:
        """Return the key of an entry; raises what reading the entry would raise."""
        ...

    def generation(self, name: str) -> FarKey:
        """Return the key of the generation of a function or tag."""
        ...

    def namespace(self, namespace: str) -> FarKey:
        """Return the key of the generation of a namespace."""
        ...


class Concerned(NamedTuple):
    """What keys of the far store stand for."""

    keys: list[Key]
    names: set[str]
    namespaces: set[str]
    everything: bool


class Place:
    """A key of the far store, and what it stands for.

    Attributes:
        far_key: the key.
        spots: the copies' keyspaces, weakly, and their local keys.
        generations: the keys of the generations that the copies are under, other than that of everything.
        readers: how many are about to make a copy.
    """

    __slots__ = ("far_key", "generations", "readers", "spots")

    def __init__(self, far_key: bytes) -> None:
        self.far_key = far_key
        self.spots: tuple[tuple[ref[Keyspace], Hashable], ...] = ()
        self.generations: frozenset[bytes] = frozenset()
        self.readers = 0


class _Generation:
    """The generation of a function, tag or namespace; how many places are under it.

    In this process it may have several names: functions that others take for one are told apart here.
    """

    __slots__ = ("is_namespace", "names", "places")

    def __init__(self, name: str, is_namespace: bool) -> None:
        self.names = frozenset([name])
        self.is_namespace = is_namespace
        self.places = 0


class Index:
    """From keys of the far store to near copies.

    Args:
        layout: how the far store names its keys.
        is_kept: tells whether there is a copy. It is called under the lock, so it must take none, and run no code of the user
            but the ``__hash__`` and ``__eq__`` of what keys are made of.
        size: returns how many copies there are.
    """

    def __init__(self, layout: Layout, is_kept: Callable[[Keyspace, Hashable], bool], size: Callable[[], int]) -> None:
        self._layout = layout
        self._everything = layout.everything.name
        self._is_kept = is_kept
        self._size = size
        self._places: OrderedDict[bytes, Place] = OrderedDict()
        self._generations: dict[bytes, _Generation] = {}
        self._is_changing = False
        self._lock = AnewLock(self._clear)

    def __len__(self) -> int:
        return len(self._places)

    @property
    def generations(self) -> int:
        """How many generations are known, other than that of everything."""
        return len(self._generations)

    # These two take no lock: what they look for was put in before, and stays for as long as it matters.

    def concerned(self, far_keys: Iterable[bytes]) -> Concerned:
        """Return what is concerned if these keys have changed."""
        concerned = Concerned([], set(), set(), self._everything in far_keys)
        for far_key in far_keys:
            place = self._places.get(far_key)
            if place is not None:
                concerned.keys.extend(self._living(place))
                continue
            generation = self._generations.get(far_key)
            if generation is not None:
                (concerned.namespaces if generation.is_namespace else concerned.names).update(generation.names)
        return concerned

    def twins(self, keys: Iterable[Key]) -> set[Key]:
        """Return these keys, and all that stand for the same keys of the far store."""
        found = set(keys)
        for key in tuple(found):
            try:
                place = self._places.get(self._layout.entry(key).name)
            except Exception:  # noqa: S112 - what cannot be named on the far store was never read from there
                continue
            if place is not None:
                found.update(self._living(place))
        return found

    def same_names(self, names: Iterable[str]) -> set[str]:
        """Return these names of generations, and all that stand for the same ones of the far store."""
        found = set(names)
        for name in tuple(found):
            generation = self._generations.get(self._layout.generation(name).name)
            if generation is not None:
                found |= generation.names
        return found

    def enter(self, lookups: Sequence[Lookup]) -> list[Place]:
        """Take note that copies are about to be made; `leave` must follow, if there is a place.

        None is given to a finalizer that the garbage collector runs on this thread in the middle of all this.
        """
        wanted = [(self._layout.entry(lookup.key).name, lookup.key, self._under(lookup)) for lookup in lookups]
        dropped: list[object] = []  # freed after the lock, since that may run code of the user
        with self._lock:
            if self._is_changing:
                return []
            self._is_changing = True
            try:
                places = [self._enter(far_key, key, generations, dropped) for far_key, key, generations in wanted]
                for _ in range(LOOKED_AT * len(wanted)):
                    self._look_at_oldest(dropped)
            finally:
                self._is_changing = False
        return places

    def leave(self, places: Iterable[Place]) -> None:
        """Take note that copies have been made, or have not."""
        with self._lock:
            for place in places:
                place.readers -= 1

    def _under(self, lookup: Lookup) -> dict[bytes, _Generation]:
        space, layout = lookup.key.space, self._layout
        names = {*lookup.generations, *(() if space.function is None else (space.function,))}
        under = {layout.generation(name).name: _Generation(name, False) for name in names}
        under[layout.namespace(space.namespace).name] = _Generation(space.namespace, True)
        return under

    @staticmethod
    def _living(place: Place) -> list[Key]:
        return [Key(space, local) for weak, local in place.spots if (space := weak()) is not None]

    # Under the lock

    def _enter(self, far_key: bytes, key: Key, generations: dict[bytes, _Generation], dropped: list[object]) -> Place:
        place = self._places.get(far_key)
        if place is None:
            place = self._places[far_key] = Place(far_key)
        elif not place.readers and not self._is_of_use(place):
            dropped.append(place.spots)
            self._join(place, {}, frozenset())
            place.spots = ()
        spot = (ref(key.space), key.local)
        if spot not in place.spots:
            place.spots = (*place.spots, spot)
        self._join(place, generations, place.generations | generations.keys())
        place.readers += 1
        return place

    def _join(self, place: Place, known: dict[bytes, _Generation], wanted: frozenset[bytes]) -> None:
        """Put a place under these generations, and no others."""
        for far_key, joined in known.items():
            generation = self._generations.get(far_key)
            if generation is not None:
                generation.names |= joined.names
        for far_key in wanted - place.generations:
            self._generations.setdefault(far_key, known[far_key]).places += 1
        for far_key in place.generations - wanted:
            generation = self._generations[far_key]
            generation.places -= 1
            if not generation.places:
                del self._generations[far_key]
        place.generations = wanted

    def _look_at_oldest(self, dropped: list[object]) -> None:
        """Forget the key that was looked at longest ago, if it is of no use."""
        if len(self._places) <= self._size() + SPARE:
            return
        far_key, place = next(iter(self._places.items()))
        if place.readers or self._is_of_use(place):
            self._places.move_to_end(far_key)
            return
        del self._places[far_key]
        dropped.append(place)
        self._join(place, {}, frozenset())

    def _is_of_use(self, place: Place) -> bool:
        return any(self._is_kept(key.space, key.local) for key in self._living(place))

    def _clear(self) -> None:
        """In a forked child, which keeps no copies."""
        self._places = OrderedDict()
        self._generations = {}
