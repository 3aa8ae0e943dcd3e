"""The judge on a real Prometheus and Alertmanager, with a pretended service that serves in real time."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import judge_house as house
import numpy as np
import pytest
from click.testing import Result
from fastapi.testclient import TestClient
from judge_recorded import BEGIN, FAULT, HALF, NOWHERE, RULE, STEP, TRAFFIC, openmetrics, scraped_every_two_seconds
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from bascule import incidents
from bascule.api import IncidentsClient
from bascule.cli import output
from bascule.cli.commands import app
from bascule.conventions import State, Verdict
from bascule.generate import generate
from bascule.judge import (
    LiveJudge,
    PhaseWatch,
    Stretch,
    VerdictBoard,
    backtest,
    build_app,
    compare,
    fresh_seconds,
    gate,
    read_plan,
    run,
)
from bascule.processes import ports
from bascule.prometheus import Alertmanager, Prometheus
from bascule.spec import Spec

pytestmark = pytest.mark.integration


@dataclass
class Shops:
    """Both versions with their pages, the plan's page, and the judge."""

    spec: Spec
    one: object
    two: object
    pages: dict[str, object]
    prometheus: object
    alertmanager: object
    board: VerdictBoard
    judge: LiveJudge

    def plan(self, number: int, shares: dict[str, float]) -> None:
        for segment, rate in TRAFFIC.items():
            self.one.rate[segment], self.two.rate[segment] = rate * (1 - shares[segment]), rate * shares[segment]
        self.pages["plan"].text = house.plan_text(number, time.time(), shares)

    def line(self, signal: str, segment: str) -> dict[str, object]:
        lines = self.board.verdict()["signals"]
        return next((each for each in lines if (each["signal"], each["segment"]) == (signal, segment)), {})

    @property
    def verdict(self) -> str:
        return self.board.verdict()["verdict"]


SPEC = house.shop_spec(house.SPEC.replace("recovery: 10s", "recovery: 4s"))


def generated_rules() -> dict[str, str]:
    files = generate(SPEC).items()
    return {Path(name).name: text for name, text in files if name.startswith("prometheus/rules/")}


@pytest.fixture
def rules(request: pytest.FixtureRequest) -> dict[str, str]:
    """None, but where a test is about what they tell."""
    return getattr(request, "param", dict)()


@pytest.fixture
def shops(start_prometheus, start_alertmanager, webhook, metrics_page, rules) -> Iterator[Shops]:
    pages = {name: metrics_page("") for name in ("shop-v1", "shop-v2", "plan")}
    prometheus = start_prometheus(scrape={name: [page.target] for name, page in pages.items()}, rules=rules)
    alertmanager = start_alertmanager(webhook=webhook.url)
    one = house.Shop("v1", 1, {})
    two = house.Shop("v2", 2, {}, accuracy=0.955, latency=0.014)
    board = VerdictBoard(SPEC)
    judge = LiveJudge(SPEC, Prometheus(prometheus.url), [Alertmanager(alertmanager.url)], board.publish)
    made = Shops(SPEC, one, two, pages, prometheus, alertmanager, board, judge)
    made.plan(0, NOWHERE)

    def show(shop, text):
        pages[f"shop-{shop.version}"].text = text

    with house.Running([one, two], show), looking(judge):
        yield made


@contextmanager
def looking(judge: LiveJudge) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=judge.run, args=(stop,))
    thread.start()
    yield
    stop.set()
    thread.join()


def statuses(webhook) -> list[tuple[str, str, str]]:
    return [
        (a["status"], a["labels"]["signal"], a["labels"]["user_segment"]) for p in webhook.posts for a in p["alerts"]
    ]


def test_a_fault_is_delivered_in_seconds_and_its_alert_ends_after_the_mend_alone(shops, webhook, eventually):
    """From fault to receiver; V2 killed meanwhile: nothing resolves; mended: resolved by fresh data."""
    eventually(lambda: shops.verdict == "hold", 20)
    shops.plan(2, HALF)
    eventually(lambda: shops.line("errors", "freemium").get("samples_candidate", 0) > 150, 20)
    assert webhook.posts == []
    assert shops.line("errors", "enterprise")["state"] == State.NOT_APPLICABLE

    shops.two.errors = {"freemium": 0.12, "api_partners": 0.12}
    fault = time.monotonic()
    eventually(lambda: statuses(webhook), 30)
    assert time.monotonic() - fault < 25  # V1 has hardly shown an error: the judge is still learning
    assert statuses(webhook)[0][0] == "firing"
    assert webhook.posts[0]["alerts"][0]["labels"]["version"] == "v2"
    eventually(lambda: shops.verdict == "roll_back")
    eventually(lambda: shops.line("errors", "all")["alarm"] is True)
    eventually(lambda: ("firing", "errors", "freemium") in statuses(webhook), 30)

    shops.pages["shop-v2"].up = False
    eventually(lambda: shops.line("errors", "freemium")["state"] == State.NO_DATA, 10)
    eventually(lambda: any(t["state"] == "bad" for t in shops.board.verdict()["rollback"]), 20)
    assert not any(status == "resolved" for status, *_ in statuses(webhook))

    shops.two.errors = {}
    shops.pages["shop-v2"].up = True
    eventually(lambda: ("resolved", "errors", "freemium") in statuses(webhook), 40)


