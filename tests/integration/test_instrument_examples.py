"""Each example as its docstring starts it, scraped by a real Prometheus; samples compared with what was sent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from bascule.processes import programs
from bascule.processes.ports import free
from bascule.processes.ready import answers
from bascule.processes.supervisor import Program, Supervisor
from bascule.spec import load

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).parents[2] / "examples"
HEADERS = {"X-User-Segment": "api_partners", "X-Partner": "acme"}
JOBS, MATCHES, BROKEN = 20, 12, 5
CLIENT = httpx.Client(trust_env=False, headers={"Connection": "close"})  # each request may meet another worker


@dataclass(frozen=True)
class Example:
    """How an example starts, and what its framework calls the route `/jobs/17`."""

    name: str
    argv: Sequence[str]
    job_route: str
    multiprocess: bool = False
    websocket: str = ""


def _gunicorn(target: str, *options: str) -> list[str]:
    return ["-m", "gunicorn", *options, "--bind", "127.0.0.1:PORT", target]


def _uvicorn(target: str) -> list[str]:
    return ["-m", "uvicorn", target, "--port", "PORT", "--log-level", "warning"]


EVERY = [
    Example("flask", _gunicorn("app:app", "-c", "gunicorn.conf.py"), "/jobs/<int:job>", multiprocess=True),
    Example("django", _gunicorn("app:application"), "/jobs/<int:job>"),
    Example("fastapi", ["app.py", "--port", "PORT"], "/jobs/{job}", multiprocess=True, websocket="/live"),
    Example("starlette", _uvicorn("app:application"), "/jobs/{job:int}", websocket="/live"),
    Example("wsgi", _gunicorn("app:application"), "/jobs/<int:job>"),
    Example("asgi", _uvicorn("app:application"), "/jobs/<int:job>", websocket="/live"),
]
OTEL = Example("otel", ["-m", "flask", "--app", "app", "run", "--port", "PORT"], "/jobs/<int:job>")


@dataclass(frozen=True)
class Service:
    example: Example
    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str) -> int:
        return CLIENT.request(method, self.url + path, headers=HEADERS).status_code

    def page(self, accept: str) -> str:
        return CLIENT.get(self.url + "/metrics", headers={"Accept": accept}).text


Run = Callable[[Example], Service]


@pytest.fixture(scope="module")
def run(supervisor: Supervisor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    started: list[str] = []

    def start(example: Example) -> Service:
        port, folder = free(), tmp_path_factory.mktemp(example.name)
        environment = os.environ | {"PYTHONPATH": ".", "OTEL_SEMCONV_STABILITY_OPT_IN": "http"}
        if example.multiprocess:
            environment |= {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
        argv = [sys.executable, *(part.replace("PORT", str(port)) for part in example.argv)]
        ready = answers(f"http://127.0.0.1:{port}/metrics")
        name = f"example-{example.name}-{port}"
        supervisor.start(Program(name, argv, environment, EXAMPLES / example.name, folder / "log", ready))
        started.append(name)
        return Service(example, port, supervisor.pid(name))

    yield start
    for name in started:
        supervisor.stop(name)


@pytest.fixture(scope="module")
def services(run: Run) -> dict[str, Service]:
    with ThreadPoolExecutor(2) as pool:
        return {service.example.name: service for service in pool.map(run, [*EVERY, OTEL])}


@pytest.fixture(scope="module")
def prometheus(services: dict[str, Service], module_programs: Any) -> Any:
    targets = {name: [f"127.0.0.1:{service.port}"] for name, service in services.items()}
    targets["shop-v2"] = targets.pop("otel")  # as its spec calls it
    return module_programs.start_prometheus(scrape=targets).client


@pytest.fixture(params=[example.name for example in EVERY], scope="module")
def service(request: pytest.FixtureRequest, services: dict[str, Service]) -> Service:
    """An example that was sent its share of requests, once."""
    service = services[request.param]
    assert {service.ask("GET", f"/jobs/{job}") for job in range(JOBS)} == {200}
    assert {service.ask("POST", "/api/v2/match") for _ in range(MATCHES)} == {200}
    assert {service.ask("GET", "/broken") for _ in range(BROKEN)} == {500}
    if service.example.websocket:
        asyncio.run(_shake_hands(service))
    return service


async def _shake_hands(service: Service) -> None:
    async with websockets.connect(f"ws://127.0.0.1:{service.port}{service.example.websocket}", proxy=None):
        pass


def test_prometheus_holds_what_was_sent(service: Service, prometheus: Any, eventually: Callable[..., Any]) -> None:
    job = f'job="{service.example.name}",version="v2"'
    client = f'{job},user_segment="api_partners",partner="acme"'
    expected = {
        f'http_requests_total{{{client},endpoint="{service.example.job_route}",status="200"}}': JOBS,
        f'http_requests_total{{{client},endpoint="/api/v2/match",method="POST",status="200"}}': MATCHES,
        f'http_requests_total{{{client},endpoint="/broken",status="500"}}': BROKEN,
        f'sum(http_request_duration_seconds_count{{{job},endpoint="/broken"}})': BROKEN,
        f'sum(http_request_duration_seconds_bucket{{{job},le="+Inf",endpoint=~".*jobs.*"}})': JOBS,
        f'sum(supersmartmatch_response_time_seconds_count{{{job},endpoint="/broken"}})': BROKEN,
        f'supersmartmatch_matches_total{{{job},success="True",user_segment="api_partners"}}': MATCHES,
        f'supersmartmatch_match_value_total{{{job},user_segment="api_partners"}}': MATCHES * 12.5,
        f'supersmartmatch_accuracy_score_count{{{job},user_segment="api_partners"}}': MATCHES,
        # known label sets from the start, so that rate() sees the first error
        f'http_requests_total{{{job},endpoint="/api/v2/match",status="500",user_segment="enterprise"}}': 0,
        f'supersmartmatch_matches_total{{{job},success="False",user_segment="freemium"}}': 0,
    }
    if service.example.websocket:
        expected[f'sum(http_requests_total{{{job},method="WEBSOCKET",status="101"}})'] = 1

    def compared() -> bool:
        assert {query: prometheus.scalar(query) for query in expected} == expected
        return True

    assert eventually(compared, seconds=15)


def test_no_raw_path_became_a_label(service: Service, prometheus: Any, eventually: Callable[..., Any]) -> None:
    selector = f'http_requests_total{{job="{service.example.name}"}}'
    found = eventually(lambda: prometheus.label_values("endpoint", selector), seconds=15)
    route = service.example.job_route
    assert set(found) - {service.example.websocket} <= {route, "/api/v2/match", "/broken", "unknown"}


@pytest.mark.parametrize("accept", ["text/plain;version=0.0.4", "text/plain;version=1.0.0"])
def test_promtool_finds_nothing_wrong_with_the_text_page(service: Service, accept: str) -> None:
    promtool = programs.find("promtool")
    argv = [str(promtool), "check", "metrics"]
    done = subprocess.run(
        argv,
        input=service.page(accept),
        text=True,
        capture_output=True,
        env=programs.environment(promtool),
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_openmetrics_is_parsed_and_accepted_by_prometheus(
    service: Service, prometheus: Any, eventually: Callable[..., Any]
) -> None:
    """Prometheus asks for OpenMetrics first; the target is up, so it could read all of it."""
    page = service.page("application/openmetrics-text; version=1.0.0")
    assert "http_request_duration_seconds" in {family.name for family in parse_openmetrics(page)}

    def mine() -> list[Any]:
        return [target for target in prometheus.targets() if target.job == service.example.name]

    (target,) = eventually(lambda: [target for target in mine() if target.health != "unknown"])
    assert (target.health, target.last_error) == ("up", "")


@pytest.mark.parametrize("example", [example for example in EVERY if example.multiprocess], ids=lambda e: e.name)
def test_totals_stay_right_while_workers_die_and_are_replaced(
    run: Run, eventually: Callable[..., Any], example: Example
) -> None:
    service = run(example)
    for round_number in range(1, 4):
        assert {service.ask("GET", f"/jobs/{job}") for job in range(JOBS)} == {200}
        all_of_them = JOBS * round_number
        # An answer is counted once it is sent whole: a worker killed in that moment would take one along.
        eventually(lambda n=all_of_them: _sum(service, "http_requests_total", example.job_route) == n)
        before = _workers(service.pid)
        os.kill(before[-1], signal.SIGKILL)
        eventually(lambda was=before: _are_replaced(_workers(service.pid), was))
        assert _sum(service, "http_requests_total", example.job_route) == all_of_them
    assert _sum(service, "supersmartmatch_build_info", None) == 1


def _are_replaced(now: list[int], before: list[int]) -> bool:
    return before[-1] not in now and len(now) == len(before)


def _workers(master: int) -> list[int]:
    children = Path(f"/proc/{master}/task/{master}/children").read_text()
    return [int(pid) for pid in children.split()]


def _sum(service: Service, name: str, endpoint: str | None) -> float:
    families = parse_text(service.page("text/plain;version=0.0.4"))
    samples = [sample for family in families for sample in family.samples]
    return sum(s.value for s in samples if s.name == name and s.labels.get("endpoint") == endpoint)


def test_opentelemetry_is_mapped_by_the_spec_alone(
    services: dict[str, Service], prometheus: Any, eventually: Callable[..., Any]
) -> None:
    service, spec = services["otel"], load(EXAMPLES / "otel" / "spec.yaml")
    assert {service.ask("GET", f"/jobs/{job}") for job in range(JOBS)} == {200}
    assert {service.ask("GET", "/broken") for _ in range(BROKEN)} == {500}
    candidate = spec.versions.matchers(spec.versions.candidate)
    errors, latency = spec.signals["errors"], spec.signals["latency"]
    jobs = errors.total.where(*candidate, http_route="/jobs/<int:job>")
    eventually(lambda: prometheus.scalar(f"sum({jobs})") == JOBS, seconds=15)
    # A scrape may fall between the two loops above.
    eventually(lambda: prometheus.scalar(f"sum({errors.events.where(*candidate)})") == BROKEN, seconds=15)
    bounds = prometheus.label_values("le", str(latency.series("bucket").where(*candidate)))
    assert {"0.03", "0.05", "0.1"} <= set(bounds)  # the spec's targets
