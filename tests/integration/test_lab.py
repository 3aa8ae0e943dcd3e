"""The lab on real programs: nginx, Redis and three gunicorn services."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bascule.errors import PortBusy, UsageError
from bascule.lab import PROFILES, Lab, LabRequest, Tally, Traffic, lab_spec
from bascule.lab.profiles import V1 as V1_BEHAVIOUR
from bascule.lab.profiles import V2 as V2_BEHAVIOUR
from bascule.lab.profiles import draw
from bascule.lab.site import address, front_url
from bascule.processes.ready import listens, wait_until
from bascule.spec import BUILT_IN, Spec, load

pytestmark = pytest.mark.integration

V1, V2, NEXTEN = "supersmartmatch-v1", "supersmartmatch-v2", "nexten-matcher"
MOVING = {"freemium": 0.5, "api_partners": 0.5}
Totals = Counter[tuple[str, ...]]


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    with Lab(lab_spec(load(BUILT_IN), folder), folder) as lab:
        yield lab


@pytest.fixture(autouse=True)
def mended(request):
    """Each test leaves the lab as it found it."""
    yield
    if "lab" in request.fixturenames:
        running = request.getfixturevalue("lab")
        for service in (V1, V2, NEXTEN, "redis"):
            running.repair(service)


def totals(spec: Spec, metric: str, *labels: str) -> Totals:
    """A metric's values, summed over all services and all labels but the named ones."""
    found: Totals = Counter()
    for name in (V1, V2):
        page = httpx.get(f"http://{address(spec, name)}/metrics", trust_env=False).text
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if sample.name == metric:
                    found[tuple(sample.labels[label] for label in labels)] += sample.value
    return found


METRICS = {
    "requests": ("http_requests_total", "version", "endpoint", "user_segment", "partner", "status"),
    "durations": ("http_request_duration_seconds_count", "version", "endpoint", "user_segment"),
    "matches": ("supersmartmatch_matches_total", "version", "user_segment", "success"),
    "values": ("supersmartmatch_match_value_total", "version"),
    "ratings": ("supersmartmatch_user_rating_count", "version"),
    "stars": ("supersmartmatch_user_rating_sum", "version"),
    "formats": ("supersmartmatch_format_checks_total", "partner", "compatible"),
    "cache": ("supersmartmatch_cache_requests_total", "version", "result"),
    "fallback": ("supersmartmatch_fallback_answers_total", "version"),
    "problems": ("bascule_instrument_problems_total", "reason"),
}


@dataclass
class Run:
    """What a run of traffic sent, and by how much each metric rose."""

    tally: Tally
    rise: dict[str, Totals]
    access: list[dict]
    calls: Counter[str]


def read_all(spec: Spec) -> dict[str, Totals]:
    return {name: totals(spec, *metric) for name, metric in METRICS.items()}


def access_lines(lab: Lab) -> list[dict]:
    return [json.loads(line) for line in lab.spec.services["nginx"].access_log.read_text().splitlines()]


def log_events(lab: Lab, service: str) -> Counter[str]:
    return Counter(line.split()[3] for line in (lab.folder / "logs" / f"{service}.log").read_text().splitlines())


@pytest.fixture(scope="module")
def healthy(lab) -> Run:
    """The healthy profile at half the moving segments' traffic, at 150 matches per second for 15 s."""
    lab.set_share(MOVING)
    before, lines = read_all(lab.spec), len(access_lines(lab))
    events = log_events(lab, V1) + log_events(lab, V2)
    with Traffic(lab.spec, rate=150, seconds=15, seed=11) as traffic:
        tally = traffic.wait()
    after = {}

    def settled() -> bool:
        """A request is counted after its last byte was sent."""
        after.update(read_all(lab.spec))
        return sum((after["requests"] - before["requests"]).values()) == tally.count()

    assert wait_until(settled, 5), "the services counted another number of requests than the traffic"
    rise = {name: after[name] - before[name] for name in METRICS}
    return Run(tally, rise, access_lines(lab)[lines:], log_events(lab, V1) + log_events(lab, V2) - events)


def near(successes: float, n: float, probability: float) -> bool:
    """Within 4.5 standard deviations of a binomial: one in 150,000 by chance."""
    return abs(successes - n * probability) <= 4.5 * (n * probability * (1 - probability)) ** 0.5


# ---------------------------------------------------------------- the healthy profile


def test_every_request_is_answered(healthy):
    assert healthy.tally.sent > 2000
    assert not healthy.tally.lost
    assert healthy.tally.skipped == 0
    assert healthy.tally.count() == healthy.tally.sent


