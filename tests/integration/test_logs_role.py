"""The logs role on real files, scraped over HTTP, through rotation."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pylogbeat import PyLogBeatClient

from bascule import logs
from bascule.api import Tokens
from bascule.api.limits import Limits
from bascule.errors import UsageError
from bascule.logs import LogReader
from bascule.logs.storing.forget import forget_user
from bascule.processes import ports
from bascule.spec import load
from bascule.spec.model import Logs, LogSource, Spec

pytestmark = pytest.mark.integration

FOR_EVER = 36500 * 86400.0

LATER = datetime.now(UTC) + timedelta(minutes=30)  # lines that are older than the role's start are not of now
MINUTE, HOUR = f"{LATER:%Y-%m-%dT%H:%M}", f"{LATER:%H}"
CALL = (
    MINUTE + ":00.{:03d}Z INFO supersmartmatch-v2 API_CALL user_id=u{} endpoint=/api/v2/match"
    " response_time=0.023 status=200\n"
)
MATCH = MINUTE + ":01.000Z INFO supersmartmatch-v1 MATCH_RESULT candidate_id=c job_id=j accuracy=0.9 algorithm=hybrid\n"
AN_HOUR_ON = f"{LATER + timedelta(hours=1):%Y-%m-%dT%H:%M}"
ACCESS = (
    '{"time": "' + MINUTE + ':00Z", "upstream_addr": "127.0.0.1:5070", "status": 502, "request_time": 0.2,'
    ' "uri": "/api/v1/match"}\n'
)


def wait_until(condition: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.05)


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    base = load("supersmartmatch")
    sources = [
        LogSource(name="app", files=str(tmp_path / "app.log"), formats=["api_call", "match_result", "python"]),
        LogSource(name="nginx", files=str(tmp_path / "access.json"), formats=["nginx_json"]),
        LogSource(beats=f"127.0.0.1:{ports.free()}", formats=["api_call"]),
    ]
    stack = base.stack.model_copy(
        update={
            "state": tmp_path / "state",
            "ports": base.stack.ports.model_copy(update={"logs": ports.free()}),
        }
    )
    return base.model_copy(update={"logs": Logs(sources=sources, retention=FOR_EVER), "stack": stack})


@pytest.fixture
def role(spec: Spec) -> Iterator[str]:
    with running(spec) as url:
        yield url


@contextmanager
def running(spec: Spec) -> Iterator[str]:
    stop = threading.Event()
    thread = threading.Thread(target=logs.run, args=(spec, stop))
    thread.start()
    url = spec.stack.url("logs")
    wait_until(lambda: _answers(url))
    yield url
    stop.set()
    thread.join(timeout=20)
    assert not thread.is_alive()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.TransportError:
        return False


def samples(url: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    found = {}
    for family in text_string_to_metric_families(httpx.get(f"{url}/metrics").text):
        for sample in family.samples:
            found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


def total(url: str, name: str, **labels: str) -> float:
    wanted = set(labels.items())
    return sum(value for (found, has), value in samples(url).items() if found == name and wanted <= set(has))


TRIES = 5  # on a busy machine one may take long; of a role that is held up, every one does


def takes_less_than_a_second(ask: Callable[[], object]) -> bool:
    for _ in range(TRIES):
        begun = time.monotonic()
        ask()
        if time.monotonic() - begun < 1:
            return True
    return False


@pytest.fixture
def client(role: str, spec: Spec) -> Iterator[httpx.Client]:
    """Of the operator, for many at once."""
    headers = {"Authorization": f"Bearer {Tokens(spec.stack.state).operator}"}
    limits = httpx.Limits(max_connections=50)
    with httpx.Client(base_url=role, headers=headers, timeout=120, verify=False, limits=limits) as client:
        yield client


def answers(client: httpx.Client, page: str) -> bool:
    return takes_less_than_a_second(lambda: client.get(page).raise_for_status())


def send(spec: Spec, line: str) -> None:
    """One line by Beats; the receiver acknowledges what is stored."""
    with PyLogBeatClient("127.0.0.1", int(spec.logs.sources[2].beats.rpartition(":")[2]), timeout=30) as beats:
        beats.send([{"@timestamp": f"{MINUTE}:00.000Z", "message": line.strip()}])


class Held:
    """A function that works until it is let go."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function
        self.begun = threading.Semaphore(0)
        self._let_go = threading.Event()

    def __call__(self, *asked: object) -> object:
        self.begun.release()
        self._let_go.wait(120)
        return self._function(*asked)

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go.set()


