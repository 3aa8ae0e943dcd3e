"""Each item of the checklist fails for the right reason; `make real NAME=checklist` shows that all pass on the lab."""

from __future__ import annotations

import time
from types import SimpleNamespace

import httpx
import pytest

from bascule.api.models.journal import TimelineAnswer
from bascule.checklist import ChecklistPhase, ItemState, Looked, as_json, as_markdown, check, item_named, items_of, sign
from bascule.checklist.items import history, items
from bascule.discover import CheckedExpression
from bascule.errors import Unreachable, UsageError
from bascule.generate.prometheus.rule_groups import rule_groups
from bascule.processes.command import FinishedCommand
from bascule.prometheus import Prometheus, Sample, Target
from bascule.spec import built_in_text, load, parse

SPEC = load("supersmartmatch")
DAY = 86400.0


class Server:
    """A Prometheus that knows what it is told: the value of the first query that holds one of the texts."""

    url = "http://127.0.0.1:1"

    def __init__(self, values=(), default=1.0, rules=None, targets=(), names=(), snapshot=None):
        self.values, self.default, self._rules = dict(values), default, rules
        self._targets, self._names, self._snapshot = targets, names, snapshot

    def scalar(self, query, at=None):
        found = next((value for text, value in self.values.items() if text in query), self.default)
        return float(found) if found is not None else None

    def instant(self, query, at=None):
        versions = next((value for text, value in self.values.items() if text in query), ("v1", "v2"))
        return [Sample({"version": version}, 1.0, 0.0) for version in versions]

    def rules(self):
        return self._rules if self._rules is not None else loaded()

    def targets(self):
        return list(self._targets)

    def snapshot(self):
        return self._snapshot

    def series_counts(self):
        return {"http_requests_total": 9}

    def label_values(self, label, selector=None):
        return list(self._names)


def loaded(without=""):
    groups = []
    for group in rule_groups(SPEC):
        rules = [
            {"name": rule.name, "labels": dict(rule.labels), "health": "ok", "evaluationTime": 0.001}
            for rule in group.rules
            if rule.name != without
        ]
        groups.append({"name": group.name, "rules": rules, "interval": 1.0, "evaluationTime": 0.01})
    return groups


def looked(spec=SPEC, server=None, history=90 * DAY, **parts):
    """What the items look at, with parts that are as told; nothing waits."""
    made = Looked(spec, wait=0.0, sleep=lambda seconds: None)
    usual = {"journal": SimpleNamespace(phase=lambda: SimpleNamespace(share=0.5), incidents=lambda since: [])}
    known = {"prometheus": server or Server(), "history": history, **usual, **parts}
    vars(made).update(known)  # in the place of the cached ones
    return made


def outcome(key, here):
    return item_named(key).check(here)


def test_the_items_are_those_of_the_source_document():
    assert [len(items_of(phase)) for phase in ChecklistPhase] == [6, 5, 5]
    assert len({item.key for item in items()}) == 16


def test_a_panel_without_data_fails_but_not_one_that_needs_two_months():
    retention = CheckedExpression("empty", "b.json: panel 'Retention' A", "version:retention:ratio30d", "no series")
    empty = CheckedExpression("empty", "b.json: panel 'P95' A", "x", "no series of x")
    young = looked(expressions=[retention], history=DAY)
    assert outcome("dashboards", young).state is ItemState.PASSED
    assert outcome("dashboards", looked(expressions=[retention])).state is ItemState.FAILED
    found = outcome("dashboards", looked(expressions=[retention, empty], history=DAY))
    assert found.state is ItemState.FAILED
    assert "no series of x" in found.why


def test_a_rule_that_prometheus_does_not_run_fails(monkeypatch):
    monkeypatch.setattr("bascule.processes.command.run", lambda *a: FinishedCommand(0, "", ""))
    assert outcome("alerting-rules", looked()).state is ItemState.PASSED
    found = outcome("alerting-rules", looked(server=Server(rules=loaded(without="ServiceDown"))))
    assert (found.state, found.why) == (ItemState.FAILED, "Prometheus does not run ServiceDown")


def test_a_failing_test_of_a_rule_fails(monkeypatch):
    monkeypatch.setattr("bascule.processes.command.run", lambda *a: FinishedCommand(1, "", "FAILED: ServiceDown"))
    assert "FAILED: ServiceDown" in outcome("alerting-rules", looked()).why


def test_an_sla_that_nothing_records_or_tells_fails():
    assert outcome("sla-thresholds", looked()).state is ItemState.PASSED
    unrecorded = outcome("sla-thresholds", looked(server=Server({'sla="accuracy"': None})))
    assert unrecorded.why == "nothing is recorded for accuracy"
    untold = outcome("sla-thresholds", looked(server=Server(rules=loaded(without="SlaBreached"))))
    assert "no alert reports a breach of availability" in untold.why


