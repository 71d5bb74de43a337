"""How calls of one decorated function are answered: by its plain hit path, by a glance, or by the engine."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from ._engine.call import Answer, Call, Source
from ._engine.generations import tag_generation
from ._runtime.runtime import drive
from .capabilities import TwoSided
from .errors import ConfigurationError
from .glances import Glances
from .kinds import Kind
from .load import Said
from .observe.stats import FunctionStats, Ledger, Stats
from .policy import Policy
from .protocols import Key, Lookup
from .stepping import run_within

if TYPE_CHECKING:
    from .compile import Bound, PlainPath
    from .core import Core
    from .form import Form
    from .keying import Keying
    from .keys import Template
    from .protocols import Serializer
    from .side import Side
    from .stores.memory import Gate

__all__ = ["Answering", "Binder"]

Binder: TypeAlias = "Callable[..., Bound]"


class Answering:
    """Answers the calls of one decorated function.

    Args:
        core: the cache's parts.
        function: the function as the user wrote it.
        kind: what calling it gives.
        name: its identity, version included.
        is_named: the user gave the name, so that functions may share it on purpose.
        bind: binds arguments to its signature.
        keying: makes keys of them.
        tags: the templates of its tags.
        policy: its freshness rules.
        form: in what form its values are stored outside of this process.
        is_shareable: tells whether no other function goes by the same name, so that a store that is shared can tell them apart.

    Attributes:
        is_retired: another function was defined in its place, so this one no longer caches.
        generation: the name of the generation that its entries go by.
        gate: what its plain hit path looks through.
        source: what the engine knows of it.
        glances: its shortest way to hits on a shared store.
        stats: its counts, for users.
    """

    def __init__(
        self,
        core: Core,
        function: Callable[..., Any],
        kind: Kind,
        name: str,
        is_named: bool,
        bind: Binder,
        keying: Keying,
        tags: tuple[Template, ...],
        policy: Policy,
        form: Form,
        is_shareable: Callable[[], bool],
    ) -> None:
        self.core = core
        self.function = function
        self.kind = kind
        self.name = name
        self.is_named = is_named
        self.is_retired = False
        self.generation = keying.generation
        self.keying = keying
        self.gate: Gate = core.gate(keying.space, checked=keying.shared or bool(tags), owner=keying.generation)
        self.source = Source(name, policy, Ledger(), awaits=kind.is_async, shown=kind.shown)
        self._bind = bind
        self._tags = tags
        self._copies = policy.copy
        self._records = kind.is_generator
        self._form = form
        self._is_shareable = is_shareable
        self._is_counted = policy.max_hits is not None
        self.glances = Glances(self)
        self._serializer: tuple[object, Serializer | None] = (None, None)

    @property
    def has_version(self) -> bool:
        """Whether the user gave the function a version."""
        return "@" in self.name

    @property
    def has_tags(self) -> bool:
        """Whether its entries carry tags."""
        return bool(self._tags)

    @property
    def tags_vary(self) -> bool:
        """Whether calls with the same key may carry different tags."""
        return self.keying.is_partial or any(tag.context for tag in self._tags)

    @property
    def context(self) -> tuple[str, ...]:
        """The names of the values of the key context that keys and tags depend on."""
        return (*self.keying.context, *(name for tag in self._tags for name in tag.context))

    @property
    def is_on(self) -> bool:
        """Whether calls go through the cache."""
        return self.core.enabled and not self.is_retired

    def shares_with(self, other: Answering) -> bool:
        """Tell whether two functions may have the same keys: if the user said so, or if they are one function, defined anew.

        Of lambdas and local functions there may be several of one name at a time, so for them the user has to say so.
        """
        (mine, *_), (others, *_) = self.name.split("@"), other.name.split("@")  # what follows is the version
        if mine != others or self.is_named != other.is_named:
            return False
        return self.is_named or "<" not in mine

    # How calls are answered

    def slow(self, sought: Any, values: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a call of a blocking function that the plain hit path did not; it sought under a key, or under ``None``."""
        if not self.is_on:
            return self.past_the_cache(args, kwargs)
        side, look = self.core.blocking, None
        glancing = self.glances.on(side)
        if glancing is not None:
            landings = self.core.flights.landings
            is_hit, found = glancing.glance(self.glances.prepared(self, glancing, sought, values))
            if is_hit:
                self.source.ledger.hits += 1
                return found
            look = None if found is None else (found, landings)
        return self.given(drive(side.engine.fetch(self.call_of(values, args, kwargs), look)))

    async def slow_async(self, sought: Any, values: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a call of a coroutine function that the plain hit path did not."""
        if not self.is_on:
            return await self.past_the_cache(args, kwargs)
        side, look = self.core.tasks, None
        glancing = self.glances.on(side)
        if glancing is not None:
            landings = self.core.flights.landings
            prepared = self.glances.prepared(self, glancing, sought, values)
            question = glancing.ask(prepared)
            if question is not None:
                is_hit, found = glancing.told(prepared, question[1], await question[0])
                if is_hit:
                    self.source.ledger.hits += 1
                    return found
                look = None if found is None else (found, landings)
        return self.given(await side.engine.fetch(self.call_of(values, args, kwargs), look))

    def call_of(self, values: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """Return what the engine is to answer."""
        load: Callable[[], Any] = partial(self.function, *args, **kwargs)
        if self._records:
            load = self.kind.recorded(load)
        return Call(self.source, self.lookup(values), load, partial(self.keying.arguments, values), self.core.clock.now())

    def lookup(self, values: tuple[Any, ...]) -> Lookup:
        """Return the key of a call, with the generations that it goes by."""
        key = Key(self.keying.space, self.keying.local(values))
        owner = self.generation if self.keying.shared else None
        serializer = self.serializer()
        if not self._tags:
            return Lookup(key, (self.generation,), owner, serializer, self._is_counted)
        arguments = self.keying.arguments(values)
        names = (self.generation, *(tag_generation(tag.render(arguments)) for tag in self._tags))
        return Lookup(key, names, owner, serializer, self._is_counted)

    def serializer(self) -> Serializer | None:
        """Return what turns the values into bytes for the store that the cache uses now."""
        known, serializer = self._serializer
        store = self.core.store
        if known is not store:
            serializer = self.serializer_on(store) if isinstance(store, TwoSided) else None
            self._serializer = (store, serializer)
        return serializer

    def serializer_on(self, store: TwoSided) -> Serializer:
        """Return what turns the values into bytes for a store.

        Raises:
            ConfigurationError: the function has a setting that makes no sense there.
        """
        if not self.keying.shared and not self._is_shareable():
            raise ConfigurationError(
                f"two different functions are called {self.name}, or one that depends on where it was made; on a store that is "
                f"shared, each would be served the other's values: give each a name of its own with name=",
                setting="name",
                given=self.name,
            )
        return self._form.on(store, self.function, tuple(kind for kind, _ in self.source.policy.cache_errors))

    @property
    def stats(self) -> FunctionStats:
        """The function's counts."""
        return FunctionStats(self.source.ledger, self.snapshot)

    def snapshot(self) -> Stats:
        """Return the function's counts of this moment."""
        return self.source.ledger.snapshot(*self._plain_counts())

    def plain_path(self) -> PlainPath:
        """Return how the plain hit path finds an entry."""
        path = self.keying.plain()
        return path._replace(checked=path.shared or bool(self._tags), noted=self.source.policy.keep_warm)

    # What that is made of, here and in what users can ask for besides

    @property
    def _side(self) -> Side:
        return self.core.tasks if self.kind.is_async else self.core.blocking

    def key(self, /, *args: Any, **kwargs: Any) -> str:
        """Return the key for these arguments, as text."""
        bound = self._bind(*args, **kwargs)
        return Key(self.keying.space, self.keying.local(bound.values)).text

    async def answered_again(self, call: Call, answer: Answer, is_first: bool) -> Answer:
        """Return the answer for one of several calls with the same key."""
        if is_first:
            return answer
        if answer.is_private:
            return await self._side.engine.fetch(call)
        self._side.engine.reporter.answered(call, answer)
        return answer

    def given(self, answer: Answer) -> Any:
        """Return the value of an answer as the caller gets it, or raise its error."""
        value = answer.unwrap()
        return value if answer.is_private else self.kept(value)

    def kept(self, value: Any) -> Any:
        """Return a value as it crosses the border between the caller and the cache."""
        return deepcopy(value) if self._copies else value

    def past_the_cache(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the function and return what it returns."""
        self._note_bypass()
        return run_within(self.said(args, kwargs), self.kind, partial(self.function, *args, **kwargs))

    def said(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Said:
        """Return the load of a call that goes past the cache."""
        return Said(lambda: self.key(*args, **kwargs), self.source.policy)

    def _note_bypass(self) -> None:
        self.core.note_bypass(self.source.ledger, "", self.name)  # without a key: arguments that have none are fine here

    def keep_counts(self) -> None:
        """Take over what the store has counted, since the function is about to leave it."""
        if not self.keying.shared:
            self.source.ledger.hits += self._plain_counts()[0]

    def _plain_counts(self) -> tuple[int, int]:
        hits, evictions = self.core.plain_counts(self.keying.space)
        return self.gate.hits if self.keying.shared else hits, evictions