def test_the_share_taken_back_to_zero_ends_the_alarms_of_the_segments(shops, webhook, eventually):
    eventually(lambda: shops.verdict == "hold", 20)
    shops.plan(2, HALF)
    shops.two.errors = {"freemium": 0.3, "api_partners": 0.3}
    eventually(lambda: statuses(webhook), 30)
    shops.plan(0, NOWHERE)
    eventually(lambda: ("resolved", *statuses(webhook)[0][1:]) in statuses(webhook), 20)
    assert shops.verdict == "hold"


def test_a_judge_that_starts_late_is_where_the_one_that_never_stopped_is(shops, eventually):
    """A fresh watch reads the same history from Prometheus and arrives at the same evidence and alarms."""
    eventually(lambda: shops.verdict == "hold", 20)
    shops.plan(2, HALF)
    eventually(lambda: shops.line("errors", "freemium").get("samples_candidate", 0) > 100, 20)
    shops.two.errors = {"freemium": 0.12}
    eventually(lambda: shops.line("errors", "freemium").get("alarm"), 30)
    with_history = shops.judge.watch
    client = Prometheus(shops.prometheus.url)
    plan = read_plan(client, 0.0)
    fresh = PhaseWatch(shops.spec, client, plan)

    def same() -> bool:
        fresh.advance(client.scalar("time()"))
        mine, other = with_history.engine, fresh.engine
        if abs(mine.sums - other.sums).max() > 0:
            return False
        assert mine.distance == pytest.approx(other.distance)
        assert mine.history.phi == pytest.approx(other.history.phi)
        assert {c: a.since for c, a in mine.standing.items()} == {c: a.since for c, a in other.standing.items()}
        return True

    eventually(same, 20)


def test_the_metrics_the_page_and_the_webhooks_say_the_same(shops, eventually):
    eventually(lambda: shops.verdict == "hold", 20)
    shops.plan(2, HALF)
    eventually(lambda: shops.line("errors", "all").get("samples_candidate", 0) > 150, 20)
    client = TestClient(build_app(shops.board), base_url="http://127.0.0.1")
    verdict = client.get("/api/verdict").json()
    assert set(verdict) == {
        "migration", "verdict", "since", "phase", "reasons", "cause", "age_seconds", "signals", "gates", "rollback",
        "tick", "shares", "history", "hooks_since",
    }  # fmt: skip
    families = {family.name: family for family in text_string_to_metric_families(client.get("/metrics").text)}
    ones = [sample.labels["verdict"] for sample in families["bascule_verdict"].samples if sample.value == 1]
    assert ones == [verdict["verdict"]]
    named = {"bascule_signal_log_evidence", "bascule_signal_log_evidence_threshold", "bascule_signal_alarm",
             "bascule_signal_state", "bascule_signal_value", "bascule_signal_effect", "bascule_gate_state",
             "bascule_judge_last_tick_timestamp_seconds", "bascule_judge_tick_seconds"}  # fmt: skip
    assert named <= set(families)
    body = {"name": "shop", "namespace": "prod", "phase": "Progressing", "checksum": "1", "metadata": {}}
    assert client.post("/api/flagger/rollout", json=body).status_code == 200
    assert client.post("/api/flagger/rollback", json=body).status_code == 412
    assert client.post("/api/flagger/else", json=body).status_code == 400


def test_without_prometheus_the_verdict_is_no_data_and_comes_back_with_it(shops, eventually):
    eventually(lambda: shops.verdict == "hold", 20)
    shops.prometheus.kill()
    eventually(lambda: shops.verdict == "no_data", 15)
    assert "does not answer" in shops.board.verdict()["reasons"][0]
    shops.prometheus.start()
    eventually(lambda: shops.verdict == "hold", 30)


