"""Prometheus', Alertmanager's and the exporters' configuration, as data."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bascule import conventions as names
from bascule.delivery import channels_of
from bascule.errors import SpecError
from bascule.generate import generate
from bascule.generate.alerting.alertmanager_config import (
    MACHINE,
    alertmanager_config,
)
from bascule.generate.alerting.delivery_times import routes, told_at_once
from bascule.generate.alerting.watcher import lacks_watcher
from bascule.generate.prometheus.prometheus_config import blackbox_config, prometheus_config
from bascule.instrument import load_config
from bascule.spec import Spec, load, parse
from bascule.spec.model import SWITCH

MINIMAL = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {label: version, baseline: v1, candidate: v2}
services: {shop: {targets: ["127.0.0.1:8001"]}}
signals:
  errors: {kind: ratio, bad: 'http_requests_total{status=~"5.."}', total: http_requests_total, better: lower}
phases: [{share: 10%, hold: 1h}]
"""


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load("supersmartmatch")


@pytest.fixture(scope="module")
def jobs(spec: Spec) -> dict[str, Any]:
    return {job["job_name"]: job for job in prometheus_config(spec)["scrape_configs"]}


def test_scrapes_as_often_as_the_spec_says(spec: Spec) -> None:
    """The defaults are those that deliver a crash in about six seconds."""
    assert prometheus_config(spec)["global"] == {
        "scrape_interval": "1s",
        "scrape_timeout": "500ms",
        "evaluation_interval": "1s",
    }


def test_every_service_probe_and_role_is_scraped_under_its_name(spec: Spec, jobs: dict[str, Any]) -> None:
    """A declared service that nobody looks at cannot be seen to fail."""
    roles = {f"bascule-{role}" for role in ("judge", "logs", "incidents", "console", "supervisor")}
    probes = {f"probe-{name}" for name in spec.probes} | {"certificate-front-door-tls"}
    assert set(jobs) == {*spec.services, *probes, *roles, "prometheus", "alertmanager"}


def test_no_target_has_a_version_label_of_its_own(jobs: dict[str, Any]) -> None:
    """It would rename the service's own label to exported_version, and every rule would be empty."""
    for job in jobs.values():
        assert "honor_labels" not in job
        for target in job["static_configs"]:
            assert names.VERSION not in target.get("labels", {})


def test_redis_nodes_go_through_the_exporter_under_their_own_addresses(jobs: dict[str, Any]) -> None:
    """One exporter serves a whole cluster."""
    rules = jobs["redis"]["relabel_configs"]
    assert jobs["redis"]["static_configs"] == [{"targets": ["127.0.0.1:6379"]}]
    assert rules[-1] == {"target_label": "__address__", "replacement": "127.0.0.1:9121"}
    assert {rule["target_label"] for rule in rules} == {"instance", "__param_target", "__address__"}


def test_each_probe_has_a_module_of_its_name(spec: Spec, jobs: dict[str, Any]) -> None:
    """A job that asks for a module that is not there fails every probe."""
    modules = blackbox_config(spec)["modules"]
    assert {job["params"]["module"][0] for job in jobs.values() if "params" in job} == set(modules)
    assert modules["front-door-tls"]["http"]["fail_if_not_ssl"] is True


def test_a_certificate_is_read_a_second_time_without_trusting_it() -> None:
    """The exporter tells nothing of a certificate that it refuses; a private authority is trusted by its file."""
    own = 'probes: {shop: {kind: https, url: "https://[::1]/health", ca_file: /etc/authority.pem}}\n'
    spec = parse(MINIMAL + own)
    modules = blackbox_config(spec)["modules"]
    assert modules["shop"]["http"]["tls_config"] == {"ca_file": "/etc/authority.pem"}
    job = next(j for j in prometheus_config(spec)["scrape_configs"] if j["job_name"] == "certificate-shop")
    assert modules[job["params"]["module"][0]]["tcp"]["tls_config"] == {"insecure_skip_verify": True}
    assert job["static_configs"] == [{"targets": ["https://[::1]/health"]}]
    assert {"target_label": "__param_target", "replacement": "[::1]:443"} in job["relabel_configs"]
    with pytest.raises(SpecError, match=r"'ca_file' needs a probe of kind https \(remove it, or write kind: https\)"):
        parse(MINIMAL + own.replace("https", "http"))


