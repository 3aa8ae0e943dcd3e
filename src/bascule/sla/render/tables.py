"""The report as Markdown, for wikis and tickets, and as CSV, for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from bascule.sla.render.html import View
from bascule.sla.report import Assessment, ObjectiveReport, Report
from bascule.slo import Goal
from bascule.visible import in_markdown, visible

_COLUMNS = (
    "objective",
    "dimension",
    "part",
    "target",
    "result",
    "state",
    "value",
    "good",
    "total",
    "budget_spent",
    "window_start",
    "window_end",
    "windows_breached",
    "windows",
    "current_value",
    "so_far",
    "coverage",
    "cause",
)

_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def render_csv(report: Report) -> str:
    """One row for each objective and part; numbers in base units with a point, whatever the language."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for objective in report.objectives:
        told = objective.headline
        known = (str(told.is_so_far).lower(), round(told.coverage, 6), told.cause or "")
        whole = _row(objective.name, "all", "all", objective.promise, objective.whole, objective.outcome.value)
        writer.writerow([*whole, *known])
        for row in objective.rows:
            result = row.assessment.outcome.value if row.own_target else ""
            part = _row(objective.name, row.dimension, row.name, row.promise, row.assessment, result)
            writer.writerow([*part, *known[:2], ""])
    return out.getvalue()


def _row(name: str, dimension: str, part: str, promise: Goal, found: Assessment, result: str) -> list[object]:
    figure = found.deciding
    shown = (figure.value, figure.good, figure.total, figure.spent, figure.start, figure.end) if figure else ("",) * 6
    cells = (name, dimension, part, promise.written, result, found.standing.value, *shown)
    return [_safe(cell) for cell in (*cells, found.breaches, found.windows, found.current.value)]


def _safe(cell: object) -> object:
    """A text that a spreadsheet would take for a formula is kept a text."""
    if not isinstance(cell, str):
        return "" if cell is None else cell
    text = visible(cell)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def render_markdown(report: Report, language: str = "en") -> str:
    view = View.of(report, language)
    lines = [
        f"# {view.t('labelled', name=in_markdown(report.title), text=view.t('report'))}",
        "",
        f"{view.span} · {report.timezone}",
        "",
        f"**{view.outcome(report)}** {in_markdown(view.conclusion)}",
        "",
        *_objectives(view),
        "",
        *_compared(view),
    ]
    for objective in report.objectives:
        lines += ["", *_objective(view, objective)]
    lines += ["", *_incidents(view), "", *_maintenance(view)]
    if report.notes:
        lines += ["", f"## {view.t('notes')}", "", *(f"- {in_markdown(view.note(note))}" for note in report.notes)]
    return "\n".join(lines).rstrip() + "\n"


def _objectives(view: View) -> Iterator[str]:
    header = ("", view.t("result"), view.t("value"), view.t("target"), view.t("state_now"), view.t("budget_left"))
    rows = [
        (
            view.name(o),
            view.outcome(o),
            f"{view.headline(o)} ({view.decides(o)})",
            view.numbers.target(o.promise),
            view.t(f"standing.{o.standing.value}"),
            view.left(o),
        )
        for o in view.report.objectives
    ]
    yield from _table(header, rows) if rows else ()


def _compared(view: View) -> Iterator[str]:
    report = view.report
    if not report.comparisons:
        return
    yield f"## {view.t('compared', baseline=report.baseline, candidate=report.candidate)}"
    yield ""
    rows = [
        (
            view.measure(c),
            view.measured(c, c.baseline),
            view.measured(c, c.candidate),
            view.difference(c),
            view.reading(c)[0],
        )
        for c in report.comparisons
    ]
    header = (view.t("measure"), report.baseline, report.candidate, view.t("difference"), view.t("reading"))
    yield from _table(header, rows)


def _objective(view: View, objective: ObjectiveReport) -> Iterator[str]:
    yield f"## {in_markdown(view.name(objective))}"
    yield ""
    yield f"{view.window(objective)} · {view.breaches(objective.whole)} · {view.covered(objective)}"
    yield ""
    if objective.gain:
        yield view.t(
            "labelled", name=view.t("gain", baseline=view.report.baseline), text=in_markdown(view.gain_text(objective))
        )
        yield ""
    header = (view.t("part"), view.t("target"), view.t("value"), view.t("state_now"), view.t("result"))
    rows = [
        (
            f"{view.t(f'dimension.{r.dimension}')} {r.name}",
            view.numbers.target(r.promise),
            view.figure(r.promise, r.assessment),
            view.t(f"standing.{r.assessment.standing.value}"),
            view.part_outcome(objective, r) if r.own_target else "",
        )
        for r in objective.rows
    ]
    yield from _table(header, rows)
    yield ""
    yield in_markdown(" ".join(view.method(objective)))


def _incidents(view: View) -> Iterator[str]:
    yield f"## {view.t('incidents')}"
    yield ""
    known = not any(note.key == "no_journal" for note in view.report.notes)
    if not view.report.incidents:
        yield view.t("no_incidents" if known else "unknown_incidents")
        return
    rows = [
        (
            str(e.id),
            e.alert,
            view.t(f"severity.{e.severity}"),
            e.where,
            view.numbers.at(e.start, True),
            view.t("still_open") if e.end is None else view.numbers.lasting(e.end - e.start),
        )
        for e in view.report.incidents
    ]
    header = ("#", view.t("alert"), view.t("severity"), view.t("where"), view.t("from"), view.t("lasted"))
    yield from _table(header, rows)


def _maintenance(view: View) -> Iterator[str]:
    yield f"## {view.t('maintenance')}"
    yield ""
    if not view.report.maintenance:
        yield view.t("no_maintenance")
        return
    rows = [
        (view.numbers.at(m.start), view.numbers.at(m.end), ", ".join(m.services) or view.t("all_services"), m.reason)
        for m in view.report.maintenance
    ]
    yield from _table((view.t("from"), view.t("to"), view.t("services"), view.t("reason")), rows)


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    cells = [in_markdown(cell) for cell in header]
    yield f"| {' | '.join(cells)} |"
    yield "|" + "---|" * len(cells)
    for row in rows:
        yield f"| {' | '.join(in_markdown(cell) for cell in row)} |"
