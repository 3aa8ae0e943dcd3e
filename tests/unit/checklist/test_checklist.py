"""Each item of the checklist fails for the right reason; `make real NAME=checklist` shows that all pass on the lab."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import httpx
import pytest

from bascule.api.models.journal import IncidentAnswer, TimelineAnswer
from bascule.checklist import (
    Checked,
    ChecklistPhase,
    ItemEvidence,
    ItemOutcome,
    ItemState,
    Looked,
    SignOff,
    as_json,
    as_markdown,
    check,
    item_named,
    items_of,
    sign,
    signatures,
)
from bascule.checklist.deployed import jobs_of, target_differences
from bascule.checklist.items import history, items
from bascule.discover import CheckedExpression
from bascule.errors import Unreachable, UsageError
from bascule.generate.prometheus.prometheus_config import scrape_configs
from bascule.generate.prometheus.rule_groups import rule_groups
from bascule.judge import Backtest, Fired
from bascule.processes.command import FinishedCommand
from bascule.prometheus import Prometheus, Sample, Target
from bascule.sla import SlaOutcome
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
        """By the label that is asked for; `empty` is without samples."""
        found = next((value for text, value in self.values.items() if text in query), self.default)
        if isinstance(found, tuple):
            return [Sample({"version": version}, 200.0, 0.0) for version in found]
        label = next((label for label in LABELLED if f"by ({label})" in query), None)
        names = LABELLED.get(label, ("",))
        return [Sample({label or "": name}, float(found), 0.0) for name in names if found is not None]

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


LABELLED = {"version": ("v1", "v2"), "job": tuple(jobs_of(SPEC)), "source": tuple(SPEC.logs.named)}


def as_running(rule):
    """As /api/v1/rules gives it; Prometheus writes the expression in a layout of its own."""
    return {
        "name": rule.name,
        "type": "alerting" if hasattr(rule, "hold") else "recording",
        "query": " ".join(rule.expr.split()),
        "labels": dict(rule.labels),
        "duration": getattr(rule, "hold", 0.0),
        "keepFiringFor": getattr(rule, "keep_firing_for", 0.0),
        "health": "ok",
        "evaluationTime": 0.001,
    }


def loaded(without="", spec=SPEC):
    return [
        {
            "name": group.name,
            "rules": [as_running(rule) for rule in group.rules if rule.name != without],
            "interval": group.interval or spec.stack.scrape.evaluation,
            "evaluationTime": 0.01,
        }
        for group in rule_groups(spec)
    ]


def scraped(spec=SPEC, **health):
    """Every target that is generated from a spec, up or as told of its job."""
    return [
        Target(job["job_name"], group.get("labels", {}).get("instance", target), health.get(job["job_name"], "up"), "")
        for job in scrape_configs(spec)
        for group in job["static_configs"]
        for target in group["targets"]
    ]


def changed(old, new):
    """The spec, written otherwise in one place."""
    text = built_in_text()
    assert old in text
    return parse(text.replace(old, new))


def looked(spec=SPEC, server=None, history=90 * DAY, **parts):
    """What the items look at, with parts that are as told; nothing waits."""
    made = Looked(spec, wait=0.0, sleep=lambda seconds: None)
    usual = {"journal": SimpleNamespace(phase=lambda: SimpleNamespace(share=0.5), incidents=lambda since: [])}
    known = {"prometheus": server or Server(), "history": history, **usual, **parts}
    vars(made).update(known)  # in the place of the cached ones
    return made


def test_the_history_is_that_of_the_oldest_sample_of_the_specs_jobs():
    now = time.time()

    def history(**firsts):
        here = Looked(SPEC)
        vars(here)["prometheus"] = Server({f"[{steps}]": first for steps, first in firsts.items()}, default=None)
        return round(here.history)

    assert history(**{"30d:1h": now - 3 * DAY, "2h:1m": now - 7200}) == 3 * DAY
    assert history(**{"2h:1m": now - 300}) == 300
    assert history() == 0


def outcome(key, here):
    return item_named(key).check(here)


def test_the_items_are_those_of_the_source_document():
    assert [len(items_of(phase)) for phase in ChecklistPhase] == [6, 5, 5]
    assert len({item.key for item in items()}) == 16


def test_a_panel_without_data_fails_but_not_one_that_needs_two_months():
    retention = CheckedExpression("empty", "b.json: panel 'Retention' A", "version:retention:ratio30d", "no series")
    full = CheckedExpression("ok", "b.json: panel 'Requests' A", "x", "")
    empty = CheckedExpression("empty", "b.json: panel 'P95' A", "x", "no series of x")
    young = looked(expressions=[full, retention], history=DAY)
    assert outcome("dashboards", young).state is ItemState.PASSED
    assert outcome("dashboards", looked(expressions=[full, retention])).state is ItemState.FAILED
    found = outcome("dashboards", looked(expressions=[full, retention, empty], history=DAY))
    assert found.state is ItemState.FAILED
    assert "no series of x" in found.why
    refused = replace(retention, state="error", why="it is refused")
    assert "it is refused" in outcome("dashboards", looked(expressions=[full, refused], history=DAY)).why


def test_dashboards_without_a_panel_that_can_have_data_cannot_be_checked():
    to_come = CheckedExpression("not_applicable", "b.json: panel 'P95' A", "x", "the plan gives v2 no share yet")
    assert outcome("dashboards", looked(expressions=[])).state is ItemState.CANNOT
    assert outcome("dashboards", looked(expressions=[to_come])).state is ItemState.CANNOT
    full = CheckedExpression("ok", "b.json: panel 'Requests' A", "x", "")
    found = outcome("dashboards", looked(expressions=[full, to_come]))
    assert (found.state, found.evidence[0].found) == (ItemState.PASSED, "1 of 2 have data")


def test_a_rule_that_prometheus_does_not_run_fails(monkeypatch):
    monkeypatch.setattr("bascule.processes.command.run", lambda *a: FinishedCommand(0, "", ""))
    assert outcome("alerting-rules", looked()).state is ItemState.PASSED
    found = outcome("alerting-rules", looked(server=Server(rules=loaded(without="ServiceDown"))))
    assert (found.state, found.why) == (ItemState.FAILED, "Prometheus does not run ServiceDown")
    none = outcome("alerting-rules", looked(server=Server(rules=[])))
    assert (none.state, "does not run the rule group" in none.why) == (ItemState.FAILED, True)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("errors > 5%", "errors > 4%", "RollbackTriggered differs: Prometheus has"),
        ("accuracy: 95%", "accuracy: 94%", "the spec generates"),
    ],
)
def test_the_rules_of_an_older_spec_fail_though_they_have_the_same_names(monkeypatch, old, new, told):
    monkeypatch.setattr("bascule.processes.command.run", lambda *a: FinishedCommand(0, "", ""))
    older = Server(rules=loaded(spec=changed(old, new)))
    found = outcome("alerting-rules", looked(server=older))
    assert found.state is ItemState.FAILED
    assert told in found.why


def test_a_rule_that_the_spec_no_longer_generates_and_another_severity_fail(monkeypatch):
    monkeypatch.setattr("bascule.processes.command.run", lambda *a: FinishedCommand(0, "", ""))
    groups = loaded()
    groups[-1]["rules"].append({**groups[-1]["rules"][-1], "name": "OldAlert"})
    assert "runs OldAlert" in outcome("alerting-rules", looked(server=Server(rules=groups))).why
    groups = loaded()
    down = next(rule for group in groups for rule in group["rules"] if rule["name"] == "ServiceDown")
    down["labels"] = {**down["labels"], "severity": "info"}
    found = outcome("alerting-rules", looked(server=Server(rules=groups)))
    assert 'ServiceDown differs: Prometheus has severity="info", the spec generates severity="critical"' in found.why
    down["labels"]["severity"], down["health"] = "critical", "unknown"
    assert "ServiceDown was not evaluated yet" in outcome("alerting-rules", looked(server=Server(rules=groups))).why


def test_the_rules_of_another_migration_beside_those_of_this_one_are_no_difference(monkeypatch):
    monkeypatch.setattr("bascule.processes.command.run", lambda *a: FinishedCommand(0, "", ""))
    both = [*loaded(spec=changed("errors > 5%", "errors > 4%")), *loaded()]
    assert outcome("alerting-rules", looked(server=Server(rules=both))).state is ItemState.PASSED


def test_a_failing_test_of_a_rule_fails(monkeypatch):
    monkeypatch.setattr("bascule.processes.command.run", lambda *a: FinishedCommand(1, "", "FAILED: ServiceDown"))
    assert "FAILED: ServiceDown" in outcome("alerting-rules", looked()).why


def test_an_sla_that_nothing_records_or_tells_fails():
    assert outcome("sla-thresholds", looked()).state is ItemState.PASSED
    unrecorded = outcome("sla-thresholds", looked(server=Server({'sla="accuracy"': None})))
    assert unrecorded.why == "nothing is recorded for accuracy"
    untold = outcome("sla-thresholds", looked(server=Server(rules=loaded(without="SlaBreached"))))
    assert "does not run SlaBreached" in untold.why


def test_the_thresholds_of_another_contract_fail():
    other = Server(rules=loaded(spec=changed("objective: 99.9%", "objective: 99.5%")))
    found = outcome("sla-thresholds", looked(server=other))
    assert (found.state, "the spec generates" in found.why) == (ItemState.FAILED, True)
    nothing = Server(rules=[], default=None)
    assert outcome("sla-thresholds", looked(server=nothing)).state is ItemState.FAILED


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


def test_a_log_source_of_which_nothing_is_read_keeps_the_others_from_passing(with_log):
    spec, _ = with_log
    store = SimpleNamespace(search=lambda asked: ["the line"])
    found = outcome("log-aggregation", looked(spec, Server({'source="access"': None}), logs=store))
    assert found.state is ItemState.CANNOT
    assert found.why == "no file of access can be written here, and no line of it was read in 15m"
    assert (
        outcome("log-aggregation", looked(spec, Server({'source="access"': 0}), logs=store)).state is ItemState.CANNOT
    )


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

    down = outcome("metrics-collection", looked(server=Growing(targets=scraped(redis="down"))))
    assert down.why == "redis (127.0.0.1:6379) is down: "
    assert outcome("metrics-collection", looked(server=Growing(targets=scraped()))).state is ItemState.PASSED
    none = outcome("metrics-collection", looked(server=Growing(targets=[])))
    assert (none.state, "does not scrape the job" in none.why) == (ItemState.FAILED, True)


def test_the_targets_of_another_spec_differ():
    moved = changed('targets: ["127.0.0.1:6379"]', 'targets: ["127.0.0.1:6380"]')
    assert target_differences(SPEC, scraped()) == []
    assert target_differences(SPEC, scraped(moved)) == [
        "redis does not scrape 127.0.0.1:6379",
        "redis scrapes 127.0.0.1:6380, which the spec does not name",
    ]
    strange = [*scraped(), Target("shop", "a:1", "up", "")]
    assert target_differences(SPEC, strange) == ["Prometheus scrapes the job shop, which the spec does not generate"]


def test_a_prometheus_that_runs_elsewhere_may_scrape_more_but_not_instead():
    stack = SPEC.stack.model_copy(update={"external": {"prometheus": "http://prometheus.example"}})
    spec = SPEC.model_copy(update={"stack": stack})
    more = [*scraped(), Target("shop", "a:1", "up", ""), Target("redis", "a:6379", "up", "")]
    assert target_differences(spec, more) == []
    without = [each for each in more if each.job != "redis"]
    assert target_differences(spec, without) == ["Prometheus does not scrape the job redis"]
    instead = [*without, Target("redis", "a:6379", "up", "")]
    assert target_differences(spec, instead) == ["redis scrapes a:6379, the spec names 127.0.0.1:6379"]


def test_a_business_metric_that_a_version_lacks_fails():
    assert outcome("business-metrics", looked()).state is ItemState.PASSED
    found = outcome("business-metrics", looked(server=Server({'user_rating_sum{version="v2"}': None})))
    assert found.why == 'no series: count(supersmartmatch_user_rating_sum{version="v2"})'


def test_samples_that_are_old_fail():
    assert outcome("real-time", looked(server=Server(default=0.5))).state is ItemState.PASSED
    old = outcome("real-time", looked(server=Server({"judge_last_tick": 90}, default=0.5)))
    assert "bascule_judge_last_tick_timestamp_seconds) is 90.0 s, more than" in old.why
    assert "no data for" in outcome("real-time", looked(server=Server(default=None))).why
    ahead = outcome("real-time", looked(server=Server({"judge_last_tick": -3600}, default=0.5)))
    assert "a clock is ahead" in ahead.why


@pytest.mark.parametrize(("label", "lost"), [("job", "redis"), ("source", "access")])
def test_one_job_or_log_source_without_data_is_not_as_fresh_as_the_others(monkeypatch, label, lost):
    monkeypatch.setitem(LABELLED, label, tuple(name for name in LABELLED[label] if name != lost))
    found = outcome("real-time", looked(server=Server(default=0.5)))
    assert (found.state, f"no data for {label} {lost}" in found.why) == (ItemState.FAILED, True)


def replaying(monkeypatch, *fired, unseen=(), refused=(), compared=3000.0, sources=("judge", "ServiceDown")):
    result = Backtest(0.0, 3600.0, fired, sources, problems=refused, compared=compared, unseen=unseen, refused=refused)
    monkeypatch.setattr("bascule.checklist.items.sensitivity.backtest", lambda *a, **k: result)


def incident(alert, starts, resolved=None, **labels):
    answer = {"id": 1, "alert": alert, "labels": labels, "starts": starts, "received": starts, "resolved": resolved}
    return IncidentAnswer.model_validate(answer)


def with_incident(*known):
    return looked(journal=SimpleNamespace(incidents=lambda since: list(known)))


def test_an_alarm_without_an_incident_fails_the_sensitivity(monkeypatch):
    now = time.time()
    replaying(monkeypatch)
    assert outcome("sensitivity", looked()).state is ItemState.PASSED
    replaying(monkeypatch, Fired("V2ErrorSpike", {"version": "v2"}, now - 100, None))
    assert outcome("sensitivity", looked()).why == "V2ErrorSpike would have fired"
    real = incident("V2ErrorSpike", now - 110, now - 50, version="v2")
    assert outcome("sensitivity", with_incident(real)).state is ItemState.PASSED
    early = incident("V2ErrorSpike", now - 900, now - 600, version="v2")
    assert outcome("sensitivity", with_incident(early)).state is ItemState.FAILED
    still = incident("V2ErrorSpike", now - 900, version="v2")
    assert outcome("sensitivity", with_incident(still)).state is ItemState.PASSED


def test_an_incident_of_another_alert_or_about_another_part_excuses_no_false_alarm(monkeypatch):
    now = time.time()
    replaying(monkeypatch, Fired("ServiceDown", {"job": "redis"}, now - 100, None))
    for other in (incident("V2ErrorSpike", now - 110), incident("ServiceDown", now - 110, job="nginx")):
        assert outcome("sensitivity", with_incident(other)).state is ItemState.FAILED
    assert outcome("sensitivity", with_incident(incident("ServiceDown", now - 110, job="redis"))).why == ""
    replaying(monkeypatch, Fired("judge", {"signal": "errors", "user_segment": "all"}, now - 100, None))
    judged = incident("CandidateWorse", now - 90, signal="errors", user_segment="all")
    assert outcome("sensitivity", with_incident(judged)).state is ItemState.PASSED
    assert outcome("sensitivity", with_incident(incident("ServiceDown", now - 90))).state is ItemState.FAILED


def test_a_replay_that_covers_nothing_or_not_every_rule_cannot_be_checked(monkeypatch):
    replaying(monkeypatch, unseen=("no traffic",))
    assert outcome("sensitivity", looked()).state is ItemState.CANNOT
    replaying(monkeypatch, compared=12.0)
    assert "for 12 s; a minute is needed" in outcome("sensitivity", looked()).why
    replaying(monkeypatch, sources=("judge",))
    assert outcome("sensitivity", looked()).why == "none of the rules has series here"
    replaying(monkeypatch, refused=("ServiceDown was not replayed: it is refused",))
    found = outcome("sensitivity", looked())
    assert (found.state, "was not replayed" in found.why) == (ItemState.CANNOT, True)
    assert outcome("sensitivity", looked(history=0)).state is ItemState.CANNOT


def test_a_view_without_one_of_the_versions_fails():
    assert outcome("compared-dashboards", looked()).state is ItemState.PASSED
    found = outcome("compared-dashboards", looked(server=Server({'signal="revenue"': ("v1",)})))
    assert "has no v2" in found.why
    assert outcome("compared-dashboards", looked(server=Server(default=None))).state is ItemState.FAILED
    nothing = looked(SPEC.model_copy(update={"signals": {}}))
    assert outcome("compared-dashboards", nothing).state is ItemState.CANNOT
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


def test_the_page_of_another_migration_fails(serving_console):
    assert outcome("displays", looked(serving_console("SuperSmartMatch V2"))).state is ItemState.PASSED
    found = outcome("displays", looked(serving_console("Another")))
    assert (found.state, "is not the page of SuperSmartMatch V2" in found.why) == (ItemState.FAILED, True)


@pytest.fixture
def serving_console(tmp_path):
    """The spec, with its console where pages have a title, and a folder without a token that it would have to know."""
    servers = []

    def start(title):
        class Page(BaseHTTPRequestHandler):
            def do_GET(self):
                text = "data: {}\n\n" if self.path == "/stream" else f"<title>{title}</title>"
                self.send_response(200)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *arguments):
                pass

        servers.append(server := ThreadingHTTPServer(("127.0.0.1", 0), Page))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ports = SPEC.stack.ports.model_copy(update={"console": server.server_port})
        return SPEC.model_copy(update={"stack": SPEC.stack.model_copy(update={"ports": ports, "state": tmp_path})})

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_level_that_a_test_message_does_not_reach_fails():
    assert "declares no receivers" in outcome("escalation", looked()).why
    text = built_in_text() + "\nnotify:\n  receivers:\n    ops: {webhook: {url: 'http://127.0.0.1:1/'}}\n"
    found = outcome("escalation", looked(parse(text)))
    assert found.state is ItemState.FAILED
    assert found.why.startswith("ops by webhook")


def test_a_receiver_that_no_message_was_sent_to_is_not_reached(monkeypatch):
    monkeypatch.setattr("bascule.checklist.items.escalation.try_receivers", lambda *a: [])
    text = built_in_text() + "\nnotify:\n  receivers:\n    ops: {webhook: {url: 'http://127.0.0.1:1/'}}\n"
    found = outcome("escalation", looked(parse(text)))
    assert (found.state, found.why) == (ItemState.FAILED, "ops has no channel that a message can be sent by")


def reporting(monkeypatch, *objectives):
    report = SimpleNamespace(objectives=objectives, outcome=None)
    monkeypatch.setattr("bascule.checklist.items.sla_compliance.sla.evaluate", lambda *a, **k: report)
    return outcome("sla-compliance", looked())


def reported(result, *, is_so_far=False, name="error_rate"):
    return SimpleNamespace(name=name, outcome=result, is_so_far=is_so_far, covered=330.0, wanted=30 * DAY)


def test_a_breached_sla_fails(monkeypatch):
    kept, breached = reported(SlaOutcome.PASS), reported(SlaOutcome.FAIL)
    assert reporting(monkeypatch, kept).state is ItemState.PASSED
    assert reporting(monkeypatch, breached).why == "error_rate is breached"
    assert reporting(monkeypatch, kept, breached).state is ItemState.FAILED


def test_slas_that_are_not_known_over_their_windows_cannot_be_checked(monkeypatch):
    kept = reported(SlaOutcome.PASS, name="accuracy")
    young = reporting(monkeypatch, kept, reported(SlaOutcome.PASS, is_so_far=True))
    assert young.state is ItemState.CANNOT
    assert young.why == "error_rate is known for 5 min 30 s of 30 d, too little to decide"
    assert reporting(monkeypatch, kept, reported(SlaOutcome.FAIL, is_so_far=True)).state is ItemState.CANNOT
    assert reporting(monkeypatch, kept, reported(SlaOutcome.NO_DATA)).why == "error_rate has no data"
    assert reporting(monkeypatch, kept, reported(SlaOutcome.NOT_APPLICABLE)).state is ItemState.CANNOT
    assert reporting(monkeypatch).why == "the spec declares no SLA; add some under slas"


def test_a_restored_snapshot_that_answers_otherwise_fails(monkeypatch, tmp_path):
    spec = SPEC.model_copy(update={"stack": SPEC.stack.model_copy(update={"state": tmp_path})})
    (tmp_path / "prometheus" / "snapshots" / "one").mkdir(parents=True)
    monkeypatch.setattr(history.programs, "find", lambda name: name)
    taking = Server(snapshot="one")
    asked = history.queries(looked(spec, taking))
    assert any("http_requests_total" in query for query in asked)
    restored = dict.fromkeys(asked, 1.0)
    monkeypatch.setattr(history, "_restored", lambda snapshot, binary, queries, at: dict(restored))
    assert outcome("history", looked(spec, taking)).state is ItemState.PASSED
    (tmp_path / "prometheus" / "snapshots" / "one").mkdir()
    restored[asked[1]] = 0.5
    assert outcome("history", looked(spec, taking)).why == f"{asked[1]}: 1.0 running, 0.5 restored"
    (tmp_path / "prometheus" / "snapshots" / "one").mkdir()
    restored.update(dict.fromkeys(asked))
    nothing = outcome("history", looked(spec, Server(snapshot="one", default=None)))
    assert (nothing.state, "no data to restore" in nothing.why) == (ItemState.CANNOT, True)
    assert outcome("history", looked(spec)).state is ItemState.CANNOT


def test_trends_need_two_weeks_and_show_both():
    assert outcome("trends", looked(history=3 * DAY)).state is ItemState.CANNOT
    known = {"count_over_time": ("v1", "v2")}
    whole = outcome("trends", looked(server=Server(known)))
    assert whole.state is ItemState.PASSED
    assert "the week before 1" in whole.evidence[0].found
    assert outcome("trends", looked(server=Server(known, default=None))).state is ItemState.CANNOT


def test_half_of_a_trend_cannot_be_checked():
    no_v2 = outcome("trends", looked(server=Server({"count_over_time": ("v1",)})))
    assert (no_v2.state, "latency of v2" in no_v2.why) == (ItemState.CANNOT, True)
    few_hours = outcome("trends", looked(server=Server({"count_over_time": 20})))
    assert (few_hours.state, "latency of v1" in few_hours.why) == (ItemState.CANNOT, True)
    no_week_before = Server({"[7d] offset 7d": (), "count_over_time": ("v1", "v2")})
    assert outcome("trends", looked(server=no_week_before)).state is ItemState.CANNOT


@pytest.fixture
def with_hosts(monkeypatch):
    monkeypatch.setitem(LABELLED, "instance", ("a:9100", "b:9100"))
    return changed('targets: ["127.0.0.1:9100"]', 'targets: ["a:9100", "b:9100"]')


def test_a_disk_that_will_be_full_within_a_month_fails(with_hosts):
    assert outcome("capacity", looked(with_hosts, Server(default=1e9))).state is ItemState.PASSED
    found = outcome("capacity", looked(with_hosts, Server({"min((node_filesystem": 2 * DAY}, default=1e9)))
    assert found.why.startswith("disk is reached on ")
    assert outcome("capacity", looked(with_hosts, history=3600)).state is ItemState.CANNOT


def test_a_capacity_that_is_not_known_is_not_endless(with_hosts, monkeypatch):
    never = Server({"min(": None}, default=1e9)
    assert outcome("capacity", looked(with_hosts, never)).state is ItemState.PASSED
    empty = outcome("capacity", looked(with_hosts, Server(default=None)))
    assert (empty.state, "no data of six hours for disk" in empty.why) == (ItemState.CANNOT, True)
    assert empty.evidence[0].found == "disk: reached not known"
    no_hosts = changed('  hosts:              {kind: node, targets: ["127.0.0.1:9100"]}\n', "")
    assert "no service of kind node" in outcome("capacity", looked(no_hosts, Server(default=1e9))).why
    monkeypatch.setitem(LABELLED, "instance", ("a:9100",))
    half = outcome("capacity", looked(with_hosts, Server(default=1e9)))
    assert (half.state, "disk of b:9100" in half.why) == (ItemState.CANNOT, True)


def test_a_rule_group_that_takes_longer_than_its_interval_fails():
    fine = outcome("optimisation", looked(server=Server(names=["nobody_reads_this", "up"])))
    assert fine.state is ItemState.PASSED
    assert "1 of 2, such as nobody_reads_this" in fine.evidence[-1].found
    slow = [{**group, "evaluationTime": 3600.0} for group in loaded()]
    found = outcome("optimisation", looked(server=Server(rules=slow, names=["up"])))
    assert (found.state, "longer than its interval" in found.why) == (ItemState.FAILED, True)


def test_the_costs_of_no_rules_or_of_other_rules_cannot_be_checked():
    other = loaded(spec=changed("errors > 5%", "errors > 4%"))
    never = [{**group, "evaluationTime": 0.0} for group in loaded()]
    for server in (Server(rules=[]), Server(rules=other, names=["up"]), Server(rules=never, names=["up"]), Server()):
        assert outcome("optimisation", looked(server=server)).state is ItemState.CANNOT


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
    assert next(each["signature"] for each in told if each["item"] == "displays")["stale"] == ""


FORGED = "fine\n- [x] **Rollback rehearsed** (rollback): passed | <b>"


def test_no_note_and_no_answer_of_a_server_can_forge_an_item_of_the_record():
    signed = SignOff(FORGED, 1_700_000_000.0, FORGED)
    found = ItemOutcome(ItemState.FAILED, (ItemEvidence("asked", FORGED),), FORGED)
    title = {"metadata": SPEC.metadata.model_copy(update={"title": FORGED})}
    items = [Checked(item_named("displays"), found, signed)]
    lines = as_markdown(SPEC.model_copy(update=title), ChecklistPhase.DEPLOYMENT, items).splitlines()
    assert [line for line in lines if line.startswith(("#", "- ["))] == [lines[0], lines[4]]
    assert lines[4].startswith("- [ ] ")
    assert [line[:4] for line in lines[5:]] == ["  - "] * 2
    assert [line for line in lines if "[x]" in line or "**Rollback" in line or "<b>" in line] == []


class Kept:
    """A journal that keeps annotations."""

    def __init__(self):
        self.entries = []

    def annotate(self, text, who, kind):
        self.entries.append(TimelineAnswer(at=1_700_000_000, kind=kind, text=text, who=who))
        return self.entries[-1]

    def timeline(self):
        return self.entries


SIGNED = {
    "dashboards": ("title: SuperSmartMatch V2", "title: Another"),
    "sla-thresholds": ("objective: 99.9%", "objective: 99.5%"),
    "sensitivity": ("errors > 5%", "errors > 4%"),
    "displays": ("title: SuperSmartMatch V2", "title: Another"),
    "escalation": ("\nsegments:", "\nnotify: {receivers: {ops: {webhook: {url: 'http://127.0.0.1:1/'}}}}\n\nsegments:"),
    "trends": ("{p50: 30ms, p95: 50ms", "{p50: 30ms, p95: 60ms"),
    "capacity": ("127.0.0.1:6379", "127.0.0.1:6380"),
    "optimisation": ("errors > 5%", "errors > 4%"),
}


def test_every_item_that_is_signed_says_what_is_signed():
    assert set(SIGNED) == {item.key for item in items() if item.to_sign}


@pytest.mark.parametrize("key", SIGNED)
def test_a_sign_off_is_stale_once_what_was_signed_has_changed(key):
    journal = Kept()
    sign(looked(journal=journal), item_named(key), "Ada", "as read: [x]")
    same = signatures(looked(load("supersmartmatch"), journal=journal))[key]
    assert (same.note, same.stale) == ("as read: [x]", "")
    later = signatures(looked(changed(*SIGNED[key]), journal=journal))[key]
    assert later.stale == "what was signed has changed since"
    assert Checked(item_named(key), outcome_without_data(), later).waits
    assert not Checked(item_named(key), outcome_without_data(), same).waits
    assert "sign it again" in str(later)


def outcome_without_data():
    return ItemOutcome(ItemState.CANNOT, (), "no data")


def test_a_sign_off_that_does_not_say_what_was_signed_is_stale():
    journal = Kept()
    journal.annotate("displays: three screens", "Ada", "sign_off")
    journal.annotate("something else", "Ada", "sign_off")
    found = signatures(looked(journal=journal))
    assert list(found) == ["displays"]
    assert found["displays"].stale == "it does not say what was signed"
