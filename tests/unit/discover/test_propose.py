"""Whatever a Prometheus holds, the proposal is a spec that passes the check."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.discover import propose
from bascule.discover.inventory import Family, Found, candidates, of_both, versions_of
from bascule.prometheus import NO_DATA, NoData, Sample, Target
from bascule.spec import Spec, parse
from bascule.spec.proposal import warnings_of


@dataclass
class Pretended:
    """Holds series as label sets, and answers what `propose` asks."""

    series: list[dict[str, str]]
    url: str = "http://127.0.0.1:9090"
    p95: float | NoData = NO_DATA
    asked: list[str] = field(default_factory=list)

    def label_values(self, label: str, selector: str | None = None) -> list[str]:
        return sorted({each[label] for each in self.series if label in each})

    def label_names(self) -> list[str]:
        return sorted({label for each in self.series for label in each})

    def targets(self) -> list[Target]:
        up = [each for each in self.series if each["__name__"] == "up"]
        return [Target(each.get("job", ""), each.get("instance", ""), "up", "") for each in up]

    def alertmanagers(self) -> list[str]:
        return []

    def flags(self) -> dict[str, str]:
        return {}

    def instant(self, expression: str) -> list[Sample]:
        self.asked.append(expression)
        recent = re.search(r" or (\w*)", expression)
        name = recent[1] if recent else expression
        if counted := re.fullmatch(r'count by \(job, (\w+)\) \(.* or \{\1=~"(.+)"\}\)\)', expression):
            return [
                Sample(each, 1.0, 0.0) for each in self.series if re.fullmatch(counted[2], each.get(counted[1], ""))
            ]
        return [Sample(each, 1.0, 0.0) for each in self.series if each["__name__"] == name]

    def scalar(self, expression: str) -> float | NoData:
        self.asked.append(expression)
        return time.time() if expression == "time()" else self.p95


def proposed(*series: dict[str, str], p95: float | NoData = NO_DATA) -> Spec:
    return parse(propose(Pretended(list(series), p95=p95)))  # type: ignore[arg-type]


def of(name: str, **labels: str) -> dict[str, str]:
    return {"__name__": name, **labels}


def family(name: str, **labels: list[str]) -> Family:
    return Family(name, {label: frozenset(values) for label, values in labels.items()})


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (family("a_total", version=["v1", "v2"]), ("v1", "v2")),
        (family("a_total", version=["v10", "v9"]), ("v9", "v10")),
        (family("a_total", track=["canary", "stable"]), ("stable", "canary")),
        (family("a_total", color=["green", "blue"]), ("blue", "green")),
        (family("a_total", app_version=["1.2.0", "1.10.0"]), ("v1.2.0", "v1.10.0")),
        (family("a_total", version=["2", "1"]), ("v1", "v2")),
        (family("a_total", job=["shop-v1", "shop-v2"]), ("v1", "v2")),
        (family("a_total", job=["shop-stable", "shop-canary"]), ("stable", "canary")),
    ],
)
def test_two_versions_are_told_by_how_people_call_them(found: Family, expected: tuple[str, str]) -> None:
    """The old one first: numbers by their order, words by their meaning."""
    versions = versions_of([found])
    assert versions is not None
    assert (versions.baseline, versions.candidate) == expected
    assert of_both([found], versions) == [found]


@pytest.mark.parametrize(
    "found",
    [
        family("a_total", status=["200", "500"]),
        family("a_total", le=["0.1", "0.5"]),
        family("a_total", version=["v1"]),
        family("a_total", endpoint=["/v1/a", "/v2/a"]),
        family("a_total", code=["1", "2"]),
        family("a_total", shard=["1", "2"]),
        family("a_total", http_flavor=["1.0", "1.1"]),
        family("a_total", tls_version=["1.2", "1.3"]),
        family("a_total", availability_zone=["v1", "v2"]),
        family("a_total", version=["v9", "v10", "v2"]),
    ],
)
def test_what_only_looks_like_versions_is_not_taken_for_them(found: Family) -> None:
    """Status codes, bucket bounds, shards, protocols, places; one version alone, and three of which none is chosen."""
    assert versions_of([found]) is None


def test_a_label_goes_before_jobs_and_names() -> None:
    """A metric that is named after an API's version is no reason to overlook the label."""
    found = [
        family("shop_v1_total", version=["v1", "v2"], job=["a-v1", "a-v2"]),
        family("shop_v2_total", version=["v1", "v2"], job=["a-v1", "a-v2"]),
    ]
    assert versions_of(found) == Found("v1", "v2", "label version", label="version")


