"""What a spec can get wrong although each of its values is well formed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from bascule.logformat import BUILT_IN
from bascule.spec import log_patterns
from bascule.spec.model import AVAILABILITY, Spec
from bascule.spec.roles import kind_wanted
from bascule.spec.signals import GaugeSignal, HistogramSignal, RatioSignal, Role


@dataclass(frozen=True)
class Finding:
    key: tuple[str | int, ...]
    what: str
    mend: str


def lint(spec: Spec) -> Iterator[Finding]:
    """Every contradiction between parts of the spec."""
    yield from _phases(spec)
    yield from _roles(spec)
    yield from _measures(spec)
    yield from _versions(spec)
    yield from _windows(spec)
    yield from _scrape(spec)
    yield from _logs(spec)
    yield from _receivers(spec)


def _phases(spec: Spec) -> Iterator[Finding]:
    for index, (before, after) in enumerate(pairwise(spec.phases), start=1):
        if after.share <= before.share:
            what = f"the share goes from {before.share:.0%} to {after.share:.0%}"
            yield Finding(("phases", index, "share"), what, "each phase must give more than the one before")


def _roles(spec: Spec) -> Iterator[Finding]:
    seen: dict[Role, str] = {}
    for name, signal in spec.signals.items():
        if signal.role is None or signal.role is Role.OTHER:
            continue
        kind = kind_wanted(signal.role)
        key = ("signals", name, "role")
        if kind is not None and not isinstance(signal, kind):
            wanted = "ratio" if kind is RatioSignal else "histogram"
            yield Finding(
                key, f"the role {signal.role} needs a {wanted} signal", f"declare a {wanted}, or leave it out"
            )
        elif signal.role in seen:
            yield Finding(key, f"{seen[signal.role]!r} already has the role {signal.role}", "give it to one of the two")
        seen.setdefault(signal.role, name)


def _measures(spec: Spec) -> Iterator[Finding]:
    for index, phase in enumerate(spec.phases):
        for measure in phase.gates:
            yield from _measure(spec, measure, ("phases", index, "gates", measure))
    for index, trigger in enumerate(spec.rollback):
        yield from _measure(spec, trigger.when.measure, ("rollback", index, "when"))


def _measure(spec: Spec, measure: str, key: tuple[str | int, ...]) -> Iterator[Finding]:
    name, _, statistic = measure.partition(".")
    signal = spec.signals.get(name)
    if signal is None and measure == AVAILABILITY:
        return
    if signal is None:
        yield Finding(key, f"{measure!r} is not a declared signal", f"declared are: {', '.join(spec.signals)}")
    elif isinstance(signal, GaugeSignal):
        what = f"{name!r} is a gauge: it counts no events, so nothing can be decided on it"
        yield Finding(key, what, "declare it as a ratio, a histogram or a mean, or leave it to its target's alert")
    elif isinstance(signal, HistogramSignal) and not (statistic.startswith("p") and statistic[1:].isdigit()):
        yield Finding(key, f"{measure!r} does not say which quantile", f"write {name}.p95")
    elif not isinstance(signal, HistogramSignal) and statistic not in ("", "gain"):
        yield Finding(key, f"a {signal.kind} signal has no {statistic!r}", f"write {name} or {name}.gain")


def _versions(spec: Spec) -> Iterator[Finding]:
    for name, service in spec.services.items():
        if service.version is not None and service.version not in spec.versions.both:
            mend = f"declared versions are {' and '.join(spec.versions.both)}"
            yield Finding(("services", name, "version"), f"{service.version!r} is not a declared version", mend)


def _windows(spec: Spec) -> Iterator[Finding]:
    for name, sla in spec.slas.named.items():
        if sla.window > spec.stack.scrape.retention:
            what = "the window is longer than Prometheus keeps samples"
            yield Finding(("slas", name, "window"), what, "raise stack.scrape.retention or shorten the window")


def _scrape(spec: Spec) -> Iterator[Finding]:
    if spec.stack.scrape.timeout > spec.stack.scrape.interval:
        what = "the timeout is longer than the interval, which Prometheus refuses"
        yield Finding(("stack", "scrape", "timeout"), what, "give at most stack.scrape.interval")


def _logs(spec: Spec) -> Iterator[Finding]:
    known = {*spec.logs.formats, *BUILT_IN}
    for index, source in enumerate(spec.logs.sources):
        for name in source.formats:
            if name not in known:
                key = ("logs", "sources", index, "formats")
                yield Finding(key, f"{name!r} is not a known log format", f"known are: {', '.join(sorted(known))}")
        if source.version is not None and source.version not in spec.versions.both:
            mend = f"declared versions are {' and '.join(spec.versions.both)}"
            key = ("logs", "sources", index, "version")
            yield Finding(key, f"{source.version!r} is not a declared version", mend)
    for name, form in spec.logs.formats.items():
        if wrong := log_patterns.check(form):
            key_of_pattern, error = wrong
            yield Finding(("logs", "formats", name, key_of_pattern), error.what, error.mend)
    if len(inputs := [i for i, source in enumerate(spec.logs.sources) if source.stdin]) > 1:
        yield Finding(("logs", "sources", inputs[1], "stdin"), "standard input is a source already", "keep one of them")


def _receivers(spec: Spec) -> Iterator[Finding]:
    for kind, steps in spec.notify.escalation.items():
        for index, step in enumerate(steps):
            if step.to not in spec.notify.receivers:
                key = ("notify", "escalation", kind, index, "to")
                mend = f"declared are: {', '.join(spec.notify.receivers) or 'none'}"
                yield Finding(key, f"{step.to!r} is not a declared receiver", mend)