@pytest.fixture
def with_log(tmp_path):
    log = tmp_path / "v1.log"
    log.write_text("2026-01-01 00:00:00 INFO v1 begun\n")
    return parse(built_in_text().replace("/var/log/supersmartmatch/*.log", str(tmp_path / "*.log"))), log


def test_a_marker_line_that_does_not_reach_the_store_fails(with_log):
    spec, log = with_log
    lost = outcome("log-aggregation", looked(spec, logs=SimpleNamespace(search=lambda asked: [])))
    assert (lost.state, "is not in the store" in lost.why) == (ItemState.FAILED, True)
    assert "checklist-" in log.read_text()
    there = outcome("log-aggregation", looked(spec, logs=SimpleNamespace(search=lambda asked: ["the line"])))
    assert there.state is ItemState.PASSED
    assert outcome("log-aggregation", looked()).state is ItemState.CANNOT


def asking(monkeypatch, module, answer):
    class Asked:
        def __init__(self, *arguments, **options):
            pass

        def ask(self, method, path, **options):
            return answer

    monkeypatch.setattr(f"bascule.checklist.items.{module}.Http", Asked)


def test_a_marker_increment_that_does_not_arrive_fails_and_so_does_a_target_that_is_down(monkeypatch):
    asking(monkeypatch, "metrics_collection", None)
    stuck = outcome("metrics-collection", looked(server=Server(default=3.0)))
    assert "has not grown by 7" in stuck.why

    class Growing(Server):
        def scalar(self, query, at=None):
            self.default += 7
            return self.default

    down = Target("redis", "a:1", "down", "connection refused")
    found = outcome("metrics-collection", looked(server=Growing(targets=[down])))
    assert found.why == "redis (a:1) is down: connection refused"
    up = Target("redis", "a:1", "up", "")
    assert outcome("metrics-collection", looked(server=Growing(targets=[up]))).state is ItemState.PASSED


def test_a_business_metric_that_a_version_lacks_fails():
    assert outcome("business-metrics", looked()).state is ItemState.PASSED
    found = outcome("business-metrics", looked(server=Server({'user_rating_sum{version="v2"}': None})))
    assert found.why == 'no series: count(supersmartmatch_user_rating_sum{version="v2"})'


def test_samples_that_are_old_fail():
    assert outcome("real-time", looked(server=Server(default=0.5))).state is ItemState.PASSED
    old = outcome("real-time", looked(server=Server({"judge_last_tick": 90}, default=0.5)))
    assert "bascule_judge_last_tick_timestamp_seconds) is 90.0 s, more than" in old.why
    assert "no data for" in outcome("real-time", looked(server=Server(default=None))).why


def replaying(monkeypatch, *fired, unseen=()):
    result = SimpleNamespace(fired=fired, unseen=unseen)
    monkeypatch.setattr("bascule.checklist.items.sensitivity.backtest", lambda *a, **k: result)


def test_an_alarm_without_an_incident_fails_the_sensitivity(monkeypatch):
    now = time.time()
    replaying(monkeypatch, SimpleNamespace(by="V2ErrorSpike", fired=now - 100))
    assert outcome("sensitivity", looked()).why == "V2ErrorSpike would have fired"
    moment = SimpleNamespace(timestamp=lambda: now - 110)
    known = SimpleNamespace(starts=moment, resolved=moment, received=moment)
    journal = SimpleNamespace(incidents=lambda since: [known])
    assert outcome("sensitivity", looked(journal=journal)).state is ItemState.PASSED
    replaying(monkeypatch, unseen=("no traffic",))
    assert outcome("sensitivity", looked()).state is ItemState.CANNOT


def test_a_view_without_one_of_the_versions_fails():
    assert outcome("compared-dashboards", looked()).state is ItemState.PASSED
    found = outcome("compared-dashboards", looked(server=Server({'signal="revenue"': ("v1",)})))
    assert "has no v2" in found.why
    before = SimpleNamespace(phase=lambda: SimpleNamespace(share=0.0))
    assert outcome("compared-dashboards", looked(journal=before)).state is ItemState.CANNOT


@pytest.fixture
def no_console(free_port):
    """The spec, with the console where nothing listens."""
    ports = SPEC.stack.ports.model_copy(update={"console": free_port()})
    return SPEC.model_copy(update={"stack": SPEC.stack.model_copy(update={"ports": ports})})


def test_a_console_that_does_not_answer_fails(no_console):
    found = outcome("displays", looked(no_console))
    assert (found.state, "does not answer" in found.why) == (ItemState.FAILED, True)


def test_a_level_that_a_test_message_does_not_reach_fails():
    assert "declares no receivers" in outcome("escalation", looked()).why
    text = built_in_text() + "\nnotify:\n  receivers:\n    ops: {webhook: {url: 'http://127.0.0.1:1/'}}\n"
    found = outcome("escalation", looked(parse(text)))
    assert found.state is ItemState.FAILED
    assert found.why.startswith("ops by webhook")


