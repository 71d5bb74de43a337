"""What the settings ``serializer`` and ``compress`` mean, checked at once."""

from __future__ import annotations

from typing import Any, Final

from ..entry import MISSING
from ..errors import ConfigurationError
from ..protocols import Serializer
from ..settings import choice

__all__ = ["check", "serializer_for"]

_NAMES: Final = ("auto", "json", "msgpack", "pickle")
_COMPRESSIONS: Final = ("zlib", "zstd")


def serializer_for(
    setting: Any,
    *,
    returns: Any = MISSING,
    errors: tuple[type[BaseException], ...] = (),
    compress: str | None = None,
    has_secret: bool = False,
) -> Serializer:
    """Return the serializer that a setting asks for.

    Args:
        setting: ``"auto"``, ``"json"``, ``"msgpack"``, ``"pickle"``, a `stillroom.protocols.Serializer`, or a pair of
            functions: from a value to bytes or text, and back.
        returns: the function's return annotation, if it has one: ``"auto"`` may rebuild the classes that it names.
        errors: exceptions that are stored if they are raised; those and their subclasses may be rebuilt.
        compress: ``"zlib"`` or ``"zstd"`` for what is large, or ``None``.
        has_secret: stored bytes are signed, so that pickle is safe.

    Raises:
        ConfigurationError: a setting makes no sense, or needs a package that is not installed.
    """
    serializer = _chosen(setting, returns, errors, has_secret)
    if errors and setting not in ("auto", "pickle"):
        from .custom import ErrorsApart

        serializer = ErrorsApart(serializer, _auto(MISSING, errors), errors)
    return _compressed(serializer, compress)


def check(setting: object, compress: object) -> None:
    """Refuse what no store could make sense of, whatever is installed, and whether or not there is a secret.

    Raises:
        ConfigurationError: a setting makes no sense.
    """
    if not (isinstance(setting, str) and setting in _NAMES):
        _custom(setting)
    if compress is not None:
        choice(compress, _COMPRESSIONS, "compress")


def _chosen(setting: Any, returns: Any, errors: tuple[type[BaseException], ...], has_secret: bool) -> Serializer:
    if setting == "auto":
        return _auto(returns, errors)
    if setting == "json":
        from .jsons import JsonSerializer

        return JsonSerializer()
    if setting == "msgpack":
        from .plain import PlainSerializer

        return PlainSerializer()
    if setting == "pickle":
        return _pickle(has_secret)
    return _custom(setting)


def _auto(returns: Any, errors: tuple[type[BaseException], ...]) -> Serializer:
    from .auto import AutoSerializer
    from .classes import Classes

    return AutoSerializer(Classes(None if returns is MISSING else returns, errors))


def _pickle(has_secret: bool) -> Serializer:
    if not has_secret:
        message = (
            'serializer="pickle" needs a secret: whoever can write to the store could run any code here. '
            'Give the cache secret=..., or use serializer="auto"'
        )
        raise ConfigurationError(message, setting="secret")
    from .pickled import PickleSerializer

    return PickleSerializer()


def _custom(setting: Any) -> Serializer:
    given: object = setting
    from .custom import CustomSerializer

    if isinstance(setting, tuple):
        pair: Any = given
        if len(pair) == 2 and all(map(callable, pair)):
            return CustomSerializer(*pair)
    elif isinstance(setting, Serializer) and not isinstance(setting, type):
        return CustomSerializer(setting.dump, setting.load)
    message = (
        f"serializer must be one of {', '.join(map(repr, _NAMES))}, an object with dump and load, "
        f"or a pair of functions (encoder, decoder), not {setting!r}"
    )
    raise ConfigurationError(message, setting="serializer", given=given)


def _compressed(serializer: Serializer, compress: object) -> Serializer:
    if compress is None:
        return serializer
    from .compression import CompressedSerializer, Zlib

    if choice(compress, _COMPRESSIONS, "compress") == "zlib":
        return CompressedSerializer(serializer, Zlib())
    from .zstd import Zstd

    return CompressedSerializer(serializer, Zstd())