def test_a_prometheus_that_hangs_is_no_data_within_a_few_ticks(shops, eventually):
    """Its answer may come after ten seconds: until then nothing is known."""
    eventually(lambda: shops.verdict == "hold", 20)
    with stopped(shops.prometheus):
        eventually(lambda: shops.verdict == "no_data", fresh_seconds(shops.spec) + 2)
        assert shops.board.verdict()["cause"] == "server away"
    eventually(lambda: shops.verdict == "hold", 30)


def test_an_alertmanager_that_hangs_delays_neither_the_verdict_nor_the_next_evaluation(shops, webhook, eventually):
    eventually(lambda: shops.verdict == "hold", 20)
    shops.plan(2, HALF)
    eventually(lambda: shops.line("errors", "freemium").get("samples_candidate", 0) > 150, 20)
    with stopped(shops.alertmanager):
        shops.two.errors = {"freemium": 0.3, "api_partners": 0.3}
        eventually(lambda: shops.verdict == "roll_back", 10)
        ages = []
        eventually(lambda: ages.append(shops.board.verdict()["age_seconds"]) or len(ages) > 40, 20)
        assert max(ages) < fresh_seconds(shops.spec)
        assert shops.verdict == "roll_back"
    eventually(lambda: statuses(webhook), 20)


@pytest.mark.real
@pytest.mark.parametrize("rules", [generated_rules], indirect=True)
def test_reasons_are_of_now_once_the_fault_is_fixed_and_nothing_is_promoted_while_its_alert_fires(shops, eventually):
    """Figures fall within seconds of the fix; while the rule looks back, the verdict is hold and names it."""
    eventually(lambda: shops.verdict == "hold", 20)
    shops.plan(2, HALF)
    eventually(lambda: shops.line("errors", "freemium").get("samples_candidate", 0) > 150, 20)
    shops.two.errors = {"freemium": 0.8, "api_partners": 0.8}
    eventually(lambda: any(each["state"] == "bad" for each in shops.board.verdict()["rollback"]), 60)
    eventually(lambda: _firing(shops), 60)
    worst = max(_shares_told(shops))
    assert worst > 60
    shops.two.errors = {}
    fixed, unnamed = time.monotonic(), 0
    eventually(lambda: max(_shares_told(shops), default=0) < worst - 10, 8)
    while _firing(shops):
        assert time.monotonic() - fixed < 360, "the rule looks back for five minutes"
        body = shops.board.verdict()
        assert body["verdict"] != "promote"
        unnamed += body["verdict"] == "hold" and not any("is still firing" in reason for reason in body["reasons"])
        time.sleep(0.5)
    assert unnamed <= 2  # between the judge's question and ours
    eventually(lambda: shops.verdict == "hold", 20)


def _firing(shops) -> bool:
    return bool(shops.prometheus.client.instant('ALERTS{alertname="RollbackTriggered",alertstate="firing"}'))


def _shares_told(shops) -> list[float]:
    """The candidate's percentages in the reasons that are about errors."""
    told = (re.search(r"^errors in [^:]+: ([\d.]+)\s?%", each) for each in shops.board.verdict()["reasons"])
    return [float(found[1]) for found in told if found]


@pytest.mark.real
def test_no_rollback_is_advised_into_a_version_that_is_down(shops, eventually):
    eventually(lambda: shops.verdict == "hold", 20)
    shops.plan(2, HALF)
    eventually(lambda: shops.line("errors", "freemium").get("samples_candidate", 0) > 150, 20)
    shops.two.errors = {"freemium": 0.5, "api_partners": 0.5}
    eventually(lambda: shops.verdict == "roll_back", 30)
    shops.pages["shop-v1"].up = False
    eventually(lambda: shops.verdict == "no_data", 10)
    reasons = shops.board.verdict()["reasons"]
    assert reasons[0].startswith("Do not roll back: all traffic would go to v1, which cannot serve it. v1 is down")
    assert reasons[1].startswith("Problem on v2: ")
    shops.pages["shop-v1"].up = True
    eventually(lambda: shops.verdict == "roll_back", 20)


@pytest.mark.real
def test_a_real_share_off_the_plan_holds_and_the_planned_one_does_not(shops, eventually):
    """Planned 10 %, real 16 %: its own reason, on the board with its interval; as planned: promoted."""
    eventually(lambda: shops.verdict == "hold", 20)
    tenth = dict.fromkeys(HALF, 0.1) | {"enterprise": 0.0}
    shops.plan(1, tenth)
    eventually(lambda: shops.verdict == "promote", 120)
    for segment in ("api_partners", "freemium"):
        total = shops.one.rate[segment] + shops.two.rate[segment]
        shops.one.rate[segment], shops.two.rate[segment] = 0.84 * total, 0.16 * total
    eventually(lambda: any("off the plan by more than 2 pt" in each for each in shops.board.verdict()["reasons"]), 240)
    body = shops.board.verdict()
    assert body["verdict"] == "hold"
    share = next(each for each in body["shares"] if each["segment"] == "freemium")
    assert share["planned"] == 0.1
    assert share["low"] < share["actual"] < share["high"]


