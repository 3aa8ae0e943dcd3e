"""A wrong spec is answered with file, line, key and the fix; never with a traceback."""

import textwrap
from itertools import pairwise

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.errors import SpecError
from bascule.spec import built_in_text, load, parse, starter_text

SMALL = textwrap.dedent("""\
    apiVersion: bascule/v1
    kind: Migration
    metadata: {name: shop}
    versions: {baseline: v1, candidate: v2}
    services:
      shop-v1: {targets: ["127.0.0.1:8001"], version: v1}
      shop-v2: {targets: ["127.0.0.1:8002"], version: v2}
    signals:
      errors:
        kind: ratio
        bad: http_requests_total{status=~"5.."}
        total: http_requests_total
        better: lower
    phases:
      - {share: 10%, hold: 1h, gates: {errors: "<1%"}}
      - {share: 100%, hold: 1d}
    """)


def problems_of(text):
    with pytest.raises(SpecError) as caught:
        parse(text, "shop.yaml")
    return caught.value.problems


def test_a_small_spec_gets_every_default():
    spec = parse(SMALL)
    assert spec.versions.label == "version"
    assert spec.judge.false_alarm_budget == 0.01
    assert spec.stack.url("prometheus") == "http://127.0.0.1:9090"


def test_the_starter_is_a_spec_and_short():
    """`bascule init` writes no more than somebody must change."""
    assert parse(starter_text()).versions.both == ("v1", "v2")
    assert len(starter_text().splitlines()) < 15


def test_the_built_in_spec_declares_what_the_source_document_monitors():
    spec = load("supersmartmatch")
    targets = {target for service in spec.services.values() for target in service.targets}
    assert {"127.0.0.1:5062", "127.0.0.1:5052", "127.0.0.1:5070", "127.0.0.1:80"} <= targets
    assert [phase.share for phase in spec.phases] == [0.1, 0.25, 0.5, 0.75, 1.0]
    assert {"availability", "response_time", "accuracy", "error_rate"} == set(spec.slas.named)
    assert {"enterprise", "api_partners", "freemium"} == set(spec.segments.named)


def test_enterprise_joins_at_the_phase_that_says_so():
    enterprise = load("supersmartmatch").segments.named["enterprise"]
    assert [enterprise.share_at(share) for share in (0.1, 0.5, 0.75, 1.0)] == [0, 0, 0.75, 1.0]


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "said"),
    [
        ("{name: shop}", "{name: shop, titel: Shop}", 3, "metadata.titel", "did you mean 'title'?"),
        ("kind: ratio", "kind: rato", 10, "signals.errors.kind", "did you mean 'ratio'?"),
        ("kind: ratio", "kind: counter", 9, "signals.errors", "'ratio'"),
        ("share: 100%", "share: 5%", 16, "phases.1.share", "each phase must give more"),
        ('errors: "<1%"', 'erors: "<1%"', 15, "phases.0.gates.erors", "declared are: errors"),
        ('errors: "<1%"', 'errors: "1%"', 15, "phases.0.gates.errors", "write it like <1%"),
        ("hold: 1h", "hold: 1 hour", 15, "phases.0.hold", "10m or 24h"),
        ('status=~"5.."}', 'status=~"5..}', 11, "signals.errors.bad", "not PromQL"),
        ("127.0.0.1:8002", "localhost", 7, "services.shop-v2.targets", "127.0.0.1:5070"),
        ("version: v2}", "version: v3}", 7, "services.shop-v2.version", "v1 and v2"),
        ("candidate: v2", "candidate: v1", 4, "versions", "are the same"),
        ("  shop-v2:", "  shop-v1:", 7, "services.shop-v1", "duplicate key"),
        ("kind: Migration", "kind: Deployment", 2, "kind", "'Migration'"),
        ("metadata: {name: shop}", "metadata: {name: shop, timezone: Paris}", 3, "metadata.timezone", "Europe/Paris"),
    ],
)
def test_a_problem_names_line_key_and_mend(old, new, line, key, said):
    assert old in SMALL
    found = problems_of(SMALL.replace(old, new, 1))
    assert [(p.line, p.key) for p in found] == [(line, key)]
    assert said in str(found[0])


