"""From the text of a module to the same text with other imports, and to what could not be decided.

The syntax tree only tells where something is: the text is changed at these places and nowhere else.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from .libraries import LIBRARIES, PACKAGE, offers
from .room import DEEPEST

try:
    import libcst as cst
    from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider
except ImportError as _error:
    raise ImportError("the command move needs libcst: pip install 'stillroom[move]'") from _error

__all__ = ["Moved", "Unparsable", "moved"]

Place: TypeAlias = tuple[int, int]
"""A line, from 1 on, and a column, from 0 on."""

_LEADING_FEED: Final = re.compile(r"^\f+(?=\S)", re.MULTILINE)
"""Form feeds before a statement, which libcst drops."""
_DOTTED: Final = re.compile(rf"({'|'.join(LIBRARIES)})(\.[A-Za-z_]\w*)*")
_LINE: Final = rf"(?:from|import)[ \t]+({'|'.join(LIBRARIES)})\b(?![-/:])"
_IN_CODE: Final = re.compile(rf"^[ \t]*(?:>>>[ \t]*|\.\.\.[ \t]*)?{_LINE}", re.MULTILINE)
_IN_EXAMPLE: Final = re.compile(rf"^[ \t]*(?:>>>|\.\.\.)[ \t]*{_LINE}", re.MULTILINE)
"""Imports in texts, and in examples of texts that document something."""
_TOO_DEEP: Final = "it is nested too deeply"
_SHOWN: Final = 60
_FILES: Final = (".cfg", ".ini", ".json", ".log", ".md", ".py", ".pyi", ".rst", ".toml", ".txt", ".yaml", ".yml")
_TAKE_MODULES: Final = {
    "__import__",
    "delattr",
    "find_spec",
    "import_module",
    "import_string",
    "importorskip",
    "modules",
    "multiple",
    "patch",
    "setattr",
}
"""What is given the name of a module, by the last part of its own name; ``modules`` is a dict."""


class Unparsable(ValueError):
    """A text is no Python code, as far as libcst knows.

    Attributes:
        line: where.
    """

    def __init__(self, message: str, line: int) -> None:
        super().__init__(f"cannot be parsed: {message}")
        self.line = line


class Moved(NamedTuple):
    """A module with other imports.

    Attributes:
        text: its text.
        imports: how many are others now.
        doubts: what could not be decided: the line, and what is there.
    """

    text: str
    imports: int
    doubts: list[tuple[int, str]]


def moved(text: str, lookalikes: Mapping[str, Path]) -> Moved:
    """Return a module with other imports.

    Args:
        text: its text.
        lookalikes: modules of the code base that bear the name of a library.

    Raises:
        Unparsable: it cannot be parsed.
    """
    plain = _LEADING_FEED.sub("", text)
    is_python = _check(plain)
    if is_python and not any(library in text for library in LIBRARIES):
        return Moved(text, 0, [])
    module = _parsed(plain)
    if not any(library in text for library in LIBRARIES):
        return Moved(text, 0, [])
    visitor = _Visitor(lookalikes)
    MetadataWrapper(module, unsafe_skip_copy=True).visit(visitor)
    insertions, count = visitor.decided()
    last = max([_offset(plain, place) for place, _ in insertions], default=0)
    if module.code[:last] != plain[:last]:  # then places in the tree are not those in the text
        raise Unparsable("it would not come back as it is", 1)
    return Moved(_inserted(text, insertions), count, sorted(set(visitor.doubts)))


def _check(text: str) -> bool:
    """Tell whether this interpreter knows the syntax; it is faster than libcst, which may know more.

    Raises:
        Unparsable: the text is nested so deeply that libcst would end the process.
    """
    try:
        tree = ast.parse(text)
    except (RecursionError, MemoryError) as error:
        raise Unparsable(_TOO_DEEP, 1) from error
    except SyntaxError as error:
        if "too many nested" in str(error):
            raise Unparsable(_TOO_DEEP, error.lineno or 1) from error
        return False
    except ValueError:
        return False
    level: list[ast.AST] = [tree]
    for _ in range(DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return True
    raise Unparsable(_TOO_DEEP, getattr(level[0], "lineno", 1))


def _parsed(text: str) -> cst.Module:
    try:
        return cst.parse_module(text)
    except cst.ParserSyntaxError as error:
        raise Unparsable(error.message.rpartition("error at ")[2][:_SHOWN], error.raw_line) from error
    except RecursionError as error:
        raise Unparsable(_TOO_DEEP, 1) from error


def _inserted(text: str, insertions: Sequence[tuple[Place, str]]) -> str:
    parts: list[str] = []
    done = 0
    for place, what in sorted(insertions, key=lambda one: one[0]):
        at = _offset(text, place)
        parts += [text[done:at], what]
        done = at
    return "".join([*parts, text[done:]])


def _offset(text: str, place: Place) -> int:
    """Return where a place is that does not count the form feeds before statements."""
    line, column = place
    starts = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]
    feed = _LEADING_FEED.match(text, starts[line - 1])
    return starts[line - 1] + column + (len(feed[0]) if feed else 0)


class _Import(NamedTuple):
    """One import of a library.

    Attributes:
        line: where it stands.
        module: what is imported.
        names: what is imported from it.
        binds: the name that it gives to what is imported.
        target: what that name stands for: a module or, if the name is the library's own, the library.
        insertions: what makes it one of the facade.
    """

    line: int
    module: str
    names: tuple[str, ...]
    binds: str | None
    target: str
    insertions: list[tuple[Place, str]]


class _Visitor(cst.CSTVisitor):
    """Takes down all imports of libraries, and strings that may be meant as such."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, lookalikes: Mapping[str, Path]) -> None:
        super().__init__()
        self.doubts: list[tuple[int, str]] = []
        self._lookalikes = lookalikes
        self._imports: list[_Import] = []
        self._attributes: dict[str, list[tuple[str, int]]] = {}
        self._stillroom: list[int] = []
        self._asked: list[str] = []

    def decided(self) -> tuple[list[tuple[Place, str]], int]:
        """Return what is to be inserted, and how many imports that concerns."""
        reasons = [self._reason(one) for one in self._imports]
        # Imports that bind one name to a library stay together: the last of them decides what it stands for.
        left = {one.binds for one, reason in zip(self._imports, reasons, strict=True) if reason and one.binds in LIBRARIES}
        insertions: list[tuple[Place, str]] = []
        count = 0
        for one, reason in zip(self._imports, reasons, strict=True):
            if reason or one.binds in left:
                self.doubts.append((one.line, reason or f"left alone, since another import of {one.binds} is"))
            else:
                insertions += one.insertions
                count += 1
        return insertions, count

    def _reason(self, one: _Import) -> str | None:
        """Return why an import cannot be moved."""
        library = one.module.partition(".")[0]
        if library in self._lookalikes:
            return f"{one.module} may mean {self._lookalikes[library]}"
        if not offers(one.module):
            return f"there is no {PACKAGE}.{one.module}"
        missing = [name for name in one.names if not offers(one.module, name)]
        if missing:
            return f"{PACKAGE}.{one.module} has no {', '.join(missing)}"
        if one.target != one.module and self._stillroom:
            return f"it would give the name stillroom, which line {self._stillroom[0]} gives a meaning, another one"
        for attribute, line in self._attributes.get(one.binds or "", ()):
            if not offers(one.target, attribute):
                return f"{PACKAGE}.{one.target} has no {attribute}, which line {line} uses"
        return None

    # Imports

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        if not isinstance(node.names, cst.ImportStar):
            for one in node.names:
                self._note_stillroom(one.name if one.asname is None else one.asname.name)
        if node.relative or node.module is None:
            return False
        module = _name(node.module)
        if _library(module):
            stars = isinstance(node.names, cst.ImportStar)
            names = ("*",) if stars else tuple([_name(one.name) for one in _aliases(node.names)])
            place = self._range(node.module).start
            before = [((place.line, place.column), f"{PACKAGE}.")]
            self._imports.append(_Import(place.line, module, names, None, module, before))
        return False

    def visit_Import(self, node: cst.Import) -> bool:
        bound: set[str] = set()
        for alias in node.names:
            module = _name(alias.name)
            if _library(module):
                self._imports.append(self._plain(alias, module, bound))
            elif module.partition(".")[0] != "stillroom" and alias.asname is not None:
                self._note_stillroom(alias.asname.name)
        return False

    def _plain(self, alias: cst.ImportAlias, module: str, bound: set[str]) -> _Import:
        where = self._range(alias.name)
        start, end = (where.start.line, where.start.column), (where.end.line, where.end.column)
        library = module.partition(".")[0]
        if alias.asname is not None:
            return _Import(start[0], module, (), _name(alias.asname.name), module, [(start, f"{PACKAGE}.")])
        if module == library:
            return _Import(start[0], module, (), library, library, [(start, f"{PACKAGE}."), (end, f" as {library}")])
        binding = "" if library in bound else f"{PACKAGE}.{library} as {library}, "
        bound.add(library)
        return _Import(start[0], module, (), library, library, [(start, f"{binding}{PACKAGE}.")])

    # Uses

    def visit_Attribute(self, node: cst.Attribute) -> None:
        if isinstance(node.value, cst.Name):
            self._attributes.setdefault(node.value.value, []).append((node.attr.value, self._range(node).start.line))

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        self._note_stillroom(node.target)

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        self._note_stillroom(node.name)

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        self._note_stillroom(node.name)

    def visit_For(self, node: cst.For) -> None:
        self._note_stillroom(node.target)

    def visit_AsName(self, node: cst.AsName) -> None:
        self._note_stillroom(node.name)

    def visit_Param(self, node: cst.Param) -> None:
        self._note_stillroom(node.name)

    def _note_stillroom(self, name: cst.CSTNode) -> None:
        if isinstance(name, cst.Name) and name.value == "stillroom":
            self._stillroom.append(self._range(name).start.line)

    # Strings

    def visit_Expr(self, node: cst.Expr) -> bool:
        if not isinstance(node.value, cst.SimpleString | cst.ConcatenatedString):
            return True
        self._read_code(node, node.value.evaluated_value, _IN_EXAMPLE)  # it documents something
        return False

    def visit_Call(self, node: cst.Call) -> None:
        self._asked.append(_last(node.func))

    def leave_Call(self, original_node: cst.Call) -> None:
        self._asked.pop()

    def visit_Subscript(self, node: cst.Subscript) -> None:
        self._asked.append(_last(node.value))

    def leave_Subscript(self, original_node: cst.Subscript) -> None:
        self._asked.pop()

    def visit_SimpleString(self, node: cst.SimpleString) -> None:
        self._read(node, node.evaluated_value)

    def visit_ConcatenatedString(self, node: cst.ConcatenatedString) -> bool:
        self._read(node, node.evaluated_value)
        return False

    def _read(self, node: cst.CSTNode, value: Any) -> None:
        self._read_code(node, value, _IN_CODE)
        if not isinstance(value, str) or not _DOTTED.fullmatch(value) or value.endswith(_FILES):
            return
        if "." in value or (self._asked and self._asked[-1] in _TAKE_MODULES):
            self.doubts.append((self._range(node).start.line, f'the text "{value}" may name a module; {PACKAGE}.{value}?'))

    def _read_code(self, node: cst.CSTNode, value: Any, pattern: re.Pattern[str]) -> None:
        if isinstance(value, str):
            start = self._range(node).start.line
            for found in pattern.finditer(value):
                self.doubts.append((start, f"a text here has an import of {found[1]}"))

    def _range(self, node: cst.CSTNode) -> CodeRange:
        found = self.get_metadata(PositionProvider, node)
        assert isinstance(found, CodeRange)
        return found


def _library(module: str) -> bool:
    return module.partition(".")[0] in LIBRARIES


def _aliases(names: Any) -> Iterator[cst.ImportAlias]:
    yield from names


def _name(node: cst.CSTNode) -> str:
    if isinstance(node, cst.Attribute):
        return f"{_name(node.value)}.{node.attr.value}"
    return node.value if isinstance(node, cst.Name) else ""


def _last(node: cst.CSTNode) -> str:
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""
