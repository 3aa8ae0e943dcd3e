"""The rules are tested, and Prometheus runs them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bascule import generate
from bascule.checklist.item import ItemEvidence, ItemOutcome, cannot, failed, judged, pre_deployment
from bascule.checklist.looked import Looked
from bascule.errors import ProcessFailed, ProgramMissing
from bascule.generate.prometheus.rule_groups import rule_groups
from bascule.processes import command, programs
from bascule.spec import Spec

TEST_SECONDS = 300.0


@pre_deployment(2, "Alerting rules validées en staging")
def alerting_rules(looked: Looked) -> ItemOutcome:
    try:
        promtool = programs.find("promtool")
    except ProgramMissing as missing:
        return cannot(missing.what)
    with tempfile.TemporaryDirectory(prefix="bascule-checklist-") as folder:
        generate.write(looked.spec, Path(folder))
        tests = sorted((Path(folder) / "prometheus" / "tests").glob("*.yml"))
        argv = [str(promtool), "test", "rules", *map(str, tests)]
        try:
            done = command.run(argv, TEST_SECONDS)
        except ProcessFailed as error:
            return cannot(error.what)
    tested = ItemEvidence(f"promtool test rules ({len(tests)} files)", f"exit status {done.status}")
    if done.status:
        return failed(f"a test of the rules fails: {done.said[-300:]}", tested)
    running = [rule for group in looked.prometheus.rules() for rule in group["rules"]]
    names = {rule["name"] for rule in running}
    found = ItemEvidence("Prometheus /api/v1/rules", f"{len(names)} rules run")
    return judged([*_missing(looked.spec, names), *_failing(running)], tested, found)


def _missing(spec: Spec, running: set[str]) -> Iterator[str]:
    wanted = {rule.name for group in rule_groups(spec) for rule in group.rules}
    if missing := sorted(wanted - running):
        yield f"Prometheus does not run {', '.join(missing[:5])}"


def _failing(running: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for rule in running:
        if rule.get("health") == "err":
            yield f"{rule['name']} fails: {rule.get('lastError', '')}"
