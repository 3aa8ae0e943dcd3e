"""Commands that ask the judge."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from bascule import figures, times
from bascule.api.servers import prometheus_of
from bascule.cli.beside import say_missing_jobs
from bascule.cli.narrow import TableRows
from bascule.cli.options import AsJson, From, PrometheusUrl, To, Who, parse_span, parse_time, parse_wait
from bascule.cli.output import app, out, print_json, print_rows, say, stopping
from bascule.cli.progress import headline, progress
from bascule.cli.running import with_external
from bascule.cli.spec_option import takes_spec, takes_spec_first
from bascule.conventions import GATE_EXIT_CODES, TOTAL_SEGMENT, Verdict
from bascule.errors import BasculeError, UsageError
from bascule.prometheus import Prometheus
from bascule.spec import Spec

if TYPE_CHECKING:
    from bascule.api.next_step import NextStep
    from bascule.judge import Backtest, Fired, Stretch


judge_app = typer.Typer(no_args_is_help=True, help="Make the judge forget history.")
app.add_typer(judge_app, name="judge")


@app.command()
@takes_spec_first
def gate(
    spec: Spec,
    wait: Annotated[str, typer.Option(help="How long to wait for promote or roll back, such as 10m.")] = "0s",
    prometheus: PrometheusUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show the verdict, for a pipeline: exit 0 promote, 1 roll back, 3 hold, 4 no data."""
    from bascule import judge

    spec = with_external(spec, prometheus=prometheus)
    with progress() as tell:
        answer = judge.gate(spec, parse_wait(wait), tell)
    step = _next_step(spec, answer)
    if as_json:
        print_json(answer | {"next_step": asdict(step)})
    else:
        print_verdict(answer, step)
        say_missing_jobs(spec)
    raise typer.Exit(GATE_EXIT_CODES[Verdict(answer["verdict"])])


@judge_app.command("forget")
@takes_spec
def forget(
    spec: Spec,
    before: Annotated[str, typer.Option(help="Older samples are not used. RFC 3339, now or now-10m.")],
    who: Who,
    why: Annotated[str, typer.Option(help="Why that history must not be used.")],
) -> None:
    """Make the judge ignore older samples, for example from when V1 was broken. Firing alarms stay."""
    from bascule import judge

    dropped = judge.DroppedHistory(parse_time(before), who, why, time.time())
    judge.forget(spec, dropped)
    say(f"history before {times.dated(dropped.before)} is forgotten ({who}: {why})")
    say("the judge starts again with the newer samples; firing alarms stay until new data resolve them")


Watch = Annotated[bool, typer.Option("--watch", metavar="", help="Refresh after each evaluation, until Ctrl-C.")]


@app.command()
@takes_spec_first
def compare(spec: Spec, watch: Watch = False, prometheus: PrometheusUrl = None, as_json: AsJson = False) -> None:
    """Compare V1 and V2, signal by signal, with intervals and evidence."""
    from bascule import judge

    spec = with_external(spec, prometheus=prometheus)
    client = prometheus_of(spec)
    answer = judge.compare(spec, client)
    if as_json:
        print_json(answer)
    elif watch:
        _watch(spec, client, comparison(spec, answer))
    else:
        out.print(comparison(spec, answer))


def _watch(spec: Spec, client: Prometheus, first: TableRows) -> None:
    with stopping() as stop, Live(first, console=out, auto_refresh=False) as live:
        while not stop.wait(spec.judge.tick):
            live.update(_evaluation(spec, client), refresh=True)


Stretches = list[str] | None


@app.command()
@takes_spec_first
def backtest(
    spec: Spec,
    start: From = "now-1h",
    end: To = "now",
    healthy: Annotated[
        Stretches, typer.Option(metavar="FROM/TO", help="A span without a fault: every alarm in it is false.")
    ] = None,
    incident: Annotated[
        Stretches, typer.Option(metavar="FROM/TO", help="A span in which V2 was worse: an alarm is expected.")
    ] = None,
    suggest: Annotated[
        bool, typer.Option("--suggest", metavar="", help="Propose settings, with the cost of each.")
    ] = False,
    prometheus: PrometheusUrl = None,
    as_json: AsJson = False,
) -> None:
    """Replay history: when the judge and every alert would have fired. Exit 0, or 4 without data."""
    from bascule import judge

    spec = with_external(spec, prometheus=prometheus)
    first, last = parse_span(start, end)
    client = prometheus_of(spec)
    known = {"healthy": _stretches(healthy), "incidents": _stretches(incident)}
    result = judge.backtest(spec, client, first, last, rules=_every_rule(spec, client), **known)
    if as_json:
        print_json(_backtest_json(result))
    else:
        _print_backtest(result, suggest)
    if result.unseen:
        raise typer.Exit(GATE_EXIT_CODES[Verdict.NO_DATA])


def _stretches(texts: Stretches) -> list[Stretch]:
    from bascule.judge import Stretch

    found = []
    for text in texts or ():
        start, slash, end = text.partition("/")
        if not slash:
            raise UsageError(f"{text!r} is not a time span", "write FROM/TO, such as 2026-01-31T08:00:00Z/now-1h")
        found.append(Stretch(*parse_span(start, end), text))
    return found


