"""Bascule's entries in files that people keep: promtool and amtool read them, and what was theirs goes its way."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from bascule.errors import ProgramMissing, UsageError
from bascule.generate import merged_alertmanager, merged_prometheus, missing_jobs
from bascule.processes import programs
from bascule.spec import parse, starter_text

SPEC = parse(starter_text())
CONFIG = Path("/state/config")
PROMETHEUS = """\
# kept by the shop's people
global:
  scrape_interval: 15s  # cheap
rule_files:
scrape_configs:
  # the old one
  - job_name: shop-v1
    static_configs:
      - targets: ["127.0.0.1:8001"]
"""
ALERTMANAGER = """\
# kept by the shop's people
route:
  receiver: team   # everybody
  group_by: [alertname]
  routes:
    # the database people
    - matchers: [team="db"]
      receiver: db
      routes:
        - matchers: [severity="critical"]
          receiver: night

    - matchers: ['alertname=~"Backup.*"']
      receiver: night
      # at night only

# whom they tell
receivers:
  - name: team
  - name: db
  - name: night
"""
FLAT = "route: {receiver: team}\nreceivers: [{name: team}]\n"
PLAIN = "route:\n  receiver: team\nreceivers:\n- name: team\n"


def of(tool: str, *words: object) -> str:
    try:
        binary = programs.find(tool)
    except ProgramMissing:
        pytest.skip(f"{tool} is not here")
    argv = [str(binary), *map(str, words)]
    done = subprocess.run(argv, capture_output=True, text=True, env=programs.environment(binary))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_their_prometheus_has_the_jobs_it_lacked_and_the_rules(tmp_path: Path) -> None:
    text = merged_prometheus(SPEC, PROMETHEUS, CONFIG)
    config = yaml.safe_load(text)
    jobs = [job["job_name"] for job in config["scrape_configs"]]
    assert {"shop-v2", "bascule-judge", "bascule-incidents"} <= set(jobs)
    assert jobs.count("shop-v1") == 1
    assert config["rule_files"] == ["/state/config/prometheus/rules/*.yml"]
    assert len(config["alerting"]["alertmanagers"]) == 1
    (tmp_path / "prometheus.yml").write_text(text)
    of("promtool", "check", "config", tmp_path / "prometheus.yml")


def test_an_alertmanager_that_they_have_stays_the_only_one() -> None:
    theirs = PROMETHEUS + 'alerting:\n  alertmanagers:\n    - static_configs: [{targets: ["am:9093"]}]\n'
    assert yaml.safe_load(merged_prometheus(SPEC, theirs, CONFIG))["alerting"] == yaml.safe_load(theirs)["alerting"]


@pytest.mark.parametrize("theirs", [ALERTMANAGER, PLAIN], ids=["routes", "no routes"])
def test_every_alert_goes_the_way_it_went_and_those_of_bascule_to_the_journal_too(theirs: str, tmp_path: Path) -> None:
    before, after = tmp_path / "before.yml", tmp_path / "after.yml"
    before.write_text(theirs)
    after.write_text(merged_alertmanager(SPEC, theirs, CONFIG))
    of("amtool", "check-config", after)
    for labels in (
        ["alertname=Theirs"],
        ["alertname=Theirs", "team=db"],
        ["alertname=BackupFailed"],
        ["alertname=ServiceDown"],
        ["alertname=ServiceDown", "team=db", "severity=critical"],
        ["alertname=CandidateWorse", "severity=critical"],
    ):
        went, goes = (
            of("amtool", "config", "routes", "test", f"--config.file={file}", *labels) for file in (before, after)
        )
        journal = "" if labels[0].endswith(("Theirs", "BackupFailed")) else "bascule-incidents-shop,"
        assert goes == journal + went, labels
    switch = of("amtool", "config", "routes", "test", f"--config.file={after}", "alertname=DeadMansSwitch")
    assert switch == "bascule-incidents-shop,dead-mans-switch"


@pytest.mark.parametrize("theirs", [PROMETHEUS, ALERTMANAGER, PLAIN, ""])
def test_every_line_of_theirs_stays_in_its_place_and_doing_it_again_changes_nothing(theirs: str) -> None:
    merge = merged_prometheus if theirs == PROMETHEUS else merged_alertmanager
    once = merge(SPEC, theirs, CONFIG)
    assert merge(SPEC, once, CONFIG) == once
    left = iter(once.splitlines())
    assert all(line in left for line in theirs.splitlines())


def test_the_journals_of_two_migrations_have_receivers_of_their_own() -> None:
    other = parse(starter_text().replace("name: shop", "name: desk"))
    config = yaml.safe_load(merged_alertmanager(other, merged_alertmanager(SPEC, ALERTMANAGER, CONFIG), CONFIG))
    names = [each["name"] for each in config["receivers"]]
    assert {"bascule-incidents-shop", "bascule-incidents-desk"} <= set(names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("theirs", [FLAT, "- a\n- b\n", "route: [\n"])
def test_what_cannot_take_entries_is_refused(theirs: str) -> None:
    with pytest.raises(UsageError):
        merged_alertmanager(SPEC, theirs, CONFIG)


def test_each_missing_job_comes_with_the_line_to_add() -> None:
    lacking = missing_jobs(SPEC, ["shop-v1", "shop-v2", "bascule-logs"])
    assert list(lacking) == ["bascule-incidents", "bascule-judge", "bascule-console", "bascule-supervisor"]
    (job,) = yaml.safe_load(lacking["bascule-judge"])
    assert job == {"job_name": "bascule-judge", "static_configs": [{"targets": ["127.0.0.1:9461"]}]}