@contextmanager
def stopped(program) -> Iterator[None]:
    """A program that hangs: it holds its connections, and answers nothing."""
    os.kill(program.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(program.pid, signal.SIGCONT)


# ---------------------------------------------------------------- history


@pytest.fixture(scope="module")
def recorded(module_programs) -> Prometheus:
    return module_programs.start_prometheus(openmetrics=openmetrics()).client


def bascule(*arguments: str) -> Result:
    """A command as its user types it; a console that an earlier test tied to a file is set free."""
    output.out.file = None
    return CliRunner().invoke(app, arguments)


def test_a_backtest_tells_what_the_judge_and_a_rule_would_have_done(recorded):
    spec = scraped_every_two_seconds()
    found = backtest(
        spec, recorded, BEGIN, BEGIN + 1190, rules=[RULE],
        healthy=[Stretch(BEGIN, FAULT)], incidents=[Stretch(FAULT, BEGIN + 1190, "errors in freemium")],
    )  # fmt: skip
    assert found.false_alarms_per_hour("judge") == 0
    assert found.delays("judge")[0] < 20
    assert 60 < found.delays("V2ErrorSpike")[0] < 130
    assert found.delays("judge")[0] < found.delays("V2ErrorSpike")[0]
    assert any(suggestion.setting == "signals.errors: phi" for suggestion in found.suggestions)


def test_a_rule_that_reads_what_is_not_there_is_named_and_not_counted_as_silent(recorded):
    rules = [
        {"alert": "Never", "expr": "absent_series > 1", "for": "1m"},
        {"alert": "Wrong", "expr": "up + on (job) up > on (nothing) up"},
        {"alert": "Quiet", "expr": 'http_requests_total{status="418"} > 1'},
        {"alert": "DeadMansSwitch", "expr": "vector(1)", "labels": {"severity": "none"}},
    ]
    found = backtest(scraped_every_two_seconds(), recorded, BEGIN + 300, BEGIN + 360, rules=rules)
    assert found.sources == ("judge", "Quiet")
    assert found.problems[0] == "Never was not replayed: this Prometheus holds no series of absent_series"
    assert found.problems[1].startswith("Wrong was not replayed: Prometheus answered 4")
    assert found.fired == ()
    assert found.compared > 50


def test_a_backtest_by_command_tells_each_source_and_suggests(recorded, tmp_path, monkeypatch):
    spec = tmp_path / "spec.yaml"
    spec.write_text(house.SPEC + f"stack: {{scrape: {{interval: {STEP}s, evaluation: 5s, timeout: 500ms}}}}\n")
    moments = [datetime.fromtimestamp(at, UTC).isoformat() for at in (BEGIN, FAULT, BEGIN + 1190)]
    start, fault, end = moments
    asked = ["backtest", str(spec), "--from", start, "--to", end, "--healthy", f"{start}/{fault}",
             "--incident", f"{fault}/{end}", "--suggest", "--prometheus", recorded.url]  # fmt: skip
    done = bascule(*asked)
    assert done.exit_code == 0, done.output
    told = json.loads(bascule(*asked, "--json").output)
    judged = told["sources"][0]
    assert (judged["by"], judged["false alarms an hour"]) == ("judge", 0)
    assert judged[f"seconds to {fault}/{end}"] < 20
    assert any("were not" in note or "was not replayed" in note for note in told["not_replayed"])
    assert {"signals.errors: phi", "signals.errors: least traffic of the candidate"} <= {
        each["setting"] for each in told["suggestions"]
    }
    assert "DeadMansSwitch" not in done.output


def test_a_backtest_without_data_says_so_and_exits_4(prometheus_server, tmp_path):
    spec = tmp_path / "spec.yaml"
    spec.write_text(house.SPEC)
    asked = ["backtest", str(spec), "--from", "now-2m", "--prometheus", prometheus_server.url]
    done = bascule(*asked)
    assert done.exit_code == 4
    assert "NO DATA: the judge had nothing to compare. No series of v1 has been seen." in done.output
    told = json.loads(bascule(*asked, "--json").output)
    assert told["sources"][0] == {"by": "judge", "fired": None}


def test_a_rebuild_of_the_phase_is_quick(recorded):
    spec = scraped_every_two_seconds()
    plan = read_plan(recorded, 0.0, at=BEGIN + 1190)
    begun = time.monotonic()
    watch = PhaseWatch(spec, recorded, plan)
    watch.advance(BEGIN + 1190.0)
    assert watch.engine.seconds > 800
    assert ("errors", "freemium") in watch.engine.standing
    assert time.monotonic() - begun < 20


# ---------------------------------------------------------------- role, gate, compare


def test_the_role_serves_until_it_is_told_to_stop(start_prometheus, start_alertmanager, metrics_page, eventually):
    prometheus, alertmanager = start_prometheus(), start_alertmanager()
    spec = house.shop_spec()
    chosen = spec.stack.ports.model_copy(update={"judge": ports.free()})
    external = {"prometheus": prometheus.url, "alertmanager": alertmanager.url}
    spec = spec.model_copy(update={"stack": spec.stack.model_copy(update={"ports": chosen, "external": external})})
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(spec, stop))
    thread.start()
    try:
        url = spec.stack.url("judge")
        eventually(lambda: _status(f"{url}/health") == 200, 15)
        eventually(lambda: httpx.get(f"{url}/api/verdict", trust_env=False).json()["tick"], 15)
        assert gate(spec)["verdict"] == Verdict.NO_DATA
    finally:
        stop.set()
        thread.join(15)
    assert not thread.is_alive()
    assert compare(spec, Prometheus(prometheus.url))["verdict"] == Verdict.NO_DATA


