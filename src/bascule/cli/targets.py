"""The command that holds segments and partners to their own targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from bascule import figures
from bascule.cli.options import AsJson, PrometheusUrl
from bascule.cli.output import app, print_rows, say
from bascule.cli.running import with_external
from bascule.cli.spec_option import takes_spec_first
from bascule.conventions import State
from bascule.spec import Spec

if TYPE_CHECKING:
    from bascule.console import TargetRow

EXIT_CODES = {State.BAD: 1, State.NO_DATA: 4, State.OK: 0}


@app.command()
@takes_spec_first
def targets(spec: Spec, prometheus: PrometheusUrl = None, as_json: AsJson = False) -> None:
    """Compare segments and partners with their targets and quotas; exit 1 if one is missed, 4 without any data."""
    from bascule.console import quotas_told, target_rows

    rows = target_rows(with_external(spec, prometheus=prometheus))
    print_rows("targets", [_row(spec, row, as_json) for row in rows], as_json)
    if not as_json:
        say(quotas_told(rows))
    states = {row.state for row in rows}
    found = next((state for state in (State.BAD, State.OK) if state in states), State.NO_DATA)
    raise typer.Exit(EXIT_CODES[found])


def _row(spec: Spec, row: TargetRow, as_json: bool) -> dict[str, Any]:
    baseline, candidate = row.values
    shown = {
        "who": row.who,
        "measure": row.what,
        "target": row.target,
        spec.versions.baseline: baseline,
        spec.versions.candidate: candidate,
        "used": row.used if as_json else figures.used(row.used),
    }
    return shown | {"requests": row.requests, "state": row.state.value if as_json else row.word}
