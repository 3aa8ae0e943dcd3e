"""The real promtool and amtool on what is generated, and on the source document's literal rules."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from alert_specs import EVERYTHING

from bascule.alerts import catalogue, figures
from bascule.generate import generate, write
from bascule.processes import programs
from bascule.spec import built_in_text, load, parse

pytestmark = pytest.mark.integration

HERE = Path(__file__).parent.parent
ROWS = sorted((HERE / "promtool").glob("row-*.yml"))
LONG = {"small-partners", "rolled-back"}  # many samples: they run with `make real`
OURS = [
    pytest.param(path, id=path.stem, marks=[pytest.mark.real] if path.stem in LONG else [])
    for path in sorted((HERE / "promtool").glob("*.yml"))
]
LITERAL = HERE / "fixtures" / "source-document"


EXPIRY = catalogue()["CertificateExpires"].description.replace("[[duration]]", figures.DURATION)


def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    path = programs.find(program)
    command = [str(path), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=programs.environment(program), check=False)


GOLDEN = HERE / "fixtures" / "golden"
SPECS = {
    "built in": built_in_text(),
    "mapped": (GOLDEN / "mapped" / "spec.yaml").read_text("utf-8"),  # names of its own
    "minimal": (GOLDEN / "minimal" / "spec.yaml").read_text("utf-8"),
    "everything": EVERYTHING,  # every alert there is
}


@pytest.fixture(scope="module", params=SPECS)
def every(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    write(parse(SPECS[request.param]), folder)
    return folder


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    write(load("supersmartmatch"), folder)
    return folder


def with_rules(test: Path, rules: list[Path], folder: Path) -> Path:
    """The test file, its placeholder replaced by real rule files."""
    text = test.read_text("utf-8").replace("[RULES]", str([str(path) for path in rules]))
    target = folder / test.name
    target.write_text(text, "utf-8")
    return target


def test_promtool_accepts_the_generated_configuration_and_rules(every: Path) -> None:
    """`promtool check config` reads prometheus.yml and every rule file it names."""
    done = run("promtool", "check", "config", every / "prometheus" / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_no_duplicate_rule(every: Path) -> None:
    """The lint of `promtool check rules` finds nothing either."""
    rules = sorted((every / "prometheus" / "rules").glob("*.yml"))
    done = run("promtool", "check", "rules", "--lint-fatal", *rules)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "name", ["built in", "minimal", *(pytest.param(name, marks=pytest.mark.real) for name in ("mapped", "everything"))]
)
def test_the_generated_rules_pass_the_tests_generated_with_them(name: str, tmp_path: Path) -> None:
    """Every alert fires, keeps silent and survives no data as its tests say."""
    write(parse(SPECS[name]), tmp_path)
    tests = sorted((tmp_path / "prometheus" / "tests").glob("*.yml"))
    done = run("promtool", "test", "rules", *tests)
    assert done.returncode == 0, done.stdout + done.stderr


def test_amtool_accepts_the_alertmanager_configuration(every: Path) -> None:
    """`amtool check-config` reads alertmanager.yml."""
    done = run("amtool", "check-config", every / "alertmanager" / "alertmanager.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("template", "value", "text"),
    [
        (figures.PERCENT, 0.0213377, "2.134%"),
        (figures.POINTS, 0.0213377, "2.1 points"),
        (figures.POINTS, -0.72, "-72 points"),
        (figures.POINTS, 1e-17, "0 points"),
        (figures.DURATION, 0.0834567, "83.46ms"),
        (figures.DURATION, 2.4375, "2.438s"),
        (figures.COUNT, 17.0023, "17"),
        (figures.value_in("ratio"), 0.98, "98%"),
        (figures.value_in("EUR per match"), 11.23456, "11.23 EUR per match"),
        (figures.difference_in("stars"), -0.0789, "-0.08 stars"),
        (EXPIRY, -60, "The certificate of  has expired."),
        (EXPIRY, 90000, "The certificate of  expires in 1d 1h 0m 0s."),
    ],
)
def test_figures_read_well(template: str, value: float, text: str, tmp_path: Path) -> None:
    """Rounded and with their unit, by Prometheus' own templates."""
    alert = {"alert": "A", "expr": f"vector({value!r})", "annotations": {"text": template}}
    expected = {"exp_annotations": {"text": text}}
    test = {
        "rule_files": ["rules.yml"],
        "tests": [{"alert_rule_test": [{"alertname": "A", "eval_time": "1m", "exp_alerts": [expected]}]}],
    }
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "a", "rules": [alert]}]}))
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    done = run("promtool", "test", "rules", tmp_path / "test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("row", OURS)
def test_ours_does_what_the_source_document_meant(row: Path, out: Path, tmp_path: Path) -> None:
    """Each defect's test passes on the generated rules, in the order in which they read one another."""
    rules = sorted((out / "prometheus" / "rules").glob("*.yml"))
    test = with_rules(row, rules, tmp_path)
    order = yaml.safe_load((out / "prometheus" / "tests" / "alerts.yml").read_text("utf-8"))["group_eval_order"]
    test.write_text(f"{test.read_text('utf-8')}\ngroup_eval_order: {order}\n", "utf-8")
    done = run("promtool", "test", "rules", test)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("row", ROWS, ids=lambda path: path.stem)
def test_the_literal_rules_fail_the_same_test(row: Path, tmp_path: Path) -> None:
    """Each defect's test fails on the source document's rules, word for word: the test can tell."""
    rules = [LITERAL / "prometheus-rules.yml", LITERAL / "alerts.yml"]
    done = run("promtool", "test", "rules", with_rules(row, rules, tmp_path))
    assert done.returncode != 0
    assert "FAILED" in done.stdout + done.stderr  # a failed expectation, not a file that cannot be read


WITH_PEOPLE = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {baseline: v1, candidate: v2}
services: {shop: {targets: ["127.0.0.1:8001"]}, db: {kind: redis, targets: ["127.0.0.1:6379"]}}
signals:
  errors: {kind: ratio, bad: 'http_requests_total{status=~"5.."}', total: http_requests_total, better: lower}
phases: [{share: 10%, hold: 1h}]
notify:
  receivers:
    war-room: {slack: {url_file: /etc/bascule/slack}}
    on-call:
      email: {to: [a@example.com, b@example.com], smtp: "smtp.example.com:587", username: u, password_file: /etc/p}
    pager: {pagerduty: {routing_key_file: /etc/bascule/pager}}
    bot: {webhook: {url: "http://127.0.0.1:1/"}}
  escalation: {technical: [{after: 0m, to: war-room}, {after: 15m, to: on-call}]}
maintenance:
  - {start: "2026-03-01T22:30:00+01:00", end: "2026-03-03T01:00:00+01:00", reason: move}
  - {start: "2026-04-01T10:00:00Z", end: "2026-04-01T11:00:00Z", reason: db, services: [db]}
"""


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("people") / "alertmanager.yml"
    path.write_text(generate(parse(WITH_PEOPLE))["alertmanager/alertmanager.yml"], "utf-8")
    return path


def test_amtool_accepts_receivers_and_maintenance_windows(alertmanager: Path) -> None:
    """Secrets by file, mute intervals over midnight and per service: all of it is valid."""
    done = run("amtool", "check-config", alertmanager)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 receivers" in done.stdout


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("severity=critical alertname=ServiceDown job=shop", "bascule-incidents"),
        ("severity=gate alertname=GateUnmet", "bascule-incidents"),
        ("severity=critical alertname=RoleDown", "bascule-incidents,war-room,pager,bot"),
        ("severity=critical alertname=AlertsUnheard job=shop", "bascule-incidents,war-room,pager,bot"),
        ("severity=none alertname=DeadMansSwitch", "bascule-incidents,dead-mans-switch"),
    ],
)
def test_each_alert_reaches_the_machine_and_people_what_the_journal_may_be_unable_to_tell(
    labels: str, receivers: str, alertmanager: Path
) -> None:
    """The journal gets everything and tells people; Alertmanager tells them only in its stead."""
    done = run("amtool", "config", "routes", "test", f"--config.file={alertmanager}", *labels.split())
    assert done.stdout.strip() == receivers, done.stdout + done.stderr
