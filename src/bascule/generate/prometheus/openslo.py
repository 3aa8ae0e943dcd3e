"""The SLAs as OpenSLO v1 documents for other tools, and a script that gives a shop with history the recorded series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from bascule.conventions import Recorded
from bascule.generate.render import HEADER
from bascule.slo import all_of
from bascule.spec import Spec
from bascule.spec.quantities import format_duration


def openslo_text(spec: Spec) -> str:
    """One YAML stream: a data source, then an SLO for each SLA."""
    documents = [_datasource(spec), *_slos(spec)]
    return HEADER + yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, width=10_000)


def _named(spec: Spec, name: str, title: str) -> dict[str, Any]:
    return {"name": f"{spec.metadata.name}-{name}".replace("_", "-").lower(), "displayName": title}


def _datasource(spec: Spec) -> dict[str, Any]:
    return {
        "apiVersion": "openslo/v1",
        "kind": "DataSource",
        "metadata": _named(spec, "prometheus", "Prometheus"),
        "spec": {"type": "Prometheus", "connectionDetails": {"url": spec.stack.url("prometheus")}},
    }


def _slos(spec: Spec) -> Iterator[dict[str, Any]]:
    for each in all_of(spec):
        name, sla = each.name, each.declared
        yield {
            "apiVersion": "openslo/v1",
            "kind": "SLO",
            "metadata": _named(spec, name, f"{spec.title}: {name}"),
            "spec": {
                "description": f"{sla.objective} over {format_duration(sla.window)}",
                "service": spec.metadata.name,
                "indicator": _indicator(spec, name),
                "timeWindow": [{"duration": format_duration(sla.window), "isRolling": True}],
                "budgetingMethod": "Occurrences",
                "objectives": [{"displayName": sla.objective, "target": round(1 - each.budget, 9)}],
            },
        }


def _indicator(spec: Spec, name: str) -> dict[str, Any]:
    """Counts of one minute each, which tools sum over their windows."""
    return {
        "metadata": _named(spec, f"{name}-events", f"{name}: bad events among all"),
        "spec": {
            "ratioMetric": {
                "counter": False,
                "bad": _metric(spec, f'sum({Recorded.SLA_BAD}{{sla="{name}"}})'),
                "total": _metric(spec, f'sum({Recorded.SLA_ALL}{{sla="{name}"}})'),
            }
        },
    }


def _metric(spec: Spec, query: str) -> dict[str, Any]:
    source = _named(spec, "prometheus", "")["name"]
    return {"metricSource": {"metricSourceRef": source, "type": "Prometheus", "spec": {"query": query}}}


# ---------------------------------------------------------------- history

# In this order: a later file reads series that an earlier one records.
BACKFILL_ORDER = ("services", "signals", "migration", "usage", "sla")

_BACKFILL = """\
{header}#
# Give a Prometheus that already holds the raw series the recorded ones of its past.
#
#   ./backfill.sh START [END]        times as RFC 3339 or Unix seconds; END is an hour ago by default
#
# PROMETHEUS_URL   where the raw series are read     (default {url})
# DATA             Prometheus' data folder, for the blocks to be moved into (default ./data)
#
# A rule that reads another file's series needs that file's blocks to be loaded first: after each step move them in,
# wait until Prometheus has taken them up, and go on.
set -eu
START=${{1:?give the start}}
END=${{2:-$(date -u -d '1 hour ago' +%Y-%m-%dT%H:%M:%SZ)}}
PROMETHEUS_URL=${{PROMETHEUS_URL:-{url}}}
DATA=${{DATA:-./data}}
HERE=$(cd "$(dirname "$0")" && pwd)
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

for name in {order}; do
  [ -f "$HERE/rules/$name.yml" ] || continue
  echo "backfilling $name"
  promtool tsdb create-blocks-from rules --start "$START" --end "$END" --eval-interval {step} \\
    --url "$PROMETHEUS_URL" --output-dir "$WORK/$name" "$HERE/rules/$name.yml"
  mv "$WORK/$name"/* "$DATA"/
  echo "moved into $DATA: Prometheus takes the blocks up at its next reload of blocks (within a minute)"
  sleep "${{WAIT_SECONDS:-70}}"
done
"""


def backfill_script(spec: Spec) -> str:
    """A shell script that runs promtool once for each rule file, in the order of their dependencies."""
    return "#!/bin/sh\n" + _BACKFILL.format(
        header=HEADER, url=spec.stack.url("prometheus"), order=" ".join(BACKFILL_ORDER), step="15s"
    )


__all__ = ["BACKFILL_ORDER", "backfill_script", "openslo_text"]