def test_slow_searches_hold_up_neither_health_nor_metrics_nor_intake(
    role: str, spec: Spec, client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Forty at once: as many as have turns are worked on, the others are told to come again."""
    turns = Limits().reading
    with ThreadPoolExecutor(40) as clients, Held(LogReader.query) as slow:
        monkeypatch.setattr(LogReader, "query", lambda *asked: slow(*asked))
        asked = [clients.submit(client.get, f"api/{name}") for name in ("search", "counts") * 20]
        assert all(slow.begun.acquire(timeout=30) for _ in range(turns))
        for page in ("healthz", "readyz", "metrics", "api/stats"):
            assert answers(client, page), page
        assert takes_less_than_a_second(lambda: send(spec, CALL.format(2, 2)))
        (tmp_path / "app.log").write_text(CALL.format(1, 1))
        wait_until(lambda: total(role, "bascule_log_requests_total", version="v2", source="app") == 1)
        wait_until(lambda: sum(each.done() for each in asked) == 40 - turns)
        assert not slow.begun.acquire(blocking=False)
    assert Counter(each.result().status_code for each in asked) == {200: turns, 503: 40 - turns}
    assert total(role, "bascule_http_requests_refused_total", status="503") == 40 - turns


def test_metrics_are_answered_while_the_store_is_rewritten(
    role: str, client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Forgetting a user rewrites segments, which may take long; what was counted before it is shown meanwhile."""
    (tmp_path / "app.log").write_text(CALL.format(1, 1))
    wait_until(lambda: total(role, "bascule_log_requests_total", version="v2") == 1)
    with ThreadPoolExecutor(1) as other, Held(forget_user) as slow:
        monkeypatch.setattr("bascule.logs.serving.role.forget_user", slow)
        asked = other.submit(client.post, "api/forget", json={"user": "u1"})
        assert slow.begun.acquire(timeout=30)
        for page in ("healthz", "metrics", "api/stats"):
            assert answers(client, page), page
        assert total(role, "bascule_log_requests_total", version="v2") == 1
    assert asked.result().json() == {"rows": 1}


def test_lines_are_counted_by_version_endpoint_and_status_as_they_are_written(role: str, tmp_path: Path):
    """Two sources, three formats, and a line that nothing parses."""
    with (tmp_path / "app.log").open("w") as app:
        app.writelines(CALL.format(n, n) for n in range(100))
        app.write(MATCH)
        app.write("not a line of any format\n")
    partners = ACCESS.replace("{", '{"partner": "acme", ', 1).replace(MINUTE, AN_HOUR_ON)
    (tmp_path / "access.json").write_text(ACCESS + partners)
    wait_until(lambda: total(role, "bascule_log_unparsed_total", source="app") == 1)
    wait_until(lambda: total(role, "bascule_log_lines_total", source="nginx") == 2)
    labels = {"version": "v2", "endpoint": "/api/v2/match", "status": "200", "source": "app", "version_from": "service"}
    assert total(role, "bascule_log_requests_total", **labels) == 100
    assert total(role, "bascule_log_requests_total", status="502", version="v2", version_from="upstream") == 2
    assert total(role, "bascule_log_usage_total", version="v2", partner="unknown", hour=HOUR) == 101
    labels = {"version": "v2", "partner": "acme", "hour": AN_HOUR_ON[11:13], "source": "nginx"}
    assert total(role, "bascule_log_usage_total", **labels) == 1
    assert total(role, "bascule_log_response_time_seconds_bucket", version="v2", source="app", le="0.03") == 100
    assert total(role, "bascule_log_response_time_seconds_bucket", version="v2", source="app", le="0.02") == 0
    assert total(role, "bascule_log_response_time_seconds_sum", source="app") == pytest.approx(2.3)
    assert total(role, "bascule_log_accuracy_score_count", version="v1", algorithm="hybrid") == 1
    lags = {
        dict(has)["source"]: value for (name, has), value in samples(role).items() if name == "bascule_log_lag_bytes"
    }
    assert lags == {"app": 0, "nginx": 0, "beats": 0}
    stats = {source["source"]: source for source in httpx.get(f"{role}/api/stats").json()["sources"]}
    assert stats["app"]["formats"]["api_call"] == 100
    assert stats["app"]["unparsed"] == 1


def test_nothing_is_lost_or_doubled_when_a_file_is_renamed_or_truncated(role: str, tmp_path: Path):
    """The writer goes on into the renamed file for a while, as nginx does before it reopens."""
    path = tmp_path / "app.log"
    number = 0

    def write(to: Path, lines: int) -> None:
        nonlocal number
        with to.open("a") as file:
            file.writelines(CALL.format(n % 1000, n) for n in range(number, number + lines))
        number += lines

    def counted() -> float:
        return total(role, "bascule_log_requests_total", source="app")

    write(path, 10)
    path.rename(tmp_path / "app.log.1")
    write(tmp_path / "app.log.1", 5)
    write(path, 10)
    wait_until(lambda: counted() == number)
    copy = tmp_path / "app.log.2"
    write(path, 5)
    copy.write_bytes(path.read_bytes())
    path.open("w").close()
    write(path, 7)
    wait_until(lambda: counted() == number)
    write(path, 1)
    wait_until(lambda: counted() == number)


def test_a_port_that_is_taken_is_tried_again_until_it_is_free(spec: Spec) -> None:
    """Meanwhile the role says that it is not ready, and counts."""
    address = spec.logs.sources[2].beats
    assert address is not None
    stop = threading.Event()
    thread = threading.Thread(target=logs.run, args=(spec, stop))
    url = spec.stack.url("logs")

    def get(path: str) -> httpx.Response | None:
        try:
            return httpx.get(f"{url}{path}", trust_env=False)
        except httpx.HTTPError:
            return None

    def says(path: str, text: str) -> bool:
        answer = get(path)
        return answer is not None and text in answer.text

    with socket.create_server(("127.0.0.1", int(address.rpartition(":")[2]))):
        thread.start()
        wait_until(lambda: says("/readyz", f"beats {address} died"))
        assert says("/metrics", "bascule_worker_deaths_total")
    try:
        wait_until(lambda: _accepts(address))
    finally:
        stop.set()
        thread.join(15)


def _accepts(address: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), 1).close()
    except OSError:
        return False
    return True