def test_a_gate_asked_right_after_a_change_of_phase_is_about_the_new_one_or_no_data(
    start_prometheus, start_alertmanager, metrics_page, tmp_path, eventually
):
    """Scrapes of a second: the judge learns of the step later than who asks. The journal says which one is present."""
    spec, chosen = house.shop_spec(), {name: ports.free() for name in ("judge", "incidents")}
    stack = spec.stack.model_copy(
        update={"ports": spec.stack.ports.model_copy(update=chosen), "state": tmp_path / "state"}
    )
    pages = {name: metrics_page("") for name in ("shop-v1", "shop-v2")}
    scrape = {name: [page.target] for name, page in pages.items()}
    prometheus = start_prometheus(scrape=scrape | {"bascule-incidents": [f"127.0.0.1:{chosen['incidents']}"]})
    external = {"prometheus": prometheus.url, "alertmanager": start_alertmanager().url}
    spec = spec.model_copy(update={"stack": stack.model_copy(update={"external": external})})
    shops = [house.Shop(version, seed, dict(TRAFFIC)) for seed, version in enumerate(("v1", "v2"))]
    stop = threading.Event()
    roles = [threading.Thread(target=work, args=(spec, stop)) for work in (incidents.run, run)]
    journal = IncidentsClient(spec)
    with house.Running(shops, lambda shop, text: setattr(pages[f"shop-{shop.version}"], "text", text)):
        for role in roles:
            role.start()
        try:
            eventually(lambda: gate(spec)["cause"] is None, 30)
            answers: list[dict[str, object]] = []
            for number in (1, 0, 1):
                journal.set_phase(number, "ada", "test")
                told = gate(spec)
                assert (told["verdict"], told["cause"]) == ("no_data", "other phase"), told["reasons"]
                answers.clear()
                eventually(
                    lambda answers=answers: answers.append(gate(spec)) or answers[-1]["verdict"] != "no_data", 30
                )
                assert answers[-1]["phase"]["number"] == number
        finally:
            stop.set()
            for role in roles:
                role.join(15)
    answer = gate(spec)
    assert (answer["verdict"], answer["cause"]) == ("no_data", "server away")
    assert "The plan's current step is not known" in answer["reasons"][0]


def _status(url: str) -> int:
    try:
        return httpx.get(url, trust_env=False).status_code
    except httpx.HTTPError:
        return 0


def test_a_gate_without_judge_and_prometheus_is_no_data():
    spec = house.shop_spec()
    nowhere = {"prometheus": f"http://127.0.0.1:{ports.free()}", "alertmanager": f"http://127.0.0.1:{ports.free()}"}
    chosen = spec.stack.ports.model_copy(update={"judge": ports.free()})
    stack = spec.stack.model_copy(update={"ports": chosen, "external": nowhere})
    answer = gate(spec.model_copy(update={"stack": stack}))
    assert answer["verdict"] == Verdict.NO_DATA
    assert "does not answer" in answer["reasons"][0]
    assert np.isscalar(answer["since"])
