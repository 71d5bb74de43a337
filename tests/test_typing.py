"""Rule 48: what type checkers see: typed usage passes, misuse does not, and what they are told is true when a program runs.

mypy complains of an ignore comment that it does not need, and so does pyright with the settings of tests/typing; so both
also fail if something in misuse.py were accepted.
"""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.typing import usage

ROOT = Path(__file__).resolve().parent.parent

MYPY = ("mypy", "--strict", "--follow-imports=silent", "tests/typing")
PYRIGHT = ("pyright", "--pythonpath", sys.executable, "--project", "tests/typing")

EXAMPLES = [one for one in vars(usage).values() if inspect.isfunction(one) and one.__module__ == usage.__name__]


@pytest.mark.timeout(300)  # without its cache, mypy reads all of the standard library's stubs that stillroom uses
@pytest.mark.parametrize("command", [MYPY, PYRIGHT], ids=["mypy", "pyright"])
def test_type_checkers_accept_usage_and_refuse_misuse(command: tuple[str, ...]) -> None:
    pytest.importorskip(command[0])
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.__name__ for example in EXAMPLES])
def test_what_type_checkers_are_told_is_true(example: Callable[[], Any]) -> None:
    if inspect.iscoroutinefunction(example):
        asyncio.run(example())
    else:
        example()
