"""From a span of a Prometheus to a report.

1. cut the span at every instant a window, a day or a maintenance may begin or end
2. read up-time and counters exactly (pieces.py, counters.py, uptime.py)
3. compare every objective with its windows: whole, by service, version, segment and partner
4. compare V1 with V2, overlay incidents, and say what is not known
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np

from bascule.errors import UsageError
from bascule.prometheus import Prometheus
from bascule.sla.assess import Events, Rules, assess, budget, chart, moments, spending, track, unresolved, worst
from bascule.sla.baseline import Baseline, freeze
from bascule.sla.compare import comparisons
from bascule.sla.data import Data, excluded_pieces
from bascule.sla.gain import gain_of
from bascule.sla.journal import JournalSpan, declared, read_journal
from bascule.sla.measured import Measured, ObjectivePart, measured
from bascule.sla.pieces import Pieces, cut, duration
from bascule.sla.report import (
    Assessment,
    Change,
    GainReport,
    Note,
    ObjectiveReport,
    PartReport,
    Planned,
    Report,
    SlaOutcome,
    SlaState,
)
from bascule.sla.share import share_notes
from bascule.sla.uptime import interval_of, read_uptime
from bascule.sla.windows import Calendar, ending, judged
from bascule.slo import BURN_SECONDS, EventSlo, Goal, Slo, all_of
from bascule.spec import Spec
from bascule.spec.growth import growth_rules
from bascule.spec.slas import services_counted
from bascule.states import first_of


def evaluate(
    spec: Spec,
    prometheus: Prometheus,
    start: float,
    end: float,
    *,
    journal: JournalSpan | None = None,
    baseline: Baseline | None = None,
    only: Collection[str] = (),
    changes: Sequence[Change] = (),
) -> Report:
    """The report of a span (Unix seconds). Raises UsageError for a span that makes no sense.

    `journal`: what the incidents role knows, asked for when not given. `baseline`: V1's frozen figures, for when V1
    is gone. `only`: these objectives instead of all; one that is not declared is reported as missing.
    `changes`: objectives that were written differently before.
    """
    _check_span(start, end)
    slos = tuple(slo for slo in all_of(spec) if not only or slo.name in only)
    known = journal if journal is not None else read_journal(spec, 2 * start - end, end)
    data = read_data(spec, prometheus, start, end, known, slos)
    before = _before(data, known, slos)
    return Report(
        name=spec.metadata.name,
        title=spec.title,
        timezone=spec.metadata.timezone,
        currency=spec.metadata.currency,
        baseline=spec.versions.baseline,
        candidate=spec.versions.candidate,
        start=data.pieces.start,
        end=data.pieces.end,
        interval=data.interval,
        objectives=tuple(objective_report(measured(slo, data), baseline, before.get(slo.name)) for slo in slos),
        comparisons=tuple(comparisons(data)),
        maintenance=_overlapping((*declared(spec), *known.maintenance), start, end),
        incidents=tuple(e for e in known.incidents if e.start < end and (e.end is None or e.end >= start)),
        marks=tuple(mark for mark in known.marks if start <= mark.at <= end),
        changes=tuple(change for change in changes if change.at <= end),
        notes=(*_notes_on_the_spec(spec, only), *_notes(data, known), *share_notes(prometheus, end)),
        missing=_missing(spec, only),
    )


def _missing(spec: Spec, only: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in dict.fromkeys(only) if name not in spec.slas.named)


def _notes_on_the_spec(spec: Spec, only: Iterable[str]) -> Iterator[Note]:
    if not spec.slas.named:
        yield Note("no_sla")
    elif missing := _missing(spec, only):
        yield Note("not_declared", {"objectives": ", ".join(missing), "declared": ", ".join(spec.slas.named)})


def freeze_baseline(spec: Spec, prometheus: Prometheus, start: float, end: float) -> Baseline:
    """What the baseline version did in a span, to be kept for when it is gone; UsageError when it did nothing."""
    _check_span(start, end)
    journal = read_journal(spec, start, end)
    return freeze(read_data(spec, prometheus, start, end, journal, all_of(spec)))


def read_data(
    spec: Spec, prometheus: Prometheus, start: float, end: float, journal: JournalSpan, slos: Sequence[Slo]
) -> Data:
    """Everything a span's figures are made of, cut at every instant one of them may begin or end."""
    planned = _overlapping((*declared(spec), *journal.maintenance), start, end)
    interval = interval_of(prometheus, start, end, spec.stack.scrape.interval)
    calendar = Calendar(ZoneInfo(spec.metadata.timezone))
    rolling = [slo.window for slo in slos if slo.window_kind == "rolling"]
    pieces = cut(start, end, interval, _cuts(slos, planned, calendar, start, end), rolling)
    uptime = read_uptime(prometheus, spec, pieces)
    rules = {str(rule.selector): rule for rule in growth_rules(spec)}
    data = Data(prometheus, spec, pieces, calendar, uptime, excluded_pieces(pieces, planned), interval, rules)
    counted = {slo.counted.name: slo.signal for slo in slos if isinstance(slo, EventSlo)}
    data.read_ahead(counted.values())
    return data


