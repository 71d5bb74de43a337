"""What README and docs show is run as it stands there.

The ``python`` blocks of a page run from top to bottom in one namespace and a process of their own, with warnings as errors.
There is no way to leave a block out: what is not meant to run is ``text`` or ``sh``. The servers that pages name are real ones,
started for the tests, at addresses of their own: `PLACES` says which stands for which.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted(ROOT.glob("docs/**/*.md"))]
PROSE = {"architecture.md", "benchmarks.md", "decisions.md"}
"""Pages that need not show code."""

LANGUAGES = {"python", "text", "sh"}
PATIENCE = 5.0
"""Seconds that an operation on a server may take: a busy machine must not look like an outage."""


def at(server: Any) -> str:
    """Return the address of a server."""
    url: str = server.url
    return urlsplit(url).netloc


PLACES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "localhost:6379": ("redis_server", at),
    "/run/redis/redis.sock": ("redis_server", lambda server: urlsplit(server.unix_url).path),
    "localhost:6380": ("tls_server", at),
    "/etc/ssl/redis-ca.pem": ("tls_server", lambda server: str(server.options["ssl_ca_certs"])),
    "localhost:7000": ("redis_cluster", lambda cluster: at(cluster.nodes[0])),
    "localhost:7001": ("redis_cluster", lambda cluster: at(cluster.nodes[1])),
    "localhost:7002": ("redis_cluster", lambda cluster: at(cluster.nodes[2])),
    "localhost:26379": ("sentinel", lambda sentinel: at(sentinel.watchers[0])),
    "localhost:26380": ("sentinel", lambda sentinel: at(sentinel.watchers[1])),
    "localhost:26381": ("sentinel", lambda sentinel: at(sentinel.watchers[2])),
}
"""What pages call servers and their files, the fixture that has them, and what they are called there."""

every_page = pytest.mark.parametrize("page", PAGES, ids=[page.relative_to(ROOT).as_posix() for page in PAGES])


class Block(NamedTuple):
    """A fenced block: what its fence says, the line that its code starts on, and the code."""

    language: str
    line: int
    code: str


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    language, start, lines = None, 0, []
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        if not line.lstrip().startswith("```"):
            lines.append(line)
        elif language is None:
            language, start, lines = line.strip().strip("`"), number + 1, []
        else:
            yield Block(language, start, "\n".join(lines) + "\n")
            language = None
    assert language is None, f"{page}: the block that starts on line {start} has no end"


@every_page
def test_blocks_are_code_that_runs_or_say_that_they_are_not(page: Path) -> None:
    found = list(blocks(page))
    assert [(block.line, block.language) for block in found if block.language not in LANGUAGES] == []
    disguised = re.compile(r"^\s*(@cache\b|(from|import) stillroom\b|(async )?def \w+\()", re.MULTILINE)
    assert [block.line for block in found if block.language == "text" and disguised.search(block.code)] == []
    assert page.name in PROSE or any(block.language == "python" for block in found), "the page shows no code"


def code(page: Path) -> list[Block]:
    """Return the blocks of a page that are run."""
    return [block for block in blocks(page) if block.language == "python"]


def places(page: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """Start the servers that the code of a page names; return what to read for each of their names."""
    text = "".join(block.code for block in code(page))
    named = [name for name in PLACES if re.search(rf"{re.escape(name)}\b", text)]
    return {name: PLACES[name][1](request.getfixturevalue(PLACES[name][0])) for name in named}


@every_page
@pytest.mark.timeout(90)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    command = [sys.executable, "-W", "error", __file__, str(page), json.dumps(places(page, request))]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"ran {len(code(page))} blocks"


@every_page
def test_links_lead_to_files_that_exist(page: Path) -> None:
    targets = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", page.read_text("utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_readme_is_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 150


def run(page: Path, places: dict[str, str]) -> None:
    """Run the code of a page; tracebacks show the lines of the page."""
    if places:
        be_patient()
    module = types.ModuleType(f"page_{page.stem.lower()}")  # a page may be called like a package, such as redis
    sys.modules[module.__name__] = module
    ran = 0
    for block in code(page):
        source = "\n" * (block.line - 1) + block.code
        for name, place in places.items():
            source = re.sub(rf"{re.escape(name)}\b", place, source)
        exec(compile(source, str(page), "exec"), module.__dict__)
        ran += 1
    sys.stdout.write(f"\nran {ran} blocks\n")


def be_patient() -> None:
    """Have caches wait longer for their servers than they do unless told."""
    from stillroom import Cache, cache

    Cache.__init__.__kwdefaults__ = {**(Cache.__init__.__kwdefaults__ or {}), "timeout": PATIENCE}
    cache._far["timeout"] = PATIENCE


if __name__ == "__main__":
    run(Path(sys.argv[1]), json.loads(sys.argv[2]))