def test_every_problem_is_told_at_once_in_the_order_of_the_lines():
    text = SMALL.replace("better: lower", "beter: lower").replace("hold: 1h", "hold: soon")
    assert [p.line for p in problems_of(text)] == sorted(p.line for p in problems_of(text))
    assert len(problems_of(text)) >= 2


GAUGE = "  load: {kind: gauge, metric: app_load, better: lower}\n"


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ("load", "declare it as a ratio"),
        ("satisfaction", "declared are: errors, load"),
        ("availability.gain", "not a declared signal"),
    ],
)
def test_a_gate_that_nothing_could_ever_decide_is_refused(gate, said):
    text = SMALL.replace("phases:\n", GAUGE + "phases:\n").replace('errors: "<1%"', f'{gate}: "<1%"')
    assert said in str(problems_of(text)[0])


@pytest.mark.parametrize("text", ["", "just words", "- a\n- b", "a: [", "\ta: 1", "a: &x *x"])
def test_what_is_not_a_spec_at_all_is_a_problem_with_a_line(text):
    assert problems_of(text)[0].line >= 1


def test_a_missing_file_is_a_problem_not_a_traceback(tmp_path):
    with pytest.raises(SpecError, match="cannot be read"):
        load(tmp_path / "absent.yaml")


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**310),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=2),
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_value_of_the_wrong_kind_anywhere_is_told_never_thrown(data):
    """Replace any one value of the built-in spec by anything: it loads, or SpecError says why."""
    document = yaml.load(built_in_text(), yaml.CSafeLoader)
    here, key = document, data.draw(st.sampled_from(sorted(document)))
    while isinstance(here[key], dict) and here[key] and data.draw(st.booleans()):
        here = here[key]
        key = data.draw(st.sampled_from(sorted(here)))
    here[key] = data.draw(SCALARS)
    assert outcome(yaml.dump(document, Dumper=yaml.CSafeDumper)) != []


KEYS = ["p99:", "pp", "p9", "1", "p99999", "''", "P95", "a b", "é"]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_cannot_be_one_is_told_alone(key):
    """Nothing is concluded from it."""
    problems = outcome(built_in_text().replace("p99: 100ms", f"{key}: 100ms"))
    assert [problem.key.rpartition(".targets.")[0] for problem in problems] == ["signals.latency"]


def outcome(text):
    """The spec, or the problems it was refused for."""
    try:
        return parse(text)
    except SpecError as refused:
        return refused.problems


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{key}: &{key} [{','.join(['*' + before] * 10)}]\n" for before, key in pairwise("abcdefgh")
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a {b: *a}", "nested too deeply"),
        ("a: " + "[" * 3000 + "]" * 3000, "nested too deeply"),
        (BOMB, "or too large"),
        ("? [a, b]\n: c", "a key is a list or a mapping"),
        ("a: 2026-13-45", "missing"),
        ("a: !!int seven", "missing"),
        ('metadata: {title: "\\uD800"}', "half of a surrogate pair"),
        ('? "\\uD800"\n: 1', "unknown key"),
    ],
    ids=[
        "of itself",
        "deep",
        "aliases of aliases",
        "a list as key",
        "no such date",
        "no such number",
        "half a pair",
        "half a pair as key",
    ],
)
def test_yaml_that_is_hostile_is_refused_at_once(text, said):
    assert any(said in str(problem) for problem in problems_of(text))


