"""Commands that ask the judge."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich import box
from rich.console import RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bascule.cli.output import (
    AsJson,
    From,
    PrometheusUrl,
    SpecPath,
    To,
    app,
    out,
    parse_span,
    parse_wait,
    print_json,
    say,
    stopping,
)
from bascule.cli.running import with_external
from bascule.conventions import GATE_EXIT_CODES, Verdict
from bascule.errors import BasculeError
from bascule.prometheus import Prometheus
from bascule.spec import Spec, load


@app.command()
def gate(
    spec: SpecPath,
    wait: Annotated[str, typer.Option(help="Wait this long for promote or roll back.")] = "0s",
    prometheus: PrometheusUrl = None,
    as_json: AsJson = False,
) -> None:
    """The verdict for a pipeline: exit 0 promote, 1 roll back, 3 hold, 4 no data."""
    from bascule import judge

    seconds = parse_wait(wait)
    answer = judge.gate(with_external(load(spec), prometheus=prometheus), wait=seconds)
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
    first = comparison(loaded, judge.compare(loaded, client))
    if not watch:
        out.print(first)
        return
    with stopping() as stop, Live(first, console=out, auto_refresh=False) as live:
        while not stop.wait(loaded.judge.tick):
            live.update(_look(loaded, client), refresh=True)


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


def _look(spec: Spec, client: Prometheus) -> RenderableType:
    """The comparison as it stands now; a Prometheus that is away for a while is said and waited for."""
    from bascule import judge

    try:
        return comparison(spec, judge.compare(spec, client))
    except BasculeError as error:
        return Text(str(error), style="red")


def comparison(spec: Spec, answer: dict[str, Any]) -> Table:
    """A row per signal and segment that applies; the verdict and its first reasons as the title."""
    verdict = str(answer["verdict"]).replace("_", " ").upper()
    title = Text("\n  ".join([verdict, *answer["reasons"][:2]]))
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, collapse_padding=True)
    for column in ("signal", "segment"):
        table.add_column(column, overflow="fold")
    for column in (*spec.versions.both, "difference (interval)", "evidence"):
        table.add_column(column, justify="right", overflow="fold")
    table.add_column("state", overflow="fold")
    for row in answer["signals"]:
        if row["state"] != "not_applicable":
            table.add_row(*_cells(row))
    return table


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    low, high = _figure(row["effect_low"]), _figure(row["effect_high"])
    return (
        row["signal"],
        row["segment"],
        _figure(row["baseline"]),
        _figure(row["candidate"]),
        "-" if row["effect"] is None else f"{_figure(row['effect'])} ({low} to {high})",
        "-" if row["evidence"] is None else f"{_figure(row['evidence'])} of {_figure(row['threshold'])}",
        row["state"].replace("_", " "),
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
