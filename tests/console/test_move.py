"""`python -m stillroom move`, as users run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stillroom.console import main
from stillroom.console.libraries import LIBRARIES, offers

FACADES = [library for library in LIBRARIES if offers(library)]


class Done(NamedTuple):
    """What a run came to."""

    status: int
    out: str


class Tree:
    """A folder of code."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self._capsys = capsys

    def __call__(self, name: str, text: str | bytes) -> Path:
        """Write a file."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def move(self, *arguments: str | Path) -> Done:
        """Run the command, on the folder unless told."""
        given = [str(one) for one in arguments]
        if all(one.startswith("-") for one in given):
            given.append(str(self.path))
        status = main(["move", *given])
        return Done(status, self._capsys.readouterr().out.replace(f"{self.path}{os.sep}", ""))

    def content(self) -> dict[str, bytes]:
        """Return all files with what is in them."""
        files = sorted(file for file in self.path.rglob("*") if file.is_file())
        return {str(file.relative_to(self.path)): file.read_bytes() for file in files}


@pytest.fixture
def tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Tree:
    return Tree(tmp_path, capsys)


def after(tree: Tree, text: str) -> str:
    """Return what becomes of a module."""
    file = tree("module.py", text)
    tree.move()
    return file.read_bytes().decode()


NEW = "stillroom.compat.cache_house"


# What imports become


@pytest.mark.parametrize("library", FACADES)
@pytest.mark.parametrize(
    ("before", "then"),
    [
        ("import {}", "import stillroom.compat.{} as {}"),
        ("import {} as x", "import stillroom.compat.{} as x"),
        ("from {} import *", "from stillroom.compat.{} import *"),
        ("import os, {}, sys", "import os, stillroom.compat.{} as {}, sys"),
    ],
)
def test_every_library(tree: Tree, library: str, before: str, then: str) -> None:
    assert after(tree, before.replace("{}", library)) == then.replace("{}", library)


@pytest.mark.parametrize(
    ("before", "then"),
    [
        ("from cache_house.cache import cache", f"from {NEW}.cache import cache"),
        ("from cache_house.cache import cache as c", f"from {NEW}.cache import cache as c"),
        ("from cache_house import helpers, cache", f"from {NEW} import helpers, cache"),
        ("import cache_house.cache as c", f"import {NEW}.cache as c"),
        ("import cache_house.cache", f"import {NEW} as cache_house, {NEW}.cache"),
        ("import cache_house.cache, cache_house.helpers", f"import {NEW} as cache_house, {NEW}.cache, {NEW}.helpers"),
        ("from cache_house . cache import(cache)", f"from {NEW} . cache import(cache)"),
        (
            "from cache_house.helpers import (\n    key_builder,  # why\n)\n",
            f"from {NEW}.helpers import (\n    key_builder,  # why\n)\n",
        ),
        ("from cache_house \\\n  .cache import cache", f"from {NEW} \\\n  .cache import cache"),
        ("x = 1; import cache_house; y = 2", f"x = 1; import {NEW} as cache_house; y = 2"),
        ("def f():\n\tfrom cache_house.cache import cache\n", f"def f():\n\tfrom {NEW}.cache import cache\n"),
        (
            "if TYPE_CHECKING:\n    from cache_house.backends import RedisCache\nelse:\n    import cache_house\n",
            f"if TYPE_CHECKING:\n    from {NEW}.backends import RedisCache\nelse:\n    import {NEW} as cache_house\n",
        ),
        (
            "try:\n    import cache_house\nexcept ImportError:\n    cache_house = None\n",
            f"try:\n    import {NEW} as cache_house\nexcept ImportError:\n    cache_house = None\n",
        ),
        (
            "import cache_house\n\nprint(cache_house.__version__, cache_house.cache.cache)\n",
            f"import {NEW} as cache_house\n\nprint(cache_house.__version__, cache_house.cache.cache)\n",
        ),
        ("import stillroom\nimport cache_house.cache\n", f"import stillroom\nimport {NEW} as cache_house, {NEW}.cache\n"),
    ],
)
def test_imports_become_those_of_the_facade(tree: Tree, before: str, then: str) -> None:
    assert after(tree, before) == then
    assert after(tree, then) == then  # and are never moved twice


@pytest.mark.parametrize(
    "text",
    [
        "import cache_houses\nfrom cache_house_x import y\nimport os.cashews\n",
        "from . import cashews\nfrom .cashews import cache\nfrom .. cachify import y\n",
        '"""cashews.wrapper"""\n# import cashews\n"from cashews import cache"\n',
        'names = {"cashews": 1, "redis_cache.py": 2}\nlog("cachify")\n',
        "cashews = 1\n",
        "",
    ],
)
def test_all_else_stays(tree: Tree, text: str) -> None:
    file = tree("module.py", text)
    done = tree.move("--check")
    assert (done.status, done.out) == (0, "0 imports in 0 files to be moved.\n")
    assert tree.move().status == 0
    assert file.read_text() == text


def test_what_was_moved_runs(tree: Tree) -> None:
    text = """
