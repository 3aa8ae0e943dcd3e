"""From a span of a Prometheus to a report.

1. cut the span at every instant a window, a day or a maintenance may begin or end
2. read up-time and counters exactly (pieces.py, counters.py, uptime.py)
3. hold every promise against its windows: whole, by service, version, segment and partner
4. set V1 beside V2, overlay incidents, and say what is not known
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from bascule.errors import UsageError
from bascule.prometheus import Prometheus
from bascule.sla import windows as windowing
from bascule.sla.assess import BURN_SECONDS, Events, Rules, assess, budget, chart, moments, spending, track, worst
from bascule.sla.baseline import Baseline, freeze
from bascule.sla.compare import comparisons
from bascule.sla.counts import Counts
from bascule.sla.data import Data, excluded_pieces
from bascule.sla.gain import gain_of
from bascule.sla.journal import Journal, declared, read_journal
from bascule.sla.pieces import cut, duration
from bascule.sla.promises import Measured, compared, measured, own_targets
from bascule.sla.report import Assessment, Change, Note, Objective, Outcome, Planned, Promise, Report, Row, Standing
from bascule.sla.uptime import interval_of, read_uptime
from bascule.sla.windows import Calendar
from bascule.spec import Selector, Spec
from bascule.spec.growth import growth_rules
from bascule.spec.model import Sla
from bascule.spec.signals import HistogramSignal, RatioSignal

_NO_MINIMUM: Final = 0.0


def evaluate(spec: Spec, prometheus: Prometheus, start: float, end: float, *, journal: Journal | None = None,
             baseline: Baseline | None = None, only: Collection[str] = (),
             changes: Sequence[Change] = ()) -> Report:  # fmt: skip
    """The report of a span (Unix seconds). Raises UsageError for a span that makes no sense.

    `journal`: what the incidents role knows, asked for when not given. `baseline`: V1's frozen figures, for when V1
    is gone. `only`: these objectives instead of all; one that is not declared is reported as missing.
    `changes`: objectives that were written differently before.
    """
    _check_span(start, end)
    wanted = measured(spec, only)
    known = journal if journal is not None else read_journal(spec, 2 * start - end, end)
    data = read_data(spec, prometheus, start, end, known, wanted)
    calendar = Calendar(ZoneInfo(spec.metadata.timezone))
    before = _before(data, known, wanted, calendar)
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
        objectives=tuple(_objective(data, calendar, one, baseline, before.get(one.name)) for one in wanted),
        comparisons=tuple(c for name, signal in compared(spec) for c in comparisons(data, name, signal)),
        maintenance=_overlapping((*declared(spec), *known.maintenance), start, end),
        incidents=tuple(e for e in known.incidents if e.start < end and (e.end is None or e.end >= start)),
        marks=tuple(mark for mark in known.marks if start <= mark.at <= end),
        changes=tuple(change for change in changes if change.at <= end),
        notes=(*_notes_on_the_spec(spec, only), *_notes(data, known)),
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
    return freeze(read_data(spec, prometheus, start, end, journal, measured(spec)))


def read_data(spec: Spec, prometheus: Prometheus, start: float, end: float, journal: Journal,
              wanted: Sequence[Measured]) -> Data:  # fmt: skip
    """Everything a span's figures are made of, cut at every instant one of them may begin or end."""
    planned = _overlapping((*declared(spec), *journal.maintenance), start, end)
    interval = interval_of(prometheus, start, end, spec.stack.scrape.interval)
    calendar = Calendar(ZoneInfo(spec.metadata.timezone))
    pieces = cut(start, end, interval, _cuts(wanted, planned, calendar, spec, start, end))
    uptime = read_uptime(prometheus, spec, pieces)
    rules = {str(rule.selector): rule for rule in growth_rules(spec)}
    data = Data(prometheus, spec, pieces, uptime, excluded_pieces(pieces, planned), interval, rules)
    data.read_ahead(dict.fromkeys(_selectors(wanted)))
    return data


def _selectors(wanted: Sequence[Measured]) -> Iterator[Selector]:
    """What the objectives count in any case; narrower selectors are taken from these."""
    for one in wanted:
        if isinstance(one.signal, HistogramSignal):
            yield one.signal.series("bucket")
        elif one.signal is not None:
            yield one.signal.total


