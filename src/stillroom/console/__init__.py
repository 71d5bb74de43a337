"""The command line: ``python -m stillroom``.

====================  ==========================================================================
``move PATH...``      code written for another library imports stillroom's facade of it instead
====================  ==========================================================================
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from . import move

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    Args:
        arguments: what stands behind ``python -m stillroom``; what the process was given if ``None``.
    """
    parser = argparse.ArgumentParser(prog="python -m stillroom", description="Tools for caches.")
    move.add_to(parser.add_subparsers(required=True, metavar="COMMAND"))
    chosen = parser.parse_args(arguments)
    try:
        status: int = chosen.run(chosen)
    except ImportError as error:  # an extra is missing, and the error names it
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 2
    return status