import cache_house.backends
from cache_house.cache import cache
from cache_house import helpers as h

cache_house.backends.RedisFactory.init(port=1, host="127.0.0.1")
runs = []

@cache(expire=h.DEFAULT_EXPIRE_TIME)
def f(x):
    runs.append(x)
    return x

assert [f(1), f(1), runs] == [1, 1, [1]]
assert "cache_house" not in __import__("sys").modules
cache_house.backends.RedisFactory.close_connections()
"""
    file = tree("program.py", text)
    assert tree.move().status == 0
    subprocess.run([sys.executable, str(file)], check=True)


# What cannot be decided


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ('import importlib\nimportlib.import_module("cachify.cache")\n', 2, 'the text "cachify.cache" may name a module'),
        ('import_module("cashews")\n', 1, 'the text "cashews" may name a module'),
        ('__import__("cashews")\n', 1, '"cashews"'),
        ('x = 1\n@mock.patch("cachify.cache")\ndef f(): ...\n', 2, '"cachify.cache"'),
        ('patch.object(x)\npatch(\n    "redis_cache"\n    ".RedisCache")\n', 3, '"redis_cache.RedisCache"'),
        ('monkeypatch.setattr("cashews.cache", 1)\n', 1, '"cashews.cache"'),
        ('sys.modules["cashews"]\n', 1, '"cashews"'),
        ("def f():\n    '''Do.\n\n    >>> from cachify import cache\n    '''\n", 2, "a text here has an import of cachify"),
        ("exec('import cache_house')\n", 1, "a text here has an import of cache_house"),
        ('{"cells": [{"source": ["from cachify import cache\\n"]}]}\n', 1, "a text here has an import of cachify"),
        ('SETTINGS = {"BACKEND": "cache_house.backends.RedisCache"}\n', 1, '"cache_house.backends.RedisCache"'),
    ],
)
def test_texts_that_may_name_modules_are_told(tree: Tree, text: str, line: int, told: str) -> None:
    file = tree("module.py", text)
    done = tree.move()
    assert done.status == 0
    assert done.out.startswith(f"module.py:{line}: ")
    assert told in done.out
    assert "1 place for you to look at" in done.out
    assert file.read_text() == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("from cache_house.nowhere import x\n", "module.py:1: there is no stillroom.compat.cache_house.nowhere"),
        ("from cache_house.cache import cache, tea\n", "module.py:1: stillroom.compat.cache_house.cache has no tea"),
        (
            "import cache_house\n\ncache_house.tea()\n",
            "module.py:1: stillroom.compat.cache_house has no tea, which line 3 uses",
        ),
        ("import cache_house as c\n\nc.tea()\n", "module.py:1: stillroom.compat.cache_house has no tea, which line 3 uses"),
        ("stillroom = 1\nimport cache_house.cache\n", "module.py:2: it would give the name stillroom, which line 1"),
        ("def stillroom(): ...\nimport cache_house.cache\n", "module.py:2: it would give the name stillroom, which line 1"),
        ("from x import stillroom\nimport cache_house.cache\n", "module.py:2: it would give the name stillroom, which line 1"),
        ("from x import y as stillroom\nimport cache_house.cache\n", "module.py:2: it would give the name stillroom"),
        ("class stillroom: ...\nimport cache_house.cache\n", "module.py:2: it would give the name stillroom, which line 1"),
        ("with x as stillroom:\n    import cache_house.cache\n", "module.py:2: it would give the name stillroom"),
        ("for stillroom in x:\n    import cache_house.cache\n", "module.py:2: it would give the name stillroom"),
        ("def f(stillroom):\n    import cache_house.cache\n", "module.py:2: it would give the name stillroom, which line 1"),
        (
            "import cache_house\nimport cache_house.nowhere\n",
            "module.py:1: left alone, since another import of cache_house is\n"
            "module.py:2: there is no stillroom.compat.cache_house.nowhere",
        ),
    ],
)
def test_imports_that_would_not_be_right_are_told_and_left(tree: Tree, text: str, told: str) -> None:
    file = tree("module.py", text)
    done = tree.move()
    assert done.status == 0
    assert told in done.out
    assert file.read_text() == text


def test_a_module_of_the_code_base_with_that_name_is_not_mistaken(tree: Tree) -> None:
    tree("app/redis_cache.py", "class RedisCache: ...\n")
    user = tree("app/user.py", "from redis_cache import RedisCache\nfrom cache_house.cache import cache\n")
    done = tree.move()
    assert f"user.py:1: redis_cache may mean {tree.path / 'app' / 'redis_cache.py'}" in done.out.replace(
        "app/user", "user"
    ) or ("app/user.py:1: redis_cache may mean app/redis_cache.py" in done.out)
    assert user.read_text() == f"from redis_cache import RedisCache\nfrom {NEW}.cache import cache\n"


def test_others_in_the_same_file_are_moved_all_the_same(tree: Tree) -> None:
    text = 'from cache_house.nowhere import x\nfrom cache_house.cache import cache\npatch("cache_house.cache")\n'
    assert after(tree, text) == text.replace("from cache_house.cache", f"from {NEW}.cache")


# Files

LINE = "from cache_house.cache import cache"


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf%b\n",
        b"# -*- coding: latin-1 -*-\nx = '\xe9'\n%b  # \xe9\n",
        b"# vim: set fileencoding=cp1252 :\n%b; x = '\x80'",
        "# ∅\n%b; y = '∅'\n".encode(),
        b"x = 1\r\n%b\r\ny = 2\r\n",
        b"x = 1\r\n%b\ny = '''\r'''\r\n",
        b"x = 1\n\x0c%b\n\x0c\nclass A: ...\n",
        b"%b",
        b"%b  \t \n\n\n   \n",
        b"#!/usr/bin/python\n'''x'''\n%b\\\n\n",
        b"if 1:\n\t%b\n\ty = 2 ;\n",
        b"'\\d'\n%b\n",
        b"%b\rx = 1\r",
    ],
)
def test_everything_else_stays_byte_for_byte(tree: Tree, data: bytes) -> None:
    file = tree("module.py", data.replace(b"%b", LINE.encode()))
    assert tree.move().status == 0
    assert file.read_bytes() == data.replace(b"%b", f"from {NEW}.cache import cache".encode())


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (f"{LINE}\ndef broken(:\n".encode(), "module.py:2: cannot be parsed"),
        (b"def broken(:\n", "module.py:1: cannot be parsed"),
        (f"{LINE}\nx = '\xe9'\n".encode("latin-1"), "module.py: "),
        (b"# -*- coding: no-such -*-\n", "module.py: unknown encoding"),
    ],
)
def test_what_cannot_be_read_is_told_and_left(tree: Tree, data: bytes, told: str) -> None:
    file, other = tree("module.py", data), tree("other.py", LINE)
    done = tree.move()
    assert done.status == 2
    assert told in done.out
    assert "1 file left alone because of errors" in done.out
    assert file.read_bytes() == data
    assert other.read_text().startswith(f"from {NEW}")


def test_a_file_that_cannot_be_written_is_as_it_was(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree("module.py", LINE)

    def refuse(*_: Any) -> None:
        raise PermissionError("no")

    monkeypatch.setattr("os.replace", refuse)
    done = tree.move()
    assert (done.status, done.out.splitlines()[0]) == (2, "module.py: no")
    assert tree.content() == {"module.py": LINE.encode()}


def test_modes_are_kept(tree: Tree) -> None:
    file = tree("module.py", LINE)
    file.chmod(0o751)
    tree.move()
    assert file.stat().st_mode & 0o777 == 0o751


def test_what_is_not_the_users_own_code_is_left_out(tree: Tree) -> None:
    left = [".hidden/a.py", ".b.py", "venv/c.py", "lib/site-packages/d.py", "node_modules/e.py", "__pycache__/f.py", "g.txt"]
    for name in left:
        tree(name, LINE)
    tree("venv/pyvenv.cfg", "")
    for name in ("env/x.py", "stubs/y.pyi", "z.py"):
        tree(name, LINE)
    assert tree.move().status == 0
    content = tree.content()
    assert [name for name, data in content.items() if data == LINE.encode()] == sorted(left)
    assert [name for name, data in content.items() if data.startswith(f"from {NEW}".encode())] == [
        "env/x.py",
        "stubs/y.pyi",
        "z.py",
    ]


def test_links_are_not_followed(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "a.py").write_text(LINE)
    tree("real/b.py", LINE)
    (tree.path / "loop").symlink_to(tree.path)
    (tree.path / "real" / "out").symlink_to(outside)
    (tree.path / "link.py").symlink_to(outside / "a.py")
    (tree.path / "broken.py").symlink_to(outside / "nothing.py")
    assert tree.move().out == "moved 1 import in real/b.py\n1 import in 1 file moved.\n"
    assert (outside / "a.py").read_text() == LINE


def test_a_link_that_is_named_stays_one(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("outside") / "a.py"
    target.write_text(LINE)
    link = tree.path / "link.py"
    link.symlink_to(target)
    assert tree.move(link).status == 0
    assert link.is_symlink()
    assert target.read_text().startswith(f"from {NEW}")


def test_files_come_in_order_and_once(tree: Tree) -> None:
    names = ["a/z.py", "a/b/c.py", "b.py", "a.py"]
    for name in names:
        tree(name, "import cache_house.nowhere\n")
    done = tree.move(tree.path, tree.path / "a", tree.path / "a" / "b" / ".." / "z.py")
    assert [line.partition(":")[0] for line in done.out.splitlines()[:-1]] == ["a.py", "b.py", "a/z.py", "a/b/c.py"]


def test_a_file_may_have_any_name(tree: Tree) -> None:
    file = tree("script", LINE)
    assert tree.move(file).status == 0
    assert file.read_text().startswith(f"from {NEW}")


def test_a_path_that_is_not_there(tree: Tree) -> None:
    file = tree("a.py", LINE)
    done = tree.move(tree.path / "nothing", file)
    assert done.status == 2
    assert "nothing: there is no such file or folder" in done.out
    assert file.read_text().startswith(f"from {NEW}")


@pytest.mark.parametrize("name", ["", "fifo"])
def test_what_is_neither_a_file_nor_a_folder(tree: Tree, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tree.path)
    os.mkfifo("fifo")
    file = tree("a.py", LINE)
    done = tree.move(Path("a.py"), name) if name else Done(main(["move", ""]), "")
    assert done.status == 2
    assert "there is no such file or folder" in done.out or not name
    assert (file.read_text() == LINE) == (not name)


def test_a_folder_that_cannot_be_read_is_told(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree("a/b.py", LINE)
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if str(path).endswith("a"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", refusing)
    done = tree.move()
    assert (done.status, done.out.splitlines()[0]) == (2, "a: Permission denied")


def test_a_file_that_is_read_only_is_left(tree: Tree) -> None:
    file = tree("a.py", LINE)
    file.chmod(0o444)
    done = tree.move()
    assert (done.status, done.out.splitlines()[0]) == (2, "a.py: it is read-only")
    assert file.read_text() == LINE


def test_a_file_that_somebody_has_changed_meanwhile_is_left(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    from stillroom.console import imports

    file, moved = tree("a.py", LINE), imports.moved

    def slow(*args: Any) -> Any:
        file.write_text("changed")
        return moved(*args)

    monkeypatch.setattr("stillroom.console.imports.moved", slow)
    done = tree.move()
    assert (done.status, done.out.splitlines()[0]) == (2, "a.py: somebody has changed it meanwhile")
    assert tree.content() == {"a.py": b"changed"}


def test_owners_are_kept(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    file, given = tree("a.py", LINE), []
    owner = file.stat()
    monkeypatch.setattr("os.chown", lambda path, *ids: given.append((os.path.dirname(path), ids)))
    tree.move()
    assert given == [(str(file.parent), (owner.st_uid, owner.st_gid))]


DEEP = [
    ("x = " + "+".join(["1"] * 500), True),
    ("x = 1\nif x: pass\n" + "elif x: pass\n" * 500, True),
    ("x = a" + ".b()" * 300, True),
    ("x = " + "+".join(["1"] * 20000), False),
    ("x = " + "(" * 3000 + "1" + ")" * 3000, False),
    ("x = 1\nif x: pass\n" + "elif x: pass\n" * 5000, False),
    ("x = a" + ".b()" * 5000, False),
]


@pytest.mark.parametrize(("code", "is_moved"), DEEP, ids=range(len(DEEP)))
def test_what_is_nested_deeply_is_moved_or_told(tree: Tree, code: str, is_moved: bool) -> None:
    file, other = tree("a.py", f"{LINE}\n{code}\n"), tree("b.py", LINE)
    limit = sys.getrecursionlimit()
    done = tree.move()
    assert file.read_text().startswith(f"from {NEW}") is is_moved
    assert (done.status, "cannot be parsed: it is nested too deeply" in done.out) == ((0, False) if is_moved else (2, True))
    assert other.read_text().startswith(f"from {NEW}")
    assert sys.getrecursionlimit() == limit


# Options


def test_check_changes_nothing(tree: Tree) -> None:
    tree("a.py", LINE)
    before = tree.content()
    done = tree.move("--check")
    assert (done.status, done.out) == (1, "would move 1 import in a.py\n1 import in 1 file to be moved.\n")
    assert tree.content() == before
    tree("b.py", "def broken(:\n")
    assert tree.move("--check").status == 2
    (tree.path / "b.py").unlink()
    tree.move()
    assert tree.move("--check").status == 0


def test_diff_shows_what_would_change(tree: Tree) -> None:
    tree("a.py", f"x = 1\n{LINE}\ny = 2")
    before = tree.content()
    done = tree.move("--diff")
    assert (done.status, done.out) == (
        0,
        f"--- a.py\n+++ a.py\n@@ -1,3 +1,3 @@\n x = 1\n-{LINE}\n+from {NEW}.cache import cache\n y = 2\n"
        "\\ No newline at end of file\n1 import in 1 file to be moved.\n",
    )
    assert tree.content() == before
    assert tree.move("--diff", "--check").status == 1


def test_a_diff_can_be_applied(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> None:
    tree("a.py", f"x = 1\r\n{LINE}\r\ny = '''\n\x0c'''")
    patch = tmp_path_factory.mktemp("patch") / "patch"
    python = [sys.executable, "-m", "stillroom", "move"]
    patch.write_bytes(subprocess.run([*python, "--diff", "a.py"], cwd=tree.path, capture_output=True, check=True).stdout)
    subprocess.run(["git", "apply", "-p0", str(patch)], cwd=tree.path, check=True)
    applied = tree.content()
    tree("a.py", f"x = 1\r\n{LINE}\r\ny = '''\n\x0c'''")
    tree.move()
    assert tree.content() == applied


def run(*code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *code], capture_output=True, text=True, check=False)


def test_without_libcst_the_extra_is_named(tree: Tree) -> None:
    file = tree("a.py", LINE)
    code = (
        f"import sys; sys.modules['libcst'] = None; from stillroom.console import main; sys.exit(main(['move', {str(file)!r}]))"
    )
    done = run("-c", code)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "python -m stillroom: the command move needs libcst: pip install 'stillroom[move]'\n"
    assert file.read_text() == LINE


def test_the_command_line_explains_itself(tree: Tree) -> None:
    assert run("-m", "stillroom").returncode == 2
    assert "move" in run("-m", "stillroom", "--help").stdout
    explained = run("-m", "stillroom", "move", "--help")
    assert explained.returncode == 0
    assert "--check" in explained.stdout
    assert run("-m", "stillroom", "move").returncode == 2


def test_a_whole_program_runs_the_command(tree: Tree) -> None:
    file = tree("a.py", LINE)
    done = run("-m", "stillroom", "move", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    assert file.read_text() == f"from {NEW}.cache import cache"
