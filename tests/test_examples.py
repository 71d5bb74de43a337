"""The small programs in examples/ run, and print what they claim."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
DEMO = "demo.py"
"""Has tests of its own."""

PRINTED = {
    "rates_client.py": """\
100 calls at once: 1 request
100 calls in an outage: 1 request, all answered with 1.08
3 pairs: 3 rates, 3 requests
""",
    "repository.py": """\
30 reads: 3 queries
tea: [1, 3], jam: [2], 1 more query
by its name: Product(id=1, category='tea', price=4)
after the shop was cleared: None, None
""",
}


def test_every_example_is_run() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*PRINTED, DEMO}


@pytest.mark.parametrize("name", PRINTED)
def test_an_example_prints_what_it_claims(name: str) -> None:
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == PRINTED[name]


@pytest.mark.parametrize("name", PRINTED)
def test_an_example_is_short(name: str) -> None:
    assert len((EXAMPLES / name).read_text("utf-8").splitlines()) < 60
