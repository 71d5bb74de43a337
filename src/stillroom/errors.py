"""All errors that stillroom raises, in one tree.

::

    StillroomError
    ├── ConfigurationError (ValueError)    a setting, template or url that makes no sense
    ├── UncacheableArgument (TypeError)    an argument that cannot be part of a key
    ├── UncacheableValue (TypeError)       a value that would not come back from a shared store as it is
    ├── MissingKeyContext (LookupError)    a key asks for a value that no `key_context` has set
    ├── LoadAborted                        a load said that it has failed
    ├── LockTimeout (TimeoutError)         a lock was not free within the time given
    ├── Refused                            a guard did not let a call through
    │   ├── CircuitOpen                    too many calls have failed of late
    │   ├── RateLimited                    there were too many calls
    │   └── TooSlow                        the function is much slower than it used to be
    └── StoreError                         a store failed; the cause is chained

Errors of the functions that users decorate are never wrapped: they arrive as they were raised.
"""

from __future__ import annotations

__all__ = [
    "CircuitOpen",
    "ConfigurationError",
    "LoadAborted",
    "LockTimeout",
    "MissingKeyContext",
    "RateLimited",
    "Refused",
    "StillroomError",
    "StoreError",
    "TooSlow",
    "UncacheableArgument",
    "UncacheableValue",
]


class StillroomError(Exception):
    """The root of all errors that stillroom itself raises."""

    def __reduce__(self) -> tuple[object, ...]:
        # By its parts: the arguments of `__init__` are not those that `Exception` would hand to it.
        return _remade, (type(self), self.args, self.__dict__)


class ConfigurationError(StillroomError, ValueError):
    """A setting was refused: the message names it, what was given and what would be right.

    Attributes:
        setting: the name of the parameter at fault.
        given: the value that was given for it.
    """

    def __init__(self, message: str, *, setting: str, given: object = None) -> None:
        super().__init__(message)
        self.setting = setting
        self.given = given


class UncacheableArgument(StillroomError, TypeError):
    """An argument is of a type whose values stillroom cannot turn into a key.

    Attributes:
        parameter: the name of the parameter, with the path into it where the culprit is nested.
        type: the type that cannot be keyed.
    """

    def __init__(self, message: str, *, parameter: str, type: type[object]) -> None:
        super().__init__(message)
        self.parameter = parameter
        self.type = type


class UncacheableValue(StillroomError, TypeError):
    """A value is of a type that the serializer in use cannot store so that it comes back as it is.

    Attributes:
        type: the type that cannot be stored.
        path: where in the value it stands, such as ``"value.items[0]"``.
    """

    def __init__(self, message: str, *, type: type[object], path: str = "value") -> None:
        super().__init__(message)
        self.type = type
        self.path = path


class MissingKeyContext(StillroomError, LookupError):
    """A template asks for a value of the key context that is not set.

    Attributes:
        name: the name of the value.
    """

    def __init__(self, message: str, *, name: str) -> None:
        super().__init__(message)
        self.name = name


class LoadAborted(StillroomError):
    """A function called ``current_load().fail()``, and there was no stale value to serve instead.

    Attributes:
        reason: what it said.
        key: what was to be loaded.
    """

    def __init__(self, reason: str, *, key: str) -> None:
        super().__init__(f"the load of {key} has failed: {reason}" if key else reason)
        self.reason = reason
        self.key = key


class LockTimeout(StillroomError, TimeoutError):
    """A lock was not free within the time that the caller was ready to wait.

    Attributes:
        name: the name of the lock.
        waited: for how many seconds the caller waited.
    """

    def __init__(self, message: str, *, name: str, waited: float) -> None:
        super().__init__(message)
        self.name = name
        self.waited = waited


class Refused(StillroomError):
    """A guard did not let a call through, so the function was not called.

    Attributes:
        retry_after: after how many seconds it may be worth another try.
    """

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CircuitOpen(Refused):
    """Too many calls have failed of late, or the circuit was opened by hand."""


class RateLimited(Refused):
    """There were too many calls of late.

    Attributes:
        limit: how many are let through in a period.
        remaining: how many more would be let through now: none.
    """

    def __init__(self, message: str, *, retry_after: float, limit: int, remaining: int) -> None:
        super().__init__(message, retry_after=retry_after)
        self.limit = limit
        self.remaining = remaining


class TooSlow(Refused):
    """The function is much slower than it used to be."""


class StoreError(StillroomError):
    """A store could not do what was asked of it; the cause is chained.

    Attributes:
        store: the name of the store.
        operation: what was asked of it.
    """

    def __init__(self, message: str, *, store: str, operation: str) -> None:
        super().__init__(message)
        self.store = store
        self.operation = operation


def _remade(kind: type[StillroomError], args: tuple[object, ...], attributes: dict[str, object]) -> StillroomError:
    error = kind.__new__(kind, *args)
    error.args = args  # `TimeoutError` sets them only in its `__init__`
    error.__dict__.update(attributes)
    return error
