"""What stands between the engine and a far store, so that a broken store is not a broken application.

A `Guarded` store asks the far store while that is within reach, and a *stand-in* while it is not: a memory store, or one that
keeps nothing, or one that raises. One `Outage` knows which of the two it is, for both colours of callers. It opens after a few
failures, has the far store probed behind, and lets nobody ask it again before the invalidations that were made meanwhile, which
a `Journal` keeps, have been replayed.

Time is divided into *spells*: fair ones, and foul ones, each of which has a stand-in of its own. Every operation looks at the
spell it begins in. Why nothing outdated comes out of that:

- **An invalidation reaches the far store or the journal.** It is noted under the lock under which a spell ends, and a foul
  spell ends only with an empty journal. So whoever is told that the spell is over asks the far store itself.
- **An invalidation that fails begins an outage at once**, for it may or may not have happened. It is noted in the same step.
  The same goes for whatever else makes an entry outdated: to write, increment, touch or refresh. Of these, it is the deletion
  of the key that is noted; so is the end of a whole namespace when its names, wanted for deletion, could not be listed.
- **A reading that was under way when a spell ended** belongs to a call that began before any invalidation of the next spell, so
  it might be served. The stand-in is asked all the same while the far store is out of reach: that costs nothing, and what is
  loaded on the strength of its answer can be kept.
- **A lease fills the store that gave it, or none.** A far lease is not filled during an outage. Afterwards it may be: what was
  invalidated meanwhile has been replayed, which has voided it. That of a stand-in is worth nothing once its spell is over.
- **A fill that a server executes late**, long after its caller gave it up, finds its lease voided by the invalidation that was
  replayed before, or is undone by the one that is replayed after.
- **An operation that succeeded at the far store after an outage had begun** is done at the stand-in as well, which may have
  been filled meanwhile with what that operation makes outdated.
- **A stand-in is made for one outage** and dropped with it. Nothing that it held is ever copied to the far store.

What this cannot do is to keep a server from executing a *write* late: a write has no lease that a replayed deletion could have
voided. The far store must see to it that what it has given up as timed out does not take effect later, such as by a deadline
that the server compares with its own clock.

During an outage each process is on its own: a stand-in hears of no other process's invalidations. Who cannot have that chooses
``"bypass"``. What is in the journal when a process ends is lost with it.
"""

from __future__ import annotations

from .glancing import GlancingGuarded
from .guarded import Guarded
from .health import Health
from .outage import FarStore, Outage, Renewing, Watcher

__all__ = ["FarStore", "GlancingGuarded", "Guarded", "Health", "Outage", "Renewing", "Watcher"]
