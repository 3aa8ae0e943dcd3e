"""Whatever the series look like: a named state, a reason, an exit code of its own; never a crash, never health."""

from __future__ import annotations

import json
import sys
from functools import partial

import pretended_journal
import pytest
from click.testing import Result
from typer.testing import CliRunner

from bascule import judge
from bascule.cli import output
from bascule.cli.commands import app
from bascule.judge import PlanStep, PresentStep
from bascule.processes import ports

START = 1_000_000.0
HALF = {"enterprise": 0.0, "api_partners": 0.5, "freemium": 0.5, "all": 0.5}
NO_DATA = 4
FAILED = '"500"'


@pytest.fixture
def two_shops(house, world):
    """A minute of V1, then half a minute of both; what their pages say can be rewritten."""

    class Shops:
        def __init__(self) -> None:
            self.prometheus = world.PretendPrometheus(now=START)
            self.prometheus.close = lambda: None
            self.prometheus.plan = PlanStep(2, START + 60, HALF)
            self.rewrite = {"v1": str, "v2": str}
            self.spec = house.SPEC
            self.late = {"v1": 0.0, "v2": 0.0}
            self.every = 1  # second is a scrape
            self.lost_after = {"v1": 90, "v2": 90}  # seconds, from which it is not scraped

        def serve(self) -> None:
            shops = {"v1": house.Shop("v1", 1, {}), "v2": house.Shop("v2", 2, {}, accuracy=0.955, latency=0.014)}
            for second in range(90):
                self.prometheus.now += 1
                for version, share in (("v1", 1 - (second >= 60) / 2), ("v2", (second >= 60) / 2)):
                    shop, text = shops[version], self.rewrite[version]
                    shop.rate = {name: share * rate for name, rate in world.RATES.items()}
                    shop.serve(1.0)
                    labels = {"job": f"shop-{version}", "instance": version}
                    now = self.prometheus.now
                    if second % self.every or second >= self.lost_after[version]:
                        continue
                    self.prometheus.add(now - self.late[version], text(shop.text()), **labels)
                    self.prometheus.add(now, "up 1", **labels)

    return Shops()


@pytest.fixture
def gate(tmp_path, monkeypatch):
    """`bascule gate` on what the shops exported, with no judge running."""

    def call(shops) -> Result:
        path = tmp_path / "spec.yaml"
        path.write_text(shops.spec + f"stack: {{ports: {{judge: {ports.free()}}}}}\n")
        asking = sys.modules[judge.gate.__module__]
        monkeypatch.setattr(asking, "prometheus_of", lambda spec, within: shops.prometheus)
        step = shops.prometheus.plan.number, shops.prometheus.plan.started
        journal = partial(pretended_journal.client, step=step)
        monkeypatch.setattr(asking, "PresentStep", lambda spec: PresentStep(spec, journal(spec)))
        output.out.file = None
        return CliRunner().invoke(app, ["gate", str(path), "--json"])

    return call


def nothing(text: str) -> str:
    return ""


def with_errors(value: str):
    """Every counter of failures says `value`."""

    def rewritten(text: str) -> str:
        lines = (line.rsplit(" ", 1) for line in text.splitlines())
        return "".join(f"{name} {value if 'status=' + FAILED in name else old}\n" for name, old in lines)

    return rewritten


class Growing:
    """Counters of requests that grow by absurd amounts."""

    def __init__(self) -> None:
        self.value = 1.0

    def __call__(self, text: str) -> str:
        self.value *= 1e6
        return with_errors(repr(min(self.value, 1e300)))(text)


class Workers:
    """Two processes that answer as one target: each scrape meets the other one, which has counted less."""

    def __init__(self) -> None:
        self.scrapes = 0

    def __call__(self, text: str) -> str:
        self.scrapes += 1
        share = (1.0, 0.6)[self.scrapes % 2]
        lines = (line.rsplit(" ", 1) for line in text.splitlines())
        return "".join(f"{name} {float(value) * share:.0f}\n" for name, value in lines)


def without(metric: str):
    return lambda text: "".join(f"{line}\n" for line in text.splitlines() if not line.startswith(metric))


def one_bucket(text: str) -> str:
    return "".join(f"{line}\n" for line in text.splitlines() if 'le="' not in line or "+Inf" in line)


def other_buckets(text: str) -> str:
    return text.replace('le="0.', 'le="0.77')


