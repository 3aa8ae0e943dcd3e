"""What happened, as Markdown: for the review after an incident."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bascule import promql
from bascule.conventions import EntryKind, notice_word
from bascule.errors import BasculeError
from bascule.figures import figure
from bascule.incidents.escalation import Situation
from bascule.incidents.model import Entry, Notice
from bascule.incidents.store import Store
from bascule.prometheus import Prometheus, Series
from bascule.spec import Spec
from bascule.spec.quantities import format_duration
from bascule.times import dated, lasting
from bascule.visible import in_markdown

_BLOCKS = "▁▂▃▄▅▆▇█"
_POINTS = 24
_QUESTIONS = """## To be filled in

- What was the cause?
- What helped? What made it harder?
- What will be changed, by whom, until when?"""
_AROUND = 0.5  # of the situation's length, shown before and after it; at least five minutes


def summary(spec: Spec, store: Store, prometheus: Prometheus, identity: int, now: float) -> str:
    """The whole situation of an incident: facts, what was told to whom, the timeline, and the series around it."""
    situation = Situation.of(store.situation(store.incident(identity).situation))
    end = situation.resolved if situation.resolved is not None else now
    around = max(300.0, (end - situation.opened) * _AROUND)
    entries = store.entries(situation.opened - around, end + around)
    steps = [
        Entry(step.at, EntryKind.PHASE, f"phase {step.number}, share {step.share:.0%}: {step.why}", step.who)
        for step in store.phases()
    ]
    shown = [entry for entry in (*entries, *steps) if situation.opened - around <= entry.at <= end + around]
    parts = [
        _head(spec, situation, end),
        _alerts(situation),
        _timeline(situation, sorted(shown, key=lambda entry: entry.at)),
        _told(store.notices(situation.id)),
        _series(spec, prometheus, situation.opened - around, end + around),
        _QUESTIONS,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(spec: Spec, situation: Situation, end: float) -> str:
    rows = [
        ("Opened", dated(situation.opened)),
        ("Acknowledged", _after(situation.acknowledged, situation.opened, situation.acknowledged_by)),
        ("Resolved", _after(situation.resolved, situation.opened, "")),
        ("Severity", situation.severity),
        ("Kind", situation.kind),
    ]
    table = "\n".join(f"| {name} | {in_markdown(value)} |" for name, value in rows)
    title = in_markdown(f"{spec.title}: situation {situation.id}, {situation.lead.alert}")
    return f"# {title}\n\n| | |\n|---|---|\n{table}"


def _after(time: float | None, opened: float, who: str) -> str:
    if time is None:
        return "not yet"
    return f"{dated(time)}, after {lasting(time - opened)}{f', by {who}' if who else ''}"


def _alerts(situation: Situation) -> str:
    lines = ["## Alerts", "", "| # | alert | where | from | to | |", "|---|---|---|---|---|---|"]
    for one in situation.incidents:
        where = ", ".join(f"{k}={v}" for k, v in sorted(one.labels.items()) if k not in ("alertname", "severity"))
        until = dated(one.resolved) if one.resolved is not None else "still open"
        cells = (one.id, one.alert, where, dated(one.received), until, one.description or one.summary)
        lines.append(_row(*map(str, cells)))
    return "\n".join(lines)


def _timeline(situation: Situation, entries: Iterable[Entry]) -> str:
    events = [(entry.at, f"{_of_kind(entry)}{f' ({entry.who})' if entry.who else ''}") for entry in entries]
    events += [(i.received, f"alert {i.alert} #{i.id}") for i in situation.incidents]
    events += [(i.resolved, f"resolved #{i.id}") for i in situation.incidents if i.resolved is not None]
    return "## Timeline\n\n" + "\n".join(f"- {dated(at)} {in_markdown(text)}" for at, text in sorted(events))


def _of_kind(entry: Entry) -> str:
    """The entry's text; its kind before it, where the text does not begin with it."""
    return entry.text if entry.text.startswith(entry.kind) else f"{entry.kind}: {entry.text}"


def _told(notices: Sequence[Notice]) -> str:
    if not notices:
        return "## Who was notified\n\nNo one."
    lines = [f"- {dated(n.at)} {in_markdown(_result(n))}" for n in notices]
    return "## Who was notified\n\n" + "\n".join(lines)


def _result(notice: Notice) -> str:
    reason = f" ({notice.detail})" if notice.detail else ""
    return f"{notice.receiver}: {notice_word(notice.kind)}, {notice.outcome}{reason}"


def _series(spec: Spec, prometheus: Prometheus, start: float, end: float) -> str:
    """Each signal by version, around the situation; a block's height is its value between lowest and highest."""
    lines = ["## Signals", "", "| signal | version | trend | lowest | highest |", "|---|---|---|---|---|"]
    step = max(1.0, (end - start) / _POINTS)
    window = format_duration(max(60.0, round(2 * step)))
    try:
        for name, signal in spec.signals.items():
            for version in spec.versions.both:
                asked = promql.value(signal, spec.versions.matchers(version), window)
                found = prometheus.range(asked, start, end, step)
                lines.append(_course(name if signal.buckets is None else f"{name}.p95", signal.unit, version, found))
    except BasculeError as error:
        return f"## Signals\n\nPrometheus could not be asked: {in_markdown(error.what)}"
    return "\n".join(lines)


def _course(name: str, unit: str, version: str, found: Sequence[Series]) -> str:
    values = [float(value) for series in found for value in series.values if math.isfinite(value)]
    if not values:
        return _row(name, version, "no data", "", "")
    low, high = min(values), max(values)
    height = [_BLOCKS[round((v - low) / (high - low) * 7)] if high > low else _BLOCKS[0] for v in values]
    return _row(name, version, "".join(height), figure(low, unit), figure(high, unit))


def _row(*cells: str) -> str:
    return f"| {' | '.join(map(in_markdown, cells))} |"
