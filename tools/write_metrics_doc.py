"""Writes docs/metrics.md from the canonical table in `bascule.conventions`.

python tools/write_metrics_doc.py
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry

from bascule.conventions import METRICS, Metric
from bascule.instrument import Instrument

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"

HEAD = """# Metrics

Every metric that Bascule and the services it watches export, written from `bascule/conventions.py` by
`tools/write_metrics_doc.py`. Any other service's names are mapped onto signals by the spec.

- `version` is the spec's baseline or candidate, `user_segment` and `partner` are those the spec declares, `endpoint` is
  a route template. A value that was expected and did not come is `unknown`, one beyond the cap `other`, one that does
  not apply `none`.
- `success` is `"True"` or `"False"`.
- *At zero*: the declared label sets exist, at zero, before the first event, so that `rate()` sees it.
- *Workers* shows how a gauge of several worker processes becomes one value; counters and histograms are summed.
"""

PRODUCERS = {
    "instrument": "Services (`bascule.instrument`)",
    "judge": "Judge",
    "incidents": "Incidents",
    "logs": "Logs",
    "stack": "Supervisor",
    "api": "Every role",
}
DECLARED = {
    "versions": ["v"],
    "segments": ["s"],
    "partners": {"s": ["p"]},
    "endpoints": ["GET /e"],
    "algorithms": ["a"],
}


def page() -> str:
    """The whole text of docs/metrics.md."""
    by_producer: dict[str, list[Metric]] = defaultdict(list)
    for metric in METRICS:
        by_producer[metric.producer].append(metric)
    sections = (_section(producer, metrics) for producer, metrics in by_producer.items())
    return "\n".join([HEAD, *sections, *_buckets(METRICS)])


def _section(producer: str, metrics: list[Metric]) -> str:
    rows = [f"## {PRODUCERS.get(producer, producer.capitalize())}", ""]
    if producer == "instrument":
        zero = _at_zero()
        rows += ["| metric | type | labels | unit | at zero | workers | meaning |", "|---|---|---|---|---|---|---|"]
        rows += [_service_row(metric, metric in zero) for metric in metrics]
    else:
        rows += ["| metric | type | labels | unit | meaning |", "|---|---|---|---|---|"]
        rows += [_row(metric) for metric in metrics]
    return "\n".join([*rows, ""])


def _row(metric: Metric) -> str:
    return f"| `{metric.name}` | {metric.kind} | {_labels(metric)} | {metric.unit} | {metric.help} |"


def _service_row(metric: Metric, exists: bool) -> str:
    mode = f"`{metric.multiprocess_mode}`" if metric.multiprocess_mode else "sum"
    cells = (f"`{metric.name}`", metric.kind, _labels(metric), metric.unit, "yes" if exists else "", mode, metric.help)
    return f"| {' | '.join(cells)} |"


def _labels(metric: Metric) -> str:
    return ", ".join(f"`{label}`" for label in metric.labels)


def _at_zero() -> set[Metric]:
    """Those whose declared label sets a service that has just started exports."""
    with tempfile.TemporaryDirectory() as folder:
        declared = Path(folder) / "instrument.json"
        declared.write_text(json.dumps(DECLARED))
        registry = Instrument(version="v", config=declared, registry=CollectorRegistry()).registry
    started = {family.name for family in registry.collect() if family.samples}
    return {metric for metric in METRICS if metric.kind != "gauge" and metric.name.removesuffix("_total") in started}


def _buckets(metrics: Iterable[Metric]) -> Iterator[str]:
    yield "## Buckets\n"
    yield "The bounds contain every declared target, so that each target can be read exactly. `+Inf` is added.\n"
    yield "| metric | bounds |"
    yield "|---|---|"
    for metric in metrics:
        if metric.buckets:
            yield f"| `{metric.name}` | {', '.join(f'{bound:g}' for bound in metric.buckets)} |"
    yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
