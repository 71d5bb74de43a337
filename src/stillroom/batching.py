"""Batch functions: what `stillroom.decorate` is for single results, and the decorator that `stillroom.Cache` has for them.

The settings speak of one item, under a name that the templates give it. So the parameters of the function of one item are those
of the batch function, with that name in the place of the items.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import update_wrapper
from inspect import Parameter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, cast, get_args, get_origin

from .batch import HELPERS, BatchMethod, BatchOperations, ItemOperations
from .compile import binder, compiled
from .decorate import Cached, Identity, Settings, cached
from .durations import Duration, seconds
from .entry import MISSING, Missing
from .errors import ConfigurationError
from .form import Compression, SerializerSetting, returned, returned_origin
from .guarding import LAYERS, layers
from .items import Shape, Slot
from .kinds import Kind
from .methods import stands_in_class
from .parameters import Parameters
from .policy import LoadLock, RefreshAhead, StoreIf, Ttl
from .settings import text, texts

if TYPE_CHECKING:
    from .batched import BatchDecorator
    from .core import Core
    from .protocols import Timer

__all__ = ["Batching"]

_SENSELESS: Mapping[str, str] = MappingProxyType(
    {
        "cache_errors": "one error would be remembered for all items that were loaded with it",
        "keep_warm": "each item would be loaded by itself",
        "idle_after": "it belongs to keep_warm, which batch functions do not have",
        "soft_timeout": "stale items would be served while the caller waits for others all the same",
    }
)
"""The settings of ``@cache(...)`` that batch functions do not have, and why."""


class Batching:
    """What a `Cache` makes batch functions with."""

    _core: Core
    _ttl: Duration | None

    def batch(
        self,
        *bare: NoReturn,
        over: str | None = None,
        returns: type[dict[Any, Any]] | type[list[Any]] | None = None,
        ttl: Ttl | Missing = MISSING,
        missing_ttl: Duration | None = None,
        max_size: int | None = None,
        window: Duration | None = None,
        key: str | Callable[..., str] | None = None,
        name: str | None = None,
        namespace: str | None = None,
        version: str | int | None = None,
        ignore: Sequence[str] = (),
        tags: Sequence[str] = (),
        stale_while_revalidate: Duration | None = None,
        stale_if_error: Duration | None = None,
        errors: type[Exception] | tuple[type[Exception], ...] | None = None,
        retry_after: Duration | None = None,
        refresh_ahead: RefreshAhead = None,
        max_hits: int | None = None,
        refresh_after_hits: int | None = None,
        jitter: float | None = None,
        store_if: StoreIf = None,
        lock: LoadLock = "process",
        serializer: SerializerSetting | None = None,
        compress: Compression | Missing | None = MISSING,
        copy: bool | None = None,
        **senseless: NoReturn,
    ) -> BatchDecorator:
        """Return a decorator for functions that are asked for many items at once, of which each is cached by itself.

        A call takes one round trip for all items that are there, and runs the function once, with the others. Those that
        somebody else is loading are waited for. The function gets a list of different items, in the order asked. It returns a
        mapping, in which items may be missing, or a sequence with one value for each. Callers get a dict without what is
        missing, or a list.

        Args:
            *bare: nothing; what stands here by mistake is the function under a ``@cache.batch`` without brackets.
            over: the parameter that takes the items; the first one but ``self`` and ``cls`` if ``None``.
            returns: ``dict`` or ``list``, where the return annotation does not tell whether it is a mapping or a sequence.
            ttl: the time a value is fresh, as for ``@cache(...)``.
            missing_ttl: the time for which it is remembered that an item is missing; ``None`` if it is to be asked for again.
            max_size: the number of items that the function is given at most; it is run several times, one after the other.
            window: the time for which items that are asked for one by one, with ``f.one(item)``, are collected for one run.
            key: a template such as ``"user:{id}"``: a name that is no parameter's, here ``id``, stands for the item.
            name: as for ``@cache(...)``, as are all others. Functions of one item with the same key and name share its entries.
            namespace: what can be invalidated as one.
            version: part of the key, unless ``key`` is the whole of it.
            ignore: names of parameters that the values do not depend on.
            tags: templates over the item and the other arguments.
            stale_while_revalidate: the time after ``ttl`` in which old values are served, and refreshed behind, together.
            stale_if_error: the time after ``ttl`` in which old values are served if the load fails.
            errors: the exception types that count as such a failure.
            retry_after: the time for which items are not tried again after that.
            refresh_ahead: the fraction of ``ttl`` after which hits refresh behind, or ``"xfetch"``.
            max_hits: the number of hits after which a value expires.
            refresh_after_hits: the number of hits after which it is refreshed behind.
            jitter: the fraction of ``ttl`` by which it is shortened at most, by chance.
            store_if: a predicate on one value, or ``"not_none"``.
            lock: who shares the load of an item: ``"process"``, ``"shared"`` or ``None``.
            serializer: what turns a value into bytes on Redis.
            compress: ``"zlib"``, ``"zstd"`` or ``None``, for large values on Redis.
            copy: whether values are copied deeply on their way in and out.
            **senseless: nothing; settings of ``@cache(...)`` that make no sense for batches are refused here.

        Raises:
            ConfigurationError: a setting makes no sense, by itself or beside the others or, once decorated, for the function.

        Example:
            >>> @cache.batch(ttl="10m", key="user:{id}", missing_ttl="1m")
            ... def get_users(ids: list[int]) -> dict[int, User]: ...
            >>> get_users([1, 2, 3]), get_users.one(2), get_users.invalidate([2])
        """
        _refuse(bare, senseless)
        chosen_namespace = self._core.namespace if namespace is None else namespace
        settings = Settings.checked(
            Identity(key, name, chosen_namespace, version, texts(ignore, "ignore"), texts(tags, "tags")),
            serializer=serializer,
            compress=compress,
            ttl=self._ttl if ttl is MISSING else ttl,
            stale_while_revalidate=stale_while_revalidate,
            stale_if_error=stale_if_error,
            errors=errors,
            retry_after=retry_after,
            refresh_ahead=refresh_ahead,
            max_hits=max_hits,
            refresh_after_hits=refresh_after_hits,
            jitter=jitter,
            store_if=store_if,
            lock=lock,
            copy=self._core.copies if copy is None else copy,
        )
        settings = settings._replace(policy=settings.policy.with_missing(missing_ttl))
        plan = _Plan(
            settings,
            None if over is None else text(over, "over"),
            _returns(returns),
            _size(max_size),
            None if window is None else seconds(window, "window"),
        )

        def decorator(function: Any, /) -> Any:
            return _batch(self._core, function, plan)

        return decorator


class _Plan(NamedTuple):
    """What a decorator says of batch functions."""

    settings: Settings
    over: str | None
    returns: object
    max_size: int | None
    window: float | None


def _batch(core: Core, target: Any, plan: _Plan) -> Any:
    """Return the batch form of a function, method, class method or static method."""
    if isinstance(target, staticmethod):
        return staticmethod(_made(core, cast("staticmethod[..., Any]", target).__func__, plan)[0])
    if isinstance(target, classmethod):
        caller, one = _made(core, cast("classmethod[Any, ..., Any]", target).__func__, plan)
        return BatchMethod(caller, one.descriptor(of_class=True), of_class=True)
    if not callable(target):
        raise ConfigurationError(f"only something callable can be cached, not {target!r}", setting="function", given=target)
    caller, one = _made(core, target, plan)
    if not stands_in_class(target):
        return caller
    return BatchMethod(caller, one.descriptor(of_class=False), of_class=False)


def _made(core: Core, function: Any, plan: _Plan) -> tuple[Any, Cached]:
    """Return what users call, and the cached function of one item."""
    kind, parameters = Kind.of(function), Parameters.of(function)
    if kind.is_generator:
        raise ConfigurationError("a batch function must return its values; it cannot be a generator", setting="function")
    over = _over(parameters.signature, plan.over)
    shape = Shape(getattr(function, "__qualname__", repr(function)), _is_mapping(function, plan.returns))
    missing_ttl = plan.settings.policy.missing_ttl
    if missing_ttl is not None and not shape.is_mapping:
        message = "missing_ttl needs a function that returns a mapping: in a sequence no item can be missing"
        raise ConfigurationError(message, setting="missing_ttl", given=missing_ttl)
    item = _item_name(plan.settings.identity, parameters.names, over.name)
    slot = Slot(parameters.names.index(over.name), over.name, over.kind is Parameter.KEYWORD_ONLY)
    operations = BatchOperations(function, binder(function, parameters), slot, shape, plan.max_size)
    one = _one(
        operations, function, kind, _of_one(parameters.signature, over.name, item), _item_type(returned(function), shape)
    )
    made = cached(core, one, plan.settings, function, ItemOperations)
    operations.one, operations.one_slot = cast("ItemOperations", made.operations), slot._replace(name=item)
    if plan.window is not None:
        operations.collector = _collector(core, kind, plan.window, plan.max_size)
    p = parameters.prefix
    body = f"    return {'await ' if kind.is_async else ''}{p}batch({parameters.bound})\n"
    caller = compiled(function, parameters, body, {f"{p}batch": operations.call}, awaits=kind.is_async)
    dressed: Any = update_wrapper(caller, function)
    for helper in HELPERS:
        setattr(dressed, helper, getattr(operations, helper))
    dressed.one, dressed.stats = made.caller, made.operations.stats
    setattr(dressed, LAYERS, ("cache", *layers(function)))
    return dressed, made


def _one(operations: BatchOperations, function: Any, kind: Kind, signature: inspect.Signature, item_type: Any) -> Any:
    """Return the function of one item, as if the user had written it."""

    def load(*args: Any, **kwargs: Any) -> Any:
        return operations.load_one(args, kwargs)

    async def load_async(*args: Any, **kwargs: Any) -> Any:
        return await operations.load_one(args, kwargs)

    one: Any = load_async if kind.is_async else load
    for name in ("__name__", "__qualname__", "__module__"):
        setattr(one, name, getattr(function, name, getattr(one, name)))
    one.__doc__ = f"Return the value of one item, or ``None`` if it is missing: `{one.__qualname__}` for one."
    one.__signature__ = signature
    one.__annotations__ = {} if item_type is MISSING else {"return": item_type}
    return one


def _over(signature: inspect.Signature, wanted: str | None) -> Parameter:
    """Return the parameter that takes the items."""
    found = list(signature.parameters.values())
    if wanted is None and found and found[0].name in ("self", "cls"):
        del found[0]
    chosen = next((one for one in found if wanted in (None, one.name)), None)
    if chosen is None:
        raise ConfigurationError(
            f"over must name the parameter of {signature} that takes the items", setting="over", given=wanted
        )
    if chosen.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD) or chosen.default is not Parameter.empty:
        message = (
            f"the parameter {chosen.name!r}, which takes the items, must be a plain one without a default; over= names another"
        )
        raise ConfigurationError(message, setting="over", given=wanted)
    return chosen


def _item_name(identity: Identity, names: Sequence[str], over: str) -> str:
    """Return what the templates call the item: the one name in them that is no parameter's."""
    if over in identity.ignore:
        message = f"ignore must not name {over!r}: each item has a value of its own"
        raise ConfigurationError(message, setting="ignore", given=identity.ignore)
    key = identity.key if isinstance(identity.key, str) else None
    in_key: set[str] = set() if key is None else _roots(key)
    unknown = (in_key | {root for tag in identity.tags for root in _roots(tag)}) - set(names)
    if key is not None and not in_key - set(names):
        message = f"key must name the item, by a name that is no parameter's, such as 'user:{{id}}', not {key!r}"
        raise ConfigurationError(message, setting="key", given=key)
    if len(unknown) > 1:
        several = " and ".join(repr(name) for name in sorted(unknown))
        message = f"key and tags must call the item by one name that is no parameter's, not by {several}"
        raise ConfigurationError(message, setting="key" if key is not None else "tags", given=key or identity.tags)
    return unknown.pop() if unknown else over


