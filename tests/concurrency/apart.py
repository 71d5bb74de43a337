"""Runs code in an interpreter of its own, where a hang hangs nobody else."""

from __future__ import annotations

import subprocess
import sys

PRELUDE = """
import asyncio, contextlib, faulthandler, gc, os, signal, sys, threading, time, warnings, weakref
warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.12 on, of forks beside threads: the point here
from stillroom import Cache
from stillroom.stores.memory import MemoryStore
from stillroom.testing import ChaosStore, FakeClock
# Whoever hangs shows where and dies: this process, and each child, which does not inherit the alarm.
faulthandler.register(signal.SIGALRM, all_threads=True, chain=True)
signal.alarm({patience})

def in_child(work, patience=5):
    \"\"\"Fork; in the child, do the work and exit. Return the child's exit code, negative if a signal ended it.\"\"\"
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.alarm(patience)
            work()
            code = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def run_apart(code: str, *, patience: int = 10) -> None:
    """Run code; fail if it raises, complains on its standard error, or takes longer than so many seconds."""
    source = PRELUDE.format(patience=patience) + code
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        timeout=patience + 10,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert not done.stderr, done.stderr[-4000:]