def test_a_dns_probe_asks_its_server_for_its_name() -> None:
    """`dns://server/name` is taken apart."""
    spec = parse(MINIMAL + 'probes: {names: {kind: dns, url: "dns://127.0.0.1:53/example.com"}}\n')
    job = next(j for j in prometheus_config(spec)["scrape_configs"] if j["job_name"] == "probe-names")
    assert job["static_configs"] == [{"targets": ["127.0.0.1:53"]}]
    assert blackbox_config(spec)["modules"]["names"]["dns"]["query_name"] == "example.com"


def test_an_external_alertmanager_is_alerted_by_its_url() -> None:
    """Scheme and path of the address are kept."""
    spec = parse(MINIMAL + 'stack: {external: {alertmanager: "https://am.example.com/prefix"}}\n')
    assert prometheus_config(spec)["alerting"]["alertmanagers"] == [
        {"scheme": "https", "path_prefix": "/prefix", "static_configs": [{"targets": ["am.example.com"]}]}
    ]


def test_a_users_own_targets_and_a_distributed_engine_are_taken_in() -> None:
    """Targets by file_sd, and a copy by remote_write; neither stands there unasked."""
    scrape = 'stack: {scrape: {discovery: ["targets/*.yml"], remote_write: ["http://mimir.example.com/api/v1/push"]}}\n'
    config = prometheus_config(parse(MINIMAL + scrape))
    assert config["remote_write"] == [{"url": "http://mimir.example.com/api/v1/push"}]
    assert config["scrape_configs"][-1] == {
        "job_name": "discovered",
        "file_sd_configs": [{"files": ["targets/*.yml"]}],
    }
    assert "remote_write" not in prometheus_config(parse(MINIMAL))


def test_prometheus_writes_to_every_judge_in_order_what_the_signals_read() -> None:
    """One queue for each, and Alertmanager's token, which the containers of both sides have."""
    peers = 'stack: {peers: {judge: ["https://host-2:9461"]}}\n'
    spec = parse(MINIMAL + peers + "judge: {push: true}\n")
    first, second = prometheus_config(spec)["remote_write"]
    assert (first["url"], second["url"]) == ("http://127.0.0.1:9461/api/v1/write", "https://host-2:9461/api/v1/write")
    assert first["queue_config"]["max_shards"] == 1
    wanted = re.compile(first["write_relabel_configs"][0]["regex"])
    read = {name for signal in spec.signals.values() for each in signal.counters for name in each.selector.names}
    assert {name for name in (*read, "up", "probe_success", "go_goroutines") if not wanted.fullmatch(name)} == {
        "go_goroutines"
    }
    compose = yaml.safe_load(generate(spec)["compose.yaml"])["services"]
    assert compose["prometheus"]["secrets"] == compose["alertmanager"]["secrets"]
    assert compose["judge"]["secrets"] == compose["incidents"]["secrets"]


def test_the_machine_route_waits_for_nothing_and_goes_on(spec: Spec) -> None:
    """No grouping and no wait to the journal; the routes of people come after."""
    config = alertmanager_config(spec)
    machine = config["route"]["routes"][2]
    assert machine["receiver"] == MACHINE
    assert machine["group_by"] == ["..."]
    assert (machine["group_wait"], machine["group_interval"], machine["continue"]) == ("0s", "100ms", True)
    (webhook,) = config["receivers"][0]["webhook_configs"]
    assert (webhook["url"], webhook["send_resolved"]) == ("http://127.0.0.1:9463/api/webhook", True)


