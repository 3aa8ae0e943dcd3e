"""The generated Logstash pipeline reads lines as Bascule's own reader does, by an independent grok library."""

from __future__ import annotations

import json
import re
import warnings
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pygrok import Grok

from bascule.generate import elk, generate
from bascule.generate.elk.log_patterns import LinePattern, from_dissect, line_pattern
from bascule.logformat import ALIASES, BUILT_IN, COLUMNS, DEFINITIONS, KIND_OF, NUMBERS, TIME
from bascule.logs import compile_dissect, format_named, read_time, read_value
from bascule.spec import load, parse
from bascule.spec.model import LogFormat

SPEC = load("supersmartmatch")
PIPELINE = elk.elk_files(SPEC)["logstash/pipeline.conf"]
HEAD = "2026-01-31T12:00:00.123Z INFO supersmartmatch-v2 "

CORPUS = [
    HEAD + "API_CALL user_id=42 endpoint=/api/v2/match response_time=0.0412 status=200",
    HEAD + "API_CALL user_id=42 endpoint=/v2/match response_time=0.0412 status=200 version=v2 trace_id=4bf9 partner=a",
    HEAD + "API_CALL user_id=4 2 endpoint=/a b?x=1 response_time=1e-05 status=503",
    HEAD + "API_CALL user_id= endpoint=- response_time=3 status=200 method=GET user_segment=",
    HEAD + "API_CALL user_id=42 endpoint=/x response_time=fast status=200",
    HEAD + "API_CALL user_id=42 endpoint=/x response_time=no response_time=0.2 status=200",
    HEAD + "API_CALL user_id=42 endpoint=/x response_time=0.2 status=200 and more",
    HEAD + "API_CALL user_id=42 endpoint=/x response_time=0.2 status=200 ",
    HEAD + "MATCH_RESULT candidate_id=c1 job_id=j1 accuracy=0.93 algorithm=nexten",
    HEAD + "MATCH_RESULT candidate_id=c1 job_id=j1 accuracy=0.93 algorithm=nexten version=v1 response_time=0.2",
    HEAD + "MATCH_RESULT candidate_id=c1 job_id=j1 accuracy=1 algorithm=",
    HEAD + "the cache is cold",
    HEAD + "",
    "2026-01-31T12:00:00Z LOUD svc shouting",
    "2026-01-31 12:00:00,000 - shop.cart - ERROR - it broke",
    "2026-01-31 12:00:00,000 ERROR shop.cart it broke",
    "2026-01-31 12:00:00,000 [ERROR] shop.cart: it broke",
    "2026-01-31 12:00:00.000+0100 [ERROR] - [shop.cart] it broke",
    "ERROR:shop.cart:it broke",
    "WARNING::nobody",
    "WARNING: could not open: no such file",
    "[2026-01-31 12:00:00,000] ERROR in cart: it broke",
    "2026-01-31 12:00:00,000 - ERROR - it broke",
    "2026-01-31 12:00:00,000 -  - ERROR - it broke",
    "2026-13-31 12:00:00,000 - shop.cart - ERROR - it broke",
    '127.0.0.1 - - [31/Jan/2026 12:00:00] "GET /api/v1/match?x=1 HTTP/1.1" 404 -',
    'INFO:werkzeug:127.0.0.1 - - [31/Jan/2026 12:00:00] "\x1b[33mGET /api/v1/match?x=1 HTTP/1.1\x1b[0m" 404 -',
    '127.0.0.1 - - [31/Jan/2026 12:00:00] "GET /api/v1/match HTTP/1.1" 99 -',
    'INFO:     127.0.0.1:51412 - "POST /match HTTP/1.1" 500 Internal Server Error',
    '2026-01-31 12:00:00,000 INFO: [::1]:51412 - "POST /match HTTP/1.1" 200',
    '10.0.0.1 - - [31/Jan/2026:13:00:00 +0100] "GET /api/v2/match HTTP/1.1" 200 512 "-" "curl/7.88"',
    '10.0.0.1 - ann [31/Jan/2026:13:00:00 +0100] "GET /api/v2/match HTTP/1.1" 200 512 "-" "a "quoted" agent"',
    '10.0.0.1 - - [someday] "GET /api/v2/match HTTP/1.1" 200 512 "-" "curl/7.88"',
    "",
    "    at shop.cart(cart.py:3)",
    "Ünïcödé \u2028 line",
]  # fmt: skip
TEXT_FORMATS = [name for name in BUILT_IN if line_pattern(name, {}).patterns]