def _before(data: Data, journal: Journal, wanted: Sequence[Measured], calendar: Calendar) -> dict[str, float]:
    """The deciding figures of the span of equal length before this one, where there is data of it."""
    start, end = 2 * data.pieces.start - data.pieces.end, data.pieces.start
    if not data.prometheus.instant(f"count(last_over_time(up[{duration(end - start)}]))", at=end):
        return {}
    earlier = read_data(data.spec, data.prometheus, start, end, journal, wanted)
    if not earlier.jobs():
        return {}
    figures = {one.name: _whole(earlier, calendar, one)[0].deciding for one in wanted}
    return {name: figure.value for name, figure in figures.items() if figure is not None and figure.value is not None}


def _whole(data: Data, calendar: Calendar, one: Measured) -> tuple[Assessment, Events, list[Row]]:
    """The objective as a whole, the events it was assessed on, and its parts."""
    of = _availability if one.signal is None else _requests
    events, rows, rules = of(data, calendar, one)
    whole = _assess(data, calendar, one.sla, one.promise, events, rules)
    if one.sla.gain and _never_served(data, data.spec.versions.candidate):
        whole = replace(whole, outcome=Outcome.NOT_APPLICABLE, standing=Standing.NOT_APPLICABLE)
    return whole, events, rows


def _check_span(start: float, end: float) -> None:
    if end <= start:
        raise UsageError("the report's end is not after its start", "give --from before --to")


def _overlapping(windows: Iterable[Planned], start: float, end: float) -> tuple[Planned, ...]:
    kept = {window for window in windows if window.start < end and window.end > start}
    return tuple(sorted(kept, key=lambda window: (window.start, window.end, window.reason)))


def _cuts(wanted: Sequence[Measured], planned: Iterable[Planned], calendar: Calendar, spec: Spec, start: float,
          end: float) -> Iterator[float]:  # fmt: skip
    """Every instant beyond the regular grid at which some figure begins or ends."""
    recovery = spec.slas.states.recovery
    yield end - recovery
    yield from (end - seconds for seconds in BURN_SECONDS)
    for one in wanted:
        kind = windowing.kind_of(one.sla)
        if kind == "rolling":
            yield from (end - one.sla.window, end - recovery - one.sla.window)
        else:
            yield from calendar.edges(kind, start, end)
    for window in planned:
        yield from (window.start, window.end)


def _objective(data: Data, calendar: Calendar, one: Measured, baseline: Baseline | None,
               previous: float | None) -> Objective:  # fmt: skip
    whole, events, rows = _whole(data, calendar, one)
    gain = gain_of(data, one, whole.current.start, whole.current.end, baseline)
    whole = _with_parts(whole, [row.assessment for row in rows if row.dimension == "service"])
    coverage = _coverage(data, one, events, whole)
    return Objective(
        name=one.name,
        promise=one.promise,
        window=one.sla.window,
        window_kind=windowing.kind_of(one.sla),
        outcome=_outcome(whole, rows, gain.standing if gain else None),
        whole=whole,
        rows=tuple(rows),
        budget=budget(one.promise, events, whole.current, one.sla.window),
        gain=gain,
        chart=chart(one.promise, events),
        track=track(one.promise, events, windowing.judged(one.sla, data.pieces, calendar)),
        spending=spending(one.promise, events, whole.current.start),
        moments=moments(one.promise, events),
        previous=previous,
        covered=coverage[0],
        wanted=coverage[1],
        source=_source(data, one),
        notes=tuple(_objective_notes(data, one)),
    )


def _assess(data: Data, calendar: Calendar, sla: Sla, promise: Promise, events: Events, rules: Rules) -> Assessment:
    pieces = data.pieces
    recent = [
        float(edge) for edge in pieces.edges if edge >= pieces.end - rules.recovery - 0.001 and edge > pieces.start
    ]
    endings = [windowing.ending(sla, pieces, calendar, time) for time in recent or [pieces.end]]
    return assess(promise, events, windowing.judged(sla, pieces, calendar), endings, rules)


def _rules(data: Data, least: float) -> Rules:
    return Rules(data.spec.slas.states.warning, data.spec.slas.states.recovery, least)


