"""Which tokens this process has seen, and in which order: what it takes to vouch for tags that a load has added.

The token of such a tag was not read before the load began. If it is read when the load has ended, it may be a new one, made
after an invalidation that came while the load was reading its source; the value would be out of date, and count. But a token
that this process had seen before the load began, and that is still in its place, has been there all the time: tokens are
random, so one that was deleted never comes back. That needs no clock and no order of events on different servers.

So a value is stored if all tags that its load has added are known from before. A tag that this process meets for the first time
costs one more load; the sighting is remembered, and the next load under the tag is stored. An evicted token, or one that is not
remembered any more, does no harm either: it is met for the first time once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Final

from ..._runtime.forks import ForkSafeLock

if TYPE_CHECKING:
    from .layout import RedisKey

__all__ = ["Sightings"]

REMEMBERED: Final = 16_384
"""How many tokens are remembered; then the one that was seen first is forgotten."""


class Sightings:
    """The tokens that this process has seen."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._numbers = count(1)
        self._seen: dict[bytes, tuple[bytes, int]] = {}

    def moment(self) -> int:
        """Return a number that is larger than those of all sightings so far."""
        return next(self._numbers)

    def note(self, keys: Sequence[RedisKey], tokens: Sequence[bytes | None]) -> None:
        """Take note of tokens that have just been read."""
        for key, token in zip(keys, tokens, strict=True):
            known = self._seen.get(key.name)
            if token is not None and (known is None or known[0] != token):
                with self._lock:
                    self._seen.pop(key.name, None)
                    self._seen[key.name] = (token, next(self._numbers))
                    if len(self._seen) > REMEMBERED:
                        del self._seen[next(iter(self._seen))]

    def vouch(self, keys: Sequence[RedisKey], tokens: Sequence[bytes | None], since: int) -> bool:
        """Tell whether tokens that have just been read are known from before a moment."""
        for key, token in zip(keys, tokens, strict=True):
            known = self._seen.get(key.name)
            if known is None or known[0] != token or known[1] > since:
                return False
        return True
