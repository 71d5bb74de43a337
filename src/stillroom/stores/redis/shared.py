"""What both colours of one store on Redis share."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ...protocols import Lookup, Serializer
from ...serializers.signing import Signer
from .layout import Layout
from .renewal import Renewal
from .sightings import Sightings
from .times import ServerTimes
from .tokens import Lives

__all__ = ["Shared"]


class Shared(NamedTuple):
    """What both colours of one store share.

    Attributes:
        layout: how keys are called.
        times: the servers' clocks.
        lives: how long tokens live.
        sightings: which tokens this process has seen.
        renewal: keeps leases alive.
        serializer: for values of keys that bring none of their own.
        signer: signs what is stored; ``None`` if it is not signed.
        lease: for how many milliseconds a lease is given.
        serializer_of: returns what a function's values are read with, given its generation; ``None`` if it is not known here.
        on_unreadable: is told the key of an entry that cannot be read, and why.
        on_packed: is told of each entry that has been made into bytes, and how many these are.
    """

    layout: Layout
    times: ServerTimes
    lives: Lives
    sightings: Sightings
    renewal: Renewal
    serializer: Serializer
    signer: Signer | None
    lease: int
    serializer_of: Callable[[str], Serializer | None]
    on_unreadable: Callable[[str, Exception], None]
    on_packed: Callable[[Lookup, int], None]