def _availability(data: Data, calendar: Calendar, one: Measured) -> tuple[Events, list[Row], Rules]:
    """Time up over time watched: the whole is all services' time together, and each service must keep the promise."""
    rules = _rules(data, _NO_MINIMUM)
    rows: list[Row] = []
    for name, service in data.spec.services.items():
        if service.kind in ("application", "nginx", "redis"):
            events = Events(data.pieces, *data.up(name))
            result = _assess(data, calendar, one.sla, one.promise, events, rules)
            covered = data.coverage(name, result.current.start, result.current.end)
            rows.append(Row("service", name, one.promise, True, result, covered))
    rows += _availability_by_segment(data, calendar, one)
    together = [data.up(job) for job in data.jobs()]
    up = np.sum([pair[0] for pair in together], axis=0) if together else np.zeros(len(data.pieces))
    watched = np.sum([pair[1] for pair in together], axis=0) if together else np.zeros(len(data.pieces))
    return Events(data.pieces, up, watched), rows, rules


def _availability_by_segment(data: Data, calendar: Calendar, one: Measured) -> Iterator[Row]:
    """A segment has no `up` of its own: its availability is the share of its requests that did not fail."""
    signal = data.spec.signals.get("errors")
    if not isinstance(signal, RatioSignal):
        return
    rules = _rules(data, data.spec.thresholds.min_requests)
    for own in own_targets(data.spec, one):
        events = _events(data, signal, own.promise, segment=own.segment)
        yield Row(
            "segment", own.segment, own.promise, True, _assess(data, calendar, one.sla, own.promise, events, rules)
        )


def _requests(data: Data, calendar: Calendar, one: Measured) -> tuple[Events, list[Row], Rules]:
    """An SLA that promises a gain over the baseline is the candidate's: the baseline is what it improves on."""
    assert one.signal is not None
    rules = _rules(data, data.spec.thresholds.min_requests)
    judged = {"version": data.spec.versions.candidate} if one.sla.gain else {}
    rows = [_row(data, calendar, one, rules, dimension, where, promise, own)
            for dimension, where, promise, own in _parts(data, one, judged)]  # fmt: skip
    return _events(data, one.signal, one.promise, **judged), rows, rules


def _parts(data: Data, one: Measured, judged: dict[str, str]) -> Iterator[tuple[str, dict[str, str], Promise, bool]]:
    """Versions and segments, and partners where they were promised something."""
    assert one.signal is not None
    for version in data.spec.versions.both:
        yield "version", {"version": version}, one.promise, False
    own = {target.segment: target for target in own_targets(data.spec, one)}
    seen = _total(data, one.signal).values("segment")
    for segment in dict.fromkeys((*data.spec.segments.named, *seen)):
        target = own.get(segment)
        if target is None or target.each_partner:
            yield "segment", {"segment": segment} | judged, one.promise, False
        else:
            yield "segment", {"segment": segment} | judged, target.promise, True
        if target is not None and target.each_partner:
            for partner in _total(data, one.signal).where(segment=segment).values("partner"):
                yield "partner", {"segment": segment, "partner": partner} | judged, target.promise, True


def _row(data: Data, calendar: Calendar, one: Measured, rules: Rules, dimension: str, where: dict[str, str],
         promise: Promise, own: bool) -> Row:  # fmt: skip
    assert one.signal is not None
    result = _assess(data, calendar, one.sla, promise, _events(data, one.signal, promise, **where), rules)
    if "version" in where and _never_served(data, where["version"]):
        result = replace(result, outcome=Outcome.NOT_APPLICABLE, standing=Standing.NOT_APPLICABLE)
    return Row(dimension, where[dimension], promise, own, result)


def _never_served(data: Data, version: str) -> bool:
    """The candidate has not served anyone yet, while the baseline has: there is nothing to judge."""
    others = [v for v in data.spec.versions.both if v != version]
    for signal in data.spec.signals.values():
        if isinstance(signal, RatioSignal):
            counts = data.counts(signal.total)
            mine = counts.where(version=version).total.sum()
            return bool(mine == 0 and any(counts.where(version=other).total.sum() > 0 for other in others))
    return False


def _total(data: Data, signal: RatioSignal | HistogramSignal) -> Counts:
    return data.counts(signal.series("bucket") if isinstance(signal, HistogramSignal) else signal.total)


