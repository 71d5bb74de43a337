"""The rules that the shape of the code keeps: see docs/architecture.md."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src" / "stillroom"

# From top to bottom: what stands in a row imports from its own row and from those below. A top-level module that no row names
# belongs to FACADE.
LAYERS = (
    {"__main__"},
    {"compat", "console", "integrations", "web"},
    {"testing"},
    {"__init__"},
    FACADE := {"cache", "function", "compile", "methods", "generators"},
    {"_engine", "stores", "guards", "observe", "serializers"},
    {"_runtime", "policy", "keys", "kinds", "load", "settings"},
    {"entry", "errors", "durations", "protocols", "capabilities"},
)
PUBLIC_NAMES_ONLY = LAYERS[1]
MAY_NAME_TYPES_FROM_ABOVE = {"protocols", "capabilities"}

BANNED = {"_engine": {"asyncio", "threading", "time", "random", "socket", "os"}}

# The one module that may import a package from outside the standard library, with an error that names the extra.
THIRD_PARTY: dict[str, set[str]] = {
    "compat.cashews.contrib._starlette": {"starlette"},
    "compat.cashews.contrib.fastapi": {"starlette"},
    "compat.cashews.contrib.prometheus": {"prometheus_client"},
    "compat._clients": {"redis"},
    "compat.cache_house._opening": {"redis"},
    "compat.cachify.redis.config": {"redis"},
    "console.imports": {"libcst"},
    "integrations.django": {"django"},
    "integrations.sqlalchemy": {"sqlalchemy"},
    "observe.opentelemetry": {"opentelemetry"},
    "observe.prometheus": {"prometheus_client"},
    "serializers.wire": {"msgspec"},
    "serializers.zstd": {"zstandard"},
    "stores.redis.client": {"redis"},
    "stores.resp": {"hiredis"},
}

MODULE_LINES = 400
FUNCTION_LINES = 40


class Import(NamedTuple):
    """An imported module, whether only type checkers see it, and where."""

    target: str
    for_types: bool
    line: int


class Module(NamedTuple):
    """A module's dotted name within the package (``""`` for the package itself), its syntax tree and its text."""

    name: str
    path: Path
    tree: ast.Module
    text: str

    @property
    def home(self) -> str:
        """The module or folder right below the package that this belongs to."""
        return self.name.split(".")[0] or "__init__"

    def imports(self) -> Iterator[Import]:
        """Yield all imports, wherever they stand."""
        for_types: set[ast.AST] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
                for_types.update(child for statement in node.body for child in ast.walk(statement))
            if isinstance(node, ast.Import):
                yield from (Import(alias.name, node in for_types, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (Import(name, node in for_types, node.lineno) for name in self._from(node))

    def _from(self, node: ast.ImportFrom) -> Iterator[str]:
        if not node.level:
            base = node.module or ""
        else:
            package = ["stillroom", *self.name.split(".")] if self.name else ["stillroom"]
            climb = node.level - (self.path.name == "__init__.py")
            base = ".".join([*package[: len(package) - climb], *filter(None, [node.module])])
        for alias in node.names:
            below = SOURCE.joinpath(*base.split(".")[1:], alias.name)
            is_module = base.startswith("stillroom") and (below.is_dir() or below.with_suffix(".py").is_file())
            yield f"{base}.{alias.name}" if is_module else base


def _modules() -> Iterator[Module]:
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        text = path.read_text("utf-8")
        yield Module(".".join(part for part in parts if part != "__init__"), path, ast.parse(text), text)


MODULES = list(_modules())
every_module = pytest.mark.parametrize("module", MODULES, ids=[module.name or "stillroom" for module in MODULES])


def _layer(home: str) -> int:
    named = [row for row, homes in enumerate(LAYERS) if home in homes]
    return named[0] if named else LAYERS.index(FACADE)


def _home(target: str) -> str | None:
    package, _, rest = target.partition(".")
    return (rest.split(".")[0] or "__init__") if package == "stillroom" else None


@every_module
def test_imports_point_down_only(module: Module) -> None:
    def points_up(target: Import) -> bool:
        home = _home(target.target)
        tolerated = target.for_types and module.home in MAY_NAME_TYPES_FROM_ABOVE
        return home is not None and not tolerated and _layer(home) < _layer(module.home)

    assert [target for target in module.imports() if points_up(target)] == []


@every_module
def test_facades_over_the_public_names_import_nothing_else(module: Module) -> None:
    if module.home in PUBLIC_NAMES_ONLY:
        homes = {_home(target.target) for target in module.imports()}
        assert homes <= {None, "__init__", module.home}


@every_module
def test_banned_modules_are_not_imported(module: Module) -> None:
    banned = BANNED.get(module.home, set())
    assert [target for target in module.imports() if target.target.split(".")[0] in banned] == []


@every_module
def test_third_party_packages_are_imported_in_their_one_module(module: Module) -> None:
    packages = {target.target.split(".")[0] for target in module.imports()} - {"stillroom"}
    assert packages - sys.stdlib_module_names <= THIRD_PARTY.get(module.name, set())


@every_module
def test_every_module_says_what_it_is(module: Module) -> None:
    assert ast.get_docstring(module.tree)


@every_module
def test_no_module_is_long(module: Module) -> None:
    assert len(module.text.splitlines()) <= MODULE_LINES


@every_module
def test_no_function_is_long(module: Module) -> None:
    def lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
        body = function.body[1:] if ast.get_docstring(function) is not None else function.body
        return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0

    functions = [node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert {node.name: lines(node) for node in functions if lines(node) > FUNCTION_LINES} == {}


def test_importing_stillroom_brings_in_neither_asyncio_nor_third_party_packages() -> None:
    code = "import sys, json; before = set(sys.modules); import stillroom; print(json.dumps([*set(sys.modules) - before]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    packages = {name.split(".")[0] for name in json.loads(done.stdout)}
    packages = {name for name in packages if not name.startswith("_sysconfigdata")}  # the standard library's, by another name
    assert "asyncio" not in packages
    assert packages - {"stillroom"} <= sys.stdlib_module_names


def _public_names() -> dict[str, object]:
    import stillroom

    return {name: getattr(stillroom, name) for name in stillroom.__all__}


def test_all_is_complete() -> None:
    import stillroom

    visible = {name for name, value in vars(stillroom).items() if not name.startswith("_") and not inspect.ismodule(value)}
    listed = [name for name in stillroom.__all__ if not name.startswith("_")]
    assert len(set(stillroom.__all__)) == len(stillroom.__all__)
    assert set(listed) == visible - {"annotations"}


def test_every_public_name_has_a_docstring_and_its_public_home() -> None:
    named = {name: value for name, value in _public_names().items() if inspect.isclass(value) or inspect.isfunction(value)}
    assert [name for name, value in named.items() if not inspect.getdoc(value)] == []
    assert {name: value.__module__ for name, value in named.items() if value.__module__ != "stillroom"} == {}
