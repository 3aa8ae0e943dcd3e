"""Page, rule and report on the same data: an SLA has one figure, whoever shows it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sla_truth
import yaml

from bascule import slo
from bascule.console import Parts
from bascule.generate import generate
from bascule.prometheus import Prometheus
from bascule.sla import JournalSpan, evaluate
from bascule.spec import Spec, parse
from bascule.spec.model import Stack

pytestmark = pytest.mark.integration

HOUR, MARGIN, SCRAPE = 3600, 300, 15  # seconds
SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {label: version, baseline: v1, candidate: v2}
services:
  shop-v1: {targets: ["127.0.0.1:1"], version: v1}
  shop-v2: {targets: ["127.0.0.1:2", "127.0.0.1:3"], version: v2}
  edge: {kind: nginx, targets: ["127.0.0.1:4"]}
  cache: {kind: redis, targets: ["127.0.0.1:5"]}
  mailer: {targets: ["127.0.0.1:6"]}
  scaled: {targets: ["127.0.0.1:8"]}
  hosts: {kind: node, targets: ["127.0.0.1:7"]}
signals:
  accuracy: {kind: ratio, good: 'matches_total{ok="1"}', total: matches_total, better: higher}
  failures: {kind: ratio, bad: 'requests_total{status=~"5.."}', total: requests_total, better: lower}
  took: {kind: histogram, metric: took, unit: milliseconds}
phases: [{share: 50%, hold: 1h}, {share: 100%, hold: 1h}]
slas:
  availability: {objective: 99%, window: 30d}
  error_rate: {objective: "< 1%", window: 24h}
  response_time: {objective: "95% < 100ms", window: 30d}
  accuracy: {objective: 85%, window: 1d}
"""