def test_a_running_role_takes_in_files_itself_and_no_line_twice(role, spec, tmp_path):
    """Also those of its own sources, by whatever path, and old ones that it does not follow."""
    app = tmp_path / "app.log"
    app.write_text("".join(CALL.format(n, n) for n in range(50)))
    wait_until(lambda: total(role, "bascule_log_lines_total", format="api_call") == 50)
    (tmp_path / "link.log").symlink_to(app)
    old = tmp_path / "old.txt"
    old.write_text("".join(CALL.format(n, f"old{n}") for n in range(30)))
    with app.open("a") as file:
        file.write(CALL.format(50, 50))
    again = logs.ingest(spec, [str(tmp_path / "link.log")])
    assert again.sources == {str(tmp_path / "link.log"): "app"}
    assert again.rows <= 1
    done = logs.ingest(spec, [str(old)], "app")
    assert (done.rows, logs.ingest(spec, [str(old)], "app").rows) == (30, 0)
    with app.open("a") as file:
        file.write(CALL.format(51, 51))
    wait_until(lambda: total(role, "bascule_log_lines_total", format="api_call") == 82)
    users = [row["user_id"] for row in logs.search(spec, limit=1000)]
    assert len(users) == len(set(users)) == 82


def test_a_running_role_refuses_what_it_cannot_read(role, spec, tmp_path):
    """Standard input is another process'; a file of no source needs one named."""
    with pytest.raises(UsageError, match="standard input"):
        logs.ingest(spec, ["-"], "app")
    (tmp_path / "other.txt").write_text("x\n")
    with pytest.raises(UsageError, match=r"other.txt belongs to no log source of the spec"):
        logs.ingest(spec, [str(tmp_path / "other.txt")])