@pytest.mark.parametrize(("version", "expected"), [("v1", 0.82), ("v2", 0.955)])
def test_accuracy_is_the_profiles(healthy, version, expected):
    good = healthy.tally.count(version=version, success="True")
    assert near(good, good + healthy.tally.count(version=version, success="False"), expected)


def test_errors_are_next_to_none(healthy):
    """0.02 % of some 2,700 requests: five would come once in 3,000 runs."""
    assert healthy.tally.count() - healthy.tally.count(status=200) < 5


def test_the_client_waits_as_long_as_the_profiles_say_and_less_for_v2(healthy):
    """The targets are held on the profiles themselves: what the machine adds is not the lab's."""
    p50 = {version: seconds["p50"] for version, seconds in healthy.tally.latency.items()}
    assert p50["v1"] > V1_BEHAVIOUR.latency * 0.9
    assert p50["v2"] > V2_BEHAVIOUR.latency * 0.9
    assert p50["v2"] < p50["v1"]


def test_v2_earns_more_and_pleases_more(healthy):
    tally = healthy.tally
    matches = {version: tally.count(version=version, endpoint="/api/match", status=200) for version in ("v1", "v2")}
    revenue = {version: tally.values[version] / matches[version] for version in matches}
    assert revenue["v2"] / revenue["v1"] == pytest.approx(1.12, abs=0.1)
    mean = {v: sum(s * n for s, n in enumerate(stars, 1)) / sum(stars) for v, stars in tally.stars.items()}
    assert mean["v2"] == pytest.approx(4.65, abs=0.25)
    assert mean["v1"] == pytest.approx(4.4, abs=0.25)


@pytest.mark.parametrize("segment", ["freemium", "api_partners"])
def test_a_segments_share_is_met(healthy, segment):
    n = healthy.tally.count(segment=segment, endpoint="/api/match")
    assert near(healthy.tally.count(segment=segment, endpoint="/api/match", version="v2"), n, 0.5)


def test_enterprise_stays_on_v1_at_half(healthy):
    assert healthy.tally.count(segment="enterprise") > 200
    assert healthy.tally.count(segment="enterprise", version="v2") == 0


# ---------------------------------------------------------------- what the parts say of the same run


def test_metrics_count_requests_exactly_as_the_traffic_does(healthy):
    wanted: Totals = Counter()
    for answer, n in healthy.tally.answers.items():
        wanted[answer.version, answer.endpoint, answer.segment, answer.partner, str(answer.status)] += n
    assert healthy.rise["requests"] == wanted
    assert sum(healthy.rise["durations"].values()) == healthy.tally.count()


def test_metrics_count_matches_values_and_ratings_exactly_as_the_traffic_does(healthy):
    wanted: Totals = Counter()
    for answer, n in healthy.tally.answers.items():
        if answer.success:
            wanted[answer.version, answer.segment, answer.success] += n
    assert healthy.rise["matches"] == wanted
    for version, value in healthy.tally.values.items():
        assert healthy.rise["values"][(version,)] == pytest.approx(value, abs=0.01)
    for version, given in healthy.tally.stars.items():
        assert healthy.rise["ratings"][(version,)] == sum(given)
        assert healthy.rise["stars"][(version,)] == sum(stars * n for stars, n in enumerate(given, 1))


def test_every_partner_answer_fits_its_format(healthy):
    checks = healthy.rise["formats"]
    partners = healthy.tally.count(segment="api_partners", endpoint="/api/match", status=200)
    assert sum(checks.values()) == partners
    assert {compatible for (_, compatible), n in checks.items() if n} == {"True"}


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_cache_hits_as_the_profile_says(healthy, version):
    cache = healthy.rise["cache"]
    hits, misses = cache[version, "hit"], cache[version, "miss"]
    assert near(hits, hits + misses, 0.93)
    assert hits / (hits + misses) > 0.8


def test_nothing_falls_back_and_the_instrument_has_no_complaint(healthy):
    assert not +healthy.rise["fallback"]
    assert not +healthy.rise["problems"]


def test_nginx_logs_every_request_with_the_version_that_served_it(healthy, lab):
    assert len(healthy.access) == healthy.tally.count()
    upstream = {"v1": address(lab.spec, V1), "v2": address(lab.spec, V2)}
    assert all(line["upstream_addr"] == upstream[line["version"]] for line in healthy.access)
    by_segment = Counter((line["version"], line["user_segment"], line["status"]) for line in healthy.access)
    wanted: Totals = Counter()
    for answer, n in healthy.tally.answers.items():
        wanted[answer.version, answer.segment, answer.status] += n
    assert by_segment == wanted


