"""Segments and partners against their own targets and quotas, worst first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bascule import figures
from bascule.console.asked import ByVersion, MeasuredTraffic
from bascule.conventions import State
from bascule.spec import Spec
from bascule.spec.model import Segment
from bascule.spec.uses import quotas
from bascule.states import Cause, no_data

NEAR = 0.9  # of a target or a quota: from here on it is nearly reached
WORDS = {State.OK: "kept", State.BAD: "missed"}
RANK = {State.BAD: 0, State.NO_DATA: 2, State.OK: 1}


@dataclass(frozen=True)
class TargetRow:
    """`used`: how much of what is allowed is used, 1 at the target itself; None without data."""

    who: str
    what: str
    target: str
    values: tuple[str, str]  # baseline, candidate
    requests: str
    used: float | None
    state: State
    word: str


@dataclass(frozen=True)
class Targets:
    segments: list[TargetRow]
    partners: list[TargetRow]
    order: str

    @property
    def quotas(self) -> str:
        return quotas_told(self.partners)


QUOTA = "quota"
ORDERS: Mapping[str, Callable[[TargetRow], tuple[object, ...]]] = {
    "state": lambda row: (RANK[row.state], -(row.used or 0.0), row.who, row.what),
    "who": lambda row: (row.who, row.what),
    "what": lambda row: (row.what, -(row.used or 0.0)),
    "used": lambda row: (row.used is None, -(row.used or 0.0)),
}


def targets(spec: Spec, measured: MeasuredTraffic, order: str) -> Targets:
    key = ORDERS.get(order, ORDERS["state"])
    segments = [row for name, each in spec.segments.named.items() for row in _segment(spec, name, each, measured)]
    return Targets(sorted(segments, key=key), sorted(_partners(spec, measured), key=key), order)


# ---------------------------------------------------------------- segments


def _segment(spec: Spec, name: str, segment: Segment, measured: MeasuredTraffic) -> Iterator[TargetRow]:
    baseline, candidate = spec.versions.both
    rate = _sum(measured.requests, name)
    served, why = figures.rate(rate), _why(measured, rate)

    def at_most(what: str, found: ByVersion, limit: float, unit: str) -> TargetRow:
        values = [found.get((version, name)) for version in (baseline, candidate)]
        return _row(name, what, f"≤ {figures.figure(limit, unit)}", values, unit, served, _used(values, limit), why)

    def at_least(what: str, found: ByVersion, floor: float, judged: tuple[str, ...]) -> TargetRow:
        values = [found.get((version, name)) for version in (baseline, candidate)]
        held = [found.get((version, name)) for version in judged]
        used = _used(_rest(held), 1 - floor)
        return _row(name, what, f"≥ {figures.percent(floor)}", values, "ratio", served, used, why)

    latency, errors, accuracy = spec.latency, spec.errors, spec.accuracy
    if latency:
        for quantile in ("p50", "p95", "p99"):
            limit = getattr(segment.latency, quantile)
            if limit is not None:
                own = latency.signal.measured_in.of_base(limit)
                yield at_most(
                    f"{latency.name} {quantile}", measured.signals[latency.name, quantile], own, latency.signal.unit
                )
    if errors:
        shares = measured.signals[errors.name, ""]
        if segment.errors is not None:
            yield at_most(errors.name, shares, segment.errors, "ratio")
        if segment.availability is not None:
            answered = {key: 1 - share for key, share in shares.items()}
            yield at_least("requests answered", answered, segment.availability, (baseline, candidate))
    if accuracy and segment.accuracy is not None:
        yield at_least(accuracy.name, measured.signals[accuracy.name, ""], segment.accuracy, (candidate,))
    if segment.rate_limit is not None:
        limit = f"{figures.count(segment.rate_limit * 3600)}/h per user"
        values = [measured.refused.get((version, name)) for version in (baseline, candidate)]
        yield _row(name, "refused by the rate limit", limit, values, "ratio", served, _used(values, 1.0), why)


# ---------------------------------------------------------------- partners


def _partners(spec: Spec, measured: MeasuredTraffic) -> Iterator[TargetRow]:
    allowed = quotas(spec)
    names = {name for _, name in measured.partner_errors} | set(measured.partner_requests)
    segment = next((each for each in spec.segments.named.values() if each.partner_label), None)
    if segment is None:
        return
    for name in sorted(names - {""}):
        hour = measured.partner_requests.get(name)
        asked = f"{figures.count(hour)} in the last hour"
        quota, used = allowed.get(name, allowed.get("default")), measured.partner_quota.get(name)
        if quota is not None:
            text = f"≤ {figures.count(quota)}/h"
            state = _state(used)
            near = "over quota" if state is State.BAD else "nearly used" if (used or 0) >= NEAR else WORDS.get(state)
            word = near or no_data(_why(measured, hour))
            yield TargetRow(name, QUOTA, text, ("", ""), asked, used, state, word)
        yield from _partner_targets(spec, segment, name, measured, asked)


def _partner_targets(
    spec: Spec, segment: Segment, name: str, measured: MeasuredTraffic, asked: str
) -> Iterator[TargetRow]:
    versions, why = spec.versions.both, _why(measured, measured.partner_requests.get(name))
    if segment.errors is not None:
        values = [measured.partner_errors.get((version, name)) for version in versions]
        text, used = f"≤ {figures.percent(segment.errors)}", _used(values, segment.errors)
        yield _row(name, "errors", text, values, "ratio", asked, used, why)
    if segment.format_compatibility is not None:
        values = [measured.partner_format.get((version, name)) for version in versions]
        text = f"≥ {figures.percent(segment.format_compatibility)}"
        used = _used(_rest(values), 1 - segment.format_compatibility)
        yield _row(name, "format", text, values, "ratio", asked, used, why)


def quotas_told(rows: list[TargetRow]) -> str:
    """Who is over a quota, in a sentence; empty where no partner has one."""
    known = [row for row in rows if row.what == QUOTA and row.used is not None]
    known.sort(key=lambda row: -(row.used or 0.0))
    over = [f"{row.who} ({figures.used(row.used)})" for row in known if row.state is State.BAD]
    if over:
        return f"Over quota: {', '.join(over)}."
    if not known:
        return ""
    closest = known[0]
    return f"No partner is over its quota. Closest: {closest.who}, {closest.requests}, {closest.target}."


# ---------------------------------------------------------------- a row


def _row(
    who: str,
    what: str,
    target: str,
    values: list[float | None],
    unit: str,
    requests: str,
    used: float | None,
    why: Cause,
) -> TargetRow:
    """`why` there is no data, where there is none."""
    state = _state(used)
    near = "near its target" if state is State.OK and used is not None and used >= NEAR else WORDS.get(state)
    shown = figures.figure(values[0], unit), figures.figure(values[1], unit)
    return TargetRow(who, what, target, shown, requests, used, state, near or no_data(why))


def _why(measured: MeasuredTraffic, requests: float | None) -> Cause:
    """Why a measure has no data, from how many requests there are."""
    if measured.unknown is not None or requests is None:
        return measured.unknown or Cause.NO_SERIES
    return Cause.NO_TRAFFIC if requests <= 0 else Cause.NO_SERIES


def _state(used: float | None) -> State:
    return State.NO_DATA if used is None else State.BAD if used > 1 else State.OK


def _rest(shares: list[float | None]) -> list[float | None]:
    """What each share lacks to one."""
    return [None if share is None else 1 - share for share in shares]


def _used(values: list[float | None], allowed: float) -> float | None:
    """The worst of the versions; of an allowance of nothing, anything is too much."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return None
    worst = max(0.0, *known)
    return worst / allowed if allowed > 1e-12 else (0.0 if worst <= 1e-9 else math.inf)


def _sum(found: ByVersion, name: str) -> float | None:
    known = [value for (_, segment), value in found.items() if segment == name]
    return sum(known) if known else None
