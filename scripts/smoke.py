"""Runs tests/smoke on every other supported version of Python that is present, each in a virtual environment of its own.

The supported versions are those that the classifiers in pyproject.toml name. Looked for: ``pythonX.Y`` on the path, and what
pyenv has. ``smoke.py VENV`` makes the environments VENV-3.10 and so on.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPORT = "import ensurepip, sys, venv; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"


def supported() -> list[str]:
    """Return the supported versions, such as ``"3.10"``."""
    return re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text("utf-8"))


def candidates(version: str) -> Iterator[str]:
    """Yield where an interpreter of a version may be."""
    if found := shutil.which(f"python{version}"):
        yield found
    if pyenv := shutil.which("pyenv"):
        root = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=True).stdout.strip()
        yield from sorted(map(str, Path(root, "versions").glob(f"{version}.*/bin/python")))


def is_usable(interpreter: str, version: str) -> bool:
    """Tell whether an interpreter runs, is of the version that it is taken for, and can make virtual environments."""
    try:
        done = subprocess.run([interpreter, "-c", REPORT], capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.split() == ["cpython", version]


def other_pythons() -> dict[str, str]:
    """Return one interpreter for each other supported version that is present."""
    here = "{}.{}".format(*sys.version_info)
    found = {}
    for version in supported():
        usable = (path for path in candidates(version) if is_usable(path, version))
        if version != here and (path := next(usable, None)):
            found[version] = path
    return found


def smoke(version: str, interpreter: str, venv: str) -> None:
    """Run the smoke tests on one interpreter; a failure ends the program."""
    print(f"smoke: Python {version}", flush=True)
    for command in (
        ["sh", "scripts/setup.sh", interpreter, venv, ".[test]"],
        [f"{venv}/bin/python", "-m", "pytest", "-q", "tests/smoke"],
    ):
        if code := subprocess.run(command, cwd=ROOT, check=False).returncode:
            sys.exit(code)


if __name__ == "__main__":
    others = other_pythons()
    if not others:
        print("smoke: no other supported version of Python is present")
    for version, interpreter in others.items():
        smoke(version, interpreter, f"{sys.argv[1]}-{version}")
