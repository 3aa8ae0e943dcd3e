"""Which version a line speaks of, and how that is known; what a balancer tried, and who called."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from bascule.conventions import OWN_AGENT
from bascule.errors import SpecError
from bascule.logs import Chunk, Intake, LogTally, Parser, VersionFinder, built_in, intake
from bascule.spec import load, parse
from bascule.spec.model import Internal, LogSource, Spec

SPEC = load("supersmartmatch")
TIME = "2026-01-31T12:00:00.123Z INFO"
CALL = "API_CALL user_id=u endpoint={} response_time=0.1 status=200"
V1, V2, THIRD = "127.0.0.1:5062", "127.0.0.1:5070", "127.0.0.1:9999"


def source(name: str = "api_call", **more: object) -> LogSource:
    return LogSource(files="x", formats=[name], **more)


def version_of(line: str, of: LogSource | None = None, name: str = "api_call", spec: Spec = SPEC) -> tuple[str, str]:
    (rows,) = Parser((built_in(name),)).parse((line + "\n").encode())
    columns = VersionFinder.of(spec, of).add(rows).columns
    return tuple(columns[key].texts()[columns[key].codes[0]] for key in ("version", "version_from"))  # type: ignore[return-value]


def access(**fields: object) -> str:
    """A line of a balancer's log as JSON."""
    return json.dumps({"time": "2026-01-31T12:00:00Z", "uri": "/match", "status": 200} | fields)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"{TIME} shop {CALL.format('/api/v2/match')} version=v1", ("v1", "field")),
        (f"{TIME} supersmartmatch-v2 {CALL.format('/api/v1/match')}", ("v2", "service")),
        (f"{TIME} shop {CALL.format('/api/v2/match')}", ("v2", "path")),
        (f"{TIME} shop {CALL.format('/api/match?next=/v2/')}", ("unknown", "unknown")),
    ],
)
def test_the_applications_field_goes_before_its_name_before_the_path(line, expected):
    """A path that tells nothing leaves the version unknown: never V1 by default."""
    assert version_of(line) == expected


def test_what_the_spec_declares_for_a_source_goes_before_all():
    """One file, one version."""
    line = f"{TIME} supersmartmatch-v2 {CALL.format('/api/v2/match')} version=v2"
    assert version_of(line, source(version="v1")) == ("v1", "source")


@pytest.mark.parametrize("said", ["2.14.3", "V2", "canary-7", "v3"])
def test_only_the_specs_versions_count_else_the_next_way(said):
    """A build number takes no errors out of V2, and makes no series of its own; it is kept."""
    line = f"{TIME} supersmartmatch-v2 {CALL.format('/x')} version={said}"
    assert version_of(line) == ("v2", "service")
    (rows,) = Parser((built_in("api_call"),)).parse((line + "\n").encode())
    assert VersionFinder.of(SPEC).add(rows).columns["extra"].texts() == [f"version={said}"]


@pytest.mark.parametrize(
    ("upstream", "expected"),
    [
        (V2, ("v2", "upstream")),
        (f"{V1}, {V2}", ("v2", "upstream")),  # retried: the last one answered
        (f"{V1} : {V2}", ("v2", "upstream")),
        ("supersmartmatch-v2", ("v2", "upstream")),  # a group of that name
        ("supersmartmatch_v2", ("v2", "upstream")),
        ("-", ("v1", "path")),
        (THIRD, ("unknown", "unknown")),
        ("billing", ("unknown", "unknown")),
    ],
)
def test_the_server_that_the_balancer_asked_goes_before_the_path(upstream, expected):
    """And a third party's `/api/v1/` is not V1's, whoever serves it."""
    assert version_of(access(uri="/api/v1/match", upstream_addr=upstream), name="nginx_json") == expected


def test_a_service_of_the_spec_without_a_version_is_no_version_by_its_path():
    """Its own `/v1/` is an API's version, not the migration's."""
    assert version_of(f"{TIME} redis {CALL.format('/api/v1/match')}") == ("unknown", "unknown")


