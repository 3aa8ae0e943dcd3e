"""Every mistake of a spec is reported in one go: none hides another, and none is reported that only follows."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.errors import Problem, SpecError
from bascule.spec import built_in_text, parse, starter_text

BUILT_IN = built_in_text()
MISTAKES = {  # the key that is reported: what is in the built-in spec, and the mistake
    "metdata": ("metadata:", "metdata:"),
    "metadata.timezone": ("Europe/Paris", "Paris"),
    "metadata.curency": ("currency:", "curency:"),
    "services.supersmartmatch-v1.version": ("version: v1}", "version: v3}"),
    "services.supersmartmatch-v2.targets": ("127.0.0.1:5070", "127.0.0.1"),
    "services.nexten-matcher.port": ('5052"]}', '5052"], port: 1}'),
    "services.nginx.kind": ("{kind: nginx", "{kind: ngnix"),
    "services.prometheus": ("  redis: ", "  prometheus: "),
    "probes.front-door": ("  front-door-tls: ", "  front-door: "),
    "signals.errors.bad": ('status=~"5.."', 'status=~"5..'),
    "signals.errors.harmful_increase": (
        "better: lower\n    harmful_increase: 1pt\n  latency",
        "better: lower\n    harmful_increase: 150%\n  latency",
    ),
    "signals.latency.kind": ("kind: histogram", "kind: histogramm"),
    "signals.latency.targets.p95": ("p95: 50ms, p99", "p95: 20ms, p99"),
    "signals.accuracy.better": ("better: higher\n    target_gain: 13pt", "better: more\n    target_gain: 13pt"),
    "signals.accuracy.alert_below_gain": ("alert_below_gain: 10pt", "alert_below_gain: 1000pt"),
    "signals.fallback": ("    bad: supersmartmatch_fallback_answers_total\n", ""),
    "signals.satisfaction.harmful_increase": ("unit: stars", "unit: stars\n    harmful_increase: -1"),
    "signals.revenue.target_gain": ("target_gain: 10%", "target_gain: much"),
    "segments.enterprise.joins_at": ("joins_at: 75%", "joins_at: 175%"),
    "segments.api_partners.quotas.default": ("10000/h", "-1/h"),
    "segments.freemium.rate_limit": ("100/h", "many"),
    "phases.0.hold": ("hold: 24h", "hold: a day"),
    "phases.0.gates.errors": ('"<1%"', '"<150%"'),
    "phases.0.gates.latency": ('latency.p95: "<100ms"', 'latency: "<100ms"'),
    "phases.1.gates.latency.p95": ('"<80ms"', '"80ms"'),
    "phases.2.share": ("share: 50%", "share: 20%"),
    "phases.3.gates.eror": ('errors: "<0.3%"', 'eror: "<0.3%"'),
    "rollback.0.when": ("errors > 5%", "errors < 5%"),
    "rollback.1.for": ("for: 5m", "for: ever"),
    "rollback.2.action": ("10m, action: immediate", "10m, action: instant"),
    "slas.availability.objective": ("99.9%, window", "100%, window"),
    "slas.response_time.windw": ('100ms", window', '100ms", windw'),
    "slas.eror_rate": ("  error_rate: ", "  eror_rate: "),
    "slas.error_rate.window": ("window: 24h", "window: 400d"),
    "judge.tick": ("tick: 1s", "tick: 0s"),
    "judge.threshold": ("recovery: 60s", "recovery: 60s, threshold: 7"),
    "logs.sources.1.formats": ("[nginx_json]", "[ngnix]"),
    "logs.retention": ("retention: 30d", "retention: long"),
}
PLACES = {"metdata": "metadata", "metadata.timezone": "metadata", "metadata.curency": "metadata"}
PLACES |= {"slas.eror_rate": "slas.error_rate", "slas.error_rate.window": "slas.error_rate"}  # one mistake in each


def problems(text: str) -> list[Problem]:
    try:
        parse(text, "spec.yaml")
    except SpecError as refused:
        return refused.problems
    return []


def with_mistakes(keys: list[str]) -> str:
    text = BUILT_IN
    for key in keys:
        right, wrong = MISTAKES[key]
        assert right in text, key
        text = text.replace(right, wrong, 1)
    return text


@pytest.mark.parametrize("key", MISTAKES)
def test_a_mistake_is_one_problem(key: str) -> None:
    """With a fix, and nothing that only follows from it."""
    (problem,) = problems(with_mistakes([key]))
    assert problem.key == key


def place(key: str) -> str:
    return PLACES.get(key, key)


@settings(max_examples=60)
@given(st.lists(st.sampled_from(sorted(MISTAKES)), min_size=2, unique_by=place))
def test_every_mistake_is_reported_and_nothing_else(keys: list[str]) -> None:
    """Whatever is wrong together: YAML, keys, values, contradictions and bounds."""
    found = problems(with_mistakes(keys))
    assert sorted(problem.key for problem in found) == sorted(keys)
    assert [problem.line for problem in found] == sorted(problem.line for problem in found)


def test_all_mistakes_together_are_reported_together() -> None:
    together = list({place(key): key for key in MISTAKES}.values())
    assert len(problems(with_mistakes(together))) == len(together) > 30


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("maintenance: [{from: 2026-01-31T08:00:00Z, to: 2026-01-31T09:00:00Z, reason: x}]", ["start", "end"]),
        ("maintenance: [{start: 2026-01-31T08:00:00Z, until: 2026-01-31T09:00:00Z, why: x}]", ["end", "reason"]),
        ("slas: {errors: {threshold: 99%, period: 30d}}", ["objective", "window"]),
        ('rollback: [{condition: "errors > 5%", duration: 2m}]', ["when", "for"]),
        ("notify: {receivers: {ops: {webhook: {address: 'http://127.0.0.1:1'}}}}", ["url"]),
        ("notify: {receivers: {ops: {slack: {url: /run/secrets/slack}}}}", ["url_file"]),
        ("judge: {minSamples: 5, Tick: 1s}", ["min_samples", "tick"]),
    ],
)
def test_a_usual_word_for_a_key_leads_to_the_key(written: str, meant: list[str]) -> None:
    found = problems(starter_text() + written)
    assert [problem.fix for problem in found] == [f"did you mean {key!r}?" for key in meant]


@pytest.mark.parametrize(
    ("written", "fix"),
    [
        (
            "maintenance: [{start: 2026-01-31T08:00:00Z, end: 2026-01-31T09:00:00Z, to: x, reason: x}]",
            "the keys here are end, reason, services, start",
        ),
        ("probes: {door: {url: 'http://127.0.0.1/', name: door}}", "the name is the key 'door'"),
        ("judge: {name: strict}", "the keys here are false_alarm_budget, hooks, min_samples, push, recovery, tick"),
        ("thresholds: {harmful_increase: 1%}", "the keys here are cache_hit_ratio, error_rate_increase"),
    ],
)
def test_a_key_without_a_place_is_answered_with_the_keys_there_are(written: str, fix: str) -> None:
    """Never with the key that was written, nor with one that is allowed elsewhere or given already."""
    (problem,) = problems(starter_text() + written)
    assert fix in problem.fix


def test_entries_that_are_written_under_named_are_read_alike() -> None:
    """As a spec that a program wrote has them."""
    document = parse(BUILT_IN).model_dump(mode="json", by_alias=True, exclude_none=True)
    assert problems(yaml.dump(document, Dumper=yaml.CSafeDumper)) == []
    document["slas"]["named"]["accuracy"]["objective"] = "much"
    document["slas"]["named"]["eror_rate"] = document["slas"]["named"].pop("error_rate")
    found = problems(yaml.dump(document, Dumper=yaml.CSafeDumper))
    assert {problem.key for problem in found} == {"slas.named.accuracy.objective", "slas.eror_rate"}


def test_a_misspelt_key_is_read_on_as_what_was_meant() -> None:
    """Its content is checked too, under the name that stands in the file."""
    found = problems(BUILT_IN.replace("metadata:", "metdata:").replace("Europe/Paris", "Paris"))
    assert [problem.key for problem in found] == ["metdata", "metdata.timezone"]


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.lists(st.integers(), max_size=2))


@settings(max_examples=75)
@given(st.data())
def test_values_of_the_wrong_kind_anywhere_are_reported_and_never_raise(data: st.DataObject) -> None:
    """Several at once: whatever is left of the spec is checked without them."""
    document = yaml.load(BUILT_IN, yaml.CSafeLoader)
    for _ in range(data.draw(st.integers(2, 6))):
        here, key = _somewhere(document, data)
        here[key] = data.draw(SCALARS)
    problems(yaml.dump(document, Dumper=yaml.CSafeDumper))


def _somewhere(document: dict[str, Any], data: st.DataObject) -> tuple[Any, Any]:
    here: Any = document
    while True:
        key = data.draw(st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here))))
        inner = here[key]
        if not isinstance(inner, dict | list) or not inner or not data.draw(st.booleans()):
            return here, key
        here = inner