def _before(data: Data, journal: JournalSpan, slos: Sequence[Slo]) -> dict[str, float]:
    """The deciding figures of the span of equal length before this one, where there is data of it."""
    start, end = 2 * data.pieces.start - data.pieces.end, data.pieces.start
    if not data.prometheus.instant(f"count(last_over_time(up[{duration(end - start)}]))", at=end):
        return {}
    earlier = read_data(data.spec, data.prometheus, start, end, journal, slos)
    if not earlier.uptime.services:
        return {}
    wholes = {slo.name: measured(slo, earlier) for slo in slos}
    figures = {name: _whole(one, one.whole()).deciding for name, one in wholes.items()}
    return {name: figure.value for name, figure in figures.items() if figure is not None and figure.value is not None}


def _whole(one: Measured[Slo], events: Events) -> Assessment:
    """The objective as a whole, on all its events."""
    return _assess(one.data, one.slo, one.slo.goal, events, one.slo.least_events, one.applies)


def _check_span(start: float, end: float) -> None:
    if end <= start:
        raise UsageError("the report's end is not after its start", "give --from before --to")


def _overlapping(windows: Iterable[Planned], start: float, end: float) -> tuple[Planned, ...]:
    kept = {window for window in windows if window.start < end and window.end > start}
    return tuple(sorted(kept, key=lambda window: (window.start, window.end, window.reason)))


def _cuts(
    slos: Sequence[Slo], planned: Iterable[Planned], calendar: Calendar, start: float, end: float
) -> Iterator[float]:
    """Every instant beyond the regular grid at which some figure begins or ends."""
    yield from (end - seconds for seconds in BURN_SECONDS)
    for slo in slos:
        yield end - slo.spec.slas.states.recovery
        if slo.window_kind == "rolling":
            yield from (start + slo.window, end - slo.window, end - slo.spec.slas.states.recovery - slo.window)
        else:
            yield from calendar.edges(slo.window_kind, start, end)
    for window in planned:
        yield from (window.start, window.end)


def objective_report(one: Measured[Slo], baseline: Baseline | None, previous: float | None) -> ObjectiveReport:
    """`previous`: the deciding figure of the span before."""
    slo, data, events = one.slo, one.data, one.whole()
    whole = _whole(one, events)
    rows = [_part(data, slo, part) for part in one.parts()]
    gain = gain_of(data, slo, whole.current.start, whole.current.end, baseline)
    whole = _with_services(whole, [row.assessment for row in rows if row.dimension == "service"])
    covered, wanted = _coverage(one, events, whole)
    return ObjectiveReport(
        name=slo.name,
        promise=slo.goal,
        window=slo.window,
        window_kind=slo.window_kind,
        outcome=_outcome(whole, rows, gain),
        whole=whole,
        rows=tuple(rows),
        budget=budget(slo.goal, events, whole.current, slo.window),
        gain=gain,
        chart=chart(slo.goal, events),
        track=track(slo.goal, events, judged(slo.window_kind, slo.window, data.pieces, data.calendar)),
        spending=spending(slo.goal, events, whole.current.start),
        moments=moments(slo.goal, events),
        previous=previous,
        covered=covered,
        wanted=wanted,
        source=one.source,
        notes=(*_recovers_slowly(slo), *_too_short(data.pieces, slo), *one.notes()),
    )


def _assess(data: Data, slo: Slo, goal: Goal, events: Events, least: float, applies: bool) -> Assessment:
    pieces, states = data.pieces, data.spec.slas.states
    recent = [
        float(edge) for edge in pieces.edges if edge >= pieces.end - states.recovery - 0.001 and edge > pieces.start
    ]
    endings = [ending(slo.window_kind, slo.window, pieces, data.calendar, at) for at in recent or [pieces.end]]
    windows = judged(slo.window_kind, slo.window, pieces, data.calendar)
    found = assess(goal, events, windows, endings, Rules(states.warning, states.recovery, least))
    if not _tells(pieces, slo):
        found = unresolved(found, events.over(goal, pieces.start, pieces.end))
    if applies:
        return found
    return replace(found, outcome=SlaOutcome.NOT_APPLICABLE, standing=SlaState.NOT_APPLICABLE)