def test_the_gate_for_latency_is_taken_from_what_the_old_version_does() -> None:
    """The first bucket from one and a half times its p95: no other limit can be told from the histogram."""
    names = ("http_requests_total", "http_request_duration_seconds_count")
    series = [of(name, version=version, status="200", job="shop") for name in names for version in ("v1", "v2")]
    bucket = "http_request_duration_seconds_bucket"
    bounds = ("0.025", "0.05", "0.1", "+Inf")
    series += [of(bucket, version=version, le=le, job="shop") for version in ("v1", "v2") for le in bounds]
    gates = proposed(*series, p95=0.0321).phases[0].gates
    assert gates["latency.p95"].written == "<50ms"
    assert "latency.p95" not in proposed(*series).phases[0].gates


MEANS = {
    "satisfaction": (("user_rating_count", "user_rating_sum"), ("user_rating_bucket",)),
    "revenue": (("order_value_total", "orders_match_total"), ("order_value_squared_total",)),
}


@pytest.mark.parametrize("name", MEANS)
def test_a_mean_is_proposed_only_where_chance_can_be_told_from_a_difference(name: str) -> None:
    def held(metrics: tuple[str, ...]) -> list[dict[str, str]]:
        labels = {"job": "shop", "success": "true", "le": "+Inf"}
        return [of(metric, version=version, **labels) for metric in metrics for version in ("v1", "v2")]

    without, more = MEANS[name]
    text = propose(Pretended(held(without)))  # type: ignore[arg-type]
    assert name not in parse(text).signals
    assert [line for line in warnings_of(text) if line.startswith(f"warning: no {name}: how much the values of")]
    spec = proposed(*held(without), *held(more))
    assert name in spec.signals
    assert not spec.signals[name].lacks_squares


NAMES = st.sampled_from(
    ["up", "http_requests_total", "shop_v1_x_total", "shop_v2_x_total", "a_seconds_count", "a_seconds_sum",
     "matches_total", "user_rating_count", "order_value_total", "fallback_total", "probe_success", "redis_up"]
)  # fmt: skip
LABELS = st.sampled_from(
    ["job", "instance", "version", "status", "success", "user_segment", "partner", "track", "tier", "http_route"]
)
ODD = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=8)
KNOWN = st.sampled_from(
    ["v1", "v2", "200", "503", "True", "stable", "canary", "127.0.0.1:80", "[::1]:9", "a:0", "a:99999", "label", "yes"]
)
SERIES = st.builds(
    lambda name, labels: {"__name__": name, **labels}, NAMES, st.dictionaries(LABELS, ODD | KNOWN, max_size=6)
)


@given(st.lists(SERIES, max_size=12), st.sampled_from([NO_DATA, 0.0, 0.0004, 3.21, float("nan")]))
def test_any_series_give_a_spec_that_passes_the_check(series: list[dict[str, str]], p95: Any) -> None:
    """Odd values of labels included: none breaks the YAML, none becomes a name that a spec refuses."""
    proposed(*series, p95=p95)


def test_recorded_and_monitoring_series_are_not_asked_about() -> None:
    """Names with colons, and those of exporters and of Prometheus itself."""
    pretended = Pretended(
        [
            of("a:b:sum_total"),
            of("go_gc_count"),
            of("prometheus_http_requests_total"),
            of("x_total"),
            of("node_x_total"),
        ]
    )
    propose(pretended)  # type: ignore[arg-type]
    asked = {match[1] for each in pretended.asked if (match := re.match(r"topk\(.* or (\w+)\)", each))}
    assert asked == {"x_total", "up"}


def test_names_that_are_bascules_own_are_not_proposed() -> None:
    """A job or a segment of such a name would be refused by the check."""
    spec = proposed(
        *(of("up", job=job, instance="127.0.0.1:1") for job in ("shop", "prometheus", "discovered", "bascule-judge")),
        *(
            of("http_requests_total", job="shop", version=version, status="200", user_segment=segment)
            for version in ("v1", "v2")
            for segment in ("all", "gold", "silver")
        ),
    )
    assert list(spec.services) == ["shop"]
    assert list(spec.segments.named) == ["gold", "silver"]


