"""Names that a spec may not use twice, and names that are Bascule's own in what is generated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bascule.conventions import TOTAL_SEGMENT, certificate_job, probe_job
from bascule.spec.lint import Finding
from bascule.spec.model import Spec

OWN_JOBS = ("prometheus", "alertmanager", "discovered")
_OWN_RECEIVERS = ("bascule-incidents",)
_OWN_SIGNALS = ("service_up", "cache_hit_ratio", "planned_share", "judge")  # what SignalNoData watches beside signals


def clashes(spec: Spec) -> Iterator[Finding]:
    """Every name that two things of the generated configuration would have."""
    yield from _jobs(spec)
    yield from _reserved(("signals",), spec.signals, _OWN_SIGNALS)
    yield from _reserved(("segments",), spec.segments.named, (TOTAL_SEGMENT,))
    yield from _reserved(("notify", "receivers"), spec.notify.receivers, _OWN_RECEIVERS)
    yield from _triggers(spec)
    yield from _ports(spec)


def _jobs(spec: Spec) -> Iterator[Finding]:
    """A scrape job for each service, probe and part of Bascule: Prometheus refuses two of one name."""
    probes = {job for name in spec.probes for job in (probe_job(name), certificate_job(name))}
    for name in spec.services:
        if name in OWN_JOBS or name.startswith("bascule-"):
            yield Finding(("services", name), f"{name!r} is a job of Bascule's own", "give it another name")
        if name in probes:
            yield Finding(("services", name), f"{name!r} is the job of a probe", "rename one of the two")


def _reserved(key: tuple[str, ...], names: Iterable[str], own: tuple[str, ...]) -> Iterator[Finding]:
    for name in names:
        if name in own:
            yield Finding((*key, name), f"{name!r} means something of Bascule's own", "give it another name")


def _triggers(spec: Spec) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, trigger in enumerate(spec.rollback):
        if str(trigger.when) in seen:
            yield Finding(("rollback", index, "when"), f"'{trigger.when}' is a trigger already", "keep one of the two")
        seen.add(str(trigger.when))


def _ports(spec: Spec) -> Iterator[Finding]:
    taken: dict[int, str] = {}
    for part, port in spec.stack.ports:
        if port in taken:
            what = f"{port} is the port of {taken[port]} already"
            yield Finding(("stack", "ports", part), what, "give each part a port of its own")
        taken.setdefault(port, part)