def _every_rule(spec: Spec, client: Prometheus) -> list[dict[str, Any]]:
    """The rules generated from the spec, and those of other names that this Prometheus runs."""
    from bascule.generate.prometheus.rule_groups import rule_files
    from bascule.judge import running_rules

    groups = [group.as_yaml() for files in rule_files(spec).values() for group in files]
    generated = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    known = {rule["alert"] for rule in generated}
    return [*generated, *(rule for rule in running_rules(client) if rule["alert"] not in known)]


def _print_backtest(result: Backtest, suggest: bool) -> None:
    for problem in result.problems:
        say(f"note: {problem}")
    for fired in result.fired:
        say(f"{times.dated(fired.fired)}  {fired.by}  {fired.text or _labels(fired.labels)}")
    rows = _by_source(result)
    print_rows("what fired", rows, as_json=False)
    say(f"{len(result.sources) - len(rows)} other alerts were replayed and did not fire.")
    for suggestion in result.suggestions if suggest else ():
        say(f"{suggestion.setting}: {suggestion.value}  ({suggestion.why})")
    if result.unseen:
        say(f"NO DATA: the judge had nothing to compare. {' '.join(result.unseen)}")
    else:
        say(f"The judge compared {times.lasting(result.compared)} of {times.lasting(result.end - result.start)}.")


def _labels(labels: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in labels.items() if name != "__name__")


def _by_source(result: Backtest) -> list[dict[str, Any]]:
    """A row for the judge, and for each rule that fired."""
    from bascule.judge import JUDGE

    rows = []
    for source in result.sources:
        silent = source == JUDGE and result.unseen
        row: dict[str, Any] = {"by": source, "fired": None if silent else len(result.by(source))}
        if result.healthy:
            row["false alarms an hour"] = None if silent else result.false_alarms_per_hour(source)
        for incident, delay in zip(result.incidents, result.delays(source), strict=True):
            row[f"seconds to {incident.name}"] = delay if delay is not None else "missed"
        if source == JUDGE or row["fired"]:
            rows.append(row)
    return rows


def _backtest_json(result: Backtest) -> dict[str, Any]:
    return {
        "from": times.rfc3339(result.start),
        "to": times.rfc3339(result.end),
        "compared_seconds": result.compared,
        "no_data": list(result.unseen),
        "sources": _by_source(result),
        "fired": [_fired_json(each) for each in result.fired],
        "not_replayed": list(result.problems),
        "suggestions": [asdict(each) for each in result.suggestions],
    }


def _fired_json(alarm: Fired) -> dict[str, Any]:
    fired, ended = times.rfc3339(alarm.fired), None if alarm.ended is None else times.rfc3339(alarm.ended)
    return {"by": alarm.by, "labels": dict(alarm.labels), "fired": fired, "text": alarm.text, "ended": ended}


def _next_step(spec: Spec, answer: dict[str, Any]) -> NextStep:
    """What the page advises, too, on this verdict."""
    from bascule.api.models.verdict import VerdictAnswer
    from bascule.api.next_step import next_step

    opinion = VerdictAnswer.model_validate(answer)
    return next_step(spec, opinion, opinion.phase.number if opinion.phase else None)


def print_verdict(answer: dict[str, Any], step: NextStep) -> None:
    from bascule.judge import LEARNING_TEXT

    out.print(headline(answer), style="bold")
    for reason in answer["reasons"]:
        say(f"  {reason}")
    if learning := [row["signal"] for row in answer["signals"] if row["learning"] and row["segment"] == TOTAL_SEGMENT]:
        say(f"  {', '.join(learning)}: {LEARNING_TEXT}")
    say(step.text)
    if step.command:
        say(f"  {step.command}")


def _evaluation(spec: Spec, client: Prometheus) -> RenderableType:
    """The comparison of now, or why there is none: `--watch` goes on when Prometheus is away for a while."""
    from bascule import judge

    try:
        return comparison(spec, judge.compare(spec, client))
    except BasculeError as error:
        return Text(str(error), style="red")


def comparison(spec: Spec, answer: dict[str, Any]) -> TableRows:
    """A row for each comparison that applies; the title is the verdict with its first reasons."""
    title = "\n  ".join([headline(answer), *answer["reasons"][:2]])
    numbers = (*spec.versions.both, "difference (interval)", "evidence (threshold)")
    told = (_cells(row) for row in answer["signals"] if row["state"] != "not_applicable")
    return TableRows(title, ("signal", "segment", *numbers, "state"), told, right=numbers)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    from bascule.judge import difference_text, interval_text

    unit, effect = row.get("unit", ""), row["effect"]
    low, high = row["effect_low"], row["effect_high"]
    interval = interval_text(-math.inf if low is None else low, math.inf if high is None else high, unit)
    shown = "-" if effect is None else difference_text(effect, unit)
    evidence, threshold = row["evidence"], row["threshold"]
    return (
        row["signal"],
        row["segment"],
        _reached(row, "baseline", unit),
        _reached(row, "candidate", unit),
        f"{shown} ({interval})" if interval else shown,
        "-" if None in (evidence, threshold) else f"{figures.strength(evidence)} ({threshold:.1f})",
        row["state"].replace("_", " "),
    )


def _reached(row: dict[str, Any], side: str, unit: str) -> str:
    from bascule.judge import reached_text

    value, over = row[side], row.get(f"{side}_over")
    if value is None and over is None:
        return "-"
    return reached_text(math.inf if value is None else value, math.nan if over is None else over, unit)
