"""What a change of data ends: from the arguments of the function that makes it, and its result, to tags and keys.

What the arguments name is read before the call, so that what cannot be named refuses the call and not its consequences. What
the result names is read afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ._runtime.attempts import Attempts, in_turn
from .function import Operations
from .keys import Template
from .mapping import RESULT, Result
from .protocols import Key, Keyspace

if TYPE_CHECKING:
    from .core import Core
    from .side import Side

__all__ = ["Named", "Naming"]

_Step: TypeAlias = "Callable[[], Coroutine[Any, Any, object]]"


class Named(NamedTuple):
    """What is to end.

    Attributes:
        tags: tags.
        keys: keys, each with the cache that it is of.
    """

    tags: list[str]
    keys: list[tuple[Core, Key]]


class Naming:
    """Everything that one function's changes end.

    Args:
        core: the parts of the cache that tags and names are of.
        tags: templates of tags.
        keys: templates of names.
        results: results of cached functions.
        functions: cached functions all of whose results end.
        namespace: a namespace that ends, if any.

    Attributes:
        core: as given.
    """

    def __init__(
        self,
        core: Core,
        tags: tuple[Template, ...],
        keys: tuple[Template, ...],
        results: tuple[Result, ...],
        functions: tuple[Operations, ...],
        namespace: str | None,
    ) -> None:
        names = core.names(core.namespace)
        self.core = core
        self._tags = [(RESULT in tag.fields, tag.render) for tag in tags]
        self._keys = [(RESULT in name.fields, core, _key_of(names, name)) for name in keys]
        self._keys += [(RESULT in one.fields, one.operations.core, one.key) for one in results]
        self._functions = functions
        self._namespace = namespace

    def before(self, arguments: Mapping[str, object]) -> Named:
        """Return what the arguments name.

        Raises:
            UncacheableArgument: a field leads to nothing, or to what cannot be keyed.
            MissingKeyContext: a value of the key context is not set.
        """
        tags = [render(arguments) for by_result, render in self._tags if not by_result]
        keys = [(core, key_of(arguments)) for by_result, core, key_of in self._keys if not by_result]
        return Named(tags, keys)

    def end(self, named: Named, arguments: Mapping[str, object], side_of: Callable[[Core], Side]) -> Coroutine[Any, Any, None]:
        """Return what ends all that is named, before the call and by its result.

        Args:
            named: what the arguments have named; takes in what the result names.
            arguments: these arguments, and the result as one of them.
            side_of: how the caller reaches a cache.
        """
        attempts = Attempts(in_turn)
        for render in [render for by_result, render in self._tags if by_result]:
            try:
                named.tags.append(render(arguments))
            except Exception as error:
                attempts.failed(error)
        for core, key_of in [(core, key_of) for by_result, core, key_of in self._keys if by_result]:
            try:
                named.keys.append((core, key_of(arguments)))
            except Exception as error:
                attempts.failed(error)
        return _taken(self._steps(named, side_of), attempts)

    def _steps(self, named: Named, side_of: Callable[[Core], Side]) -> list[_Step]:
        steps: list[_Step] = []
        if named.tags or self._namespace is not None:
            steps.append(partial(side_of(self.core).invalidate, tuple(dict.fromkeys(named.tags)), self._namespace))
        by_core: dict[Core, list[Key]] = {}
        for core, key in dict.fromkeys(named.keys):
            by_core.setdefault(core, []).append(key)
        steps += [partial(side_of(core).forget, keys) for core, keys in by_core.items()]
        return steps + [partial(side_of(one.core).invalidate_function, one.name, one.generation) for one in self._functions]


def _key_of(names: Keyspace, template: Template) -> Callable[[Mapping[str, object]], Key]:
    return lambda arguments: Key(names, template.render(arguments))


async def _taken(steps: list[_Step], attempts: Attempts) -> None:
    await attempts.all(steps)
    attempts.raise_first()
