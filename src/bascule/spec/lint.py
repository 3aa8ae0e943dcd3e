"""What a spec can get wrong although each of its values is valid.

A check is a generator of findings; one that meets a value that could not be read ends there (`readable`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from bascule.conventions import AlertKind
from bascule.logformat import BUILT_IN
from bascule.spec import log_patterns
from bascule.spec.counters import QUANTILE_NAMES
from bascule.spec.kinds import Signal
from bascule.spec.model import (
    AVAILABILITY,
    EscalationStep,
    LogFormat,
    LogSource,
    Phase,
    Probe,
    Rollback,
    Service,
    Sla,
    Spec,
)
from bascule.spec.quantities import Threshold, format_duration
from bascule.spec.reading.unreadable import readable
from bascule.spec.roles import kind_wanted
from bascule.spec.signals import CountedShare, GaugeSignal, HistogramSignal, Role

LONGEST_SCRAPE, SLOW_SCRAPE = 120.0, 60.0  # seconds; between them `check` warns
Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Finding:
    """A contradiction at a key of the spec, and its fix."""

    key: Key
    what: str
    fix: str


def lint(spec: Spec) -> Iterator[Finding]:
    """Every contradiction between parts of the spec."""
    for look in (_phases, _roles, _measures, _versions, _windows, _scrape, _peers, _logs, _receivers):
        yield from look(spec)


@readable
def _phases(spec: Spec) -> Iterator[Finding]:
    for index, (before, after) in enumerate(pairwise(spec.phases), start=1):
        yield from _step(index, before, after)


@readable
def _step(index: int, before: Phase, after: Phase) -> Iterator[Finding]:
    if after.share <= before.share:
        what = f"the share goes from {before.share:.0%} to {after.share:.0%}"
        yield Finding(("phases", index, "share"), what, "each phase must give more than the one before")


@readable
def _roles(spec: Spec) -> Iterator[Finding]:
    holders: dict[Role, str] = {}
    for name, signal in spec.signals.items():
        yield from _role(name, signal, holders)


@readable
def _role(name: str, signal: Signal, holders: dict[Role, str]) -> Iterator[Finding]:
    role, key = signal.role, ("signals", name, "role")
    if role is None or role is Role.OTHER:
        return
    kind = kind_wanted(role)
    if kind is not None and not isinstance(signal, kind):
        wanted = "ratio" if kind is CountedShare else "histogram"
        yield Finding(key, f"the role {role} needs a {wanted} signal", f"declare a {wanted}, or remove the role")
    elif role is Role.LATENCY and not signal.is_time:
        yield Finding(
            key, f"the role latency needs a time, and {name} is in {signal.unit!r}", "write its unit: seconds"
        )
    elif holders.setdefault(role, name) != name:
        yield Finding(key, f"{holders[role]!r} already has the role {role}", "give it to one of the two")


def _measures(spec: Spec) -> Iterator[Finding]:
    for each in decisions(spec):
        yield from _measure(spec, each.key, each.measure)


@dataclass(frozen=True)
class Decision:
    """A gate of a phase, or a rollback trigger."""

    key: Key
    measure: str
    threshold: Threshold
    is_gate: bool


@readable
def decisions(spec: Spec) -> Iterator[Decision]:
    """Each gate and each trigger whose measure can be read."""
    for index, phase in enumerate(spec.phases):
        yield from _gates(("phases", index, "gates"), phase)
    for index, trigger in enumerate(spec.rollback):
        yield from _trigger(("rollback", index, "when"), trigger)


@readable
def _gates(key: Key, phase: Phase) -> Iterator[Decision]:
    for measure, threshold in phase.gates.items():
        yield Decision((*key, measure), measure, threshold, is_gate=True)


@readable
def _trigger(key: Key, trigger: Rollback) -> Iterator[Decision]:
    yield Decision(key, trigger.when.measure, trigger.when.threshold, is_gate=False)


@readable
def _measure(spec: Spec, key: Key, measure: str) -> Iterator[Finding]:
    name, _, statistic = measure.partition(".")
    signal = spec.signals.get(name)
    if signal is None and measure == AVAILABILITY:
        return
    if signal is None:
        yield Finding(key, f"{measure!r} is not a declared signal", f"declared are: {', '.join(spec.signals)}")
    elif isinstance(signal, GaugeSignal):
        what = f"{name!r} is a gauge: it counts no events, so no gate or trigger can use it"
        yield Finding(key, what, "declare it as a ratio, a histogram or a mean, or remove this line")
    elif not signal.has_statistic(statistic):
        yield _no_statistic(key, measure, name, signal)


def _no_statistic(key: Key, measure: str, name: str, signal: Signal) -> Finding:
    if isinstance(signal, HistogramSignal):
        return Finding(key, f"{measure!r} does not say which quantile of {name}", QUANTILE_NAMES)
    return Finding(key, f"a {signal.kind} signal has no {measure.partition('.')[2]!r}", f"write {name} or {name}.gain")


@readable
def _versions(spec: Spec) -> Iterator[Finding]:
    for name, service in spec.services.items():
        yield from _version(spec, ("services", name, "version"), service)
    for name, probe in spec.probes.items():
        yield from _version(spec, ("probes", name, "version"), probe)


@readable
def _version(spec: Spec, key: Key, watched: Service | Probe | LogSource) -> Iterator[Finding]:
    if watched.version is not None and watched.version not in spec.versions.both:
        fix = f"declared versions are {' and '.join(spec.versions.both)}"
        yield Finding(key, f"{watched.version!r} is not a declared version", fix)


@readable
def _windows(spec: Spec) -> Iterator[Finding]:
    for name, sla in spec.slas.named.items():
        yield from _window(spec, ("slas", name, "window"), sla)


@readable
def _window(spec: Spec, key: Key, sla: Sla) -> Iterator[Finding]:
    if sla.window > spec.stack.scrape.retention:
        what = "the window is longer than Prometheus keeps samples"
        yield Finding(key, what, "raise stack.scrape.retention or shorten the window")


@readable
def _scrape(spec: Spec) -> Iterator[Finding]:
    if spec.stack.scrape.timeout > spec.stack.scrape.interval:
        what = "the timeout is longer than the interval, which Prometheus refuses"
        yield Finding(("stack", "scrape", "timeout"), what, "give at most stack.scrape.interval")
    if spec.stack.scrape.interval > LONGEST_SCRAPE:
        what = f"{format_duration(spec.stack.scrape.interval)} is too long: a rate needs three samples in five minutes"
        yield Finding(("stack", "scrape", "interval"), what, f"give at most {format_duration(LONGEST_SCRAPE)}")


@readable
def _peers(spec: Spec) -> Iterator[Finding]:
    """The Alertmanager that `bascule up` starts joins no cluster, so each of them would send every notice."""
    if spec.stack.peers.get("alertmanager") and "alertmanager" not in spec.stack.external:
        what = "the Alertmanager beside these is one that Bascule starts, which joins no cluster"
        yield Finding(("stack", "peers", "alertmanager"), what, "name the first under stack.external.alertmanager")


def _logs(spec: Spec) -> Iterator[Finding]:
    yield from _sources(spec)
    yield from _formats(spec)
    yield from _inputs(spec)


@readable
def _sources(spec: Spec) -> Iterator[Finding]:
    known = {*spec.logs.formats, *BUILT_IN}
    for index, source in enumerate(spec.logs.sources):
        yield from _source(("logs", "sources", index, "formats"), source, known)
        yield from _version(spec, ("logs", "sources", index, "version"), source)


@readable
def _source(key: Key, source: LogSource, known: set[str]) -> Iterator[Finding]:
    for name in source.formats:
        if name not in known:
            yield Finding(key, f"{name!r} is not a known log format", f"known are: {', '.join(sorted(known))}")


@readable
def _formats(spec: Spec) -> Iterator[Finding]:
    for name, form in spec.logs.formats.items():
        yield from _pattern(("logs", "formats", name), form)


@readable
def _pattern(key: Key, form: LogFormat) -> Iterator[Finding]:
    if (form.dissect or form.grok) and (wrong := log_patterns.check(form)):
        key_of_pattern, error = wrong
        yield Finding((*key, key_of_pattern), error.what, error.fix)


@readable
def _inputs(spec: Spec) -> Iterator[Finding]:
    for index in [index for index, source in enumerate(spec.logs.sources) if source.stdin][1:]:
        yield Finding(("logs", "sources", index, "stdin"), "standard input is already a source", "keep one of them")


@readable
def _receivers(spec: Spec) -> Iterator[Finding]:
    for kind, steps in spec.notify.escalation.items():
        yield from _escalation(spec, ("notify", "escalation", kind), steps)
    yield from _technical(spec)


@readable
def _escalation(spec: Spec, key: Key, steps: list[EscalationStep]) -> Iterator[Finding]:
    for index, step in enumerate(steps):
        yield from _receiver(spec, (*key, index, "to"), step)


@readable
def _technical(spec: Spec) -> Iterator[Finding]:
    """Every kind without steps of its own falls back to the technical ones."""
    notify, kind = spec.notify, AlertKind.TECHNICAL
    if any(notify.escalation.values()) and not notify.steps_for(kind) and not notify.at_once:
        key: Key = ("notify", "escalation", kind) if kind in notify.escalation else ("notify", "escalation")
        what = "no one is notified of technical alerts: they have no step, and no receiver is outside the escalations"
        yield Finding(key, what, f"add {kind}: [{{after: 0m, to: {next(iter(notify.receivers), 'NAME')}}}]")


@readable
def _receiver(spec: Spec, key: Key, step: EscalationStep) -> Iterator[Finding]:
    if step.to not in spec.notify.receivers:
        known = ", ".join(spec.notify.receivers)
        fix = f"declared are: {known}" if known else "declare it under notify.receivers"
        yield Finding(key, f"{step.to!r} is not a declared receiver", fix)
