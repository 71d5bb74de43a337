"""Files of Python code: found in a stable order, read as they are, replaced whole."""

from __future__ import annotations

import codecs
import os
import shutil
import tempfile
import tokenize
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["Source", "folders_under", "found_under", "read", "replace"]

_SUFFIXES: Final = (".py", ".pyi")
_NOT_OURS: Final = {"__pycache__", "node_modules", "site-packages"}
_ENVIRONMENT: Final = ("pyvenv.cfg", "conda-meta")


class Source(NamedTuple):
    """The text of a file, and how it becomes bytes again.

    Attributes:
        text: the text, with the ends of its lines as they are.
        encoding: its encoding.
        mark: the byte order mark before it, if there is one.
    """

    text: str
    encoding: str
    mark: bytes


def found_under(paths: Iterable[Path], failed: Callable[[OSError], object]) -> list[Path]:
    """Return the files that are named, and those in the folders that are, each once and in order.

    Links, what is hidden, and virtual environments are left out of folders.

    Args:
        paths: what is named.
        failed: is told of folders that cannot be read.
    """
    files: dict[Path, Path] = {}
    for path in paths:
        for file in [path] if path.is_file() else _in_folder(path, failed):
            files.setdefault(file.resolve(), file)
    return list(files.values())


def _in_folder(folder: Path, failed: Callable[[OSError], object]) -> Iterator[Path]:
    for place, _, names in _walk(folder, failed):
        for name in sorted(names):
            path = place / name
            if name.endswith(_SUFFIXES) and not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield path


def folders_under(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the folders that files are looked for in, and those of files that are named."""
    for path in paths:
        if path.is_file():
            yield path.parent
        else:
            yield from (place for place, _, _ in _walk(path))


def _walk(folder: Path, failed: Callable[[OSError], object] | None = None) -> Iterator[tuple[Path, list[str], list[str]]]:
    for place, folders, names in os.walk(folder, onerror=failed):  # which follows no links
        folders[:] = sorted(name for name in folders if _is_ours(Path(place) / name))
        yield Path(place), folders, names


def _is_ours(folder: Path) -> bool:
    if folder.name.startswith(".") or folder.name in _NOT_OURS or folder.is_symlink():
        return False
    return not any((folder / sign).exists() for sign in _ENVIRONMENT)


def read(path: Path) -> Source:
    """Read a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not in the encoding that it says it is in.
    """
    data = path.read_bytes()
    try:
        encoding, _ = tokenize.detect_encoding(BytesIO(data).readline)
    except SyntaxError as error:
        raise ValueError(str(error)) from error
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    encoding = "utf-8" if mark else encoding
    source = Source(data[len(mark) :].decode(encoding), encoding, mark)
    if _bytes(source, source.text) != data:
        raise ValueError(f"it would not come back from {encoding} as it is")
    return source


def replace(path: Path, source: Source, text: str) -> None:
    """Replace the text of a file; it is there whole at any moment, before or after.

    Raises:
        OSError: it cannot be written, and is as it was.
    """
    target = path.resolve()  # a link stays one
    before = target.stat()
    if not before.st_mode & 0o222 or not os.access(target, os.W_OK):
        raise PermissionError("it is read-only")
    if target.read_bytes() != _bytes(source, source.text):
        raise OSError("somebody has changed it meanwhile")
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_bytes(source, text))
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(target, name)
        if hasattr(os, "chown"):
            with suppress(OSError):  # it is the user's own then, who may not give it away
                os.chown(name, before.st_uid, before.st_gid)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def _bytes(source: Source, text: str) -> bytes:
    return source.mark + text.encode(source.encoding)
