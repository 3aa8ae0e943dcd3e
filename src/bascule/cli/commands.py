"""Every command, gathered: importing a module adds its commands to the application."""

from __future__ import annotations

from typing import Annotated

import typer

from bascule import __version__
from bascule.cli import judging, logs, people, plan, proving, reporting, running, specs, targets, users
from bascule.cli.output import app, say

__all__ = ["app", "judging", "logs", "people", "plan", "proving", "reporting", "running", "specs", "targets", "users"]


def _show_version(asked: bool) -> None:
    if asked:
        say(f"bascule {__version__}")
        raise typer.Exit


@app.callback()
def bascule(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version.")
    ] = False,
) -> None:
    """Compares two versions of a service while traffic moves from one to the other."""