@dataclass
class Shop:
    """An hour of a shop that ends at `end`, with five calm minutes on each side, as OpenMetrics text.

    So each hour that ends within five minutes of `end` has the same figures: the page asks about its own present.
    """

    end: int
    lines: dict[str, list[str]] = field(default_factory=dict)

    @property
    def times(self) -> list[int]:
        return [self.end - HOUR - MARGIN + SCRAPE * k for k in range(1, (HOUR + 2 * MARGIN) // SCRAPE + 1)]

    def level(self, metric: str, labels: str, value: float = 1.0, but: tuple[int, int, float | None] | None = None):
        """A series that has one value, `but` another (None: no sample) from one minute to a later one."""
        for at in self.times:
            minute = (at - 1 - (self.end - HOUR)) // 60
            now = but[2] if but and but[0] <= minute < but[1] else value
            if now is not None:
                self.lines.setdefault(metric, []).append(f"{metric}{{{labels}}} {now} {at}")

    def counter(self, metric: str, labels: str, per_scrape: float) -> None:
        for k, at in enumerate(self.times, start=1):
            self.lines.setdefault(metric, []).append(f"{metric}{{{labels}}} {1000 + per_scrape * k} {at}")

    def write(self, path: Path) -> None:
        text = "".join(f"# TYPE {name} unknown\n" + "\n".join(rows) + "\n" for name, rows in self.lines.items())
        path.write_text(text + "# EOF\n")


def happened(end: int) -> Shop:
    """Redis is dead for 12 minutes and its exporter for 3, one of V2's two targets for 10, another service fails.

    Ten of a service's eleven targets are scaled away after half an hour; then the one left is down for 15 minutes.
    """
    shop = Shop(end)
    for job, port in (("shop-v1", 1), ("shop-v2", 2), ("edge", 4), ("mailer", 6), ("hosts", 7)):
        shop.level("up", f'job="{job}",instance="127.0.0.1:{port}"')
    shop.level("up", 'job="shop-v2",instance="127.0.0.1:3"', but=(20, 30, 0.0))
    shop.level("up", 'job="cache",instance="127.0.0.1:5"', but=(50, 53, 0.0))
    for port in range(9, 19):
        shop.level("up", f'job="scaled",instance="127.0.0.1:{port}"', but=(30, 1000, None))
    shop.level("up", 'job="scaled",instance="127.0.0.1:8"', but=(40, 55, 0.0))
    shop.level("nginx_up", 'job="edge",instance="127.0.0.1:4"')
    dead = [(10, 22, 0.0), (50, 53, None)]
    for at in shop.times:
        minute = (at - 1 - (end - HOUR)) // 60
        value = next((v for first, last, v in dead if first <= minute < last), 1.0)
        if value is not None:
            shop.lines.setdefault("redis_up", []).append(f'redis_up{{job="cache",instance="127.0.0.1:5"}} {value} {at}')
    for job, version, bad in (("shop-v1", 'version="v1",', 1), ("shop-v2", 'version="v2",', 3), ("mailer", "", 500)):
        shop.counter("requests_total", f'job="{job}",{version}status="200"', 100 - min(bad, 50))
        shop.counter("requests_total", f'job="{job}",{version}status="503"', bad)
        shop.counter("matches_total", f'job="{job}",{version}ok="1"', 90)
        shop.counter("matches_total", f'job="{job}",{version}ok="0"', 10)
        for bound, count in (("50.0", 60), ("100.0", 60 if not version else 97), ("+Inf", 100)):
            shop.counter("took_bucket", f'job="{job}",{version}le="{bound}"', count)
        shop.counter("took_count", f'job="{job}",{version}'.rstrip(","), 100)
    return shop


SERVICES = {"shop-v1": 1.0, "shop-v2": 110 / 120, "edge": 1.0, "cache": 45 / 60, "mailer": 1.0, "scaled": 45 / 60}
TRUTH = {
    "availability": sum(SERVICES.values()) / len(SERVICES),
    "error_rate": 1 - 4 / 200,
    "response_time": 0.97,
    "accuracy": 0.9,
}


@dataclass
class Figures:
    """What each of the three says of every SLA: the share of good events in the hour."""

    page: dict[str, float]
    rule: dict[str, float]
    report: dict[str, float]


def figures(spec: Spec, client: Prometheus, end: int, rules: dict[str, dict[str, float]]) -> Figures:
    parts = Parts(spec.model_copy(update={"stack": Stack(external={"prometheus": client.url})}))
    parts.slas.refresh()
    kept = parts.slas.reading.value
    assert kept is not None, parts.slas.reading.error
    report = evaluate(spec, client, end - HOUR, end, journal=JournalSpan(True))
    current = {one.name: one.whole.current for one in report.objectives}
    return Figures(
        {name: kept.good[name] for name in spec.slas.named},
        {name: sum(by_job.values()) / len(by_job) for name, by_job in rules.items()},
        {name: figure.good / figure.total for name, figure in current.items()},
    )


@pytest.fixture(scope="module")
def end() -> int:
    return int(time.time()) // 60 * 60


@pytest.fixture(scope="module")
def prometheus(end: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A real Prometheus with the hour, and with what the generated rules record of it."""
    folder = tmp_path_factory.mktemp("prometheus")
    happened(end).write(folder / "in.txt")
    sla_truth.write_blocks(folder / "in.txt", folder / "data")
    groups = yaml.safe_load(generate(parse(SPEC))["prometheus/rules/sla.yml"])["groups"]
    counts = [rule for rule in groups[0]["rules"] if rule.get("record", "").endswith("increase1m")]
    rules = {"groups": [{"name": "sla", "interval": "60s", "rules": counts}]}
    (folder / "rules.yml").write_text(json.dumps(rules))
    with sla_truth.prometheus(folder / "data", folder) as client:
        sla_truth.promtool(
            "tsdb",
            "create-blocks-from",
            "rules",
            f"--start={end - HOUR + 60}",
            f"--end={end + 120}",
            f"--url={client.url}",
            f"--output-dir={folder / 'data'}",
            "--eval-interval=60s",
            str(folder / "rules.yml"),
        )
    with sla_truth.prometheus(folder / "data", folder) as client:
        yield client


@pytest.fixture(scope="module")
def recorded(prometheus: Prometheus, end: int) -> dict[str, dict[str, float]]:
    """By SLA and service (where it has them), the share of good events in the hour, by the rule's own expression."""
    groups = yaml.safe_load(generate(parse(SPEC))["prometheus/rules/sla.yml"])["groups"]
    (rule,) = (r for r in groups[0]["rules"] if r.get("labels") == {"window": "1h"} and "record" in r)
    found: dict[str, dict[str, float]] = {}
    for sample in prometheus.instant(rule["expr"], at=end + 59.999):  # a group has a moment of its own in each minute
        found.setdefault(sample.labels["sla"], {})[sample.labels.get("job", "")] = 1 - sample.value
    return found


def test_page_rule_and_report_show_the_same_figure_of_every_sla(prometheus, end, recorded):
    """A dead Redis, an exporter that died, one of two targets, a service of no version: the same to all three."""
    found = figures(parse(SPEC), prometheus, end, recorded)
    for name, truth in TRUTH.items():
        assert found.report[name] == pytest.approx(truth, abs=1e-9), name
        assert found.page[name] == pytest.approx(truth, abs=1e-4), name
        assert found.rule[name] == pytest.approx(truth, abs=1e-4), name


def test_each_service_has_one_figure_too(prometheus, end, recorded):
    report = evaluate(parse(SPEC), prometheus, end - HOUR, end, journal=JournalSpan(True))
    rows = {row.name: row.assessment.current.value for row in report.objectives[0].rows if row.dimension == "service"}
    assert rows == {name: pytest.approx(share, abs=1e-9) for name, share in SERVICES.items()}
    assert recorded["availability"] == {name: pytest.approx(share, abs=1e-4) for name, share in SERVICES.items()}


def test_named_services_narrow_every_figure(prometheus, end):
    spec = parse(SPEC.replace("objective: 99%", "objective: 99%, services: [shop-v1, cache]"))
    found = figures(spec, prometheus, end, {"availability": {"": 0.0}})
    assert found.report["availability"] == pytest.approx((1 + 0.75) / 2, abs=1e-9)
    assert found.page["availability"] == pytest.approx((1 + 0.75) / 2, abs=1e-4)
    minute = slo.resolve(spec, "availability").minute()
    bad = prometheus.instant(minute.bad, at=end - HOUR + 51 * 60 + 7)  # between scrapes, while an exporter is dead
    assert {s.labels["job"]: s.value for s in bad} == {"shop-v1": 0, "cache": 60}


def test_a_time_in_milliseconds_is_shown_in_seconds(prometheus, end):
    report = evaluate(parse(SPEC), prometheus, end - HOUR, end, journal=JournalSpan(True))
    took = next(one for one in report.objectives if one.name == "response_time")
    assert took.whole.current.value == pytest.approx(0.05 + 0.05 * (95 - 60) / (97 - 60))
    (compared,) = (each for each in report.comparisons if each.measure.startswith("took"))
    assert (compared.unit, compared.baseline) == ("seconds", pytest.approx(took.whole.current.value))