def test_a_file_that_is_not_there_is_told_in_words(tmp_path):
    with pytest.raises(SpecError, match=r"no such file.*bascule init"):
        load(tmp_path / "absent.yaml")
    with pytest.raises(SpecError, match="Is a directory"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("more", "key", "said"),
    [
        ("judge: {tick: 0s}", "judge.tick", "at least 0.001"),
        ("judge: {recovery: -5m}", "judge.recovery", "not a duration"),
        ("judge: {recovery: .nan}", "judge.recovery", "not a duration"),
        ("judge: {recovery: 999999999999d}", "judge.recovery", "longer than a century"),
        (f"judge: {{recovery: 1{'0' * 310}}}", "judge.recovery", "not a duration"),
        ("judge: {tick: !!bool maybe}", "judge.tick", "not a duration"),
        ("judge: {tick: !!int ''}", "judge.tick", "not a duration"),
        ("judge: {tick: !!int _}", "judge.tick", "not a duration"),
        ("judge: {tick: !!float ''}", "judge.tick", "not a duration"),
        ("judge: {tick: !!timestamp 1}", "judge.tick", "not a duration"),
        ("judge: {hooks: [{on: [promote], command: []}]}", "judge.hooks.0.command", "at least 1"),
        ("judge: {hooks: [{on: [promote], webhook: example}]}", "judge.hooks.0.webhook", "not a URL"),
        ("stack: {listen: here}", "stack.listen", "not an IP address"),
        ("stack: {ports: {judge: 70000}}", "stack.ports.judge", "65535"),
        ("stack: {external: {prometheus: 'http://[::1'}}", "stack.external.prometheus", "not a URL"),
        ("stack: {external: {prometheus: 'prometheus:9090'}}", "stack.external.prometheus", "not a URL"),
        ("stack: {peers: {judge: ['judge:9461']}}", "stack.peers.judge.0", "not a URL"),
        ("stack: {peers: {alertmanager: ['http://b:9093']}}", "stack.peers.alertmanager", "joins no cluster"),
        ("stack: {scrape: {timeout: 2s}}", "stack.scrape.timeout", "longer than the interval"),
        ("segments: {label: 'user segment'}", "segments.label", "not a label's name"),
        ("maintenance: [{start: soon, end: later, reason: x}]", "maintenance.0.start", "2026-01-31T08:00:00Z"),
        (
            "maintenance: [{start: 2026-01-02T00:00:00Z, end: 2026-01-01T00:00:00Z, reason: x}]",
            "maintenance.0",
            "not within a year after the start",
        ),
        ("thresholds: {cache_hit_ratio: .inf}", "thresholds.cache_hit_ratio", "not a quantity"),
        (f"thresholds: {{cache_hit_ratio: -1{'0' * 310}}}", "thresholds.cache_hit_ratio", "not a quantity"),
        (f"thresholds: {{cache_hit_ratio: 0x{'f' * 400}}}", "", "a number of too many digits"),
        ("slas: {availability: {objective: 99%, window: 0s}}", "slas.availability.window", "at least 0.001"),
    ],
)
def test_a_value_that_another_program_would_refuse_is_refused_here(more, key, said):
    found = problems_of(SMALL + more + "\n")
    assert any(problem.key == key and said in problem.what + problem.fix for problem in found), found


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:8001",
        "::1",
        "a b:80",
        "127.0.0.1:99999",
        "[::1",
        "host/path:80",
        "user@host:80",
        "host?a:80",
        "host#a:80",
        "a\u200bb:80",
    ],
)
def test_what_is_no_address_is_refused(target):
    found = problems_of(SMALL.replace("127.0.0.1:8001", target))
    assert [problem.key for problem in found] == ["services.shop-v1.targets"]
    assert found[0].fix == "write it like 127.0.0.1:5070"


def test_an_address_may_be_of_either_family():
    spec = parse(SMALL.replace("127.0.0.1:8001", "[::1]:8001") + "stack: {listen: '::1'}\n")
    assert spec.services["shop-v1"].targets == ["[::1]:8001"]
    assert spec.stack.url("judge") == "http://[::1]:9461"


def test_times_need_no_quotes():
    """YAML reads 18:30 as the number 1110, and 2026-01-31 as a date."""
    spec = parse(
        SMALL + "notify: {reports: [{sla: [html], every: day, at: 18:30, to: [a@example.com]}]}\n"
        "maintenance: [{start: 2026-01-31T08:00:00Z, end: 2026-01-31T09:00:00Z, reason: new disks}]\n"
    )
    assert spec.notify.reports[0].at == "18:30"
    assert spec.maintenance[0].start == "2026-01-31T08:00:00Z"


