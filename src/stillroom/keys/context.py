"""The key context: values that no caller passes as arguments, but that belong to keys, such as the tenant or the locale.

`key_context` sets them for the length of a block, and templates name them: ``{@tenant}``. They are in a context variable, so
threads and tasks have their own, as with all such variables. What it holds is never changed but replaced, by a mapping that
knows of which blocks it is made. So a block that ends takes out its own values and no others, even if it ends after one that
began later, or in another context, as blocks in generators may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import ClassVar, Final

from ..errors import ConfigurationError, MissingKeyContext

__all__ = ["Held", "default_key_context", "key_context", "values_now"]


class _Values(dict[str, object]):
    """The values that are set by some blocks, the outermost first, and the defaults where none is.

    Args:
        blocks: the blocks.
        held: the defaults of a former moment, which count before those of the present one; ``None`` if it is not about one.

    Attributes:
        defaults: what counts where no block sets a value. It is replaced, never changed, so it can be held.
    """

    __slots__ = ("blocks", "held")

    defaults: ClassVar[Mapping[str, object]] = {}

    def __init__(self, blocks: tuple[_Block, ...] = (), held: Mapping[str, object] | None = None) -> None:
        self.blocks = blocks
        self.held = held
        for block in blocks:
            self.update(block.values)

    def of_this_moment(self) -> _Values:
        """Return the same values, of which no default changes any more."""
        return self if self.held is not None else _Values(self.blocks, self.defaults)

    def __missing__(self, name: str) -> object:
        for defaults in (self.held or {}, self.defaults):
            if name in defaults:
                return defaults[name]
        raise MissingKeyContext(
            f"a template asks for {{@{name}}}, which is not set here. Ways out: set it around the call, with "
            f"key_context({name}=...); give a default, with default_key_context({name}=...); take {{@{name}}} out of the "
            f"template, if results do not depend on it.",
            name=name,
        )


_NOW: Final[ContextVar[_Values]] = ContextVar("stillroom_key_context", default=_Values())  # noqa: B039 - never changed

values_now: Final[Callable[[], Mapping[str, object]]] = _NOW.get
"""Returns the values of the caller's context; what is neither set nor has a default raises `MissingKeyContext`."""


class _Block:
    """A block in which values are set."""

    __slots__ = ("values",)

    def __init__(self, values: Mapping[str, object]) -> None:
        self.values = values

    def __repr__(self) -> str:
        return f"key_context({', '.join(f'{name}={value!r}' for name, value in self.values.items())})"

    def __enter__(self) -> None:
        values = _NOW.get()
        _NOW.set(_Values((*values.blocks, self), values.held))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        values = _NOW.get()
        blocks = [*values.blocks]
        if self in blocks:
            del blocks[len(blocks) - 1 - blocks[::-1].index(self)]
            _NOW.set(_Values(tuple(blocks), values.held))


class Held:
    """The key context of the moment in which this is made, for what goes on at other times.

    It stands within ``with`` blocks, one after the other: each begins with the values that the one before has left.
    """

    __slots__ = ("_inside", "_token")

    _token: Token[_Values]

    def __init__(self) -> None:
        self._inside = _NOW.get().of_this_moment()

    def __enter__(self) -> None:
        self._token = _NOW.set(self._inside)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._inside = _NOW.get()
        try:
            _NOW.reset(self._token)
        except ValueError:  # a coroutine whose loop was closed ends in the context of whoever collects it
            pass


def key_context(**values: object) -> AbstractContextManager[None]:
    """Set values for the length of a block that keys and tags name by ``{@name}``.

    Blocks nest: an inner one adds values, or overrides them until it ends. Tasks and threads begin with a copy of the context
    that they are started in, or with an empty one, as with all context variables.

    Args:
        **values: the values by name; templates look into them by ``{@user.id}``.

    Raises:
        ConfigurationError: a name is none that a template could use.

    Example:
        >>> @cache(key="menu:{@tenant}:{day}")
        ... def menu(day: str) -> list[str]: ...
        >>> with key_context(tenant="acme"):
        ...     menu("monday")
    """
    _check(values, "key_context")
    return _Block(values)


def default_key_context(**values: object) -> None:
    """Give values that count in this process wherever `key_context` sets none.

    Args:
        **values: the values by name; they replace former defaults of these names.

    Raises:
        ConfigurationError: a name is none that a template could use.

    Example:
        >>> default_key_context(locale="en")
    """
    _check(values, "default_key_context")
    _Values.defaults = {**_Values.defaults, **values}


def _check(names: Iterable[str], setting: str) -> None:
    wrong = next((name for name in names if not name.isidentifier()), None)
    if wrong is not None:
        raise ConfigurationError(
            f"{setting} takes values by names such as tenant, not {wrong!r}, which no template can name",
            setting=setting,
            given=wrong,
        )
