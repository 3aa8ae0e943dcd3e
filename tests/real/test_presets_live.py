"""Each preset by its real library or proxy, V2 failing and then slow: `make real NAME=presets_live`.

All run at once and are scraped by one Prometheus; what the judge would have said is replayed from its history.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from first_hour import HOST, NewUser, Place
from line_servers import program
from preset_stacks import STACKS, Served, Stack, Users, asking

from bascule.processes import programs
from bascule.processes.ports import free
from bascule.times import rfc3339

pytestmark = pytest.mark.real

WARM_SECONDS, HEALTHY_SECONDS, FAULT_SECONDS, PAUSE_SECONDS = 20.0, 60.0, 45.0, 30.0
SETTLED_SECONDS = 8.0  # until the last samples of a span are stored: Envoy's histograms are 5 s late
FOUND_WITHIN_SECONDS = 30.0
GROUPS = (STACKS[:5], STACKS[5:10], STACKS[10:])


@dataclass(frozen=True)
class Watched:
    """What ran, and when. `spans`: of `healthy`, `failing`, `slow`, each from and to."""

    url: str
    served: Mapping[str, Served]
    users: Mapping[str, Users]
    spans: Mapping[str, tuple[float, float]]


@pytest.fixture(scope="module", params=GROUPS, ids=lambda stacks: f"{stacks[0].name}...")
def watched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    stacks = [stack for stack in request.param if stack.can_run]
    places = {}
    for stack in stacks:
        places[stack.name] = Place.below(tmp_path_factory.mktemp(stack.name))
    with contextlib.ExitStack() as entered:
        served = {stack.name: entered.enter_context(stack.runs(stack.name, places[stack.name])) for stack in stacks}
        users = {name: Users(each.ports) for name, each in served.items()}
        url = entered.enter_context(prometheus(tmp_path_factory.mktemp("prometheus"), served))
        with asking(list(users.values())):
            time.sleep(WARM_SECONDS)
            spans = {"healthy": spent(HEALTHY_SECONDS)}
            for name, file in (("failing", "fault"), ("slow", "slow")):
                for place in places.values():
                    (place.folder("v2") / file).touch()
                spans[name] = spent(FAULT_SECONDS)
                for place in places.values():
                    (place.folder("v2") / file).unlink()
                time.sleep(PAUSE_SECONDS)
            yield Watched(url, served, users, spans)


def spent(seconds: float) -> tuple[float, float]:
    began = time.time()
    time.sleep(seconds)
    return began, time.time()


@contextlib.contextmanager
def prometheus(folder: Path, served: Mapping[str, Served]) -> Iterator[str]:
    jobs = {job: each for stack in served.values() for job, each in stack.jobs.items()}
    scrapes = [
        {"job_name": job, "metrics_path": path, "static_configs": [{"targets": [f"{HOST}:{port}"]}]}
        for job, (port, path) in jobs.items()
    ]
    times = {"scrape_interval": "1s", "scrape_timeout": "900ms", "evaluation_interval": "1s"}
    (folder / "prometheus.yml").write_text(yaml.safe_dump({"global": times, "scrape_configs": scrapes}))
    port = free()
    flags = [f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
    flags += [f"--web.listen-address={HOST}:{port}", "--log.level=warn"]
    with program([str(programs.find("prometheus")), *flags], folder, port):
        yield f"http://{HOST}:{port}"


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.name)
def test_a_preset_shows_a_version_that_fails_and_then_is_slow(stack: Stack, watched: Watched, tmp_path: Path) -> None:
    if stack.name not in watched.served:
        pytest.skip("runs in another group" if stack.can_run else f"there is no {stack.needs} here")
    user = NewUser(tmp_path)
    jobs = [word for job in watched.served[stack.name].jobs for word in ("--job", job)]
    user.types("init", user.spec, "--from-prometheus", watched.url, *jobs)
    user.types("check", user.spec, "--prometheus", watched.url)
    found = replayed(user, watched)
    rate, told = error_rates(user, watched, stack)
    shown = ", ".join(f"{name} {seconds}" for name, seconds in found.items())
    print(user.has_proposed())
    print(f"| {stack.name} | {shown} | error rate {told:.2%}, truly {rate:.2%} |")
    assert found["false alarms"] == 0, user.diary()
    assert found["failing"] is not None, user.diary()
    assert found["failing"] <= FOUND_WITHIN_SECONDS, user.diary()
    assert (found["slow"] is not None) == stack.has_latency, user.diary()
    assert told == pytest.approx(rate, abs=0.003), user.diary()


def replayed(user: NewUser, watched: Watched) -> dict[str, Any]:
    """Seconds to the judge's first alarm about the errors while V2 fails, and about times while it is slow."""
    began, ended = watched.spans["healthy"][0], watched.spans["slow"][1]
    words = ["backtest", user.spec, "--from", rfc3339(began), "--to", rfc3339(ended), "--json"]
    fired = [each for each in json.loads(user.types(*words))["fired"] if each["by"] == "judge"]
    found: dict[str, Any] = {}
    for span, signal in (("failing", "errors"), ("slow", "latency")):
        begin, end = watched.spans[span]
        delays = [seconds(each["fired"]) - begin for each in fired if each["labels"]["signal"] == signal]
        found[span] = min((round(delay, 1) for delay in delays if 0 <= delay <= end - begin), default=None)
    found["false alarms"] = sum(seconds(each["fired"]) < watched.spans["failing"][0] for each in fired)
    return found


def seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def error_rates(user: NewUser, watched: Watched, stack: Stack) -> tuple[float, float]:
    """What users saw up to the end of the failures, and what the SLA report of that day says."""
    began, ended = watched.spans["healthy"][0], watched.spans["failing"][1] + SETTLED_SECONDS
    failed, answered = watched.users[stack.name].failed_until(ended)
    words = ["sla", "report", user.spec, "--from", rfc3339(began), "--to", rfc3339(ended)]
    done = user.runs(*words, "--objective", "error_rate", "--format", "json", "--out", "-")
    figure = json.loads(done.stdout)["objectives"][0]["whole"]["current"]
    return failed / answered, figure["bad"] / figure["total"]