def by_grok(patterns: list[str], definitions: dict[str, str], line: str) -> dict[str, Any] | None:
    """What Logstash's grok filter does: the first pattern that matches gives the fields, empty ones left out."""
    for pattern in patterns:
        found = Grok(pattern, custom_patterns=definitions).match(line)
        if found is not None:
            return {name: value for name, value in found.items() if value not in (None, "")}
    return None


WORD = re.compile(r' (?:([A-Za-z_][\w.]*)=("[^"]*"(?= |$)|[^ ]*)|"[^"]*"(?= |$)|[^ ]*)', re.ASCII)


def after_filters(found: dict[str, Any] | None, form: LinePattern) -> dict[str, Any] | None:
    """What the filters behind grok make of its fields: pairs, numbers, times, the request's path, extra.

    A twin in Ruby runs the filters themselves: `tests/integration/test_generate_logstash_ruby.py`.
    """
    if found is None:
        return None
    fields = {form.renamed.get(name, name): value for name, value in found.items()}
    words = fields.pop("pairs", "")
    taken = {*form.declared, TIME, *(fields if form.takes_words else ())}
    pairs: dict[str, str] = {}
    for name, value in WORD.findall(words):
        name = ALIASES.get(name, name) if form.takes_words else name
        if name and name not in taken:
            pairs.setdefault(name, value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value)
    extra = [fields.pop("extra", "") or pairs.pop("extra", "")]
    extra += [f"{name}={json.dumps(v) if ' ' in v else v}" for name, v in pairs.items() if name not in COLUMNS]
    fields = {name: value for name, value in pairs.items() if name in COLUMNS} | fields
    if TIME in fields:
        fields[TIME] = read_time(fields[TIME])
    for name in NUMBERS:
        text = fields.pop(name, "")
        if text in ("", "-"):
            continue
        number = read_value(text, KIND_OF[name])
        if number is None:
            extra.append(f"{name}={text}")
        else:
            fields[name] = number * (1 if text[-1:].isalpha() else form.factors.get(name, 1))
    fields["endpoint"], _, query = fields.get("endpoint", "").partition("?")
    extra.append(f"query={query}" if query else "")
    return without_blanks(fields | {"extra": " ".join(filter(None, extra))})


def without_blanks(fields: dict[str, Any] | None) -> dict[str, Any] | None:
    """Without what says that there is no value, and without who called, which is not stored."""
    if fields is None:
        return None
    return {name: value for name, value in fields.items() if value not in ("", "-") and name[0] != "_"}


def our_own(name: str, line: str, declared: dict[str, LogFormat] | None = None) -> dict[str, Any] | None:
    """What Bascule's own reader makes of a line."""
    reading = format_named(name, declared or {}).read(line)
    return without_blanks(reading.fields if reading else None)