def test_numbers_of_any_length_are_in_their_order() -> None:
    """A label's value has no bound, an int of Python has one."""
    long = ["v" + "1" * 5000, "v" + "2" * 5000, "v0003"]
    pair = versions_of([Family("requests_total", {"version": frozenset(long[1:])})])
    assert pair is not None
    assert (pair.baseline, pair.candidate) == (long[2], long[1])
    families = [Family("requests_total", {"version": frozenset(long)})]
    assert versions_of(families) is None
    assert candidates(families) == [f"label version: {', '.join([long[2], *long[:2]])}"]


def test_with_too_many_versions_the_candidates_are_listed_and_none_is_chosen() -> None:
    series = [of("http_requests_total", job="shop", status="200", version=version) for version in ("v1", "v2", "v3")]
    text = propose(Pretended(series))  # type: ignore[arg-type]
    assert "# found, but with more than two versions: label version: v1, v2, v3" in text
    assert parse(text).versions.both == ("v1", "v2")


def test_both_forms_of_a_status_are_failures() -> None:
    series = [
        of("http_requests_total", job="shop", version=version, status=status)
        for version, status in (("v1", "200"), ("v1", "500"), ("v2", "2xx"), ("v2", "5xx"))
    ]
    assert str(proposed(*series).signals["errors"].numerator) == 'http_requests_total{status=~"5..|5xx"}'


def test_what_counts_no_request_of_a_user_is_never_proposed() -> None:
    """Garbage collections, sizes, scrapes of an admin page, calls of others: with these alone there is no signal."""
    names = (
        "nodejs_gc_duration_seconds",
        "http_request_body_size_bytes",
        "caddy_admin_http_requests",
        "http_client_request_duration_seconds",
        "http_request_summary_seconds",
    )
    series = [
        of(f"{name}_{part}", job="shop", version=version, status="200", code="200")
        for name in names
        for version in ("v1", "v2")
        for part in ("count", "bucket", "total")
    ]
    spec = proposed(*series)
    assert spec.signals == {}
    assert "Three ways to have one" in propose(Pretended(series))  # type: ignore[arg-type]


def test_a_job_or_an_address_that_no_spec_can_hold_is_left_out() -> None:
    odd = [("a" * 101, "127.0.0.1:1"), ("host", "user@host:1"), ("port", "host:99999"), ("hidden", "a\u200bb:1")]
    series = [of("up", job=job, instance=instance) for job, instance in [("shop", "127.0.0.1:1"), *odd]]
    spec = proposed(*series, *(of("http_requests_total", job="shop", version=v, status="200") for v in ("v1", "v2")))
    assert list(spec.services) == ["shop"]


def test_two_instances_of_a_job_are_no_versions_and_the_file_says_how_to_make_them_so() -> None:
    """What it says is taken by the check."""
    series = [
        of(name, job="shop", instance=instance, **labels)
        for instance in ("127.0.0.1:8001", "127.0.0.1:8002")
        for name, labels in (("up", {}), ("http_requests_total", {"status": "200"}))
    ]
    text = propose(Pretended(series))  # type: ignore[arg-type]
    (line,) = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# versions:")]
    guessed = "versions: {label: version, baseline: v1, candidate: v2}"
    spec = parse(text.replace(guessed, line))
    assert [str(matcher) for matcher in spec.versions.matchers("v2")] == ['instance="127.0.0.1:8002"']


def test_names_that_need_quotes_are_left_out() -> None:
    """Metrics and labels of OpenTelemetry with dots: what is proposed is a spec all the same."""
    series = [
        {"__name__": name, "job": "shop", "service.version": version, "status": "200"}
        for name in ("http.requests_total", "http_requests_total")
        for version in ("v1", "v2")
    ]
    spec = proposed(*series)
    assert spec.versions.label == "version"
    assert spec.signals["errors"].all_events.metric == "http_requests_total"


def of_jobs(*names: str, series: Callable[[], list[dict[str, str]]]) -> list[dict[str, str]]:
    return [each | {"job": name} for name in names for each in series()]


def histogram(base: str, **labels: str) -> list[dict[str, str]]:
    buckets = [of(f"{base}_bucket", le=le, **labels) for le in ("0.05", "0.1", "1", "+Inf")]
    return [*buckets, of(f"{base}_count", **labels), of(f"{base}_sum", **labels)]


