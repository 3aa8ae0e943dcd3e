"""All measurements, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from bascule.discover.engine import answers, limits, moments, samples
from bascule.discover.engine.finding import EngineFinding, lacks, ok, unknown
from bascule.discover.engine.held import Held, read_held
from bascule.errors import BasculeError, QueryRejected
from bascule.prometheus import Prometheus
from bascule.spec import Spec

MEASURES: Final[dict[str, Callable[[Held], EngineFinding]]] = {
    "raw samples": samples.own_times,
    "complete answers": samples.complete,
    "complete series": samples.complete_series,
    "one sample per scrape": samples.every_scrape,
    "range boundaries": samples.boundaries,
    "replicas": samples.replicas,
    "clock": moments.clock,
    "newest sample": moments.newest_sample,
    "age of values": moments.values,
    "staleness": moments.staleness,
    "look-back": moments.look_back,
    "samples in an answer": limits.samples,
    "points of a range": limits.points,
    "functions": answers.functions,
    "growth of counters": answers.growth,
    "rules": answers.rules,
    **answers.PARTS,
}


def measure(prometheus: Prometheus, spec: Spec | None = None) -> list[EngineFinding]:
    """What an engine does with what it holds; nothing is written to it. Only a spec says how often it is to scrape, and
    by which label replicas are told apart.

    Raises Unreachable when it does not answer at all, QueryRejected when something else than a Prometheus-compatible
    engine does.
    """
    by_spec = (spec.stack.scrape.interval, spec.prometheus.replica_label) if spec is not None else (None, None)
    held = read_held(prometheus.as_stored(), *by_spec)
    version = replace(_version(prometheus), subject="version")
    if held.steady:
        return [version, *(replace(_measured(each, held), subject=subject) for subject, each in MEASURES.items())]
    few = unknown("too few samples of `up` to measure by", "ask again once it has scraped for a while")
    none = lacks("there is no `up`", "availability, alerts of scrapes and all that is measured here need it")
    return [version, replace(few if held.series else none, subject="samples")]


def _measured(measure: Callable[[Held], EngineFinding], held: Held) -> EngineFinding:
    try:
        return measure(held)
    except BasculeError as error:
        return lacks(f"not answered: {error.what}", error.fix)


def _version(prometheus: Prometheus) -> EngineFinding:
    try:
        return ok(".".join(map(str, prometheus.version())))
    except QueryRejected:
        return ok("not told")