def stripped(line: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", line)


def grok_reads(name: str, line: str, declared: dict[str, LogFormat] | None = None) -> dict[str, Any] | None:
    form = line_pattern(name, declared or {})
    fields = by_grok(list(form.patterns), DEFINITIONS, stripped(line) if form.coloured else line)
    return after_filters(fields, form)


@pytest.mark.parametrize("name", TEXT_FORMATS)
@pytest.mark.parametrize("line", CORPUS)
def test_an_independent_grok_library_reads_each_line_as_our_own_reader_does(name: str, line: str) -> None:
    """Every built-in text format on every line: the same fields, or none on both sides."""
    assert grok_reads(name, line) == our_own(name, line)


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x85\u2028\u2029\x0b\x0c"), max_size=12)


@given(WORDS, WORDS, st.floats(0, 100), st.integers(0, 999), st.sampled_from(["", " version=v1", " a=b c=", " loose"]))
@example("", "?", 0.0, 0, "")
@example("", "/x?", 0.0, 0, "")
def test_any_api_call_is_read_the_same_by_both(
    user: str, endpoint: str, seconds: float, status: int, tail: str
) -> None:
    """Whatever stands in the fields, delimiters included."""
    line = f"{HEAD}API_CALL user_id={user} endpoint={endpoint} response_time={seconds} status={status}{tail}"
    assert grok_reads("api_call", line) == our_own("api_call", line)


HEADS = [
    "2026-01-31 12:00:00,123 - {} - INFO - ",
    "2026-01-31 12:00:00,123 - INFO - ",
    "2026-01-31 12:00:00,123 INFO {} ",
    "2026-01-31 12:00:00.123+0100 [INFO] - [{}]: ",
    "[2026-01-31 12:00:00,123] INFO in {}: ",
    "INFO:{}:",
    "2026-01-31 12:00:00,123 ",
    "{} ",
    "",
]
LETTERS = st.characters(max_codepoint=0x24F, exclude_characters="\r\n\x85\x0b\x0c")
LOGGERS = st.one_of(
    st.sampled_from(["supersmartmatch-v2", "shop.cart", "", "bücher", "a b", "API_CALL"]), st.text(LETTERS, max_size=12)
)
EVENTS = {
    "api_call": "API_CALL user_id={} endpoint={} response_time={} status=200",
    "match_result": "MATCH_RESULT candidate_id={} job_id={} accuracy={} algorithm=nexten",
}
TAILS = ["", " version=v1", " service=x level=y a=1 a=2", " response_time=none accuracy=0.5", " loose"]


@given(
    st.sampled_from(HEADS), LOGGERS, st.sampled_from(sorted(EVENTS)), WORDS, WORDS, st.floats(0, 100),
    st.sampled_from(TAILS),
)  # fmt: skip
def test_any_event_behind_a_layout_of_pythons_logging_is_read_the_same_by_both(
    head: str, logger: str, name: str, first: str, second: str, figure: float, tail: str
) -> None:
    """As an event, and by the format that only reads the layout."""
    line = head.format(logger) + EVENTS[name].format(first, second, figure) + tail
    for form in (*EVENTS, "python"):
        assert grok_reads(form, line) == our_own(form, stripped(line))


@pytest.mark.parametrize("head", [head.format("shop") for head in HEADS if head != "{} "])
def test_the_source_documents_event_behind_each_layout_is_an_event(head: str) -> None:
    """And not a message that only Bascule's own reader takes apart."""
    fields = grok_reads("api_call", head + EVENTS["api_call"].format("u1", "/x", 0.023))
    assert fields is not None
    assert fields.items() >= {"user_id": "u1", "endpoint": "/x", "response_time": 0.023, "status": 200}.items()
    assert ("service" in fields) == ("shop" in head)
    assert ("timestamp" in fields) == ("2026" in head)


MS = {"response_time": "ms"}
DECLARED = {
    "padded": LogFormat(dissect="%{timestamp} %{level->} %{service}: %{message}"),
    "timed": LogFormat(dissect="%{timestamp} (%{service}) %{endpoint} took=%{response_time}", units=MS),
    "grokked": LogFormat(
        grok="%{IP} %{WORD:verb} %{URIPATHPARAM:request} %{NUMBER:response_time} %{INT:response}", units=MS
    ),
}


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("padded", "2026-01-31T12:00:00Z INFO    shop: hello world"),
        ("padded", "2026-01-31T12:00:00Z INFO shop hello"),
        ("timed", "2026-01-31T12:00:00Z (shop) /api/v2/match took=41.5 version=v2"),
        ("timed", "2026-01-31T12:00:00Z (shop) /api/v2/match took=41.5ms"),
        ("grokked", "10.0.0.1 GET /api/v2/match?x=1 41.5 200"),
        ("grokked", "10.0.0.1 GET /api/v2/match?x=1 41.5 200 trailing"),
    ],
)
def test_formats_that_a_spec_declares_are_read_the_same_by_both(name: str, line: str) -> None:
    """Dissect with padding and units, grok with Logstash's own field names and no anchors."""
    ours = our_own(name, line, DECLARED)
    theirs = grok_reads(name, line, DECLARED)
    assert theirs == pytest.approx(ours) if ours else theirs is None


def test_fields_joined_by_dissect_become_one_group() -> None:
    """`%{a} %{+a}` holds the delimiter between its parts."""
    pattern, _ = from_dissect("%{service} %{+service} %{endpoint}")
    assert compile_dissect("%{service} %{+service} %{endpoint}").read("a b /x").fields == {
        "service": "a b",
        "endpoint": "/x",
    }
    assert Grok(pattern, custom_patterns=DEFINITIONS).match("a b /x") == {"service": "a b", "endpoint": "/x"}


GROK_BLOCK = re.compile(
    r"grok \{\s+pattern_definitions => \{(?P<definitions>.*?)\n\s+\}\s+"
    r'match => \{\s+"message" => \[\n(?P<patterns>.*?)\n\s+\]',
    re.DOTALL,
)


def test_the_patterns_in_the_written_pipeline_are_those_that_were_compared() -> None:
    """What Logstash is given, taken out of the file again, reads a line of the source document."""
    blocks = list(GROK_BLOCK.finditer(PIPELINE))
    assert len(blocks) == 4  # api_call, match_result, python, werkzeug
    definitions = dict(re.findall(r'"(\w+)" => ["\'](.*)["\']', blocks[0]["definitions"]))
    patterns = re.findall(r'^\s+["\'](.*)["\'],?$', blocks[0]["patterns"], re.MULTILINE)
    fields = after_filters(by_grok(patterns, definitions, CORPUS[1]), line_pattern("api_call", {}))
    assert fields is not None
    assert (fields["version"], fields["status"], fields["extra"]) == ("v2", 200, "trace_id=4bf9")