def _roots(template: str) -> set[str]:
    return set(re.findall(r"(?<!\{)(?:\{\{)*\{([^\W\d]\w*)", template))


def _of_one(signature: inspect.Signature, over: str, item: str) -> inspect.Signature:
    parameters: Iterable[Parameter] = signature.parameters.values()
    renamed = [one.replace(name=item, annotation=Parameter.empty) if one.name == over else one for one in parameters]
    return signature.replace(parameters=renamed, return_annotation=inspect.Signature.empty)


def _is_mapping(function: Any, returns: object) -> bool:
    """Tell whether a function returns a mapping or a sequence."""
    if returns is dict or returns is list:
        return returns is dict
    origin = returned_origin(function)
    if returns is None and isinstance(origin, type):
        if issubclass(origin, Mapping):
            return True
        if issubclass(origin, Sequence) and not issubclass(origin, (str, bytes)):
            return False
    raise _untold(returns)


def _returns(given: object) -> object:
    if given not in (None, dict, list):
        raise _untold(given)
    return given


def _untold(returns: object) -> ConfigurationError:
    message = (
        "returns must be dict or list, to say whether the function returns a mapping of items to values or a sequence of "
        "values; or its return annotation must tell"
    )
    return ConfigurationError(message, setting="returns", given=returns)