def test_a_breached_sla_fails(monkeypatch):
    from bascule.sla import SlaOutcome

    def reporting(result):
        part = SimpleNamespace(name="error_rate", outcome=result, is_so_far=False)
        report = SimpleNamespace(objectives=[part], outcome=result)
        monkeypatch.setattr("bascule.checklist.items.sla_compliance.sla.evaluate", lambda *a, **k: report)
        return outcome("sla-compliance", looked())

    assert reporting(SlaOutcome.PASS).state is ItemState.PASSED
    assert reporting(SlaOutcome.FAIL).why == "error_rate is breached"
    assert reporting(SlaOutcome.NO_DATA).state is ItemState.CANNOT


def test_a_restored_snapshot_that_answers_otherwise_fails(monkeypatch, tmp_path):
    spec = SPEC.model_copy(update={"stack": SPEC.stack.model_copy(update={"state": tmp_path})})
    (tmp_path / "prometheus" / "snapshots" / "one").mkdir(parents=True)
    monkeypatch.setattr(history.programs, "find", lambda name: name)
    restored = dict.fromkeys(history.QUERIES, 1.0)
    monkeypatch.setattr(history, "_restored", lambda snapshot, binary, at: dict(restored))
    taking = Server(snapshot="one")
    assert outcome("history", looked(spec, taking)).state is ItemState.PASSED
    (tmp_path / "prometheus" / "snapshots" / "one").mkdir()
    restored[history.QUERIES[1]] = 0.5
    assert outcome("history", looked(spec, taking)).why == f"{history.QUERIES[1]}: 1.0 running, 0.5 restored"
    assert outcome("history", looked(spec)).state is ItemState.CANNOT


def test_trends_need_two_weeks_and_show_both():
    assert outcome("trends", looked(history=3 * DAY)).state is ItemState.CANNOT
    assert "the week before 1" in outcome("trends", looked()).evidence[0].found
    assert outcome("trends", looked(server=Server({"avg_over_time": ()}))).state is ItemState.CANNOT


def test_a_disk_that_will_be_full_within_a_month_fails():
    assert outcome("capacity", looked(server=Server(default=1e9))).state is ItemState.PASSED
    found = outcome("capacity", looked(server=Server({"node_filesystem": 2 * DAY}, default=1e9)))
    assert found.why.startswith("disk is reached on ")
    assert outcome("capacity", looked(history=3600)).state is ItemState.CANNOT


def test_a_rule_group_that_takes_longer_than_its_interval_fails():
    fine = outcome("optimisation", looked(server=Server(names=["nobody_reads_this", "up"])))
    assert fine.state is ItemState.PASSED
    assert "1 of 2, such as nobody_reads_this" in fine.evidence[-1].found
    slow = [{**loaded()[0], "evaluationTime": 3.0}]
    assert "longer than its interval" in outcome("optimisation", looked(server=Server(rules=slow))).why


def test_an_item_whose_part_does_not_answer_cannot_be_checked_and_the_others_are(no_console):
    server = Prometheus("http://127.0.0.1:1", transport=httpx.MockTransport(lambda request: httpx.Response(503)))

    def away(*arguments, **options):
        raise Unreachable("the journal does not answer", "start it")

    silent = SimpleNamespace(phase=away, incidents=away, timeline=away)
    checked = check(looked(no_console, server=server, journal=silent), ChecklistPhase.DEPLOYMENT)
    states = {each.item.key: each.outcome.state for each in checked}
    assert states["real-time"] is ItemState.CANNOT
    assert states["displays"] is ItemState.FAILED


def test_a_sign_off_stands_in_the_record_with_who_and_when(monkeypatch, no_console):
    replaying(monkeypatch, unseen=("no traffic",))
    kept = []

    def annotate(text, who, kind):
        kept.append(TimelineAnswer(at=1_700_000_000, kind=kind, text=text, who=who))
        return kept[-1]

    journal = SimpleNamespace(annotate=annotate, timeline=lambda: kept, phase=lambda: SimpleNamespace(share=0.0))
    here = looked(no_console, journal=journal, server=Server(default=0.5))
    sign(here, item_named("displays"), "Ada", "three screens")
    with pytest.raises(UsageError, match="needs no sign-off"):
        sign(here, item_named("real-time"), "Ada")
    checked = [each for each in check(here, ChecklistPhase.DEPLOYMENT) if each.item.key in ("displays", "real-time")]
    text = as_markdown(SPEC, ChecklistPhase.DEPLOYMENT, checked)
    assert "signed by Ada, 2023-11-14 22:13" in text
    assert "1 passed, 1 failed." in text
    told = as_json(SPEC, ChecklistPhase.DEPLOYMENT, checked)["items"]
    assert {each["item"]: each["state"] for each in told} == {"real-time": "passed", "displays": "failed"}
