"""What a transaction sees and keeps: a store over another one, out of which nothing leaves before its end.

An `Overlay` is a `Store` like any other, so one engine answers calls inside a transaction as well. What the transaction has
written, deleted or invalidated (`Changes`), and what it has loaded, is in a memory store of its own; everything else is read
from the store under it. The store under the overlay of a savepoint is the overlay of the transaction around it.

Why nobody outside sees what is not committed, and nothing outdated stays after the commit:

- **Nothing leaves before the end.** Values that were set inside, and values that were loaded inside (whose loads may have
  read what only their own database transaction can see), are in the overlay. Flights inside are flights of the transaction's
  own.
- **A value that was loaded inside is stored outside only** if the transaction succeeds, has in the end touched nothing that
  the value depends on, and the lease still stands that was taken outside before the load: so nobody has invalidated it
  meanwhile. Every value that was loaded is served inside, too, for only as long as that lease stands.
- **A value that depends on something touched** is seen inside, and dropped at the end. So is one that depends on what an open
  transaction around this one has touched, though this is no savepoint of it: nobody can tell from which the load has read.
- **At the end the invalidations come first**, then the values. What somebody outside has loaded between the commit of the
  database and that moment may have been read before the commit. It is over by then: to delete and to invalidate ends entries,
  and voids the leases of loads that are still running, whoever runs them and in whichever process.
- **What another task or thread makes outdated**, one that was started inside, is told outside at once as well, and stays told
  whatever becomes of the transaction. Nobody can know whether it shares the database transaction or has one of its own, and
  to invalidate once too often is harmless. What such a task loads is for its caller only.
"""

from __future__ import annotations

from .application import apply, drop, outdate
from .changes import Changes
from .overlay import Overlay

__all__ = ["Changes", "Overlay", "apply", "drop", "outdate"]