def calls(ago: timedelta, lines: int, zone: str = "Z") -> str:
    """Lines that end `ago`, 10 ms apart."""
    end = datetime.now(UTC) - ago
    times = (end - timedelta(milliseconds=10 * n) for n in reversed(range(lines)))
    head = MINUTE + ":00.{:03d}Z"
    written = (f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}{zone}" for at in times)
    return "".join(CALL.replace(head, at).format(n) for n, at in enumerate(written))


def counted_and_late(url: str) -> tuple[float, float]:
    requests = total(url, "bascule_log_requests_total", source="app")
    return requests, total(url, "bascule_log_late_total", source="app")


def test_lines_older_than_the_start_are_stored_and_are_no_traffic_of_now(spec: Spec, tmp_path: Path):
    """Neither those that the role finds, nor those that are copied in, or come in with `logs ingest`, later."""
    (tmp_path / "app.log").write_text(calls(timedelta(minutes=1), 3375))
    with running(spec) as role:
        wait_until(lambda: total(role, "bascule_log_lines_total", source="app") == 3375)
        with (tmp_path / "app.log").open("a") as file:
            file.write(calls(timedelta(0), 1))
        wait_until(lambda: counted_and_late(role) == (1, 3375))
        (tmp_path / "old.log").write_text(calls(timedelta(hours=3), 50))
        assert logs.ingest(spec, [str(tmp_path / "old.log")], "app").rows == 50
        wait_until(lambda: counted_and_late(role) == (1, 3425))
        assert total(role, "bascule_log_lines_total", source="app", format="api_call") == 3426
        assert len(logs.search(spec, limit=1000)) == 1000


def test_what_was_written_while_nobody_read_counts_up_to_five_minutes_late(spec: Spec, tmp_path: Path):
    (tmp_path / "app.log").write_text("")
    with running(spec) as role, (tmp_path / "app.log").open("a") as file:
        file.write(calls(timedelta(0), 1))
        file.flush()
        wait_until(lambda: counted_and_late(role) == (1, 0))
    with (tmp_path / "app.log").open("a") as file:
        file.write(calls(timedelta(hours=1), 10) + calls(timedelta(seconds=20), 10))
    with running(spec) as role:
        wait_until(lambda: counted_and_late(role) == (11, 10))


def test_lines_with_local_times_and_no_zone_count_when_they_are_written(spec: Spec, tmp_path: Path):
    """As Python's `logging` writes them, here in a zone five hours behind UTC."""
    behind = timedelta(hours=5)
    (tmp_path / "app.log").write_text(calls(behind, 20, zone=""))
    with running(spec) as role:
        wait_until(lambda: total(role, "bascule_log_lines_total", source="app") == 20)
        with (tmp_path / "app.log").open("a") as file:
            file.write(calls(behind, 3, zone=""))
        wait_until(lambda: total(role, "bascule_log_lines_total", source="app") == 23)
        assert counted_and_late(role)[0] >= 3


def test_a_source_that_starts_at_its_end_takes_what_is_written_from_then_on(spec: Spec, tmp_path: Path):
    first, *others = spec.logs.sources
    at_end = first.model_copy(update={"start_at": "end"})
    spec = spec.model_copy(update={"logs": spec.logs.model_copy(update={"sources": [at_end, *others]})})
    (tmp_path / "app.log").write_text(calls(timedelta(0), 30) + "half a line")
    with running(spec) as role:
        wait_until(lambda: total(role, "bascule_log_lag_bytes", source="app") > 0)
        with (tmp_path / "app.log").open("a") as file:
            file.write(" and its end\n" + calls(timedelta(0), 2))
        wait_until(lambda: total(role, "bascule_log_requests_total", source="app") == 2)
        assert total(role, "bascule_log_unparsed_total", source="app") == 1
        assert counted_and_late(role) == (2, 0)