def test_a_field_that_the_balancer_prints_does_not_outweigh_the_server_it_asked():
    """`version="v1"` in its configuration, on a line of V2."""
    line = access(version="v1", upstream_addr=V2)
    assert version_of(line, name="nginx_json") == ("v2", "upstream")
    assert version_of(line, source(version_from=["field", "upstream"]), "nginx_json") == ("v1", "field")


def test_the_order_of_the_ways_is_the_specs():
    """For all logs, or for a source."""
    logs = SPEC.logs.model_copy(update={"version_from": ["path"]})
    spec = SPEC.model_copy(update={"logs": logs})
    line = f"{TIME} supersmartmatch-v2 {CALL.format('/api/v1/match')}"
    assert version_of(line, spec=spec) == ("v1", "path")
    assert version_of(line, source(version_from=["service"]), spec=spec) == ("v2", "service")


def with_upstreams(*names: str) -> Spec:
    services = dict(SPEC.services)
    services["supersmartmatch-v2"] = services["supersmartmatch-v2"].model_copy(update={"upstreams": list(names)})
    return SPEC.model_copy(update={"services": services})


@pytest.mark.parametrize("name", ["v2_pool", "unix:/run/v2.sock", "10.0.0.5:8000"])
def test_a_group_or_another_address_of_a_service_can_be_declared(name):
    """With V2 wholly down nginx writes its group's name."""
    line = access(upstream_addr=name, status=502)
    assert version_of(line, name="nginx_json") == ("unknown", "unknown")
    assert version_of(line, name="nginx_json", spec=with_upstreams(name)) == ("v2", "upstream")


def test_haproxy_writes_backend_and_server():
    """Either may be declared."""
    spec = with_upstreams("be_v2")
    assert version_of(access(upstream_addr="be_v2/srv1"), name="nginx_json", spec=spec) == ("v2", "upstream")
    assert version_of(access(upstream_addr="be_v1/srv1"), name="nginx_json", spec=spec) == ("unknown", "unknown")


def test_a_sources_version_that_is_none_of_the_specs_is_refused():
    """With the place, and what there is."""
    text = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {baseline: v1, candidate: v2}
services: {shop: {targets: ["127.0.0.1:8001"]}}
signals: {errors: {kind: ratio, bad: 'x{a="b"}', total: x, better: lower}}
phases: [{share: 100%, hold: 1d}]
logs: {sources: [{files: /var/log/shop.log, formats: [json], version: v22}]}
"""
    with pytest.raises(SpecError, match="'v22' is not a declared version"):
        parse(text)


# ---------------------------------------------------------------- tries and answers


def tally(*lines: str, spec: Spec = SPEC, name: str = "nginx_json") -> LogTally:
    """What the metrics hold after these lines."""
    taken = intake(spec, source(name), "nginx")
    data = "".join(line + "\n" for line in lines).encode()
    return taken.batch([taken.piece(Chunk("nginx", "s", 0, len(data), data))]).tally


def counted(found: LogTally, metric: str, *labels: int) -> Counter[tuple[str, ...]]:
    """The metric's counts by those of its labels."""
    result: Counter[tuple[str, ...]] = Counter()
    for (name, values), number in found.counters.items():
        if name == metric and number:
            result[tuple(values[label] for label in labels)] += number
    return result


TRIES, ANSWERS = "bascule_log_tries_total", "bascule_log_requests_total"


def test_every_try_counts_for_the_version_that_was_tried_and_the_answer_apart():
    """V2's failed try does not vanish because V1 answered."""
    found = tally(
        access(
            upstream_addr=f"{V2}, {V1}", upstream_status="502, 200", upstream_response_time="0.250, 0.020", status=200
        ),
        access(upstream_addr=V1, upstream_status="200", upstream_response_time="0.020", status=200),
        access(upstream_addr=f"{V2} : {V1}", upstream_status="504 : 404", upstream_response_time="9.0 : -", status=404),
        access(uri="/favicon.ico", upstream_addr="-", status=404),
    )
    assert counted(found, TRIES, 0, 2) == {
        ("v2", "502"): 1, ("v1", "200"): 2, ("v2", "504"): 1, ("v1", "404"): 1,
    }  # fmt: skip
    assert counted(found, ANSWERS, 0, 2) == {("v1", "200"): 2, ("v1", "404"): 1, ("unknown", "404"): 1}
    times = {
        labels[0]: each
        for (name, labels), each in found.distributions.items()
        if name == "bascule_log_try_time_seconds"
    }
    assert times["v2"].total == pytest.approx(9.25)
    assert times["v1"].total == pytest.approx(0.04)
    assert (times["v1"].counts.sum(), times["v2"].counts.sum()) == (2, 2)


