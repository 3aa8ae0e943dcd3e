"""One file is one alert: what it must say, what is refused, and what is made from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from alert_specs import EVERYTHING, HEAD

from bascule import conventions as names
from bascule.alerts import PARTS, AlertEntry, alerting, catalogue, posted, read_folder, slug
from bascule.conventions import Alert, Recorded, RuleGroup, Severity
from bascule.conventions import Rule as Named
from bascule.errors import BasculeError
from bascule.generate.alerting.alerts import GIVEN
from bascule.generate.alerting.promtool_cases import SCENES
from bascule.generate.prometheus.rule_groups import rule_groups
from bascule.spec import load, parse

ROOT = Path(__file__).parents[3]
RUNBOOKS = ROOT / "docs" / "runbooks"
ENTRIES = pytest.mark.parametrize("entry", catalogue().values(), ids=lambda entry: entry.form)
WELL = """
group: monitoring.alerts
each: redis
expr: redis_up{[[jobs]]} < [[spec.thresholds.min_requests]]
for: 1m
severity: warning
summary: Something is low
description: It is [[percent]], below [[spec.thresholds.cache_hit_ratio|percent]].
action: Look at it.
cases:
  - fires: it is low
    series: {up: 0x60}
  - quiet: it is not
    series: {up: 1x60}
"""


def read(tmp_path: Path, text: str, name: str = "SomethingLow.yaml") -> AlertEntry:
    (tmp_path / name).write_text(text, "utf-8")
    return next(iter(read_folder(tmp_path).values()))


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(BasculeError) as raised:
        read(tmp_path, text)
    return raised.value.what


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("change", "to", "told"),
    [
        ("for: 1m", "for: 1m\nholds: 1m", "holds: Extra inputs are not permitted"),
        ("summary: Something is low\n", "", "summary: Field required"),
        ("action: Look at it.", "action: ''", "action: String should have at least 1 character"),
        ("[[percent]]", "[[percentage]]", "unknown placeholder [[percentage]] (known here: "),
        ("[[percent]]", "[[percent|roman]]", "unknown form 'roman'"),
        ("[[percent]]", "[[percent", "'[[' without a name"),
        (
            "thresholds.min_requests",
            "thresholds.most_requests",
            "unknown placeholder [[spec.thresholds.most_requests]]",
        ),
        ("each: redis", "each: memcached", "'memcached' is not a part of a spec"),
        ("each: redis", "each: redis\ngiven: {jobs: which}", "either 'each' or 'given'"),
        ("severity: warning", "severity: urgent", "severity"),
        ("group: monitoring.alerts", "group: other.alerts", "group"),
        ("  - fires: it is low\n    series: {up: 0x60}\n", "", "no case in which it fires"),
        ("  - quiet: it is not\n    series: {up: 1x60}\n", "", "no case in which it stays quiet"),
        ("    series: {up: 1x60}\n", "", "needs a 'scene' or 'series'"),
        ("  - quiet: it is not", "  - quiet: it is not\n    fires: it is", "either 'fires' or 'quiet'"),
        ("severity: warning", "severity: [info, warning]", "no value 'severity'"),
        ("for: 1m", "for: 1m\nfor: 2m", "duplicate key 'for'"),
        ("for: 1m", "for: 1m\n  odd: [", "not YAML"),
    ],
)
def test_what_is_wrong_is_told_with_the_files_name(tmp_path: Path, change: str, to: str, told: str) -> None:
    """Whoever adds an alert reads which file, which key, and what else could stand there."""
    assert change in WELL
    said = refusal(tmp_path, WELL.replace(change, to))
    assert said.startswith("SomethingLow.yaml: ")
    assert told in said


def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    """An empty file too."""
    assert refusal(tmp_path, "") == "SomethingLow.yaml: an alert is a mapping of keys"


def test_the_name_of_the_file_is_the_name_of_the_alert(tmp_path: Path) -> None:
    """What stands behind a dot tells several forms of one alert apart."""
    entry = read(tmp_path, WELL, "SomethingLow.segment.yaml")
    assert (entry.form, entry.name) == ("SomethingLow.segment", "SomethingLow")


def test_values_that_an_alert_does_not_ask_for_are_refused() -> None:
    """A function and a file that no longer fit each other fail at once, and name the file."""
    with pytest.raises(
        BasculeError, match=r"V2ErrorSpike[.]yaml: the values differ from those under 'given': enough, limit"
    ):
        alerting(load("supersmartmatch"), Alert.V2_ERROR_SPIKE, limit="1")


# ---------------------------------------------------------------- every file


@ENTRIES
def test_a_runbook_names_the_alert(entry: AlertEntry) -> None:
    """The console finds the page of an alert by the names above what it means."""
    page = (RUNBOOKS / f"{entry.runbook or slug(entry.name)}.md").read_text("utf-8")
    assert entry.name in page.partition("**What")[0]


@ENTRIES
def test_the_names_that_an_alert_reads_are_declared(entry: AlertEntry) -> None:
    """A metric or series of our own that nobody exports or records would leave the alert blind."""
    declared = {metric.name for metric in names.METRICS} | set(Recorded) | set(Named)
    histograms = (metric.name for metric in names.METRICS if metric.kind == "histogram")
    declared |= {f"{name}_{part}" for name in histograms for part in ("bucket", "count", "sum")}
    expr = re.sub(r"\[\w+:\w+\]", "", entry.expr)  # a subquery's range is no name
    text = " ".join([expr, *(series for case in entry.cases for series in case.series)])
    ours = set(re.findall(r"\b(?:bascule|supersmartmatch)_\w+|\b[a-z_0-9]{2,}:[a-z_0-9:]+\b", text))
    quantiles = {name for name in ours if re.fullmatch(r"version(_segment)?:signal:p\d\d_rate5m", name)}
    assert ours - quantiles <= declared


@ENTRIES
def test_whatever_a_function_gives_has_a_function(entry: AlertEntry) -> None:
    """The SLAs' alerts stand with their rules in one group, in the order of the SLAs."""
    if entry.given and entry.group != RuleGroup.SLA:
        assert entry.form in GIVEN
    assert {case.scene for case in entry.cases} <= set(SCENES)


