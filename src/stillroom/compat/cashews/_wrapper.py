"""What a `Cache` is set up with: backends by prefix, and what stands around their commands.

From the inside out: the command of the backend, as the transaction that the caller is in wants it; `invalidate_further`;
callbacks; disabled commands; the middlewares of all backends; those of one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import Any

from ._callbacks import Callbacks
from ._disabled import unless_disabled
from ._further import unless_invalidating
from ._middleware import Middleware
from ._settings import open_backend
from ._surroundings import NOW
from ._transaction import Transaction
from .backends.interface import Backend
from .commands import Command
from .exceptions import NotConfiguredError
from .validation import is_invalidating

__all__ = ["Wrapper"]


class Wrapper:
    """Backends by prefix, and middlewares.

    Args:
        name: what the cache is called.

    Attributes:
        epoch: differs after every change of the set-up: who remembers what is responsible for a key asks anew.
        callbacks: called with the keys and results of commands.
    """

    default_prefix = ""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.epoch: object = object()
        self.callbacks = Callbacks(self._changed)
        self._quiet: set[Backend] = set()
        self._transaction: ContextVar[Transaction | None] = ContextVar("stillroom_cashews_transaction", default=None)
        self._backends: dict[str, Backend] = {}
        self._prefixes: tuple[str, ...] = ()
        self._middlewares: list[Middleware] = []
        self._middlewares_of: dict[Backend, tuple[Middleware, ...]] = {}

    # Setting up

    def setup(
        self, settings_url: str, middlewares: Sequence[Middleware] = (), prefix: str = default_prefix, **kwargs: Any
    ) -> Backend:
        """Say where the keys with a prefix live.

        Args:
            settings_url: ``"mem://"``, ``"redis://"``, ``"rediss://"``, ``"unix://"``, with settings in its query.
            middlewares: what stands around the commands of these keys.
            prefix: what the keys begin with; of several that fit, the longest counts.
            **kwargs: further settings; they count more than those in the url.

        Raises:
            BackendNotAvailableError: there is no such backend.
        """
        backend = open_backend(settings_url, kwargs)
        self._add_backend(backend, tuple(middlewares), prefix)
        return backend

    def _add_backend(self, backend: Backend, middlewares: tuple[Middleware, ...] = (), prefix: str = default_prefix) -> None:
        self._backends[prefix] = backend
        self._middlewares_of[backend] = middlewares
        self._prefixes = tuple(sorted(self._backends, key=len, reverse=True))
        self._changed()

    def add_middleware(self, middleware: Middleware) -> None:
        """Have a middleware stand around the commands of all keys."""
        self._middlewares.append(middleware)
        self._changed()

    def is_setup(self) -> bool:
        """Tell whether `setup` was called."""
        return bool(self._backends)

    async def init(self, *args: Any, **kwargs: Any) -> None:
        """Be ready; with arguments, call `setup` with them first."""
        if args or kwargs:
            self.setup(*args, **kwargs)
        for backend in self._backends.values():
            await backend.init()

    @property
    def is_init(self) -> bool:
        """Whether all backends are in use."""
        return all(backend.is_init for backend in self._backends.values())

    async def close(self) -> None:
        """Let go of everything; what is used afterwards is opened anew."""
        for backend in self._backends.values():
            await backend.close()
        self._changed()

    def _changed(self) -> None:
        self.epoch = object()
        self._quiet = set()

    # Who is responsible for a key

    def _check_setup(self) -> None:
        if not self._backends:
            raise NotConfiguredError("the cache is used before cache.setup(...) was called")

    def _get_backend(self, key: str) -> Backend:
        """Return what is responsible for a key, or for a template that begins with a fixed text."""
        for prefix in self._prefixes:
            if key.startswith(prefix):
                return self._backends[prefix]
        self._check_setup()
        raise NotConfiguredError(f"cache.setup(...) was called for other prefixes than that of {key!r}")

    # Commands

    def _command(self, cmd: Command, key: str) -> Callable[..., Any]:
        """Return what runs a command for a key, with all that stands around it."""
        backend = self._get_backend(key)
        return self._around(cmd, backend, getattr(backend, cmd.value))

    def _around(self, cmd: Command, backend: Backend, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return what runs a command of a backend, with all that stands around it."""
        if self._is_bare(backend):
            return call
        call = self._own(cmd, backend, call)
        for middleware in self._middlewares_for(backend):
            call = partial(middleware, call, cmd, backend)
        return call

    def _is_bare(self, backend: Backend) -> bool:
        """Tell whether nothing at all stands around the commands of a backend, as it is mostly."""
        return backend in self._quiet and not backend.is_touched and NOW.get() is None and self._transaction.get() is None

    def _own(self, cmd: Command, backend: Backend, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return what runs a command with what the cache itself has stand around it."""
        call = partial(self._run, call, cmd, backend)
        if is_invalidating():
            call = partial(unless_invalidating, call, cmd, backend)
        if self.callbacks.any:
            call = partial(self.callbacks, call, cmd, backend)
        if backend.is_disable():
            call = partial(unless_disabled, call, cmd, backend)
        return call

    async def _run(self, call: Callable[..., Awaitable[Any]], cmd: Command, backend: Backend, *args: Any, **kwargs: Any) -> Any:
        if not backend.is_init:
            await backend.init()
        quiet = self._quiet  # which is another one after a change that comes in between
        if not self._is_surrounded(backend):
            quiet.add(backend)
        opened = self._transaction.get()
        return await (call(*args, **kwargs) if opened is None else opened.run(call, cmd, backend, *args, **kwargs))

    def _middlewares_for(self, backend: Backend) -> tuple[Middleware, ...]:
        """Return the middlewares of users around the commands of a backend, the innermost first."""
        return (*self._middlewares, *self._middlewares_of[backend])

    def _is_surrounded(self, backend: Backend) -> bool:
        """Tell whether middlewares or callbacks stand around the commands of a backend."""
        return bool(self._middlewares_for(backend) or self.callbacks.any)

    @contextmanager
    def callback(self, callback: Callable[..., Any], cmd: Command) -> Generator[None]:
        """Have a function called with key and ``result=`` of each run of a command, in the block."""
        with self.callbacks.only(callback, cmd):
            yield

    # Disabling

    def disable(self, *cmds: Command, prefix: str = "") -> None:
        """Disable commands, or all of them, from now on in this context."""
        with suppress(NotConfiguredError):
            self._get_backend(prefix).disable(*cmds)

    def enable(self, *cmds: Command, prefix: str = "") -> None:
        """Enable commands, or all of them, from now on in this context."""
        self._get_backend(prefix).enable(*cmds)

    @contextmanager
    def disabling(self, *cmds: Command, prefix: str = "") -> Generator[None]:
        """Disable commands, or all of them, for the length of a block."""
        self.disable(*cmds, prefix=prefix)
        try:
            yield
        finally:
            with suppress(NotConfiguredError):
                self.enable(*cmds, prefix=prefix)

    def is_disable(self, *cmds: Command, prefix: str = "") -> bool:
        """Tell whether one of these commands is disabled, or any at all if none is named."""
        return self._get_backend(prefix).is_disable(*cmds)

    def is_enable(self, *cmds: Command, prefix: str = "") -> bool:
        """Tell whether none of these commands is disabled."""
        return not self.is_disable(*cmds, prefix=prefix)

    @property
    def is_full_disable(self) -> bool:
        """Whether all commands of all backends are disabled."""
        return all(backend.is_full_disable for backend in self._backends.values())

    def _is_disabled(self, command: Command, key: str = "") -> bool:
        return self._get_backend(key).is_disable(command)
