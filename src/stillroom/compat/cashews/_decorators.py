"""The decorators of a cache."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ._caching import Caching
from ._detecting import context_cache_detect
from ._failing_over import FailingOver
from ._guards import Decorator, Exceptions, Guards, types_of
from ._invalidating import note_template
from ._iterating import Iterating
from ._naming import Naming
from ._recipes import Early, Failover, Hit, Recipe, Soft
from .cache_condition import get_cache_condition
from .key import generate_key_template, get_cache_key_template
from .ttl import TTL, parsed, ttl_to_seconds

__all__ = ["Decorators"]

_DAY = 86_400


class Decorators(Guards):
    """What a `Cache` decorates functions with.

    ``ttl`` and other lengths of time are seconds, text such as ``"1h30m"``, a ``timedelta``, or a callable of the arguments,
    which may also take ``result``. ``key`` is a template over the arguments: ``"user:{user.id}"``.
    """

    detect = context_cache_detect

    def __call__(
        self,
        ttl: TTL,
        key: str | None = None,
        condition: Any = None,
        time_condition: TTL | None = None,
        prefix: str = "",
        upper: bool = False,
        lock: bool = False,
        tags: Iterable[str] = (),
        protected: bool = True,
    ) -> Decorator:
        """Return a decorator for functions whose results are kept for ``ttl``.

        Args:
            ttl: how long results are kept.
            key: a key template; all arguments count unless given.
            condition: which results are kept: ``NOT_NONE``, or a function of result, ``args``, ``kwargs`` and ``key``.
            time_condition: keep results only if it took longer than this to get them.
            prefix: stands before the key.
            upper: keep results only if none from the cache went into them.
            lock: one load at a time for all processes.
            tags: templates of the tags of results.
            protected: one load at a time in this process.

        Raises:
            ValueError: ``lock`` without a ttl.
        """
        if lock and ttl is None:
            raise ValueError("ttl can't be None with lock")
        sharing = "shared" if lock else _sharing(protected)
        recipe = Recipe(parsed(ttl), get_cache_condition(condition), ttl_to_seconds(time_condition), upper, sharing)
        return self._caching(recipe, key, prefix, tags)

    cache = __call__

    def early(
        self,
        ttl: TTL,
        key: str | None = None,
        early_ttl: TTL | None = None,
        condition: Any = None,
        time_condition: TTL | None = None,
        prefix: str = "early",
        upper: bool = False,
        tags: Iterable[str] = (),
        background: bool = True,
        protected: bool = True,
    ) -> Decorator:
        """Return a decorator for functions whose results are refreshed once ``early_ttl`` is over, behind the caller."""
        recipe = Early(
            parsed(ttl),
            get_cache_condition(condition),
            ttl_to_seconds(time_condition),
            upper,
            _sharing(protected),
            background,
            early_ttl=parsed(early_ttl),
        )
        return self._caching(recipe, key, f"{prefix}:v2", tags)

    def soft(
        self,
        ttl: TTL,
        key: str | None = None,
        soft_ttl: TTL | None = None,
        exceptions: Exceptions = Exception,
        condition: Any = None,
        time_condition: TTL | None = None,
        prefix: str = "soft",
        upper: bool = False,
        tags: Iterable[str] = (),
        protected: bool = True,
    ) -> Decorator:
        """Return a decorator for functions whose results, once ``soft_ttl`` is over, stand in if the function fails."""
        recipe = Soft(
            parsed(ttl),
            get_cache_condition(condition),
            ttl_to_seconds(time_condition),
            upper,
            _sharing(protected),
            soft_ttl=parsed(soft_ttl),
            exceptions=types_of(exceptions) or (Exception,),
        )
        return self._caching(recipe, key, prefix, tags)

    def hit(
        self,
        ttl: TTL,
        cache_hits: int,
        update_after: int = 0,
        key: str | None = None,
        condition: Any = None,
        time_condition: TTL | None = None,
        prefix: str = "hit",
        upper: bool = False,
        tags: Iterable[str] = (),
        background: bool = True,
        update_before: int | None = None,
    ) -> Decorator:
        """Return a decorator for functions whose results end after so many hits.

        They are refreshed behind after ``update_after`` hits, or as many as ``update_before`` hits before the end.
        """
        after = max(cache_hits - update_before, 1) if update_before is not None else update_after
        recipe = Hit(
            parsed(ttl),
            get_cache_condition(condition) if cache_hits > 0 else _nothing,
            ttl_to_seconds(time_condition),
            upper,
            background=background,
            cache_hits=cache_hits,
            update_after=after,
        )
        return self._caching(recipe, key, prefix, tags)

    def dynamic(
        self,
        ttl: TTL = _DAY,
        key: str | None = None,
        condition: Any = None,
        time_condition: TTL | None = None,
        prefix: str = "dynamic",
        upper: bool = False,
        tags: Iterable[str] = (),
    ) -> Decorator:
        """Return a decorator for functions whose results are refreshed behind by the first of three hits."""
        return self.hit(ttl, 3, 1, key, condition, time_condition, prefix, upper, tags)

    def failover(
        self,
        ttl: TTL,
        exceptions: Exceptions = None,
        key: str | None = None,
        condition: Any = None,
        time_condition: TTL | None = None,
        prefix: str = "fail",
    ) -> Decorator:
        """Return a decorator for functions that always run, and whose last result stands in if they fail."""

        def template(function: Any) -> str:
            return get_cache_key_template(function, key, prefix)

        return self._failing_over(ttl, exceptions, condition, time_condition, template)

    def fail(
        self,
        ttl: TTL,
        exceptions: Exceptions = None,
        key: str | None = None,
        condition: Any = None,
        time_condition: TTL | None = None,
        prefix: str | None = None,
    ) -> Decorator:
        """Do what `failover` does, under the name and with the keys of former releases: ``"module.function:name:{name}"``."""

        def template(function: Any) -> str:
            if key is None:
                own = generate_key_template(function, separator=".")
                return f"{prefix}:{own}" if prefix else own
            return get_cache_key_template(function, key, "fail" if prefix is None else prefix)

        return self._failing_over(ttl, exceptions, condition, time_condition, template)

    def _failing_over(
        self, ttl: TTL, exceptions: Exceptions, condition: Any, time_condition: TTL | None, template_of: Any
    ) -> Decorator:
        errors = types_of(exceptions) or self._default_fail_exceptions
        recipe = Failover(parsed(ttl), get_cache_condition(condition), ttl_to_seconds(time_condition), exceptions=errors)

        def decorator(function: Any) -> Any:
            template = template_of(function)
            return _noted(FailingOver(self._reach, function, Naming(function, template), recipe).caller(), template)

        return decorator

    def iterator(self, ttl: TTL, key: str | None = None, condition: Any = None) -> Decorator:
        """Return a decorator for asynchronous generator functions whose chunks are kept, all of them or none."""
        recipe = Recipe(parsed(ttl), get_cache_condition(condition))

        def decorator(function: Any) -> Any:
            template = get_cache_key_template(function, key)
            return _noted(Iterating(self._reach, function, Naming(function, template), recipe).caller(), template)

        return decorator

    def _caching(self, recipe: Recipe, key: str | None, prefix: str, tags: Iterable[str]) -> Decorator:
        chosen = tuple(tags)

        def decorator(function: Any) -> Any:
            template = get_cache_key_template(function, key, prefix)
            for tag in chosen:
                self.register_tag(tag, template)
            return _noted(Caching(self._reach, function, Naming(function, template, chosen), recipe).caller(), template)

        return decorator


def _nothing(*_: Any, **__: Any) -> bool:
    return False


def _noted(caller: Any, template: str) -> Any:
    note_template(caller, template)
    return caller


def _sharing(protected: bool) -> str | None:
    return "process" if protected else None
