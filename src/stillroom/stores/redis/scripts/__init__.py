"""The scripts that the server runs in one step, each in a file of its own."""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path
from typing import Final

__all__ = [
    "BLOOM_ADD",
    "BY_NAME",
    "DROP",
    "FILL",
    "KEEP_LOCK",
    "LEASE",
    "OUTLIVE",
    "PROLONG",
    "SWAP",
    "TAKE_LOCK",
    "USE",
    "Script",
]


class Script:
    """One script.

    Attributes:
        text: its source.
        digest: what the server remembers it by.
    """

    __slots__ = ("digest", "text")

    def __init__(self, name: str) -> None:
        self.text = Path(__file__).with_name(f"{name}.lua").read_bytes()
        self.digest = sha1(self.text, usedforsecurity=False).hexdigest().encode()


DROP: Final = Script("drop")
FILL: Final = Script("fill")
KEEP_LOCK: Final = Script("keep_lock")
LEASE: Final = Script("lease")
OUTLIVE: Final = Script("outlive")
PROLONG: Final = Script("prolong")
SWAP: Final = Script("swap")
TAKE_LOCK: Final = Script("take_lock")
USE: Final = Script("use")

BY_NAME: Final = {
    name: Script(name)
    for name in (
        *("bloom_add", "bloom_empty", "bloom_test", "bloom_whole", "bucket", "circuit", "forget"),
        *("line_add", "line_drop", "line_peek", "slow", "window"),
    )
}
"""The steps of tallies, by what guards call them; see `stillroom.guards.tally`."""

BLOOM_ADD: Final = BY_NAME["bloom_add"]
