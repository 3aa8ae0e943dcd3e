"""The command line: a function per command, by what it does; the only place that prints. See docs/commands.md."""

from __future__ import annotations

import sys

from bascule.cli import judging, reporting, running, specs
from bascule.cli.output import app, err
from bascule.errors import BasculeError

__all__ = ["app", "judging", "main", "reporting", "running", "specs"]


def main() -> None:
    """Run a command; a user's mistake is told in plain words, never as a traceback."""
    try:
        app()
    except BasculeError as error:
        err.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
