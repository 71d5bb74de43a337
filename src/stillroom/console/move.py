"""The command ``move``: imports of other libraries become those of stillroom's facades.

A file is rewritten whole or not at all, and nothing in it changes but the imports. What cannot be decided is left as it is and
told, with file and line.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import Source, found_under, read, replace
from .libraries import LIBRARIES, lookalikes
from .room import roomy

if TYPE_CHECKING:
    from .imports import Moved

__all__ = ["add_to"]

_DESCRIPTION = f"""\
Rewrite imports of {", ".join(LIBRARIES[:-1])} and {LIBRARIES[-1]} to those of stillroom.compat.

Exit status: 0 if all went well, 1 if something would change (--check), 2 if a file could not be read, parsed or written.
"""


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    parser = commands.add_parser(
        "move",
        help="have code written for another library import stillroom's facade of it",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", metavar="PATH", nargs="+", help="a file, or a folder whose .py and .pyi files are meant")
    parser.add_argument("--check", action="store_true", help="change nothing; exit with status 1 if something would change")
    parser.add_argument("--diff", action="store_true", help="change nothing; show what would change")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Move all files that are meant, and return the exit status."""
    from .imports import Unparsable, moved  # only now: it needs libcst

    report = _Report(writes=not (chosen.check or chosen.diff), shows=chosen.diff)
    there = [path for path in map(Path, chosen.paths) if path.is_file() or path.is_dir()] if all(chosen.paths) else []
    for given in chosen.paths:
        if not given or Path(given) not in there:
            report.failed(given or "''", "there is no such file or folder")
    files = found_under(there, lambda error: report.failed(error.filename, error.strerror or str(error)))
    mistakable = lookalikes(there)
    with roomy() as run_with_room, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of strings with odd backslashes, say
        for path in files:
            try:
                source = read(path)
                report.take(path, source, run_with_room(moved, source.text, mistakable))
            except Unparsable as error:
                report.failed(path, str(error), error.line)
            except (OSError, ValueError) as error:
                report.failed(path, str(error))
    return report.end(checks=chosen.check)


class _Report:
    """Tells what happens, and counts it."""

    def __init__(self, *, writes: bool, shows: bool) -> None:
        self._writes = writes
        self._shows = shows
        self._imports = self._files = self._doubts = self._failures = 0

    def take(self, path: Path, source: Source, moved: Moved) -> None:
        for line, message in moved.doubts:
            self._doubts += 1
            _say(f"{path}:{line}: {message}")
        if not moved.imports:
            return
        if self._writes:
            replace(path, source, moved.text)
        self._imports += moved.imports
        self._files += 1
        if self._shows:
            _say(_diff(path, source.text, moved.text), end="")
        else:
            _say(f"{'moved' if self._writes else 'would move'} {_counted(moved.imports, 'import')} in {path}")

    def failed(self, path: Path | str, message: str, line: int | None = None) -> None:
        self._failures += 1
        _say(f"{path}: {message}" if line is None else f"{path}:{line}: {message}")

    def end(self, *, checks: bool) -> int:
        done = "moved" if self._writes else "to be moved"
        parts = [f"{_counted(self._imports, 'import')} in {_counted(self._files, 'file')} {done}"]
        if self._doubts:
            parts.append(f"{_counted(self._doubts, 'place')} for you to look at")
        if self._failures:
            parts.append(f"{_counted(self._failures, 'file')} left alone because of errors")
        _say("; ".join(parts) + ".")
        if self._failures:
            return 2
        return 1 if checks and self._imports else 0


def _diff(path: Path, before: str, after: str) -> str:
    lines = difflib.unified_diff(_lines(before), _lines(after), f"{path}", f"{path}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    return [line for line in re.split(r"(?<=\n)", text) if line]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _say(text: str, end: str = "\n") -> None:
    encoding = sys.stdout.encoding or "utf-8"  # what the terminal cannot show must not end the command
    sys.stdout.write((text + end).encode(encoding, "backslashreplace").decode(encoding))