def test_the_source_documents_pattern_captures_nothing_and_ours_the_algorithm() -> None:
    """Row 13: `%{DATA}` at the end without an anchor is lazy to the end."""
    literal = (
        "MATCH_RESULT candidate_id=%{DATA:c} job_id=%{DATA:j} accuracy=%{NUMBER:a:float} algorithm=%{DATA:algorithm}"
    )
    assert Grok(literal).match(CORPUS[8])["algorithm"] == ""
    assert grok_reads("match_result", CORPUS[8])["algorithm"] == "nexten"


def test_the_event_has_the_lines_time_and_one_message() -> None:
    """Row 14."""
    assert PIPELINE.count('overwrite => ["message"]') == 4
    assert 'target => "@timestamp"' in PIPELINE


def test_nothing_is_pushed_for_each_request() -> None:
    """Row 15: no http output, no pushgateway in the pipeline."""
    assert "http {" not in PIPELINE
    assert "pushgateway" not in PIPELINE


def test_every_bracket_of_the_pipeline_is_closed() -> None:
    """Outside strings, regular expressions and comments."""
    bare = re.sub(r"\"(?:\\\"|[^\"])*\"|'[^']*'|=~ /(?:\\/|[^/])*/|#.*", "", PIPELINE)
    for opening, closing in ("{}", "[]"):
        assert bare.count(opening) == bare.count(closing)


def test_the_index_has_every_field_of_our_own_store() -> None:
    """The same query reads the same in both, the fields of the spec's own formats included."""
    files = generate(parse(SMALL.replace("FORMAT", "%{timestamp} %{thread} %{level} %{message}")))
    for engine in ("elasticsearch", "opensearch"):
        template = json.loads(files[f"{engine}/index-template.json"])["template"]["mappings"]
        assert set(template["properties"]) >= COLUMNS - {TIME} | {"@timestamp", "thread"}
        assert template["dynamic"] is False


SMALL = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {baseline: v1, candidate: v2}
services: {shop: {targets: ["127.0.0.1:8001"]}}
signals: {errors: {kind: ratio, bad: 'x{a="b"}', total: x, better: lower}}
phases: [{share: 100%, hold: 1d}]
logs: {sources: [{files: /var/log/shop.log, formats: [own]}], formats: {own: {dissect: "FORMAT"}}}
"""


def test_ids_are_hashed_and_the_key_is_never_in_the_file() -> None:
    """Logstash reads it from its own keystore or environment."""
    for name in SPEC.logs.pseudonymise:
        assert f'source => ["{name}"]' in PIPELINE
    assert PIPELINE.count("key => ") == PIPELINE.count('key => "${BASCULE_PSEUDONYM_KEY}"') == 3


def test_filebeat_reads_every_source_of_files_under_the_name_that_the_pipeline_asks_for() -> None:
    """And hands them to Logstash."""
    inputs = yaml.safe_load(elk.elk_files(SPEC)["filebeat/filebeat.yml"])["filebeat.inputs"]
    assert [(each["id"], each["paths"]) for each in inputs] == [
        ("supersmartmatch", ["/var/log/supersmartmatch/*.log"]),
        ("access", ["/var/log/nginx/access.json"]),
    ]
    assert all(f'[source] == "{each["fields"]["source"]}"' in PIPELINE for each in inputs)


def test_a_spec_without_log_sources_gets_nothing_of_elk() -> None:
    """Only the push for batch jobs, which needs no logs."""
    text = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {baseline: v1, candidate: v2}
services: {shop: {targets: ["127.0.0.1:8001"]}}
signals: {errors: {kind: ratio, bad: 'x{a="b"}', total: x, better: lower}}
phases: [{share: 100%, hold: 1d}]
"""
    assert list(elk.elk_files(parse(text))) == ["pushgateway/push-batch.sh"]


def test_the_data_view_is_one_saved_object_over_the_daily_indices() -> None:
    """One line of JSON, as Kibana imports it."""
    view = json.loads(elk.elk_files(SPEC)["kibana/data-view.ndjson"])
    assert view["type"] == "index-pattern"
    assert view["attributes"]["title"] == "supersmartmatch-*"


def test_all_of_it_is_generated() -> None:
    """`bascule generate` writes these files."""
    assert elk.elk_files(SPEC).items() <= generate(SPEC).items()
