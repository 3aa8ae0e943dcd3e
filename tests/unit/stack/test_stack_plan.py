"""Which programs a spec's stack consists of, with what flags, in what order."""

from __future__ import annotations

import sys
import threading

import pytest

from bascule.errors import PortBusy, UsageError
from bascule.processes import programs
from bascule.spec import load
from bascule.spec.model import LogSource, Notify, ScheduledReport
from bascule.stack.plan import exporters, plan, ports_of
from bascule.stack.running import check_ports, up


@pytest.fixture(autouse=True)
def _programs_are_anywhere(monkeypatch):
    monkeypatch.setattr(programs, "find", lambda name: f"/programs/{name}")


@pytest.fixture
def spec(tmp_path):
    return with_stack(load("supersmartmatch"), state=tmp_path / "state")


def with_stack(spec, **changes):
    return spec.model_copy(update={"stack": spec.stack.model_copy(update=changes)})


def names(stages):
    return [[program.name for program in stage] for stage in stages]


def test_what_receives_is_started_before_what_sends(spec):
    assert names(plan(spec, "spec.yaml")) == [
        ["alertmanager", "node_exporter", "redis_exporter", "nginx_exporter", "blackbox_exporter", "incidents"],
        ["prometheus"],
        ["logs", "judge", "console"],
    ]


def test_what_runs_elsewhere_is_not_started_and_needs_no_port(spec):
    elsewhere = with_stack(spec, external={"prometheus": "http://p:9090", "alertmanager": "http://a:9093"})
    started = [name for stage in names(plan(elsewhere, "spec.yaml")) for name in stage]
    assert "prometheus" not in started
    assert "alertmanager" not in started
    assert not {"prometheus", "alertmanager"} & set(ports_of(elsewhere))


def test_an_exporter_is_started_only_for_what_the_spec_declares(spec):
    bare = spec.model_copy(update={"services": spec.services_of("application"), "probes": {}})
    assert exporters(bare) == []


def test_a_node_exporter_at_another_address_is_not_ours_to_start(spec):
    hosts = spec.services["hosts"].model_copy(update={"targets": ["10.0.0.7:9100"]})
    assert "node_exporter" not in exporters(spec.model_copy(update={"services": {"hosts": hosts}}))


def test_a_source_of_standard_input_is_refused_before_anything_of_the_stack_is_there(spec, tmp_path):
    """No part has one: who writes into `up` would stand still once the pipe is full."""
    sources = [*spec.logs.sources, LogSource(stdin=True, formats=["python"])]
    piped = spec.model_copy(update={"logs": spec.logs.model_copy(update={"sources": sources})})
    with pytest.raises(UsageError, match="log source 'stdin' is standard input") as raised:
        up(piped, "spec.yaml", print, threading.Event())
    assert "`files`" in raised.value.fix
    assert "--role logs" in raised.value.fix
    assert not (tmp_path / "state").exists()


def test_prometheus_and_alertmanager_get_the_settings_that_deliver_fast(spec, tmp_path):
    by_name = {program.name: program for stage in plan(spec, "spec.yaml") for program in stage}
    prometheus, alertmanager = by_name["prometheus"].argv, by_name["alertmanager"].argv
    assert "--rules.alert.resend-delay=5000ms" in prometheus
    assert f"--storage.tsdb.retention.time={32 * 86400}s" in prometheus
    assert "--web.listen-address=127.0.0.1:9090" in prometheus
    assert f"--storage.tsdb.path={tmp_path / 'state/prometheus'}" in prometheus
    assert "--cluster.listen-address=" in alertmanager


def test_an_exporter_gives_up_before_the_scrape_does(spec):
    by_name = {program.name: program for stage in plan(spec, "spec.yaml") for program in stage}
    assert "--connection-timeout=400ms" in by_name["redis_exporter"].argv
    assert "--nginx.timeout=400ms" in by_name["nginx_exporter"].argv


def test_a_role_runs_by_this_python_and_reads_the_same_spec(spec):
    judge = next(program for stage in plan(spec, "spec.yaml") for program in stage if program.name == "judge")
    assert judge.argv == [sys.executable, "-m", "bascule", "serve", "spec.yaml", "--role", "judge"]


def test_a_port_given_twice_is_refused_by_both_names(spec):
    ports = spec.stack.ports.model_copy(update={"judge": 9090})
    with pytest.raises(PortBusy, match="port 9090 is set for prometheus and judge"):
        check_ports(with_stack(spec, ports=ports))


def test_the_role_that_makes_reports_runs_where_reports_are_scheduled(spec):
    """Nothing is started, scraped or opened for a migration that asks for no reports."""
    assert "sla" not in names(plan(spec, "spec.yaml"))[-1]
    report = ScheduledReport(sla=["html"], every="day", to=["board"])
    reporting = spec.model_copy(update={"notify": Notify(reports=[report])})
    assert "sla" in names(plan(reporting, "spec.yaml"))[-1]
    assert ports_of(reporting)["sla"] == reporting.stack.ports.sla


def test_prometheus_takes_snapshots_where_the_spec_says_so(spec):
    """The switch is a flag without a value: with one, Prometheus refuses to start."""
    snapshots = spec.model_copy(update={"stack": spec.stack.model_copy(update={"snapshots": True})})
    prometheus = next(p for stage in plan(snapshots, "spec.yaml") for p in stage if p.name == "prometheus")
    assert "--web.enable-admin-api" in prometheus.argv
    assert not any("admin" in word for stage in plan(spec, "spec.yaml") for p in stage for word in p.argv)
