"""The rules are tested, and Prometheus runs these: with the expressions, thresholds and labels of this spec."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from bascule import generate
from bascule.checklist.deployed import RunningGroup, first_of, groups_of
from bascule.checklist.item import ItemEvidence, ItemOutcome, cannot, failed, judged, pre_deployment
from bascule.checklist.looked import Looked
from bascule.errors import ProcessFailed, ProgramMissing
from bascule.processes import command, programs

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
        if not tests:
            return cannot("no test of the rules is generated")
        argv = [str(promtool), "test", "rules", *map(str, tests)]
        try:
            done = command.run(argv, TEST_SECONDS)
        except ProcessFailed as error:
            return cannot(error.what)
    tested = ItemEvidence(f"promtool test rules ({len(tests)} files)", f"exit status {done.status}")
    if done.status:
        return failed(f"a test of the rules fails: {done.said[-300:]}", tested)
    own = groups_of(looked.spec, looked.running)
    number = sum(len(group["rules"]) for group in own)
    found = ItemEvidence("Prometheus /api/v1/rules", f"{number} rules run in groups of the spec's names")
    differences = [each.text for each in looked.rule_differences]
    compared = ItemEvidence("compared with the generated rules", f"{len(differences)} differences")
    return judged([*first_of(differences), *first_of(list(_failing(own)))], tested, found, compared)


def _failing(own: Iterable[RunningGroup]) -> Iterator[str]:
    for rule in (rule for group in own for rule in group["rules"]):
        if rule.get("health") == "err":
            yield f"{rule['name']} fails: {rule.get('lastError', '')}"
        elif rule.get("health") == "unknown":
            yield f"{rule['name']} was not evaluated yet"