def _item_type(annotation: Any, shape: Shape) -> Any:
    """Return the type of one value, as far as the annotation of all of them tells."""
    arguments = get_args(annotation)
    if get_origin(annotation) is tuple:
        return arguments[0] if len(arguments) == 2 and arguments[1] is Ellipsis else MISSING
    wanted = 2 if shape.is_mapping else 1
    return arguments[-1] if len(arguments) == wanted else MISSING


def _size(given: int | None) -> int | None:
    if given is not None and (isinstance(given, bool) or not isinstance(given, int) or given < 1):
        raise ConfigurationError(f"max_size must be a whole number above zero, not {given!r}", setting="max_size", given=given)
    return given


def _collector(core: Core, kind: Kind, window: float, max_size: int | None) -> Any:
    from ._runtime.collecting import TaskCollector, ThreadCollector  # only now: few functions collect, and it needs asyncio

    def later(when: float, act: Callable[[], None]) -> Timer:
        side = core.tasks if kind.is_async else core.blocking
        return side.runtime.later(when, act)

    return (TaskCollector if kind.is_async else ThreadCollector)(core.clock.now, later, window, max_size)


def _refuse(bare: tuple[Any, ...], senseless: Mapping[str, Any]) -> None:
    if bare:
        wrong: str = "needs brackets: @cache.batch() or" if callable(bare[0]) else "takes its settings by name:"
        raise ConfigurationError(f'the decorator {wrong} @cache.batch(ttl="10m")', setting="ttl", given=bare[0])
    for name, given in senseless.items():
        if name not in _SENSELESS:
            raise TypeError(f"batch() got an unexpected keyword argument {name!r}")
        raise ConfigurationError(f"batch functions have no {name}: {_SENSELESS[name]}", setting=name, given=given)
