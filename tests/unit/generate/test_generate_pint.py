"""cloudflare/pint's checks that matter here, ported to Python: every rule, no finding."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from bascule.alerts import Alerting
from bascule.conventions import SLA_GROWTH, Recorded
from bascule.generate.prometheus.rule_groups import rule_groups
from bascule.generate.prometheus.rules import Recording
from bascule.spec import Spec, load
from bascule.spec.quantities import parse_duration

EXACT_BUCKETS = (Recorded.SLA_ALL, Recorded.SLA_BAD, Recorded.SLA_UNSURE)
EXACT_GROWTH = SLA_GROWTH.rpartition("}")[2]
GOLDEN = Path(__file__).parents[2] / "fixtures" / "golden"
SPECS = {
    "built in": load("supersmartmatch"),
    "mapped": load(GOLDEN / "mapped" / "spec.yaml"),
    "minimal": load(GOLDEN / "minimal" / "spec.yaml"),
}
# Series that are new within a window and were counted in it, whose rate Prometheus does not see (spec/growth.py).
BORN = re.compile(r"\(\((\S+) unless \1 offset \w+\) and on \(job, instance\) \(up offset \w+ == 1\)\)")
PRESENT = re.compile(r"and on \(version\) count by \(version\) \([^()]*\)")
RATES = ("rate", "irate", "increase", "delta")
# Labels an alert may name: its own, or one that its expression keeps (checked by eye once, by name for ever).
LEVELS = {"pg_stat_activity_count"}  # named like a counter, and none
KNOWN_LABELS = {
    "job", "instance", "version", "user_segment", "partner", "signal", "gate", "source", "name", "mountpoint", "metric",
    "label", "about", "rule_group", "integration", "worker", "receiver", "channel", "algorithm", "endpoint",
}  # fmt: skip


@pytest.fixture(params=SPECS, scope="module")
def spec(request: pytest.FixtureRequest) -> Spec:
    return SPECS[request.param]


def rules(spec: Spec) -> Iterator[Recording | Alerting]:
    yield from (rule for group in rule_groups(spec) for rule in group.rules)


def nodes(expr: str) -> Iterator[tuple[Any, str]]:
    """Every node of an expression with the function around it, if any."""
    yield from _below(promql_parser.parse(expr), "")


def _below(node: Any, function: str) -> Iterator[tuple[Any, str]]:
    yield node, function
    inside = node.func.name if isinstance(node, promql_parser.Call) else function
    for part in ("vector_selector", "lhs", "rhs", "expr", "args"):
        found = getattr(node, part, None)
        for child in found if isinstance(found, list) else [found]:
            if child is not None:
                yield from _below(child, inside)


def test_rule_dependency(spec: Spec) -> None:
    """A rule reads no recorded series that nobody records."""
    recorded = {rule.name for rule in rules(spec) if isinstance(rule, Recording)}
    for rule in rules(spec):
        for node, _ in nodes(rule.expr):
            if isinstance(node, promql_parser.VectorSelector) and node.name and ":" in node.name:
                assert node.name in recorded, f"{rule.name} reads {node.name}"


def test_rule_duplicate(spec: Spec) -> None:
    """No two rules of one name differ by nothing: their samples would fight."""
    count = Counter((rule.name, tuple(sorted(rule.labels.items()))) for rule in rules(spec))
    assert [key for key, times in count.items() if times > 1] == []


def test_promql_counter_and_rate(spec: Spec) -> None:
    """Counters are read through a rate, over at least four of the usual scrapes."""
    for rule in rules(spec):
        if rule.name.endswith(EXACT_GROWTH) or rule.name in EXACT_BUCKETS:
            continue  # a difference of two readings, resets and births counted: a rate would extrapolate
        for node, function in nodes(PRESENT.sub("", BORN.sub("born", rule.expr))):
            name = getattr(node, "name", None) or ""
            if isinstance(node, promql_parser.VectorSelector) and re.search(r"_(total|count|sum|bucket)$", name):
                assert function in RATES or ":" in name or name in LEVELS, f"{rule.name}: {name} outside a rate"
            if isinstance(node, promql_parser.MatrixSelector) and function in RATES:
                assert node.range.total_seconds() >= 4 * spec.stack.scrape.interval, f"{rule.name}: {node.range}"


def test_promql_regexp(spec: Spec) -> None:
    """A regular expression without anything regular is an equality."""
    for rule in rules(spec):
        for node, _ in nodes(rule.expr):
            if isinstance(node, promql_parser.VectorSelector):
                for matcher in node.matchers.matchers:
                    if str(matcher.op).endswith(("Re", "NotRe")):
                        assert re.search(r"[.*+?|\[\]()^$]", matcher.value), f"{rule.name}: {matcher.value}"


def test_alerts_comparison(spec: Spec) -> None:
    """An alert without a condition always fires: only the dead man's switch may."""
    for rule in rules(spec):
        if isinstance(rule, Alerting) and not rule.name.endswith("DeadMansSwitch"):
            assert re.search(r"[<>]=?|==|!=|\bunless\b", re.sub(r"\{[^}]*\}", "", rule.expr)), rule.name


def test_alerts_template(spec: Spec) -> None:
    """Texts name labels that exist; a figure is formatted, or is one that reads well."""
    for rule in rules(spec):
        if isinstance(rule, Alerting):
            used = set(re.findall(r"\$labels\.(\w+)", " ".join(rule.annotations.values())))
            assert used <= KNOWN_LABELS | set(rule.labels), f"{rule.name}: {used - KNOWN_LABELS}"


def test_alerts_for(spec: Spec) -> None:
    """A hold is a time that Prometheus reads."""
    for rule in rules(spec):
        if isinstance(rule, Alerting) and (hold := rule.as_yaml().get("for")):
            assert parse_duration(hold) == rule.hold


def test_promql_aggregate_keeps_no_instance_in_a_recorded_figure(spec: Spec) -> None:
    """A recorded signal is of a version, a segment or a service, never of a process."""
    for rule in rules(spec):
        of_a_process = rule.name.startswith(("bascule:service_up", "probe:")) or rule.name.endswith(EXACT_GROWTH)
        of_a_process = of_a_process or rule.name in EXACT_BUCKETS
        if isinstance(rule, Recording) and not of_a_process:
            assert "instance" not in BORN.sub("born", rule.expr), rule.name
