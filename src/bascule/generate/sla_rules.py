"""SLAs as rules: bad and all events counted each minute, summed over windows, and what is left of the budget.

Numerators and denominators are summed, never ratios averaged. A minute of counts (not of samples) makes a window of
thirty days cheap: 43,200 points. A breach needs a part of its window to be covered by data, and enough events; burn
rates speak earlier. `keep_firing_for` is the source document's "back within target for 15 min".
"""

from __future__ import annotations

from collections.abc import Iterator

from bascule.alerts import Alerting, alerting
from bascule.conventions import Alert, Recorded, Severity
from bascule.generate.rules import Recording
from bascule.promql.expressions import canonical_rate
from bascule.spec import Objective, Selector, Spec
from bascule.spec.growth import growth_rules
from bascule.spec.model import AVAILABILITY, Sla
from bascule.spec.quantities import format_duration, parse_duration
from bascule.spec.selector import bucket_under
from bascule.spec.signals import HistogramSignal, RatioSignal

INTERVAL_SECONDS = 60.0
SERVING = "application|nginx|redis"
WEEK_SECONDS = 7 * 86400
# Times the even pace, long window, short window, severity: 2 % of a month's budget in an hour, 5 % in six, 10 % in 3 d.
LONG_TIERS = (
    (14.4, "1h", "5m", Severity.CRITICAL),
    (6.0, "6h", "30m", Severity.CRITICAL),
    (1.0, "3d", "6h", Severity.WARNING),
)
SHORT_TIERS = ((6.0, "1h", "5m", Severity.WARNING),)
WINDOWS = ("5m", "30m", "1h", "6h", "1d", "3d")
_SIGNAL_OF = {"response_time": "latency", "error_rate": "errors"}
_WHOSE = "{{ with $labels.job }} of {{ . }}{{ end }}"  # uptime is counted for each service


def sla_rules(spec: Spec) -> Iterator[Recording]:
    known = list(known_slas(spec))
    for name in known:
        bad, everything = _counts(spec, name)
        yield Recording(Recorded.SLA_ALL, everything, {"sla": name})
        yield Recording(Recorded.SLA_BAD, bad, {"sla": name})
    if known:
        for window in WINDOWS:
            yield Recording(Recorded.SLA_BAD_RATIO, _over(window), {"window": window})
    for name in known:
        yield Recording(Recorded.SLA_BUDGET_SPENT, _spent(spec.slas.named[name], name), {"sla": name})


def known_slas(spec: Spec) -> Iterator[str]:
    """The SLAs that something counts: uptime, or a ratio or histogram signal."""
    for name, sla in spec.slas.named.items():
        signal = signal_of(spec, name)
        uptime = name == AVAILABILITY and sla.signal is None
        if uptime or isinstance(signal, RatioSignal) or (signal is not None and bound_of(sla) is not None):
            yield name


def signal_of(spec: Spec, name: str) -> RatioSignal | HistogramSignal | None:
    found = spec.signals.get(spec.slas.named[name].signal or _SIGNAL_OF.get(name, name))
    return found if isinstance(found, RatioSignal | HistogramSignal) else None


def bound_of(sla: Sla) -> float | None:
    return Objective.parse(sla.objective).bound


def _counts(spec: Spec, name: str) -> tuple[str, str]:
    """Bad events and all events of the last minute."""
    signal, sla = signal_of(spec, name), spec.slas.named[name]
    if signal is None:
        up = f'{Recorded.SERVICE_UP}{{component=~"{SERVING}"}}'
        down = f"sum by (job) (1 - avg_over_time({up}[1m]))"
        return f"60 * {down}", f"60 * count by (job) ({up})"
    if isinstance(signal, HistogramSignal):
        total = _increase(spec, signal.series("count"), sla)
        bound = bound_of(sla)
        assert bound is not None
        within = _increase(spec, signal.series("bucket").where(bucket_under(bound)), sla)
        return f"clamp_min({total} - {within}, 0)", total
    total, events = _increase(spec, signal.total, sla), _increase(spec, signal.events, sla)
    bad = events if signal.bad is not None else f"clamp_min({total} - ({events} or 0 * {total}), 0)"
    return f"{bad} or 0 * {total}", total


def _increase(spec: Spec, selector: Selector, sla: Sla) -> str:
    """An SLA with a gain is the new version's promise: the old one is what it improves on."""
    narrowed = selector.where(*spec.versions.matchers(spec.versions.candidate)) if sla.gain else selector
    if sla.gain:
        return f"sum(increase({narrowed}[1m]))"
    return f"60 * sum({canonical_rate(spec, selector, '1m')})"


def _over(window: str) -> str:
    bad, everything = (f"sum_over_time({series}[{window}])" for series in (Recorded.SLA_BAD, Recorded.SLA_ALL))
    return f"{bad} / ({everything} > 0)"


def _spent(sla: Sla, name: str) -> str:
    window = format_duration(sla.window)
    bad, everything = (
        f'sum_over_time({series}{{sla="{name}"}}[{window}])' for series in (Recorded.SLA_BAD, Recorded.SLA_ALL)
    )
    return f"{bad} / ({Objective.parse(sla.objective).budget:.6g} * {everything} > 0)"


