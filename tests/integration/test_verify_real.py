"""Every generated expression on a real Prometheus, with the lab, its traffic and the whole stack behind it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from bascule.discover import CheckedExpression, propose, verify
from bascule.generate import generate
from bascule.scenarios.house import House, standing
from bascule.spec import Spec, parse

pytestmark = pytest.mark.integration

PAUSE_SECONDS = 30.0
READY_SECONDS = 200.0  # SLA rules have values from the second or third minute on
# What the lab has none of.
NOT_IN_THE_LAB = (
    "supersmartmatch_active_users", "rate_limit_refused", "redis_master_link_up", "probe_ssl_earliest_cert_expiry",
    "bascule_label_values_capped_total", "is not evaluated yet", "container_",
    "bascule_log_retention_ratio",  # of two months
    "probe:failure:reason",  # no probe fails there
    "bascule_no_data_cause", "sla:good_above_all", "bascule:signal_expected",  # nothing is wrong there
    "the rule target:missed:value has no result: its series are there",  # and no target is missed for long
    "bascule_notice_owed_seconds",  # nobody is told anything
    "process_open_fds",  # several workers answer for one service, and none of them tells
    "[1d:1h]", 'window="1d"',  # a day is the sum of its hours: nothing before the first hour is full
)  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with standing(folder, lambda text: None, threading.Event(), rate=60.0) as house:
        house.set_phase(2, "verify")
        yield house


def unexplained(findings: list[CheckedExpression]) -> list[CheckedExpression]:
    empty = [finding for finding in findings if finding.state == "empty"]
    return [
        f for f in empty if not any(part in text for part in NOT_IN_THE_LAB for text in (f.why, f.where, f.expression))
    ]


def settled(house: House, spec: Spec, files: dict[str, str]) -> list[CheckedExpression]:
    """The findings once none of them is unexplained, else the last; some hundred queries each time, so with pauses."""
    give_up = time.monotonic() + READY_SECONDS
    while (empty := unexplained(findings := verify(spec, files, house.prometheus))) and (time.monotonic() < give_up):
        wait_for_values(house, empty)
    return findings


def wait_for_values(house: House, findings: list[CheckedExpression]) -> None:
    """Until each has a value, or for a while: an alert may never have one."""
    pause_over = time.monotonic() + PAUSE_SECONDS
    while time.monotonic() < pause_over:
        house.wait(1.0)
        if all(house.prometheus.instant(finding.expression) for finding in findings):
            return


def test_no_expression_is_refused_and_what_has_a_producer_has_data(house: House) -> None:
    """Each is answered without error; an empty one says which series is missing and who makes it."""
    files = generate(house.spec)
    findings = settled(house, house.spec, files)
    told = "\n".join(str(finding) for finding in findings if finding.state != "ok")
    assert unexplained(findings) == [], told
    assert [finding for finding in findings if finding.state == "error"] == [], told
    states = Counter(finding.state for finding in findings)
    assert states["ok"] > 200, told


def test_versions_services_and_signals_of_the_lab_are_found_from_its_prometheus_alone(house: House) -> None:
    """The proposal passes the check, names the same metrics, and its signals have data for both versions."""
    text = propose(house.prometheus)
    proposed = parse(text)
    assert proposed.versions.both == ("v1", "v2")
    assert proposed.versions.label == "version"
    kinds = {name: service.kind for name, service in proposed.services.items()}
    assert kinds == {name: service.kind for name, service in house.spec.services.items()}
    assert proposed.services["supersmartmatch-v2"].version == "v2"
    assert proposed.services["supersmartmatch-v2"].targets == house.spec.services["supersmartmatch-v2"].targets
    for name in ("errors", "latency", "accuracy", "fallback", "satisfaction", "revenue"):
        ours, theirs = house.spec.signals[name], proposed.signals[name]
        for key in ("kind", "total", "bad", "good", "metric", "sum", "count", "sum_of_squares", "better"):
            assert getattr(theirs, key, None) == getattr(ours, key, None), f"{name}.{key}\n{text}"
    assert list(proposed.segments.named) == sorted(house.spec.segments.named)
    asked = [finding for finding in settled(house, proposed, {}) if finding.where.startswith("spec:")]
    assert {finding.state for finding in asked} == {"ok"}
    assert generate(proposed)
