"""The same data on Prometheus 2, Prometheus 3 and VictoriaMetrics gives the same figures everywhere. Prometheus 3 is
given, never built here:

make real NAME=engines PROMETHEUS=/path/to/prometheus
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sla_truth
import sla_world
import yaml
from engine_history import history, scraped_twice
from engines import GIVEN, NAMES, engine, scraping, vmalert
from judge_recorded import BEGIN, END, FAULT, RULE, openmetrics, scraped_every_two_seconds
from served import metrics_page

from bascule.alerts import Alerting
from bascule.conventions import Engine
from bascule.discover import measure
from bascule.generate import generate
from bascule.generate.prometheus.rules import Group
from bascule.generate.victoriametrics import suited
from bascule.judge import JudgeOutcome, PhaseWatch, Stretch, backtest, outcome_of, read_plan
from bascule.processes import programs
from bascule.prometheus import NO_DATA, Prometheus
from bascule.sla import evaluate, render_json
from bascule.spec import BUILT_IN, load, parse

FIRST, *OTHERS = NAMES
pytestmark = pytest.mark.real
Started = Callable[[str, str], Prometheus]


def needs(name: str) -> None:
    if name == "prometheus 3" and not os.environ.get(GIVEN):
        pytest.skip(f"no other Prometheus was given: {GIVEN}=…")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """An engine by its name on a history, each started once."""
    running: dict[tuple[str, str], Prometheus] = {}
    with ExitStack() as stack:

        def start(name: str, history: str) -> Prometheus:
            needs(name)
            if (name, history) not in running:
                folder = tmp_path_factory.mktemp("engine")
                running[name, history] = stack.enter_context(engine(name, folder, history))
            return running[name, history]

        yield start


@pytest.fixture(scope="module")
def migration() -> str:
    return openmetrics()


@pytest.fixture(scope="module")
def world() -> Any:
    return sla_world.build(seed=1, start=1767222000.0, days=6, interval=300)


@pytest.fixture(scope="module")
def month(world: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("world") / "in.txt"
    world.write(path)
    return path.read_text()


def judged(prometheus: Prometheus, at: float) -> JudgeOutcome:
    """What a judge that starts at a moment says of every comparison."""
    watch = PhaseWatch(scraped_every_two_seconds(), prometheus, read_plan(prometheus, BEGIN, at=at))
    watch.advance(at)
    return outcome_of(watch.engine, watch.surroundings(at))


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("at", [FAULT - 10.0, END + 0.0], ids=["healthy", "fault"])
def test_the_verdict_and_every_comparison_are_the_same(at: float, name: str, started: Started, migration: str) -> None:
    found, expected = (vars(judged(started(each, migration), at)) for each in (name, FIRST))
    assert {key: repr(value) for key, value in found.items()} == {key: repr(value) for key, value in expected.items()}


@pytest.mark.parametrize("name", OTHERS)
def test_a_backtest_of_the_judge_and_of_a_rule_is_the_same(name: str, started: Started, migration: str) -> None:
    def replayed(prometheus: Prometheus) -> Any:
        healthy, incidents = [Stretch(BEGIN, FAULT)], [Stretch(FAULT, END, "errors")]
        found = backtest(
            scraped_every_two_seconds(), prometheus, BEGIN, END, rules=[RULE], healthy=healthy, incidents=incidents
        )
        assert found.delays("judge")[0] < 20
        return found

    first, other = replayed(started(FIRST, migration)), replayed(started(name, migration))
    assert [each for each in other.fired if each.by == "judge"] == [each for each in first.fired if each.by == "judge"]
    assert (other.compared, other.suggestions, other.problems) == (first.compared, first.suggestions, first.problems)
    (rule,), (expected,) = other.delays(RULE["alert"]), first.delays(RULE["alert"])
    assert rule == pytest.approx(expected, abs=5.0)  # one evaluation: see docs/engines.md, rate()


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_of_an_sla_report_equals_the_truth(name: str, started: Started, world: Any, month: str) -> None:
    check = sla_truth.differences(report_of(world, started(name, month)), world)
    assert check.wrong == []
    assert check.figures > 800


@pytest.mark.parametrize("name", OTHERS)
def test_an_sla_report_is_the_same_to_the_byte(name: str, started: Started, world: Any, month: str) -> None:
    first, other = (report_of(world, started(each, month)) for each in (FIRST, name))
    assert render_json(other) == render_json(first)


def report_of(world: Any, prometheus: Prometheus) -> Any:
    begin, end = world.times[0] - world.interval, world.times[-1]
    return evaluate(parse(sla_world.SPEC), prometheus, begin, end, journal=sla_truth.journal_of(world))


# ---------------------------------------------------------------- replicas


def read_once(prometheus: Prometheus) -> Prometheus:
    return Prometheus(prometheus.url, timeout=60, replica_label="replica")


@pytest.mark.parametrize("name", ["prometheus 2", "victoria-metrics"])
def test_two_replicas_give_the_verdict_and_the_backtest_of_one(name: str, started: Started, migration: str) -> None:
    both, one = read_once(started(name, scraped_twice(migration))), started(name, migration)
    found, expected = (vars(judged(each, END + 0.0)) for each in (both, one))
    assert {key: repr(value) for key, value in found.items()} == {key: repr(value) for key, value in expected.items()}
    replayed = [backtest(scraped_every_two_seconds(), each, BEGIN, END, rules=[RULE]) for each in (both, one)]
    assert replayed[0] == replayed[1]


@pytest.mark.parametrize("name", ["prometheus 2", "victoria-metrics"])
def test_the_loss_of_a_replica_in_an_alarm_loses_and_doubles_nothing(
    name: str, started: Started, migration: str
) -> None:
    """The second scrapes half a second later; the first is gone for a minute around the fault."""
    apart = scraped_twice(migration, later=0.5, lost=(FAULT - 20.0, FAULT + 40.0))
    both, one = read_once(started(name, apart)), started(name, migration)
    found, expected = judged(both, END + 0.0), judged(one, END + 0.0)
    assert found.judgement.verdict == expected.judgement.verdict
    for query in ("sum(increase(http_requests_total[5m]))", 'sum(rate(http_requests_total{status="500"}[2m]))'):
        assert both.scalar(query, END - 60.0) == pytest.approx(one.scalar(query, END - 60.0), rel=0.03)
    alarms = [backtest(scraped_every_two_seconds(), each, BEGIN, END).delays("judge") for each in (both, one)]
    assert len(alarms[0]) == len(alarms[1])


@pytest.mark.parametrize("name", ["prometheus 2", "victoria-metrics"])
def test_two_replicas_give_the_sla_report_of_one(name: str, started: Started, world: Any, month: str) -> None:
    both = read_once(started(name, scraped_twice(month)))
    assert render_json(report_of(world, both)) == render_json(report_of(world, started(name, month)))


# ---------------------------------------------------------------- what is live

SERVED = "process_cpu_seconds_total {cpu}\nprocess_start_time_seconds 1\nkept_value {value}\n"


@pytest.mark.parametrize("name", NAMES)
def test_doctor_names_what_each_engine_does(name: str, tmp_path: Path, eventually: Callable[..., Any]) -> None:
    """On VictoriaMetrics as it is by default, values are half a minute old for all but Bascule."""
    needs(name)
    with metrics_page(SERVED.format(cpu=500, value=0)) as shop:
        targets = {"shop": shop.target}
        config, past = scraping(targets), history({"shop": [shop.target]}, time.time() - 2.0)
        with engine(name, tmp_path, past, config, DEFAULT_FLAGS.get(name, ())) as client:
            eventually(lambda: (client.scalar("count_over_time(process_start_time_seconds[1m])") or 0) > 4, 30)
            shop.up = False
            eventually(lambda: client.scalar("up") == 0, 30)
            eventually(lambda: (client.scalar("sum_over_time((up == bool 0)[20s:1s])") or 0) > 4, 30)
            found = {finding.subject: finding for finding in measure(client)}
    assert {subject: str(each) for subject, each in found.items() if each.state in ("lacks", "unknown")} == {}
    assert {subject for subject, each in found.items() if each.state == "differs"} == DIFFERS.get(name, {"rules"})
    assert (found["range boundaries"].found.startswith("both")) == (name == "prometheus 2")


DEFAULT_FLAGS = {"victoria-metrics": ("-search.latencyOffset=30s",)}
DIFFERS = {
    "victoria-metrics": {
        "age of values",
        "growth of counters",
        "rules",
        "start time",
        "flags",
        "Alertmanagers",
    },
}


def test_deduplication_by_victoriametrics_is_named(tmp_path: Path, eventually: Callable[..., Any]) -> None:
    with metrics_page(SERVED.format(cpu=500, value=0)) as shop:
        past = history({"shop": [shop.target]}, time.time() - 2.0)
        flags = ("-dedup.minScrapeInterval=10s",)
        with engine("victoria-metrics", tmp_path, past, scraping({"shop": shop.target}), flags) as client:
            eventually(lambda: client.scalar("up") == 1, 30)
            found = {finding.subject: finding for finding in measure(client)}
    assert "of one each 1 s, one each 10 s is left" in found["one sample per scrape"].found


def test_vmalert_takes_the_generated_rules(tmp_path: Path) -> None:
    text = generate(load(BUILT_IN), Engine.VICTORIAMETRICS)
    for name, content in text.items():
        if name.startswith("victoriametrics/"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)
    folder = tmp_path / "victoriametrics"
    for argv in (
        [programs.find("vmalert"), "-dryRun", f"-rule={folder}/rules/*.yml"],
        [programs.find("victoria-metrics"), "-dryRun", f"-promscrape.config={folder}/scrape.yml"],
    ):
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]


def test_an_alert_of_vmalert_keeps_firing_and_ends(tmp_path: Path, eventually: Callable[..., Any]) -> None:
    """Once its condition has held for its `for`, the alert lasts until the condition has been away for its time."""
    alert = Alerting("Kept", "kept_value > 1", 3.0, {"severity": "warning", "sla": "s"}, {}, keep_firing_for=6.0)
    rules = suited(Group("kept", (alert,), 1.0))
    firing = 'count(ALERTS{alertname="Kept",alertstate="firing"})'
    with ExitStack() as stack:
        shop = stack.enter_context(metrics_page(SERVED.format(cpu=1, value=0)))
        client = stack.enter_context(engine("victoria-metrics", tmp_path, "", scraping({"shop": shop.target})))
        stack.enter_context(
            vmalert(client.url, yaml.safe_dump({"groups": [rules.as_yaml()]}), f"http://{shop.target}", tmp_path)
        )
        eventually(lambda: client.scalar("kept_value") == 0, 30)
        shop.text = SERVED.format(cpu=1, value=5)
        eventually(lambda: client.scalar(firing) == 1, 30)
        shop.text = SERVED.format(cpu=1, value=0)
        eventually(lambda: client.scalar("kept_value") == 0, 30)
        away = client.raw("kept_value", 30.0)[0]
        began = float(away.times[away.values == 5].max())
        eventually(lambda: client.scalar(firing) is NO_DATA, 30)
        ended = float(client.raw('ALERTS{alertname="Kept",alertstate="firing"}', 60.0)[0].times[-1])
    assert 5.0 <= ended - began <= 9.0