def _events(data: Data, signal: RatioSignal | HistogramSignal, promise: Promise, **where: str) -> Events:
    if isinstance(signal, HistogramSignal):
        return Events.of_histogram(data.counts(signal.series("bucket")).where(**where), promise.limit or 0.0)
    events, total = data.counts(signal.events, signal.total).where(**where), data.counts(signal.total).where(**where)
    return Events.of_ratio(events, total, events_are_bad=signal.bad is not None)


def _with_parts(whole: Assessment, parts: Sequence[Assessment]) -> Assessment:
    """The whole is no better than its worst service: one dead service of eight is not 87 % of health."""
    if not parts:
        return whole
    outcomes = [whole.outcome, *(part.outcome for part in parts)]
    failed = Outcome.FAIL if Outcome.FAIL in outcomes else whole.outcome
    outcome = Outcome.NO_DATA if failed is Outcome.PASS and Outcome.NO_DATA in outcomes else failed
    return replace(whole, outcome=outcome, standing=worst([whole.standing, *(part.standing for part in parts)]))


def _outcome(whole: Assessment, rows: Sequence[Row], gain: Standing | None) -> Outcome:
    """FAIL when the whole, a segment or partner with a promise of its own, or the promised gain failed."""
    own = [row.assessment.outcome for row in rows if row.own_target]
    if Outcome.FAIL in (whole.outcome, *own) or gain is Standing.CRITICAL:
        return Outcome.FAIL
    return whole.outcome


def _coverage(data: Data, one: Measured, events: Events, whole: Assessment) -> tuple[float, float]:
    """Seconds of the current window with data, and seconds it would have: its full length, less maintenance."""
    start, end = whole.current.start, whole.current.end
    jobs = _jobs_of(data, one)
    shares = [share for job in jobs if (share := data.coverage(job, start, end)) is not None]
    window = data.pieces.within(start, end)
    kept = float((data.pieces.lengths * data.keep(""))[window].sum())
    full = max(end - start, one.sla.window if windowing.kind_of(one.sla) == "rolling" else 0.0)
    if not shares:
        seen = float(data.pieces.lengths[window][events.total[window] > 0].sum())
        return min(seen, kept), full - (end - start - kept)
    return kept * float(np.mean(shares)), full - (end - start - kept)


def _source(data: Data, one: Measured) -> str:
    """Up-time is always read raw: it is cheap."""
    if one.signal is None:
        return "raw"
    if isinstance(one.signal, HistogramSignal):
        return data.source(one.signal.series("bucket"))
    sources = {data.source(one.signal.total), data.source(one.signal.events, one.signal.total)}
    return sources.pop() if len(sources) == 1 else "mixed"


def _jobs_of(data: Data, one: Measured) -> list[str]:
    if one.signal is None:
        return data.jobs()
    exporting = set(_total(data, one.signal).values("job"))
    return [job for job in data.jobs() if job in exporting]


def _objective_notes(data: Data, one: Measured) -> Iterator[Note]:
    if windowing.kind_of(one.sla) == "rolling" and one.sla.window > 86400:
        yield Note(
            "slow_recovery", {"seconds": f"{one.sla.window:g}", "recovery": f"{data.spec.slas.states.recovery:g}"}
        )
    if one.sla.gain:
        yield Note("of_candidate", {"candidate": data.spec.versions.candidate})
    if one.signal is None:
        for name in data.uptime.fallback:
            yield Note("exporter_up", {"service": name})
    if isinstance(one.signal, HistogramSignal):
        bounds = _total(data, one.signal).bounds
        if bounds and one.promise.limit not in bounds:
            yield Note("interpolated", {"limit": one.promise.written})


def _notes(data: Data, journal: Journal) -> Iterator[Note]:
    if not journal.reached:
        yield Note("no_journal")
    first = min(data.uptime.scraped.values(), default=None)
    if first is not None and first > data.pieces.start + data.pieces.step:
        yield Note("retention", {"time": f"{first:.3f}"})
    silent = [name for name, s in data.spec.services.items()
              if s.kind in ("application", "nginx", "redis") and name not in data.jobs()]  # fmt: skip
    if silent:
        yield Note("never_scraped", {"services": ", ".join(silent)})


__all__ = ["evaluate", "freeze_baseline", "read_data"]
