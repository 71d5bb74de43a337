"""`make soak`, for some seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_four_processes_survive_some_faults() -> None:
    command = [sys.executable, "-m", "benchmarks.soak", "5", "--every", "0.7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=28, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "wrong answers and exceptions: 0" in done.stdout
    assert not done.stderr