OVERLAPPING = """versions: {baseline: v1, candidate: v2, select: {v1: 'job=~"shop-.*"', v2: 'job="shop-v2"'}}"""
BY_LABEL = "versions: {label: version, baseline: v1, candidate: v2}"
BAD_INPUT = {
    "no series at all": ({"v1": nothing, "v2": nothing}, "No series of v1 has been seen."),
    "the candidate is missing": ({"v2": nothing}, "No series of v2 has been seen."),
    "the baseline is missing": ({"v1": nothing}, "No series of v1 has been seen."),
    "NaN": ({"v2": with_errors("NaN")}, "values that no counter can have (NaN, infinite or negative)"),
    "infinity": ({"v1": with_errors("+Inf")}, "values that no counter can have (NaN, infinite or negative)"),
    "negative": ({"v2": with_errors("-3")}, "values that no counter can have (NaN, infinite or negative)"),
    "huge": ({"v2": Growing()}, "its counters grew by more than 1e+09 between two scrapes"),
    "a signal that nothing exports": (
        {"v1": without("matches_total"), "v2": without("matches_total")},
        "accuracy: no data (no series of matches_total)",
    ),
    "a signal of one version alone": (
        {"v2": without("matches_total")},
        "accuracy: no data (no series of matches_total of v2)",
    ),
    "a label that is called otherwise": (
        {"v2": lambda text: text.replace("status=", "status_code=")},
        "signals.errors.bad of v2: its series have no label 'status'; they have",
    ),
    "a value that the label cannot have": (
        {
            "v2": lambda text: text.replace('success="True"', 'success="true"').replace(
                'success="False"', 'success="false"'
            )
        },
        "signals.accuracy.good of v2: success=\"True\" accepts no value that 'success' can have; it is false, true",
    ),
    "histograms without a common bucket": ({"v2": other_buckets}, "no finite bucket of its histogram is in both"),
    "the bucket of all in the candidate": ({"v2": one_bucket}, "no finite bucket of its histogram is in both"),
    "the bucket of all in the baseline": ({"v1": one_bucket}, "no finite bucket of its histogram is in both"),
    "several processes as one target": ({"v2": Workers()}, "its series fall repeatedly"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_series_are_no_data_with_a_reason(two_shops, gate, case):
    rewritten, reason = BAD_INPUT[case]
    two_shops.rewrite |= rewritten
    two_shops.serve()
    result = gate(two_shops)
    assert result.exit_code == NO_DATA, result.output
    answer = json.loads(result.output)
    assert answer["verdict"] == "no_data"
    assert any(reason in each for each in answer["reasons"]), answer["reasons"]


def test_good_events_alone_are_a_proven_zero(two_shops, gate):
    """A third-party service that never returned a 5xx has no such series."""
    for version in ("v1", "v2"):
        two_shops.rewrite[version] = lambda text: "".join(
            f"{line}\n" for line in text.splitlines() if f"status={FAILED}" not in line
        )
    two_shops.serve()
    result = gate(two_shops)
    assert result.exit_code in (0, 3), result.output
    errors = [line for line in json.loads(result.output)["signals"] if line["signal"] == "errors"]
    assert {line["state"] for line in errors} == {"ok", "not_applicable"}


def test_a_service_that_restarts_now_and_then_has_counters(two_shops, gate):
    begun = dict[str, float]()

    def restarted(text: str) -> str:
        """Every tenth scrape meets a new process."""
        begun["scrapes"] = begun.get("scrapes", 0) + 1
        told = ""
        for line in text.splitlines():
            name, value = line.rsplit(" ", 1)
            begun[name] = float(value) if begun["scrapes"] % 10 == 0 else begun.get(name, 0.0)
            told += f"{name} {float(value) - begun[name]}\n"
        return told

    two_shops.rewrite["v2"] = restarted
    two_shops.serve()
    result = gate(two_shops)
    assert result.exit_code in (0, 3), result.output


def test_a_selector_that_matches_both_versions_is_told(two_shops, gate):
    two_shops.spec = two_shops.spec.replace(BY_LABEL, OVERLAPPING)
    two_shops.serve()
    result = gate(two_shops)
    assert result.exit_code == NO_DATA
    assert "its selector matches the same series for both versions" in " ".join(json.loads(result.output)["reasons"])


def test_a_version_whose_samples_are_a_minute_old_is_told(two_shops, gate):
    two_shops.late["v2"] = 60.0
    two_shops.serve()
    result = gate(two_shops)
    assert result.exit_code == NO_DATA
    assert "No sample of v2 for 60 s." in json.loads(result.output)["reasons"]


def test_a_plan_told_by_a_clock_that_is_ahead_is_told(two_shops, gate):
    two_shops.serve()
    two_shops.prometheus.plan = PlanStep(2, two_shops.prometheus.now + 125, HALF)
    result = gate(two_shops)
    assert result.exit_code == NO_DATA
    reasons = json.loads(result.output)["reasons"]
    assert reasons == [
        "The plan's step begins 2 min 5 s ahead of Prometheus' clock: the clocks of the two machines differ."
    ]


def test_the_same_shops_unharmed_have_a_verdict(two_shops, gate):
    two_shops.serve()
    result = gate(two_shops)
    assert result.exit_code in (0, 3), result.output


def test_a_prometheus_that_stores_nothing_is_the_cause_and_not_the_versions(two_shops, gate):
    """On a full disk it answers, and every sample is old; `up` of the last scrape still says 1."""
    two_shops.serve()
    two_shops.prometheus.now += 30
    answer = json.loads(gate(two_shops).output)
    assert (answer["verdict"], answer["cause"]) == ("no_data", "not stored")
    assert answer["reasons"] == ["Prometheus has stored no sample of any target for 30 s."]


def test_scrapes_that_are_rarer_than_the_spec_says_are_told_as_that(two_shops, gate):
    """Not as a version that is down, while its `up` is 1."""
    two_shops.every = 15
    two_shops.serve()
    two_shops.prometheus.add(two_shops.prometheus.now, "up 1", job="other", instance="other")
    answer = json.loads(gate(two_shops).output)
    assert (answer["verdict"], answer["cause"]) == ("no_data", "stale")
    told = "No sample of v1 for 14 s: Prometheus scrapes it every 15 s, and the spec's interval is shorter."
    assert answer["reasons"][0] == told


def test_a_version_that_is_no_longer_scraped_is_a_lost_target(two_shops, gate):
    """Its target left Prometheus' configuration: no `up` of it says 0, and nothing of it is known."""
    two_shops.lost_after["v2"] = 80
    two_shops.serve()
    answer = json.loads(gate(two_shops).output)
    assert (answer["verdict"], answer["cause"]) == ("no_data", "target lost")
    assert answer["reasons"] == ["No sample of v2 for 10 s: Prometheus no longer scrapes it."]