def _tells(pieces: Pieces, slo: Slo) -> bool:
    """Whether the windows of the whole span can be told apart, or there is but one."""
    return slo.window_kind != "rolling" or pieces.end - pieces.start <= slo.window or pieces.tell(slo.window)


def _part(data: Data, slo: Slo, part: ObjectivePart) -> PartReport:
    found = _assess(data, slo, part.goal, part.events, part.least_events, part.applies)
    covered = None
    if part.dimension == "service":
        covered = data.coverage(part.name, found.current.start, found.current.end)
    return PartReport(part.dimension, part.name, part.goal, part.has_own_goal, found, covered)


def _with_services(whole: Assessment, services: Sequence[Assessment]) -> Assessment:
    """The whole is no better than its worst service: one dead service of eight is not 87 % of health."""
    if not services:
        return whole
    outcomes = [whole.outcome, *(each.outcome for each in services)]
    failed = SlaOutcome.FAIL if SlaOutcome.FAIL in outcomes else whole.outcome
    outcome = SlaOutcome.NO_DATA if failed is SlaOutcome.PASS and SlaOutcome.NO_DATA in outcomes else failed
    causes = first_of(each.cause for each in (whole, *services) if each.cause is not None)
    return replace(
        whole,
        outcome=outcome,
        standing=worst([whole.standing, *(each.standing for each in services)]),
        cause=causes if outcome is SlaOutcome.NO_DATA else None,
    )


def _outcome(whole: Assessment, rows: Sequence[PartReport], gain: GainReport | None) -> SlaOutcome:
    """FAIL when the whole, a segment or partner with a goal of its own, or the gain that is wanted failed.

    It does not pass while one of them has no data.
    """
    own = [row.assessment.outcome for row in rows if row.own_target]
    if SlaOutcome.FAIL in (whole.outcome, *own) or (gain and gain.standing is SlaState.CRITICAL):
        return SlaOutcome.FAIL
    withheld = (gain and gain.cause) or any(row.withholds for row in rows)
    return SlaOutcome.NO_DATA if withheld and whole.outcome is SlaOutcome.PASS else whole.outcome


def _coverage(one: Measured[Slo], events: Events, whole: Assessment) -> tuple[float, float]:
    """Seconds of the current window with data, and seconds it would have: its full length, less maintenance."""
    data, start, end = one.data, whole.current.start, whole.current.end
    shares = [share for job in one.jobs if (share := data.coverage(job, start, end)) is not None]
    window = data.pieces.within(start, end)
    kept = float((data.pieces.lengths * data.keep(""))[window].sum())
    full = max(end - start, _full(one))
    if not shares:
        seen = float(data.pieces.lengths[window][events.total[window] > 0].sum())
        return min(seen, kept), full - (end - start - kept)
    return kept * float(np.mean(shares)), full - (end - start - kept)


def _full(one: Measured[Slo]) -> float:
    """The length of one whole window; nothing where the span holds a whole day, month or quarter already."""
    pieces, kind = one.data.pieces, one.slo.window_kind
    if kind == "rolling":
        return one.slo.window
    length = one.data.calendar.length(kind, pieces.end)
    return length if pieces.end - pieces.start < length else 0.0


def _recovers_slowly(slo: Slo) -> Iterator[Note]:
    if slo.window_kind == "rolling" and slo.window > 86400:
        recovery = slo.spec.slas.states.recovery
        yield Note("slow_recovery", {"seconds": f"{slo.window:g}", "recovery": f"{recovery:g}"})


def _too_short(pieces: Pieces, slo: Slo) -> Iterator[Note]:
    if not _tells(pieces, slo):
        yield Note("window_too_short", {"window": f"{slo.window:g}", "step": f"{pieces.step:g}"})


def _notes(data: Data, journal: JournalSpan) -> Iterator[Note]:
    if not journal.reached:
        yield Note("no_journal")
    first = min(data.uptime.scraped.values(), default=None)
    if first is not None and first > data.pieces.start + data.pieces.step:
        yield Note("retention", {"time": f"{first:.3f}"})
    never = [name for name in services_counted(data.spec) if name not in data.uptime.services]
    if never:
        yield Note("never_scraped", {"services": ", ".join(never)})


__all__ = ["evaluate", "freeze_baseline", "objective_report", "read_data"]