def test_the_services_log_every_call_and_every_match(healthy):
    matches = healthy.tally.count(success="True") + healthy.tally.count(success="False")
    assert healthy.calls == Counter(API_CALL=healthy.tally.count(), MATCH_RESULT=matches)


# ---------------------------------------------------------------- faults


def ask(url: str, number: int, timeout: float = 5.0, segment: str = "freemium") -> int:
    body = {"number": number, "user_id": f"freemium-{number:05}", "candidate_id": "c1", "job_id": "j1"}
    headers = {"X-User-Segment": segment, "X-User-Id": body["user_id"]}
    return httpx.post(f"{url}/api/match", json=body, headers=headers, timeout=timeout, trust_env=False).status_code


def direct(lab: Lab, service: str) -> str:
    return f"http://{address(lab.spec, service)}"


def test_no_request_that_starts_after_a_fault_escapes_it(lab):
    """Eight clients hammer both workers while the fault comes and goes."""
    stop, seen = threading.Event(), []

    def hammer(client: int) -> None:
        body = {"number": client, "user_id": "u", "candidate_id": "c", "job_id": "j"}
        with httpx.Client(trust_env=False) as http:
            while not stop.is_set():
                began = time.time()
                status = http.post(f"{direct(lab, V2)}/api/match", json=body).status_code
                seen.append((began, time.time(), status))

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(hammer, client) for client in range(8)]
        try:
            for _ in range(3):
                since = lab.fault("v2", error_rate=1.0)
                assert wait_until(lambda since=since: sum(r[0] >= since for r in seen) >= 40, 10)
                until = time.time()
                well = lab.repair("v2")
                assert wait_until(lambda well=well: sum(r[0] >= well for r in seen) >= 40, 10)
                assert {status for began, ended, status in seen if began >= since and ended <= until} == {500}
                assert {status for began, _, status in seen if began >= well} == {200}
        finally:
            stop.set()
    for done in running:
        done.result()


def test_a_latency_fault_slows_every_answer(lab):
    """Each request takes ten times what its own number draws, at least."""
    lab.fault("v2", latency_factor=10)
    for number in range(8):
        drawn = draw(V2_BEHAVIOUR, LabRequest("freemium"), Random(f"1//api/match/{number}")).seconds
        began = time.perf_counter()
        ask(direct(lab, V2), number)
        assert time.perf_counter() - began > 10 * drawn


def test_a_fault_of_one_segment_spares_the_others(lab):
    lab.fault("v2", error_rate_by_segment={"freemium": 1.0})
    assert {ask(direct(lab, V2), n) for n in range(8)} == {500}
    assert {ask(direct(lab, V2), n, segment="api_partners") for n in range(8)} == {200}


def test_fallback_answers_look_well_and_are_counted(lab):
    before = totals(lab.spec, *METRICS["fallback"])
    lab.fault("v2", fallback=1.0)
    assert {ask(direct(lab, V2), n) for n in range(8)} == {200}
    assert (totals(lab.spec, *METRICS["fallback"]) - before)[("v2",)] == 8


def test_v2_falls_back_when_nexten_is_down(lab):
    """A fifth of its matches asks the backend; they are answered well, and counted."""
    before = totals(lab.spec, *METRICS["fallback"])
    lab.fault(NEXTEN, crash=True)
    assert {ask(direct(lab, V2), n) for n in range(40)} == {200}
    assert 0 < (totals(lab.spec, *METRICS["fallback"]) - before)[("v2",)] < 20


def test_without_redis_the_services_still_answer(lab):
    before = totals(lab.spec, *METRICS["cache"])
    lab.fault("redis", crash=True)
    assert {ask(direct(lab, V1), n) for n in range(8)} == {200}
    assert (totals(lab.spec, *METRICS["cache"]) - before) == Counter({("v1", "miss"): 8})
    lab.repair("redis")
    assert {ask(direct(lab, V1), n) for n in range(8)} == {200}


def test_a_crashed_service_stays_down_until_it_is_mended(lab):
    host, port = address(lab.spec, V2).split(":")
    lab.set_share(MOVING)
    lab.fault("v2", crash=True)
    is_up = listens(host, int(port))
    assert not wait_until(is_up, 1.5), "a supervisor brought it back"
    assert {ask(front_url(lab.spec), n) for n in range(20)} == {200, 502}
    lab.repair("v2")
    assert {ask(direct(lab, V2), n) for n in range(8)} == {200}
    # A new process counts from zero, as real ones do.
    assert totals(lab.spec, *METRICS["requests"])["v2", "/api/match", "freemium", "none", "200"] == 8


