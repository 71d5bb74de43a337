"""What guards count on the servers, together with all other processes: each step is a script, and takes one round trip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import StoreError
from .commands import run_script
from .layout import Layout
from .scripts import BY_NAME
from .senseless import sensibly
from .unconfirmed import kept_of
from .wire import Wire

if TYPE_CHECKING:
    from ...guards.tally import Step
    from ..outage import Outage

__all__ = ["RedisTallies"]


class RedisTallies:
    """The tallies on the servers, for callers of one colour.

    Args:
        wire: brings commands to the servers.
        layout: how keys are called.
        outage: knows whether the servers are within reach.
    """

    def __init__(self, wire: Wire, layout: Layout, outage: Outage) -> None:
        self._wire = wire
        self._layout = layout
        self._outage = outage

    async def step(self, name: str, step: Step) -> Any:
        """Change a tally; see `Tallies.step`."""
        situation = self._outage.situation
        spell = situation.spell
        if spell.stand_in is not None:
            raise StoreError("the redis store is out of reach, and was not asked", store="redis", operation="count")
        try:
            found = await self._run(name, step)
        except StoreError as error:
            self._outage.failed(spell, error)
            raise
        if situation.is_suspect:
            situation.succeeded(spell)
        return found

    @sensibly
    async def _run(self, name: str, step: Step) -> Any:
        key = self._layout.tally(name)
        command = run_script(BY_NAME[step.script], (key.name, key.name + b"!"), *step.arguments, by=key)
        (reply,) = await self._wire.run([command], is_repeatable=False, is_lasting=kept_of(command) is not None)
        return step.read(reply)