def statuses(metric: str, label: str, *values: str, **labels: str) -> list[dict[str, str]]:
    return [of(metric, **{label: value}, **labels) for value in values]


TRAEFIK = [
    each
    for version in ("shop-v1@file", "shop-v2@file")
    for each in [
        *statuses("traefik_service_requests_total", "code", "200", "502", service=version, protocol="http"),
        *histogram("traefik_service_request_duration_seconds", service=version, code="200"),
    ]
]
ISTIO = [
    each
    for version in ("v1", "v2")
    for reporter in ("source", "destination")
    for each in [
        *statuses("istio_requests_total", "response_code", "200", "503", "0", destination_version=version,
                  reporter=reporter, destination_canonical_revision=version, source_version="v1"),
        *histogram("istio_request_duration_milliseconds", destination_version=version, reporter=reporter),
        *histogram("istio_request_bytes", destination_version=version, reporter=reporter),
    ]
]  # fmt: skip
LINKERD = [
    each
    for deployment in ("web", "web-canary")
    for direction in ("inbound", "outbound")
    for each in [
        *statuses("response_total", "status_code", "200", "500", deployment=deployment, direction=direction),
        *histogram("response_latency_ms", deployment=deployment, direction=direction, status_code="200"),
    ]
]
VOCABULARIES = {
    "client_golang's own instrumentation": (
        of_jobs("a-v1", "a-v2", series=lambda: [
            *statuses("promhttp_metric_handler_requests_total", "code", "200", "500", "503"),
            *statuses("http_requests_total", "code", "200", "500", method="get"),
            *histogram("http_request_duration_seconds", code="200", method="get"),
            of("http_request_size_bytes_count", code="200"), of("http_request_size_bytes_sum", code="200"),
        ]),
        ("v1", "v2"), 'http_requests_total{code=~"5.."}', "http_requests_total",
    ),
    "Micrometer": (
        of_jobs("a-v1", "a-v2", series=lambda: [
            of(f"http_server_requests_seconds_{part}", status=status, outcome=outcome, uri=uri)
            for part in ("count", "sum", "max")
            for status, outcome, uri in (
                ("200", "SUCCESS", "/orders/{id}"), ("500", "SERVER_ERROR", "/orders/{id}"),
                ("200", "SUCCESS", "/actuator/prometheus"), ("200", "SUCCESS", "/actuator/health"),
            )
        ]),
        ("v1", "v2"),
        'http_server_requests_seconds_count{status=~"5..",uri!~"/actuator/health|/actuator/prometheus"}',
        'http_server_requests_seconds_count{uri!~"/actuator/health|/actuator/prometheus"}',
    ),
    "Istio, where both sidecars count": (
        ISTIO, ("v1", "v2"), 'istio_requests_total{response_code=~"5..",reporter="destination"}',
        'istio_requests_total{reporter="destination"}',
    ),
    "Linkerd, where both proxies count": (
        LINKERD, ("web", "web-canary"), 'response_total{status_code=~"5..",direction="inbound"}',
        'response_total{direction="inbound"}',
    ),
    "axum-prometheus": (
        of_jobs("a-v1", "a-v2", series=lambda: [
            *statuses("axum_http_requests_total", "status", "200", "500", endpoint="/orders/{id}", method="GET"),
            *histogram("axum_http_requests_duration_seconds", status="200", endpoint="/orders/{id}"),
            of("axum_http_requests_pending", endpoint="/orders/{id}"),
        ]),
        ("v1", "v2"), 'axum_http_requests_total{status=~"5.."}', "axum_http_requests_total",
    ),
    "prometheus-net of ASP.NET": (
        of_jobs("a-v1", "a-v2", series=lambda: [
            *statuses("http_requests_received_total", "code", "200", "500", controller="Orders", action="Get"),
            *histogram("http_request_duration_seconds", code="200", controller="Orders", action="Get"),
        ]),
        ("v1", "v2"), 'http_requests_received_total{code=~"5.."}', "http_requests_received_total",
    ),
    "statuses under a name of another spelling": (
        of_jobs("a-v1", "a-v2", series=lambda: statuses("web_requests_total", "statusCode", "200", "500")),
        ("v1", "v2"), 'web_requests_total{statusCode=~"5.."}', "web_requests_total",
    ),
    "classes in capitals": (
        of_jobs("a-v1", "a-v2", series=lambda: statuses("web_requests_total", "status_class", "2XX", "5XX")),
        ("v1", "v2"), 'web_requests_total{status_class="5XX"}', "web_requests_total",
    ),
    "versions behind Traefik": (
        TRAEFIK, ("shop-v1", "shop-v2"), 'traefik_service_requests_total{code=~"5.."}', "traefik_service_requests_total"
    ),
    "gRPC": (
        of_jobs("a-v1", "a-v2", series=lambda: statuses("grpc_server_handled_total", "grpc_code", "OK", "Internal")),
        ("v1", "v2"),
        'grpc_server_handled_total{grpc_code=~"Unknown|DeadlineExceeded|Unimplemented|Internal|Unavailable|DataLoss"}',
        "grpc_server_handled_total",
    ),
    "a name of OpenTelemetry's without its labels": (
        of_jobs("a-v1", "a-v2", series=lambda: [
            *statuses("http_server_requests_total", "code", "200", "500"),
            *histogram("http_server_request_duration_seconds", path="/x"),
        ]),
        ("v1", "v2"),
        'http_server_requests_total{code=~"5.."}',
        "http_server_requests_total",
    ),
    "failures counted apart": (
        of_jobs("a-old", "a-new", series=lambda: [of("app_requests_total"), of("app_requests_failed_total")]),
        ("old", "new"), "app_requests_failed_total", "app_requests_total",
    ),
    "errors of another ending": (
        of_jobs("a-blue", "a-green", series=lambda: [of("shop_requests_total"), of("shop_errors_total")]),
        ("blue", "green"), "shop_errors_total", "shop_requests_total",
    ),
    "a word in the new job alone": (
        of_jobs("shop", "shop-canary", series=lambda: statuses("requests_total", "status", "200", "500")),
        ("stable", "canary"), 'requests_total{status=~"5.."}', "requests_total",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VOCABULARIES)
def test_other_vocabularies_are_understood(name: str) -> None:
    series, versions, bad, total = VOCABULARIES[name]
    spec = proposed(*series)
    assert spec.versions.both == versions
    errors = spec.signals["errors"]
    assert (str(errors.numerator), str(errors.all_events)) == (bad, total)


def test_times_without_buckets_are_told_with_what_to_do() -> None:
    """Micrometer keeps a sum and a count; of any other library nothing more is known."""
    series, *_ = VOCABULARIES["Micrometer"]
    assert "percentiles-histogram.http.server.requests=true" in propose(Pretended(series))  # type: ignore[arg-type]
    others = [each | {"__name__": each["__name__"].replace("server", "shop")} for each in series]
    text = propose(Pretended(others))  # type: ignore[arg-type]
    assert "no latency: http_shop_requests_seconds has no buckets; let its library keep a histogram" in text


def test_a_status_in_the_names_of_metrics_is_told_with_what_to_do() -> None:
    """gunicorn's statsd, as statsd_exporter shows it without a mapping."""
    names = ("gunicorn_requests", "gunicorn_request_status_200", "gunicorn_request_status_500")
    text = propose(Pretended([of(name, job=job) for name in names for job in ("a-v1", "a-v2")]))  # type: ignore[arg-type]
    assert "# warning: not read: gunicorn_request_status_200: give statsd_exporter the mappings of" in text


def test_a_job_that_only_looks_like_the_old_one_is_none() -> None:
    """`shop` beside `shop-2`, or `news`: nothing says that they are versions."""
    for names in (("shop", "shop-2"), ("shop", "news"), ("shop-canary", "desk")):
        series = of_jobs(*names, series=lambda: statuses("requests_total", "status", "200"))
        assert "# warning: the versions are guessed: no label, job or metric name tells two apart" in propose(
            Pretended(series)
        )  # type: ignore[arg-type]


def test_words_in_names_of_metrics_are_of_the_business() -> None:
    """New users, and the old generation of a heap, are no versions."""
    names = ("app_new_users_total", "app_users_total", "heap_old_total", "heap_new_total")
    text = propose(Pretended([of(name, job="shop") for name in names]))  # type: ignore[arg-type]
    assert "# warning: the versions are guessed: no label, job or metric name tells two apart" in text
