"""The libraries that there are facades of, and what these offer, as far as their source tells."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["LIBRARIES", "PACKAGE", "lookalikes", "offers"]

LIBRARIES: Final = ("cashews", "cache_house", "cachify", "redis_cache")
PACKAGE: Final = "stillroom.compat"

_FACADES: Final = Path(__file__).resolve().parent.parent / "compat"


def offers(module: str, name: str | None = None) -> bool:
    """Tell whether a module of a library, or a name in it, is there in stillroom's facade as well."""
    path = _file(module)
    if path is None:
        return False
    return name is None or name == "*" or _file(f"{module}.{name}") is not None or bool({name, "*"} & _names(path))


def _file(module: str) -> Path | None:
    place = _FACADES.joinpath(*module.split("."))
    return next((path for path in (place / "__init__.py", place.with_suffix(".py")) if path.is_file()), None)


@cache
def _names(path: Path) -> frozenset[str]:
    """Return the names that a module defines; a star if it may have any."""
    return frozenset(_defined(ast.parse(path.read_bytes()).body))


def _defined(body: Iterable[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield "*" if node.name == "__getattr__" else node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name))
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _defined([child for child in ast.walk(node) if isinstance(child, ast.stmt) and child is not node])


def lookalikes(paths: Iterable[Path]) -> dict[str, Path]:
    """Return modules of the code base itself that bear the name of a library, so that an import may mean them."""
    from .files import folders_under

    found: dict[str, Path] = {}
    for folder in folders_under(paths):
        for library in LIBRARIES:
            for place in (folder / f"{library}.py", folder / library / "__init__.py"):
                if place.is_file():
                    found.setdefault(library, place)
    return found
