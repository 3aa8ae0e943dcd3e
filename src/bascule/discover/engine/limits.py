"""How much an engine returns at once: answers that are cut or refused, and the points of a range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bascule.discover.engine.finding import EngineFinding, lacks, ok
from bascule.discover.engine.held import SPANS, Held, Labels, exactly, named, target_labels
from bascule.errors import BasculeError
from bascule.prometheus import MAX_POINTS

ENOUGH = 500_000  # samples in one answer; the judge asks for at most four times as many when it starts
STEPS = 4.0  # that a read is larger than the one before
LONGEST = 86400.0
MOST_NAMES = 30


def samples(held: Held) -> EngineFinding:
    """Reads of more and more samples, until enough came whole, nothing more is there, or the engine cuts an answer."""
    if held.refused:
        return _cut(f"the samples of `up` of {SPANS[0]:g} s are refused: {held.refused}")
    whole = there = 0
    try:
        for names, labels in _larger(held):
            for seconds in _longer():
                before, there = there, _counted(held, names, labels, seconds)
                if there > ENOUGH or there == before:
                    break
                returned = len(held.prometheus.matrix(named(names, labels), seconds, held.now).times)
                if returned < there:
                    return _cut(f"of {there:,} samples {returned:,} are returned, without an error")
                whole = max(whole, returned)
    except BasculeError as error:
        return _cut(f"{max(there, whole):,} or more are refused, {whole:,} came whole: {error.what}")
    return ok(f"{whole:,} came whole, the largest answer that was tried")


def _longer() -> Iterator[float]:
    seconds = 60.0
    while seconds <= LONGEST:
        yield seconds
        seconds *= STEPS


def _larger(held: Held) -> Iterator[tuple[list[str], Labels]]:
    """`up`, then the metrics with most series of the target with most."""
    yield ["up"], held.labels
    for sample in held.prometheus.instant(f"topk(1, {exactly('scrape_samples_scraped', held.labels)})", held.now):
        labels = target_labels(sample.labels)
        by_name = f"topk({MOST_NAMES}, count by (__name__) ({exactly('', labels)}))"
        yield [each.labels["__name__"] for each in held.prometheus.instant(by_name, held.now)], labels


def _counted(held: Held, names: Sequence[str], labels: Labels, seconds: float) -> int:
    """Series that differ in their names alone cannot be counted together."""
    window = f"[{seconds:g}s]"
    each = [f"(sum(count_over_time({exactly(name, labels)}{window})) or vector(0))" for name in names]
    counted = held.prometheus.scalar(" + ".join(each) or "0", held.now)
    return int(counted) if isinstance(counted, float) else 0


def _cut(what: str) -> EngineFinding:
    effect = (
        "the judge, SLA reports and backtests ask for more at once where services are larger: raise the limit "
        "(Prometheus: --query.max-samples; VictoriaMetrics: -search.maxSamplesPerQuery; Thanos, Mimir: its tenant's)"
    )
    return lacks(what, effect)


def points(held: Held) -> EngineFinding:
    begin = held.now - (MAX_POINTS - 1)
    there = sum(len(each.times) for each in held.prometheus.range("vector(1)", begin, held.now, 1.0))
    if there < MAX_POINTS:
        return lacks(f"of {MAX_POINTS:,} {there:,} are returned", "SLA reports and charts have gaps")
    return ok(f"{MAX_POINTS:,} came")
