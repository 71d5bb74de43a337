"""From the url and the keywords of `Cache.setup` to a backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from stillroom import ConfigurationError

from .backends.interface import Backend
from .backends.memory import Memory
from .backends.redis import BcastClientSide, Redis
from .exceptions import BackendNotAvailableError
from .picklers import PicklerType
from .serialize import get_serializer

__all__ = ["open_backend", "register_backend"]

_FLAGS: Final = frozenset({"client_side", "cluster", "disable", "enable", "safe", "suppress"})


class _Kind(NamedTuple):
    make: Callable[..., Backend]
    takes_address: bool
    pickle_type: PicklerType


def register_backend(
    alias: str, backend_class: Callable[..., Backend], pass_uri: bool = False, pickler: PicklerType = PicklerType.NULL
) -> None:
    """Have urls with a scheme open a backend.

    Args:
        alias: the scheme.
        backend_class: a subclass of `Backend`, or a function that returns one.
        pass_uri: whether it is handed the url, without its query, as ``address``.
        pickler: what turns values into bytes, if nothing else is said.
    """
    _KINDS[alias] = _Kind(backend_class, pass_uri, pickler)


def open_backend(url: str, keywords: Mapping[str, Any]) -> Backend:
    """Return the backend that a url and keywords describe.

    Raises:
        BackendNotAvailableError: there is none for the url's scheme.
    """
    place, _, query = url.partition("?")
    settings: dict[str, Any] = {**_of_query(query), **keywords}
    scheme, separator, _ = place.partition("://")
    kind = _kind(scheme.lower() if separator else "")
    if not separator:  # as good as no cache
        settings["disable"] = True
    if kind.takes_address:
        settings["address"] = place
    return _made(kind, settings)


def _kind(scheme: str) -> _Kind:
    if scheme == "disk":
        raise BackendNotAvailableError("there is no store on disk yet; use mem:// or redis://")
    if scheme not in _KINDS:
        raise BackendNotAvailableError(f"no backend goes by the name of {scheme!r}")
    return _KINDS[scheme]


def _made(kind: _Kind, settings: dict[str, Any]) -> Backend:
    is_enabled = bool(settings.pop("enable", True))
    is_disabled = bool(settings.pop("disable", not is_enabled))
    old_secret = settings.pop("hash_key", None)
    if "safe" in settings:
        settings.setdefault("suppress", bool(settings.pop("safe")))
    serializer = get_serializer(
        settings.pop("secret", old_secret),
        settings.pop("digestmod", b"md5"),
        settings.pop("check_repr", True),
        settings.pop("pickle_type", kind.pickle_type),
        settings.pop("compress_type", None),
    )
    backend = kind.make(**settings, serializer=serializer)
    if is_disabled:
        backend.disable_everywhere()
    return backend


def _of_query(query: str) -> dict[str, Any]:
    return {name.lower(): _value(name.lower(), text) for name, text in parse_qsl(query)}


def _value(name: str, text: str) -> Any:
    if name in _FLAGS:
        return text.lower() in ("1", "true")
    if name in ("secret", "hash_key", "password", "username"):  # all digits, perhaps, but texts
        return text
    try:
        return int(text) if text.isdigit() else float(text)
    except ValueError:
        return text


def _redis(*, client_side: bool = False, **settings: Any) -> Backend:
    try:
        return BcastClientSide(**settings) if client_side else Redis(**settings)
    except ConfigurationError as error:
        if isinstance(error.__cause__, ImportError):
            raise BackendNotAvailableError("redis:// needs redis-py: pip install 'stillroom[redis]'") from error
        raise


_KINDS: Final[dict[str, _Kind]] = {"": _Kind(Memory, False, PicklerType.NULL), "mem": _Kind(Memory, False, PicklerType.NULL)}
for _scheme in ("redis", "rediss", "unix", "valkey", "valkeys"):
    register_backend(_scheme, _redis, pass_uri=True, pickler=PicklerType.DEFAULT)