def test_the_journal_is_told_with_a_credential_of_alertmanagers_own(spec: Spec) -> None:
    """A file beside the configuration's folder, so that the same text serves `up`, containers and a user's own."""
    (webhook,) = alertmanager_config(spec)["receivers"][0]["webhook_configs"]
    file = webhook["http_config"]["authorization"]["credentials_file"]
    assert file == "../secrets/alertmanager-webhook-token"


def test_the_dead_mans_switch_goes_to_whoever_counts_its_beats_and_to_the_journal_and_no_further(spec: Spec) -> None:
    """The journal notes when it came; people's routes never see it."""
    to_journal, to_counter = alertmanager_config(spec)["route"]["routes"][:2]
    assert to_journal["matchers"] == to_counter["matchers"] == ['alertname="DeadMansSwitch"']
    assert (to_journal["receiver"], to_counter["receiver"]) == (MACHINE, SWITCH)
    assert to_journal["continue"]
    assert "continue" not in to_counter


def test_a_switch_that_ends_with_the_machine_is_told() -> None:
    """Whoever counts its beats must be elsewhere, and must be somebody that Alertmanager can tell."""
    declared = MINIMAL + "notify: {receivers: {dead-mans-switch: {webhook: {url: 'http://HOST/'}}}}\n"
    assert "declare notify.receivers.dead-mans-switch" in lacks_watcher(parse(MINIMAL))
    assert "is on this machine" in lacks_watcher(parse(declared.replace("HOST", "127.0.0.1:8080")))
    assert lacks_watcher(parse(declared.replace("HOST", "beats.example.com"))) == ""


def test_while_the_journal_is_down_alertmanager_tells_the_first_step_and_no_later_one() -> None:
    """Nobody who is called after an hour is called at once because a part of the monitoring is down."""
    chat = "chat: {apprise: {url_file: /etc/bascule/chat}}"
    steps = "escalation: {technical: [{after: 0m, to: chat}, {after: 5m, to: lead}, {after: 1h, to: boss}]}"
    people = f"receivers: {{{chat}, lead: {{webhook: {{url: 'http://a/'}}}}, boss: {{webhook: {{url: 'http://b/'}}}}}}"
    spec = parse(f"{MINIMAL}\nnotify: {{{people}, {steps}}}\n")
    assert spec.notify.first_told == ["chat"]


PEOPLE = """
notify:
  receivers:
    war-room: {slack: {url_file: /etc/bascule/slack}}
    lead: {webhook: {url: "http://127.0.0.1:1/"}}
    alone: {pagerduty: {routing_key_file: /etc/bascule/pager}}
  escalation: {technical: [{after: 0m, to: war-room}, {after: 15m, to: lead}]}
"""


def test_nobody_is_told_twice_and_nobody_is_left_without_a_word() -> None:
    """The journal tells everyone; of the journal's own death they hear from Alertmanager, a later step does not."""
    spec = parse(MINIMAL + PEOPLE)
    assert told_at_once(spec) == ["war-room", "alone"]
    told = {route["receiver"]: route.get("matchers", []) for route in alertmanager_config(spec)["route"]["routes"]}
    assert set(told) == {SWITCH, MACHINE, "war-room", "alone"}
    assert told["war-room"] == told["alone"]
    assert all(alert in told["alone"][0] for alert in ("RoleDown", "AlertsUnheard"))


def test_every_receiver_that_check_accepts_is_reached_by_every_route_that_it_prints() -> None:
    """Whatever its channel, inside an escalation and outside: a bare name in Alertmanager's configuration is nobody."""
    channels = ["slack: {url_file: /a}", "pagerduty: {routing_key_file: /a}", "webhook: {url: 'http://a/'}"]
    channels += ["apprise: {url_file: /a}", "email: {smtp: 'a:25', sender: a@a.example, to: [b@a.example]}"]
    named = {f"r{number}": channel for number, channel in enumerate(channels * 2)}
    declared = ", ".join(f"{name}: {{{channel}}}" for name, channel in named.items())
    steps = ", ".join(f"{{after: 0m, to: r{number}}}" for number in range(len(channels)))
    spec = parse(f"{MINIMAL}\nnotify: {{receivers: {{{declared}}}, escalation: {{technical: [{steps}]}}}}\n")
    config = alertmanager_config(spec)
    configured = {each["name"]: each for each in config["receivers"] if len(each) > 1}
    assert {route.receiver for route in routes(spec)} == {MACHINE, *spec.notify.receivers}
    assert all(channels_of(receiver) for receiver in spec.notify.receivers.values())
    assert {*spec.notify.first_told, MACHINE} == {r["receiver"] for r in config["route"]["routes"]} - {SWITCH}
    assert {*spec.notify.first_told, MACHINE} == set(configured)


