"""The OpenSLO export, and the order in which history is given the recorded series."""

from __future__ import annotations

import re

import yaml

from bascule.generate.prometheus.openslo import BACKFILL_ORDER, backfill_script, openslo_text
from bascule.generate.prometheus.rule_groups import rule_files
from bascule.generate.prometheus.rules import Recording
from bascule.spec import load

SPEC = load("supersmartmatch")


def test_each_sla_is_an_slo_with_the_same_objective_and_window() -> None:
    """Targets are shares of good events; windows are the SLA's own."""
    documents = list(yaml.safe_load_all(openslo_text(SPEC)))
    assert [document["kind"] for document in documents] == ["DataSource"] + ["SLO"] * len(SPEC.slas.named)
    told = {d["metadata"]["name"]: d["spec"] for d in documents if d["kind"] == "SLO"}
    assert told["supersmartmatch-availability"]["objectives"][0]["target"] == 0.999
    assert told["supersmartmatch-error-rate"]["objectives"][0]["target"] == 0.99
    assert told["supersmartmatch-response-time"]["objectives"][0]["target"] == 0.95
    assert told["supersmartmatch-availability"]["timeWindow"] == [{"duration": "30d", "isRolling": True}]


def test_documents_have_what_openslo_v1_requires() -> None:
    """Names are DNS labels; an objective's target lies between 0 and 1."""
    for document in yaml.safe_load_all(openslo_text(SPEC)):
        assert document["apiVersion"] == "openslo/v1"
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", document["metadata"]["name"])
        if document["kind"] == "SLO":
            assert document["spec"]["budgetingMethod"] in {"Occurrences", "Timeslices"}
            assert all(0 < objective["target"] < 1 for objective in document["spec"]["objectives"])
            assert {"bad", "total", "counter"} <= set(document["spec"]["indicator"]["spec"]["ratioMetric"])


def test_history_is_recorded_in_an_order_in_which_each_file_finds_what_it_reads() -> None:
    """A rule file reads its own series and those of files before it."""
    files = {name: [r for group in groups for r in group.recordings] for name, groups in rule_files(SPEC).items()}
    made_by = {rule.name: name for name, rules in files.items() for rule in rules}
    for position, name in enumerate(BACKFILL_ORDER):
        for other in {made_by[series] for rule in files[name] for series in _read(rule, made_by)}:
            assert other in BACKFILL_ORDER[: position + 1], f"{name} reads what {other} records"


def _read(rule: Recording, made_by: dict[str, str]) -> set[str]:
    return {series for series in made_by if re.search(rf"(?<![\w:]){re.escape(series)}(?![\w:])", rule.expr)}


def test_the_script_is_shell() -> None:
    """It names each rule file once."""
    script = backfill_script(SPEC)
    assert script.startswith("#!/bin/sh\n")
    assert f"for name in {' '.join(BACKFILL_ORDER)}; do" in script
