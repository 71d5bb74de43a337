"""What `make demo` prints is true, and all of it comes within ten seconds."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TypeAlias

import pytest

DEMO = Path(__file__).resolve().parent.parent / "examples" / "demo.py"

Report: TypeAlias = "dict[str, dict[str, str]]"
"""For each heading its lines, by label."""


def parsed(text: str) -> Report:
    report: Report = {}
    for section in text.split("\n\n")[1:]:
        heading, *lines = section.splitlines()
        report[heading] = {line[:16].strip(): line[16:] for line in lines}
    return report


@pytest.fixture(scope="module")
def output() -> str:
    command = [sys.executable, "-W", "error", str(DEMO)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def report(output: str) -> Report:
    return parsed(output)


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found, f"no {pattern!r} in {text!r}"
    return float(found[1].replace(",", ""))


def test_the_report_is_plain_text_that_fits_a_terminal(output: str) -> None:
    assert output.isprintable() or set(filter(lambda c: not c.isprintable(), output)) == {"\n"}
    assert max(map(len, output.splitlines())) <= 100
    assert "\033" not in output


def test_the_second_call_is_cheap(report: Report) -> None:
    lines = report["The second call costs next to nothing"]
    surveys = [line for line in lines.values() if "modules" in line]
    assert len(surveys) == 6
    assert all(number(r"(\d+) modules", line) > 0 and number(r"([\d,]+) definitions", line) > 0 for line in surveys)
    first, second = number(r"([\d,]+) ms", lines["first call"]), number(r"([\d.]+) µs", lines["second call"])
    assert first * 1e3 > 1_000 * second
    assert number(r"([\d,]+) times faster", lines["second call"]) > 1_000


def test_callers_share_one_load(report: Report) -> None:
    assert report["One load, however many ask at once"] == {
        "50 threads": "1 load, 1 answer",
        "200 tasks": "1 load, 1 answer",
    }


def test_invalidation_wins(report: Report) -> None:
    lines = report["Invalidation wins against a load in flight"]
    assert [lines[f"asked {when}"].partition(",")[0] for when in ("before", "during", "after")] == ["old", "new", "new"]


def test_a_stale_value_rescues_an_error(report: Report) -> None:
    lines = report["A stale value rescues an error"]
    assert lines["fresh"] == "3 lines"
    assert lines["2 minutes on"].startswith("3 lines (stale)")
    assert lines["2 hours on"].startswith("FileNotFoundError")


def test_a_tag_clears_its_group_and_nothing_else(report: Report) -> None:
    lines = report["A tag clears a group"]
    assert lines["hit"] == "asyncio, email, http, logging, unittest"
    assert lines["miss"] == "json"
    assert lines["async"].startswith("miss")


def test_the_counts_add_up(report: Report) -> None:
    lines = report["Statistics"]
    for function in ("survey", "survey_async"):
        line = lines[function]
        calls, hits, misses = (number(rf"([\d,]+) {what}", line) for what in ("calls", "hits", "misses"))
        assert calls == hits + misses
    # Six packages, one of them again after its key was invalidated, one after its tag was.
    assert number(r"(\d+) loads", lines["survey"]) == 8
    assert number(r"(\d+) loads", lines["survey_async"]) == 2
    assert number(r"([\d,]+) calls", lines["survey_async"]) == 201
