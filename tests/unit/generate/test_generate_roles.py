"""What a signal is called makes no difference: rules, alerts, panels and generated tests ask for its role."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bascule.generate import generate
from bascule.generate.prometheus.rule_groups import rule_groups
from bascule.spec import Spec, built_in_text, parse

FIXTURES = Path(__file__).parents[2] / "fixtures" / "golden"
GOLDEN = {
    "supersmartmatch": built_in_text(),
    "mapped": (FIXTURES / "mapped" / "spec.yaml").read_text("utf-8"),
    "minimal": (FIXTURES / "minimal" / "spec.yaml").read_text("utf-8"),
}
# Other names that say what a signal is, and names that say nothing beside a declared role.
INFERRED = {"errors": "failures", "latency": "response_time", "accuracy": "matching_accuracy", "revenue": "match_value"}
DECLARED = {"errors": "zqa", "latency": "zqb", "accuracy": "zqc", "revenue": "zqd", "fallback": "zqe"}
SMALLEST = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {baseline: old, candidate: new, select: {old: 'job="shop-old"', new: 'job="shop-new"'}}
services:
  shop-old: {targets: ["127.0.0.1:8001"], version: old}
  shop-new: {targets: ["127.0.0.1:8002"], version: new}
signals:
  NAME: {kind: ratio, bad: 'checkouts_total{outcome="failed"}', total: checkouts_total, better: lower}
phases:
  - {share: 50%, hold: 1h, gates: {NAME: "<1%"}}
  - {share: 100%, hold: 1d}
"""


def renamed(text: str, to: dict[str, str], with_roles: bool) -> Spec:
    """The same spec with its signals under other names."""
    written: dict[str, Any] = yaml.safe_load(text)
    signals: dict[str, Any] = written["signals"]
    if with_roles:
        for name in set(signals) & {"errors", "latency", "accuracy", "revenue"}:
            signals[name]["role"] = name
    written["signals"] = {to.get(name, name): signal for name, signal in signals.items()}
    for phase in written["phases"]:
        phase["gates"] = {_measure(each, to): bound for each, bound in phase.get("gates", {}).items()}
    for trigger in written.get("rollback", []):
        trigger["when"] = _measure(trigger["when"], to)
    return parse(yaml.safe_dump(written, sort_keys=False))


def _measure(text: str, to: dict[str, str]) -> str:
    return re.sub(r"^\w+", lambda name: to.get(name[0], name[0]), text)


def without_names(text: str, to: dict[str, str]) -> str:
    """The text with a mark wherever a signal's old or new name stands."""
    for old, new in to.items():
        text = re.sub(rf"{old}|{new}|{new.replace('_', ' ')}", f"<{old}>", text, flags=re.IGNORECASE)
    return text


@pytest.mark.parametrize("golden", GOLDEN)
@pytest.mark.parametrize(("to", "with_roles"), [(INFERRED, False), (DECLARED, True)], ids=["inferred", "declared"])
def test_renamed_signals_give_the_same_files(golden: str, to: dict[str, str], with_roles: bool) -> None:
    """Of all three specs in the repository: rules, alerts, their tests, panels and buckets, but for the name itself."""
    wanted, found = generate(parse(GOLDEN[golden])), generate(renamed(GOLDEN[golden], to, with_roles))
    assert set(found) == set(wanted)
    for name, text in wanted.items():
        if name.startswith(("prometheus/", "grafana/", "instrument")):
            assert without_names(found[name], to).splitlines() == without_names(text, to).splitlines(), name


def test_the_smallest_spec_has_every_rule_whatever_its_signal_is_called() -> None:
    """A name that says nothing of errors takes away neither V2ErrorSpike nor the error rate by endpoint."""
    by_name = {name: parse(SMALLEST.replace("NAME", name)) for name in ("errors", "failures", "checkouts_that_failed")}
    rules = {name: [rule for group in rule_groups(spec) for rule in group.rules] for name, spec in by_name.items()}
    names = {name: [rule.name for rule in each] for name, each in rules.items()}
    assert "V2ErrorSpike" in names["failures"]
    assert names["failures"] == names["errors"] == names["checkouts_that_failed"]


def test_the_smallest_spec_has_every_panel_whatever_its_signal_is_called() -> None:
    """As for rules."""

    def panels(name: str) -> list[str]:
        boards = [
            text for path, text in generate(parse(SMALLEST.replace("NAME", name))).items() if "dashboards/" in path
        ]
        found = [panel for text in boards if text.startswith("{") for panel in json.loads(text)["panels"]]
        return [panel["title"] for panel in found if panel["title"] != name.capitalize()]

    assert panels("failures") == panels("errors")


def test_errors_told_by_good_events_are_a_share_of_bad_ones() -> None:
    """A service that counts what went well has an error rate as any other."""
    good = """good: 'checkouts_total{outcome="ok"}', better: higher, role: errors"""
    written = SMALLEST.replace("NAME", "served").replace('"<1%"', '">99%"')
    text = re.sub(r"bad: '.*?'(.*), better: lower", rf"{good}\1", written)
    rules = {rule.name: rule.expr for group in rule_groups(parse(text)) for rule in group.recordings}
    assert rules["supersmartmatch:error_rate"].startswith("1 - max without (signal)")
    assert rules["migration:error_rate_comparison"].startswith("-max without (signal)")
    assert rules["version_endpoint:errors:ratio_rate5m"].startswith("1 - (sum by (version, endpoint)")