def sla_growth(spec: Spec) -> Iterator[Recording]:
    """Exact growth by minute, from which reports read a long past; none where nothing is promised."""
    if spec.slas.named:
        yield from (Recording(rule.record, rule.expr) for rule in growth_rules(spec))


# ---------------------------------------------------------------- alerts


def sla_alerts(spec: Spec) -> Iterator[Alerting]:
    for name in known_slas(spec):
        yield from _states(spec, name)
        yield from _near_its_limit(spec, name)
        yield from _burns(spec, name)


def _known_well(spec: Spec, name: str, window: float) -> str:
    """A 24th of the window, and at least an hour, is covered by data; and enough happened in it."""
    minutes = max(window / 24, 3600) / 60
    series, span = f'{Recorded.SLA_ALL}{{sla="{name}"}}', format_duration(window)
    covered = f"and\ncount_over_time({series}[{span}]) >= {minutes:g}"
    if name == AVAILABILITY:
        return covered
    return f"{covered}\nand\nsum_over_time({series}[{span}]) >= {spec.thresholds.min_requests}"


def _states(spec: Spec, name: str) -> Iterator[Alerting]:
    sla, states = spec.slas.named[name], spec.slas.states
    spent, known = f'{Recorded.SLA_BUDGET_SPENT}{{sla="{name}"}}', _known_well(spec, name, sla.window)
    hours = max(int(sla.window / 24 / 3600), 1) + 1
    told = {
        "of_what": f"the {name} SLA{_WHOSE} ({sla.objective} over {format_duration(sla.window)})",
        "recovery": format_duration(states.recovery),
        "hours": hours,
        "minutes": hours * 60 + 10,
        **_told(spec, name),
    }
    yield alerting(spec, Alert.SLA_BREACHED, spent=f"{spent} > 1\n{known}", **told)
    yield alerting(spec, Alert.SLA_AT_RISK, spent=f"{spent} > {states.warning:g} <= 1\n{known}", **told)


def _told(spec: Spec, name: str) -> dict[str, str | float]:
    """What the texts and cases of every alert on an SLA's budget say."""
    job = ',job="a"' if signal_of(spec, name) is None else ""
    budget = Objective.parse(spec.slas.named[name].objective).budget
    return {"sla": name, "whose": _WHOSE, "counted": f'sla="{name}"{job}', "budget": budget}


def _near_its_limit(spec: Spec, name: str) -> Iterator[Alerting]:
    sla, signal = spec.slas.named[name], signal_of(spec, name)
    objective = Objective.parse(sla.objective)
    if not isinstance(signal, HistogramSignal) or objective.bound is None:
        return
    signal_name = sla.signal or _SIGNAL_OF.get(name, name)
    buckets = f'sum by (le) (avg_over_time({Recorded.SIGNAL_BUCKET}{{signal="{signal_name}"}}[1h]))'
    events = f'sum(avg_over_time({Recorded.SIGNAL_EVENTS}{{signal="{signal_name}"}}[1h])) * 3600'
    limit = spec.slas.states.warning * objective.bound
    yield alerting(
        spec,
        f"{Alert.SLA_AT_RISK}.time",
        sla=name,
        near=f"histogram_quantile({objective.share:g}, {buckets}) > {limit:g} <= {objective.bound:g}\n"
        f"and on ()\n{events} >= {10 * spec.thresholds.min_requests}",
        share=objective.share,
        bound=objective.bound,
        recovery=format_duration(spec.slas.states.recovery),
        where=f'signal="{signal_name}",version="{spec.versions.candidate}"',
    )


def _burns(spec: Spec, name: str) -> Iterator[Alerting]:
    sla, told = spec.slas.named[name], _told(spec, name)
    budget = Objective.parse(sla.objective).budget
    for factor, long, short, severity in LONG_TIERS if sla.window >= WEEK_SECONDS else SHORT_TIERS:
        if factor * budget >= 1:
            continue  # not even a total outage burns that fast
        yield alerting(
            spec,
            Alert.SLA_BUDGET_BURN,
            objective=sla.objective,
            burning=_burning(spec, name, (long, short), factor * budget),
            window=long,
            severity=severity,
            events="seconds" if name == AVAILABILITY else "events",
            limit=f"{factor * budget * 100:.4g}%",
            pace=_pace(factor),
            **told,
        )


def _burning(spec: Spec, name: str, windows: tuple[str, str], limit: float) -> str:
    fast = (f'{Recorded.SLA_BAD_RATIO}{{sla="{name}",window="{window}"}} > {limit:.6g}' for window in windows)
    return "\nand ignoring (window)\n".join((*fast, _enough_in(spec, name, windows[0])))


def _pace(factor: float) -> str:
    return "the even pace" if factor == 1 else f"{factor:g} times the even pace"


def _enough_in(spec: Spec, name: str, window: str) -> str:
    """A 24th of the window, and ten minutes at least, is covered: one missed scrape in ten minutes is no trend."""
    minutes = max(10.0, parse_duration(window) / 24 / 60)
    series = f'{Recorded.SLA_ALL}{{sla="{name}"}}'
    covered = f"count_over_time({series}[{window}]) >= {minutes:g}"
    if name == AVAILABILITY:
        return covered
    return f"{covered}\nand ignoring (window)\nsum_over_time({series}[5m]) >= {spec.thresholds.min_requests}"
