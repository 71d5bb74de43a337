"""Tools for tests, of stillroom's own and of programs that use it.

- `FakeClock`: time that passes only when the test says so; it drives every duration.
- `ChaosStore`: a store that delays, fails and reorders on command.
- `StoreContract`, `SerializerContract`: what every store and every serializer must do, as tests to inherit.

Example:
    >>> clock = FakeClock()
    >>> cache = Cache(clock=clock)
    >>> @cache(ttl="10m")
    ... def rate(): ...
    >>> rate(); clock.advance("11m"); rate()     # loads twice
"""

from .chaos import ChaosStore, Hold
from .clock import FakeClock
from .contracts import SerializerContract, StoreContract

__all__ = ["ChaosStore", "FakeClock", "Hold", "SerializerContract", "StoreContract"]
