"""The end of a transaction: what it has changed is done to the store under it, or let go of.

First what was added and prolonged, then all invalidations at once and all deletions at once, then the values. So nothing that
is outdated is seen beside what is new. One thing that fails keeps none of the others from being done: the first error is
raised when everything has been tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..._runtime.attempts import AT_ONCE, Attempts, Gather, in_turn
from ...entry import MISSING, Entry
from ...errors import StoreError
from ...protocols import Lookup, Store
from .changes import Changes, Loaded, Pending
from .overlay import Overlay

__all__ = ["apply", "drop", "outdate"]


async def apply(overlay: Overlay, store: Store, gather: Gather) -> None:
    """Do what a transaction has changed to the store under it.

    Args:
        overlay: what the transaction has seen.
        store: the store; not the one under the overlay if the cache has moved to another one meanwhile.
        gather: does several things, side by side if it can.

    Raises:
        BaseException: the first thing that went wrong.
    """
    changes, pending = overlay.changes, overlay.changes.pending()
    attempts, settled = Attempts(gather), [one for one in pending if one.is_settled]
    await attempts.all([partial(_adjust, store, one) for one in pending if not one.is_settled and overlay.now() < one.until])
    if changes.everything or changes.namespaces or changes.names:
        await attempts.all([partial(_invalidate, store, changes)])
    given = [(one, await overlay.kept(one.lookup) if one.is_given else MISSING) for one in settled]
    gone = [one.lookup.key for one, entry in given if entry is MISSING]
    if gone:
        await attempts.all([partial(store.delete, gone)])
    values = [(one.lookup, entry) for one, entry in given if entry is not MISSING and not one.if_absent]
    some = [values[at : at + AT_ONCE] for at in range(0, len(values), AT_ONCE)]
    await attempts.all([partial(_write, store, part) for part in some])
    await attempts.all([partial(_add, store, one, entry) for one, entry in given if entry is not MISSING and one.if_absent])
    await attempts.all([partial(_fill, overlay, store, one) for one in list(changes.loads.values())])
    attempts.raise_first()


async def drop(overlay: Overlay, gather: Gather) -> None:
    """Let go of what a transaction holds outside."""
    attempts = Attempts(gather)
    loads = list(overlay.changes.loads.values())
    await attempts.all([partial(overlay.under.release, one.lookup.key, one.lease) for one in loads])


async def outdate(changes: Changes, store: Store, gather: Gather, *, dropped: bool) -> None:
    """Invalidate in a store what a transaction has made outdated, whatever became of it.

    Args:
        changes: what it has changed.
        store: the store.
        gather: does several things, side by side if it can.
        dropped: what it was to store was not stored, so what that was to replace counts as outdated, too.

    Raises:
        BaseException: the first thing that went wrong.
    """
    attempts = Attempts(gather)
    if changes.everything or changes.namespaces or changes.names:
        await attempts.all([partial(_invalidate, store, changes)])
    keys = [one.lookup.key for one in changes.pending() if dropped or (one.is_settled and not one.is_given)]
    if keys:
        await attempts.all([partial(store.delete, keys)])
    attempts.raise_first()


async def _adjust(store: Store, pending: Pending) -> None:
    if pending.initial is not None:
        await store.increment(pending.lookup, pending.amount, pending.to_start_from)
        pending.initial = None  # so that nothing is added twice
    if pending.times is not None:
        await store.touch(pending.lookup.key, *pending.times)


async def _invalidate(store: Store, changes: Changes) -> None:
    await store.invalidate(names=changes.names, namespaces=changes.namespaces, everything=changes.everything)


async def _write(store: Store, values: Sequence[tuple[Lookup, Entry[Any]]]) -> None:
    try:
        await store.write(values)
    except StoreError:
        raise  # such a store sees to it by itself that what was there before does not survive
    except Exception:
        if len(values) > 1:  # one of them cannot be stored, and so none was
            attempts = Attempts(in_turn)
            await attempts.all([partial(_write, store, [one]) for one in values])
            attempts.raise_first()
            return
        await store.delete((values[0][0].key,))
        raise


async def _add(store: Store, pending: Pending, entry: Entry[Any]) -> None:
    try:
        await store.add(pending.lookup, entry)
    except StoreError:
        raise
    except Exception:
        await store.delete((pending.lookup.key,))
        raise


async def _fill(overlay: Overlay, store: Store, loaded: Loaded) -> None:
    lookup, lease, tags, is_doubtful = loaded
    if store is not overlay.under:
        return
    is_kept = overlay.changes.keeps_loads and not is_doubtful and not overlay.changes.touches(lookup)
    entry = await overlay.kept(lookup) if is_kept else MISSING
    if entry is MISSING or entry.retry_at:  # put off since a refresh has failed: no news to anybody
        await store.release(lookup.key, lease)
    else:
        await store.fill(lookup.key, replace(entry, generations=lease.reading.generations, tags=tags), lease)