def test_every_named_alert_has_a_file() -> None:
    """A name in the conventions that no file says anything about is an empty promise."""
    assert set(Alert) <= {entry.name for entry in catalogue().values()}


def test_a_part_gives_the_values_it_says() -> None:
    """What the loader lets pass is there when the rule is made."""
    spec = parse(EVERYTHING)
    for name, part in PARTS.items():
        for place in part.places(spec):
            assert set(place) == set(part.values), name


def test_severities_stand_in_one_place() -> None:
    """Who pages, in what order and how often, is said by the severity itself."""
    literal = re.compile(r"severity(?!\.).*[\"'](critical|warning|info|gate|none)[\"']")  # severity.: a translation
    found = [
        f"{path.name}: {line.strip()}"
        for path in (ROOT / "src").rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if literal.search(line)
    ]
    assert found == []
    assert [severity for severity in Severity if severity.pages] == [Severity.CRITICAL, Severity.WARNING]
    assert Severity.of("page-me-now") is Severity.WARNING


# ---------------------------------------------------------------- what is made from it


def test_an_alert_is_left_out_of_a_spec_without_its_part() -> None:
    """No Redis, no alert on Redis."""
    small = parse(HEAD + "versions: {baseline: v1, candidate: v2}\n")
    forms = {alert.name for group in rule_groups(small) for alert in group.alerts}
    assert Alert.REDIS_MEMORY_HIGH not in forms
    assert Alert.ROLE_DOWN in forms


def test_alerts_ask_for_roles_and_not_for_names() -> None:
    """A spec that calls its errors `failures` gets the same alerts, about `failures`."""
    renamed = HEAD.replace("  errors:", "  failures:") + "versions: {baseline: v1, candidate: v2}\n"
    both = [parse(HEAD + "versions: {baseline: v1, candidate: v2}\n"), parse(renamed)]
    named, other = ([alert for group in rule_groups(spec) for alert in group.alerts] for spec in both)
    assert [alert.name for alert in other] == [alert.name for alert in named]
    spike = next(alert for alert in other if alert.name == Alert.V2_ERROR_SPIKE)
    assert 'signal="failures"' in spike.expr


def test_a_posted_alert_says_what_its_rule_says() -> None:
    """One definition makes both: nothing comes and goes in Alertmanager with the sender."""
    spec = load("supersmartmatch")
    rule = next(a for g in rule_groups(spec) for a in g.alerts if a.name == Alert.CANDIDATE_WORSE)
    series = {"signal": "errors", "user_segment": "freemium"}
    labels, annotations = posted(spec, Alert.CANDIDATE_WORSE, series, told="errors in freemium: 12 %, 1 % by v1.")
    assert labels == {"alertname": rule.name, **series, **rule.labels}
    assert list(annotations) == list(rule.annotations)
    assert annotations["summary"] == "v2 is worse: errors (freemium)"
    assert annotations["description"] == "errors in freemium: 12 %, 1 % by v1."
    for key in ("action", "runbook", "runbook_url", "dashboard_url"):
        assert annotations[key] == rule.annotations[key]


def test_a_segments_errors_are_the_bad_share_whichever_side_is_counted() -> None:
    """A spec that counts good answers alerts on the rest of them."""
    counted = "bad: 'hits_total{code=~\"5..\"}', total: hits_total, better: lower"
    text = HEAD + "versions: {baseline: v1, candidate: v2}\nsegments: {label: tier, gold: {errors: 1%}}\n"
    assert counted in text
    good = text.replace(counted, "good: 'hits_total{code=~\"2..\"}', total: hits_total, better: higher")
    bad_side, good_side = (
        next(a.expr for g in rule_groups(parse(each)) for a in g.alerts if a.name == Alert.SEGMENT_ERRORS_HIGH)
        for each in (text, good)
    )
    assert good_side == bad_side.replace("max without", "1 - max without", 1)
