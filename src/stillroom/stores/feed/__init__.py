"""The feed: how a near store hears, from the servers, of what has changed in the far store.

From top to bottom: `feed` has the thread that listens; a `link` is its connection to one server. What is told are keys of the
far store; `index` knows which near copies they stand for. The feed knows nothing of near stores, nor they of connections:
`tiered` brings them together.
"""

from __future__ import annotations

from .feed import Feed

__all__ = ["Feed"]
