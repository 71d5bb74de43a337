"""What README and docs show is run as it stands there.

The ``python`` blocks of a page run from top to bottom in one namespace and a process of their own, with warnings as errors.
There is no way to leave a block out: what is not meant to run is ``text`` or ``sh``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted(ROOT.glob("docs/**/*.md"))]
PROSE = {"architecture.md", "benchmarks.md", "decisions.md"}
"""Pages that need not show code."""

LANGUAGES = {"python", "text", "sh"}
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


@every_page
@pytest.mark.timeout(60)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", __file__, str(page)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"ran {sum(block.language == 'python' for block in blocks(page))} blocks"


@every_page
def test_links_lead_to_files_that_exist(page: Path) -> None:
    targets = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", page.read_text("utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_readme_is_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 150


def run(page: Path) -> None:
    """Run the code of a page; tracebacks show the lines of the page."""
    module = types.ModuleType(page.stem.lower())
    sys.modules[module.__name__] = module
    ran = 0
    for block in blocks(page):
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.code, str(page), "exec"), module.__dict__)
            ran += 1
    sys.stdout.write(f"\nran {ran} blocks\n")


if __name__ == "__main__":
    run(Path(sys.argv[1]))
