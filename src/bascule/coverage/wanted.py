"""The metrics that are to be watched: the source document's, those of operators, and the spec's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

from bascule.conventions import LOG_UNPARSED, SEGMENT, Recorded, probe_job, quantile_name
from bascule.documents import read_yaml
from bascule.generate.grafana.dashboards import parts_of
from bascule.spec import Matcher, Selector, Spec
from bascule.spec.kinds import Signal
from bascule.spec.model import AVAILABILITY, Segment

OWN = "spec"  # the origin of a spec's own metrics; those of the others are the keys of wanted.yaml


@dataclass(frozen=True)
class Wanted:
    """One metric. `series`: any of them shows it; `measure`: the signal (or availability) whose value it is.

    `unwatched`: why no alert or judgement can be right about it. `absent`: the part that the spec does not have.
    """

    name: str
    origin: str
    series: tuple[Selector, ...]
    measure: str = ""
    is_reported: bool = False
    unwatched: str = ""
    absent: str = ""


def wanted(spec: Spec) -> list[Wanted]:
    """Every metric, in the order of the source document; then those of operators, then the spec's."""
    text = resources.files(__package__).joinpath("wanted.yaml").read_text("utf-8")
    document = read_yaml(text, "wanted.yaml")
    parts = parts_of(spec) | {AVAILABILITY: AVAILABILITY, "": True}
    parts |= {str(role): name for name, role in spec.signal_roles.items()}
    listed = [
        _listed(origin, name, entry, parts) for origin, metrics in document.items() for name, entry in metrics.items()
    ]
    return [*listed, *_of_spec(spec)]


def _listed(origin: str, name: str, entry: dict[str, Any], parts: dict[str, Any]) -> Wanted:
    series = entry["series"] if isinstance(entry["series"], list) else [entry["series"]]
    role = entry.get("role", "")
    part = entry.get("when", role)
    return Wanted(
        name,
        origin,
        tuple(map(Selector.parse, series)),
        measure=parts.get(role, "") if role else "",
        is_reported=entry.get("reported", False),
        unwatched=entry.get("unwatched", ""),
        absent="" if parts.get(part) else part,
    )


# ---------------------------------------------------------------- the spec's own


def _of_spec(spec: Spec) -> Iterator[Wanted]:
    for name, signal in spec.signals.items():
        yield from _signal(name, signal)
    for name, segment in spec.segments.named.items():
        yield from _segment(spec, name, segment)
    for name in spec.slas.named:
        yield _own(f"SLA {name}", Selector(Recorded.SLA_BAD_RATIO).where(sla=name), is_reported=True)
    for name in spec.services:
        yield _own(f"service {name}", Selector(Recorded.SERVICE_UP).where(job=name))
    for name in spec.probes:
        yield _own(f"probe {name}", Selector("probe_success").where(job=probe_job(name)))
    for name in spec.logs.named:
        yield _own(f"log source {name}", Selector(LOG_UNPARSED.name).where(source=name))


def _own(name: str, *series: Selector, **more: Any) -> Wanted:
    return Wanted(name, OWN, series, **more)


def _signal(name: str, signal: Signal) -> Iterator[Wanted]:
    by_signal = Matcher("signal", "=", name)
    if signal.buckets is not None:
        for quantile in signal.quantile_targets or ("p95",):
            series = Selector(quantile_name("version", quantile), (by_signal,))
            yield _own(f"{name}.{quantile}", series, measure=name, is_reported=True)
    elif signal.level is not None:
        why = "a level without events: nothing can be decided on it"
        yield _own(name, Selector(Recorded.SIGNAL_LEVEL, (by_signal,)), unwatched=why)
    else:
        yield _own(name, Selector(Recorded.SIGNAL_BY_VERSION, (by_signal,)), measure=name, is_reported=True)


def _segment(spec: Spec, name: str, segment: Segment) -> Iterator[Wanted]:
    """A target is wanted of what the segment meets."""
    here = Matcher(SEGMENT, "=", name)
    targets = {
        "latency": (spec.latency and spec.latency.name, segment.latency.p95, quantile_name("version_segment", "p95")),
        "accuracy": (spec.accuracy and spec.accuracy.name, segment.accuracy, Recorded.SIGNAL_BY_SEGMENT),
        "errors": (spec.errors and spec.errors.name, segment.errors, Recorded.SIGNAL_BY_SEGMENT),
        "availability": (spec.errors and spec.errors.name, segment.availability, Recorded.SIGNAL_BY_SEGMENT),
    }
    for target, (signal, value, series) in targets.items():
        if signal and value is not None:
            shown = Selector(series, (Matcher("signal", "=", signal), here))
            missed = Selector(Recorded.TARGET_MISSED).where(target=f"{target} of {name}")
            yield _own(f"{target} of {name}", shown, missed, measure=signal, is_reported=True)
    if segment.quotas:
        yield _own(f"quotas of {name}", Selector(Recorded.PARTNER_QUOTA))
    if segment.format_compatibility is not None:
        yield _own(f"format compatibility of {name}", Selector(Recorded.FORMAT_COMPATIBLE))
    if segment.rate_limit is not None:
        yield _own(f"rate limit of {name}", Selector(Recorded.REFUSED, (here,)))