def test_a_hanging_service_answers_neither_requests_nor_metrics(lab):
    lab.fault("v2", hang=True)
    with pytest.raises(httpx.ReadTimeout):
        ask(direct(lab, V2), 1, timeout=0.3)
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{direct(lab, V2)}/metrics", timeout=0.3, trust_env=False)
    assert ask(direct(lab, V1), 1) == 200
    lab.repair("v2")
    assert ask(direct(lab, V2), 1) == 200


@pytest.mark.parametrize(
    ("service", "changes"),
    [("v3", {"error_rate": 1.0}), ("v2", {}), ("v2", {"eror_rate": 1.0}), ("redis", {"error_rate": 1.0})],
)
def test_a_fault_that_cannot_be_is_refused(lab, service, changes):
    with pytest.raises(UsageError):
        lab.fault(service, **changes)


# ---------------------------------------------------------------- shares


def test_a_change_of_share_loses_no_request_and_holds_from_its_moment(lab):
    lines = len(access_lines(lab))
    with Traffic(lab.spec, rate=100, seed=5) as traffic:
        assert wait_until(lambda: len(access_lines(lab)) > lines + 20, 10)
        since = 0.0
        for share in (0.1, 0.5, 1.0, 0.0):
            since = lab.set_share(dict.fromkeys(MOVING, share))
        after = len(access_lines(lab))
        assert wait_until(lambda: len(access_lines(lab)) > after + 50, 10)
        tally = traffic.stop()
    assert not tally.lost
    assert tally.count() == tally.sent
    fresh = [line for line in access_lines(lab)[lines:] if line["msec"] - line["request_time"] > since]
    assert len(fresh) > 30
    assert {line["version"] for line in fresh} == {"v1"}


def test_users_keep_their_version_as_the_share_grows(lab):
    """Who had V2 at 30 % has it at 60 %."""

    def served() -> dict[str, str]:
        lines = len(access_lines(lab))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: ask(front_url(lab.spec), number), range(40)))
        return {line["user_id"]: line["version"] for line in access_lines(lab)[lines:]}

    lab.set_share({"freemium": 0.3})
    early = served()
    lab.set_share({"freemium": 0.6})
    late = served()
    assert {user for user, version in early.items() if version == "v2"} < {
        user for user, version in late.items() if version == "v2"
    }


# ---------------------------------------------------------------- beginning and end


def group_of(pid: int) -> list[int]:
    """The processes of a group, zombies aside."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(group) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return found


def test_nothing_is_left_even_with_a_service_hanging_and_another_down(tmp_path):
    spec = lab_spec(load(BUILT_IN), tmp_path)
    with Lab(spec, tmp_path) as lab, Traffic(spec, rate=50):
        groups = [lab.pid(name) for name in ("redis", V1, V2, NEXTEN, "nginx")]
        assert all(group_of(group) for group in groups)
        lab.fault("v1", hang=True)
        lab.fault(NEXTEN, crash=True)
    assert not [pid for group in groups for pid in group_of(group)]
    for service in ("redis", V1, V2, NEXTEN, "nginx"):
        host, port = address(spec, service).split(":")
        assert not listens(host, int(port), timeout=0.2)()


def test_a_busy_port_is_refused_by_name(lab, tmp_path):
    with pytest.raises(PortBusy, match=r"services\.redis\.targets"), Lab(lab.spec, tmp_path):
        pass
    assert ask(direct(lab, V1), 1) == 200, "the lab that holds the port goes on"


def test_traffic_stops_when_its_parent_is_gone(lab):
    """Its input ends, and with it the traffic."""
    traffic = Traffic(lab.spec, rate=20)
    traffic.start()
    traffic._process.stdin.close()
    assert wait_until(lambda: traffic._process.poll() is not None, 10)
    traffic._process.stdin = open(os.devnull, "w")  # noqa: SIM115 - closed by stop()
    assert traffic.stop().count() == traffic.tally.sent


def test_identical_versions_with_uneven_segments_differ_by_mix_alone(tmp_path):
    """Pooled, V2 without enterprise looks worse; within a segment the two are alike."""
    profile = PROFILES["aa_uneven"]
    assert profile.baseline == profile.candidate
    spec = lab_spec(load(BUILT_IN), tmp_path)
    with Lab(spec, tmp_path, profile="aa_uneven") as lab:
        lab.set_share(MOVING)
        with Traffic(spec, rate=200, seconds=6, seed=2) as traffic:
            tally = traffic.wait()
    for version in ("v1", "v2"):
        n = tally.count(segment="freemium", version=version)
        assert near(n - tally.count(segment="freemium", version=version, status=200), n, 0.02)
