"""Commands that ask the judge."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich import box
from rich.live import Live
from rich.table import Table

from bascule.cli.output import AsJson, From, PrometheusUrl, SpecPath, To, app, out, parse_span, print_json, say
from bascule.cli.running import with_external
from bascule.conventions import GATE_EXIT_CODES, Verdict
from bascule.prometheus import Prometheus
from bascule.spec import load

Columns = ("signal", "segment", "baseline", "candidate", "effect_low", "effect", "effect_high", "evidence", "threshold")


@app.command()
def gate(
    spec: SpecPath,
    wait: Annotated[str, typer.Option(help="Wait this long for promote or roll back.")] = "0s",
    prometheus: PrometheusUrl = None,
    as_json: AsJson = False,
) -> None:
    """The verdict for a pipeline: exit 0 promote, 1 roll back, 3 hold, 4 no data."""
    from bascule import judge

    answer = judge.gate(with_external(load(spec), prometheus=prometheus), wait=wait)
    if as_json:
        print_json(answer)
    else:
        print_verdict(answer)
    raise typer.Exit(GATE_EXIT_CODES[Verdict(answer["verdict"])])


@app.command()
def compare(
    spec: SpecPath,
    watch: Annotated[bool, typer.Option("--watch", help="Look again each tick, until Ctrl-C.")] = False,
    prometheus: PrometheusUrl = None,
    as_json: AsJson = False,
) -> None:
    """V1 beside V2, signal by signal, with intervals and evidence."""
    from bascule import judge

    loaded = with_external(load(spec), prometheus=prometheus)
    client = Prometheus(loaded.stack.url("prometheus"))
    if as_json:
        print_json(judge.compare(loaded, client))
        return
    with Live(comparison(judge.compare(loaded, client)), console=out, auto_refresh=False) as live:
        while watch:
            time.sleep(loaded.judge.tick)
            live.update(comparison(judge.compare(loaded, client)), refresh=True)


@app.command()
def backtest(spec: SpecPath, start: From = "now-1h", end: To = "now", prometheus: PrometheusUrl = None) -> None:
    """What the judge and every alert would have done on a stretch of history."""
    from bascule import judge

    loaded = with_external(load(spec), prometheus=prometheus)
    first, last = parse_span(start, end)
    result = judge.backtest(loaded, Prometheus(loaded.stack.url("prometheus")), first, last)
    for problem in result.problems:
        say(f"note: {problem}")
    for fired in result.fired:
        clock = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(fired.fired))
        say(f"{clock}  {fired.by}  {fired.text or dict(fired.labels)}")
    say(f"{len(result.fired)} alarms by {len(result.sources)} sources")


def print_verdict(answer: dict[str, Any]) -> None:
    out.print(str(answer["verdict"]).replace("_", " ").upper(), style="bold")
    for reason in answer["reasons"]:
        say(f"  {reason}")


def comparison(answer: dict[str, Any]) -> Table:
    """A row per signal and segment that applies; the verdict as the title."""
    reasons = "; ".join(answer["reasons"][:2])
    table = Table(title=f"{answer['verdict']}: {reasons}", title_justify="left", box=box.SIMPLE_HEAD)
    for column in (*Columns, "state"):
        table.add_column(column.replace("_", " "), justify="left" if column in ("signal", "segment") else "right")
    for row in answer["signals"]:
        if row["state"] != "not_applicable":
            table.add_row(*(_figure(row[column]) for column in Columns), row["state"])
    return table


def _figure(value: Any) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float | int) else str(value)