def test_whom_alertmanager_has_no_channel_to_it_reaches_through_a_role() -> None:
    """It knows nothing of Apprise: a bare name would accept every alert and tell nobody."""
    spec = parse(f"{MINIMAL}\nnotify: {{receivers: {{teams: {{apprise: {{url_file: /etc/bascule/teams}}}}}}}}\n")
    (people,) = [each for each in alertmanager_config(spec)["receivers"] if each["name"] == "teams"]
    (webhook,) = people["webhook_configs"]
    assert webhook["url"] == f"{spec.stack.url('sla')}/api/relay/teams"
    assert webhook["http_config"]["authorization"]["credentials_file"].endswith("alertmanager-webhook-token")


def test_one_things_critical_alert_never_silences_anothers_warning() -> None:
    """Labels that are missing on both sides count as equal: only alerts whose labels are ours are inhibited."""
    (rule,) = alertmanager_config(parse(MINIMAL))["inhibit_rules"]
    assert 'alertname="SlaBudgetBurn"' in rule["target_matchers"]


def test_secrets_are_files(tmp_path: Path) -> None:
    """No secret's text can stand in what is generated."""
    text = generate(parse(MINIMAL + PEOPLE))["alertmanager/alertmanager.yml"]
    assert "api_url_file: /etc/bascule/slack" in text
    assert "routing_key_file: /etc/bascule/pager" in text


def test_a_window_over_midnight_becomes_one_entry_for_each_day_in_utc() -> None:
    """Alertmanager knows times of a day, not spans."""
    window = 'maintenance: [{start: "2026-03-01T23:30:00+01:00", end: "2026-03-03T01:00:00+01:00", reason: move}]\n'
    entries = alertmanager_config(parse(MINIMAL + window))["time_intervals"][0]["time_intervals"]
    told = [(e["days_of_month"], e["times"][0]["start_time"], e["times"][0]["end_time"]) for e in entries]
    assert told == [(["1"], "22:30", "24:00"), (["2"], "00:00", "24:00")]


def test_instrument_json_is_what_the_library_reads(spec: Spec, tmp_path: Path) -> None:
    """Segments and versions exist at zero, and buckets hold every declared target."""
    path = tmp_path / "instrument.json"
    path.write_text(generate(spec)["instrument.json"], "utf-8")
    config = load_config(path)
    assert config.segments == ("enterprise", "api_partners", "freemium")
    assert config.versions == ("v1", "v2")
    assert {0.03, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2} <= set(config.buckets["http_request_duration_seconds"])
    assert config.patience == 1.0  # ten times the p99 target


def test_without_a_p99_target_clients_are_expected_to_wait_ten_seconds() -> None:
    assert json.loads(generate(parse(MINIMAL))["instrument.json"])["patience"] == 10.0


def test_partners_with_quotas_are_declared() -> None:
    """Their series exist at zero; `default` is not a partner."""
    segments = "segments: {label: user_segment, api: {partner_label: partner, quotas: {acme: 10/h, default: 5/h}}}\n"
    config = json.loads(generate(parse(MINIMAL + segments))["instrument.json"])
    assert config["partners"] == {"api": ["acme"]}


def test_the_same_spec_gives_the_same_text(spec: Spec) -> None:
    """No clock, no random order: a diff shows what the spec changed."""
    assert generate(spec) == generate(load("supersmartmatch"))
