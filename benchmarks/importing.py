"""What ``import stillroom`` costs and brings in."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import NamedTuple

__all__ = ["Importing", "measure"]

NEW_MODULES = "import sys, json; old = set(sys.modules); import stillroom; print(json.dumps(sorted(set(sys.modules) - old)))"


class Importing(NamedTuple):
    """The median time of an import in milliseconds, and the imported packages that are not wanted."""

    milliseconds: float
    unwanted: list[str]


def measure(times: int = 15) -> Importing:
    """Import stillroom in so many new processes."""
    _milliseconds()  # the first one may have to compile
    packages = {name.split(".")[0] for name in json.loads(_run("-c", NEW_MODULES).stdout)}
    unwanted = {name for name in packages if not name.startswith("_sysconfigdata")}  # the standard library's, by another name
    unwanted -= sys.stdlib_module_names - {"asyncio"} | {"stillroom"}
    return Importing(statistics.median(_milliseconds() for _ in range(times)), sorted(unwanted))


def _milliseconds() -> float:
    *_, total = _run("-X", "importtime", "-c", "import stillroom").stderr.splitlines()
    _, cumulative, name = total.removeprefix("import time:").split("|")
    if name.strip() != "stillroom":
        raise RuntimeError(f"the last import was {name.strip()}, not stillroom")
    return int(cumulative) / 1000


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