def test_a_single_try_of_which_nothing_is_said_is_as_the_answer():
    """A log with `upstream_addr` alone."""
    found = tally(access(upstream_addr=V2, status=503, request_time=0.5))
    assert counted(found, TRIES, 0, 2) == {("v2", "503"): 1}
    assert [each.total for (name, _), each in found.distributions.items() if "try" in name] == [0.5]


def test_tries_whose_status_is_not_said_are_unknown():
    """Lists that do not match say nothing of either try."""
    found = tally(access(upstream_addr=f"{V2}, {V1}", upstream_status="200", status=200))
    assert counted(found, TRIES, 0, 2) == {("v2", "unknown"): 1, ("v1", "unknown"): 1}


# ---------------------------------------------------------------- what is no user's request


def internal(**what: list[str]) -> Spec:
    return SPEC.model_copy(update={"logs": SPEC.logs.model_copy(update={"internal": Internal(**what)})})


COMBINED = '{} - - [31/Jan/2026:12:00:00 +0000] "GET {} HTTP/1.1" 200 5 "-" "{}"'


@pytest.mark.parametrize("agent", ["Prometheus/2.42.0", "Blackbox Exporter/0.23.0", OWN_AGENT])
def test_scrapes_and_probes_are_not_in_the_traffic(agent):
    """By default, in each kind of access log; they are counted by themselves."""
    combined = tally(COMBINED.format("10.0.0.1", "/health", agent), name="nginx_combined")
    assert (counted(combined, ANSWERS, 0), counted(combined, "bascule_log_internal_total", 0)) == ({}, {("nginx",): 1})
    assert counted(tally(access(http_user_agent=agent)), ANSWERS, 0) == {}
    caddy = access(request={"uri": "/x", "headers": {"User-Agent": [agent]}})
    assert counted(tally(caddy), ANSWERS, 0) == {}


def test_requests_for_what_the_spec_has_scraped_are_not_in_the_traffic():
    """Where the log does not say who called."""
    lines = [
        'INFO:     10.0.0.1:5000 - "GET /metrics HTTP/1.1" 200 OK',
        'INFO:     10.0.0.1:5000 - "GET /x HTTP/1.1" 200 OK',
    ]
    assert counted(tally(*lines, name="uvicorn"), ANSWERS, 1) == {("/x",): 1}


@pytest.mark.parametrize("client", ["10.0.0.7", "10.0.0.7:51412", "[::1]:5000", "::1"])
def test_a_services_own_calls_through_the_balancer_can_be_left_out(client):
    """V2 that asks V1 through nginx is not V1's traffic; addresses are not stored."""
    spec = internal(clients=["10.0.0.0/24", "::1"])
    line = access(remote_addr=client, upstream_addr=V1)
    assert counted(tally(line, spec=spec), ANSWERS, 0) == {}
    assert counted(tally(line), ANSWERS, 0) == {("v1",): 1}
    taken: Intake = intake(spec, source("nginx_combined"), "nginx")
    data = (COMBINED.format("10.0.1.9", "/x", "curl") + "\n").encode()
    (rows,) = taken.piece(Chunk("nginx", "s", 0, len(data), data)).rows
    assert not any(
        "10.0.1.9" in column.texts() for column in rows.columns.values() if not hasattr(column.values, "dtype")
    )


def test_lines_that_are_no_requests_are_not_counted_as_such():
    """An application's other lines in the same JSON log."""
    found = tally(access(), json.dumps({"level": "info", "msg": "started"}))
    assert counted(found, ANSWERS, 2) == {("200",): 1}