def test_a_selector_that_was_left_empty_is_told():
    found = problems_of(SMALL.replace("total: http_requests_total", "total:"))
    assert "not a selector" in found[0].what


def test_what_is_no_name_is_told_in_words():
    found = problems_of(SMALL.replace("{name: shop}", "{name: 7 shops}"))
    assert (found[0].what, "a letter first" in found[0].fix) == ("'7 shops' is not a name", True)


def test_a_far_fetched_suggestion_is_not_made():
    assert "did you mean" not in problems_of(SMALL + "a: 1\n")[0].fix


def with_logs(logs):
    return SMALL + "logs:\n" + textwrap.indent(textwrap.dedent(logs), "  ")


@pytest.mark.parametrize(
    ("logs", "key", "position", "unknown"),
    [
        ('formats:\n  shop:\n    dissect: "%{timestamp} %{took:minutes}"\n', "dissect", 16, "unknown kind 'minutes'"),
        ('formats:\n  shop:\n    grok: "%{NUMBER:a} %{TIMESTMP:b}"\n', "grok", 13, "unknown grok pattern 'TIMESTMP'"),
        ('formats:\n  shop:\n    grok: "%{WORD:a} x**"\n', "grok", 13, "not a regular expression: multiple repeat"),
    ],
)
def test_a_wrong_log_pattern_is_told_with_file_line_position_and_what_is_unknown(logs, key, position, unknown):
    """`bascule check` tells it before anything is started."""
    with pytest.raises(SpecError) as caught:
        parse(with_logs(logs), "shop.yaml")
    line = SMALL.count("\n") + 4
    assert str(caught.value).startswith(f"shop.yaml:{line}: logs.formats.shop.{key}: {unknown}")
    assert f"at character {position} of the pattern" in str(caught.value)


def test_a_log_source_is_one_thing_and_standard_input_only_once():
    """Files, Beats or standard input; each has a name, also where none is given."""
    (problem,) = problems_of(with_logs("sources: [{files: /a.log, stdin: true}]\n"))
    assert "one of 'files', 'beats' and 'stdin'" in problem.what
    (problem,) = problems_of(with_logs("sources: [{stdin: true}, {stdin: true}]\n"))
    assert problem.key == "logs.sources.1.stdin"
    spec = parse(
        with_logs(
            'sources: [{files: "/var/log/a/*.log"}, {files: "/b/a.log"}, {stdin: true}, {beats: "127.0.0.1:1"}]\n'
        )
    )
    assert list(spec.logs.named) == ["a", "a-2", "stdin", "beats"]


PEOPLE = "receivers: {war-room: {webhook: {url: 'http://a/'}}, boss: {webhook: {url: 'http://b/'}}}"


@pytest.mark.parametrize(
    ("steps", "key"),
    [
        ("{business: [{after: 0m, to: war-room}, {after: 5m, to: boss}]}", "notify.escalation"),
        ("{technical: [], other: [{after: 0m, to: war-room}, {after: 5m, to: boss}]}", "notify.escalation.technical"),
    ],
)
def test_an_escalation_that_leaves_technical_alerts_to_nobody_is_refused_with_what_to_add(steps, key):
    (problem,) = problems_of(f"{SMALL}notify: {{{PEOPLE}, escalation: {steps}}}\n")
    assert problem.key == key
    assert "no one is notified of technical alerts" in problem.what
    assert problem.fix == "add technical: [{after: 0m, to: war-room}]"


@pytest.mark.parametrize("steps", ["{}", "{business: [{after: 0m, to: boss}]}", "{technical: [{after: 0m, to: boss}]}"])
def test_technical_alerts_that_somebody_hears_need_no_steps_of_their_own(steps):
    """Receivers outside every escalation are notified of everything."""
    assert parse(f"{SMALL}notify: {{{PEOPLE}, escalation: {steps}}}\n").notify.at_once
