"""Names that a spec may not use twice, names that are Bascule's own in what is generated, and one writer of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from bascule.conventions import TOTAL_SEGMENT, certificate_job, health_job, probe_job
from bascule.spec.lint import Finding, Key
from bascule.spec.model import Rollback, Spec
from bascule.spec.reading.unreadable import readable

OWN_JOBS = ("prometheus", "alertmanager", "discovered")
_OWN_RECEIVERS = ("bascule-incidents",)
_OWN_SIGNALS = ("service_up", "cache_hit_ratio", "planned_share", "judge")  # what SignalNoData watches beside signals


def clashes(spec: Spec) -> Iterator[Finding]:
    """Every name that two things would have in the generated configuration."""
    yield from _jobs(spec)
    yield from _reserved(("signals",), lambda: spec.signals, _OWN_SIGNALS)
    yield from _reserved(("segments",), lambda: spec.segments.named, (TOTAL_SEGMENT,))
    yield from _reserved(("notify", "receivers"), lambda: spec.notify.receivers, _OWN_RECEIVERS)
    yield from _triggers(spec)
    yield from _ports(spec)
    yield from _writers(spec)


@readable
def _jobs(spec: Spec) -> Iterator[Finding]:
    """A scrape job for each service, probe and part of Bascule: Prometheus refuses two of one name."""
    probes = {job for name in spec.probes for job in (probe_job(name), certificate_job(name))}
    probes |= {health_job(name) for name in spec.services}
    for name in spec.services:
        if name in OWN_JOBS or name.startswith("bascule-"):
            yield Finding(("services", name), f"{name!r} is a job of Bascule's own", "give it another name")
        if name in probes:
            yield Finding(("services", name), f"{name!r} is the job of a probe", "rename one of the two")


@readable
def _reserved(key: Key, names: Callable[[], Iterable[str]], own: tuple[str, ...]) -> Iterator[Finding]:
    for name in names():
        if name in own:
            yield Finding((*key, name), f"{name!r} is a name of Bascule's own", "give it another name")


@readable
def _triggers(spec: Spec) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, trigger in enumerate(spec.rollback):
        yield from _trigger(("rollback", index, "when"), trigger, seen)


@readable
def _trigger(key: Key, trigger: Rollback, seen: set[str]) -> Iterator[Finding]:
    if str(trigger.when) in seen:
        yield Finding(key, f"'{trigger.when}' is declared twice", "keep one of the two")
    seen.add(str(trigger.when))


@readable
def _ports(spec: Spec) -> Iterator[Finding]:
    taken: dict[int, str] = {}
    for part, port in spec.stack.ports:
        yield from _port(("stack", "ports", part), port, taken)


@readable
def _port(key: Key, port: int, taken: dict[int, str]) -> Iterator[Finding]:
    if port in taken:
        yield Finding(key, f"{port} is already the port of {taken[port]}", "give each part a port of its own")
    taken.setdefault(port, str(key[-1]))


@readable
def _writers(spec: Spec) -> Iterator[Finding]:
    if spec.judge.push and spec.prometheus.replica_label is not None:
        what = "several replicas (prometheus.replica_label) would each write the same samples to the judge"
        yield Finding(("judge", "push"), what, "remove judge.push; the judge then asks for the samples")
