"""The generated index template, documents and queries on a real OpenSearch-compatible server; the push on a real
pushgateway."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

pytest.importorskip("osmem_server")
from opensearchpy import OpenSearch
from opensearchpy.helpers import bulk
from osmem_server import resolve_binary

from bascule.generate import elk
from bascule.processes import programs
from bascule.processes.ready import answers
from bascule.processes.supervisor import Program, Supervisor
from bascule.spec import load

pytestmark = pytest.mark.integration

FILES = elk.elk_files(load("supersmartmatch"))
INDEX = "supersmartmatch-2026.01.31"


@pytest.fixture(scope="module")
def search(supervisor: Supervisor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSearch]:
    """An empty server with the generated template in place."""
    from bascule.processes.ports import free

    port = free()
    argv = [resolve_binary(), "-no-stdin-watch", "-addr", f"127.0.0.1:{port}"]
    log = tmp_path_factory.mktemp("osmem") / "log"
    supervisor.start(Program("osmem", argv, log=log, ready=answers(f"http://127.0.0.1:{port}/"), ready_timeout=30))
    client = OpenSearch(hosts=[f"http://127.0.0.1:{port}"])
    client.indices.put_index_template(
        name="supersmartmatch-logs", body=json.loads(FILES["opensearch/index-template.json"])
    )
    yield client
    supervisor.stop("osmem")


def documents() -> list[dict[str, object]]:
    """As the pipeline makes them: 40 calls of V1 and 20 of V2, two of these failed."""
    return [
        {"_op_type": "create", "_index": INDEX, "_id": f"line-{number}", "_source": call(number)}
        for number in range(60)
    ]


def call(number: int) -> dict[str, object]:
    return {
        "@timestamp": f"2026-01-31T12:00:{number:02d}.000Z",
        "version": "v2" if number % 3 == 0 else "v1",
        "endpoint": "/api/match",
        "response_time": 0.01 * (number + 1),
        "status": 500 if number in (0, 3) else 200,
        "user_id": f"user-{number % 7}",
        "unheard_of": {"nested": number},
    }


def test_documents_get_typed_fields_and_the_same_line_is_stored_once(search: OpenSearch) -> None:
    """Created by id: a second delivery is refused with 409 and changes nothing."""
    done, failed = bulk(search, documents(), refresh=True, raise_on_error=False)
    assert (done, failed) == (60, [])
    again, refused = bulk(search, documents()[:5], refresh=True, raise_on_error=False)
    assert again == 0
    assert {each["create"]["status"] for each in refused} == {409}
    assert search.count(index="supersmartmatch-*")["count"] == 60
    properties = search.indices.get_mapping(index=INDEX)[INDEX]["mappings"]["properties"]
    kinds = {name: properties[name]["type"] for name in ("response_time", "status", "version", "@timestamp")}
    assert kinds == {"response_time": "double", "status": "integer", "version": "keyword", "@timestamp": "date"}
    assert "unheard_of" not in properties, "an undeclared field must not make the mapping grow"


def test_the_questions_that_operators_ask_are_answered(search: OpenSearch) -> None:
    """Errors, p95 and users by version over time: figures, because the fields are figures."""
    bulk(search, documents(), refresh=True, raise_on_error=False)
    answer = search.search(
        index="supersmartmatch-*",
        body={
            "size": 0,
            "query": {"range": {"@timestamp": {"gte": "2026-01-31T12:00:00Z", "lt": "2026-01-31T12:01:00Z"}}},
            "aggs": {
                "version": {
                    "terms": {"field": "version"},
                    "aggs": {
                        "errors": {"filter": {"range": {"status": {"gte": 500}}}},
                        "slow": {"percentiles": {"field": "response_time", "percents": [95]}},
                        "users": {"cardinality": {"field": "user_id"}},
                    },
                },
                "minutes": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1m"}},
            },
        },
    )
    versions = {bucket["key"]: bucket for bucket in answer["aggregations"]["version"]["buckets"]}
    assert (versions["v1"]["doc_count"], versions["v2"]["doc_count"]) == (40, 20)
    assert (versions["v1"]["errors"]["doc_count"], versions["v2"]["errors"]["doc_count"]) == (0, 2)
    assert 0.5 < versions["v2"]["slow"]["values"]["95.0"] <= 0.58 + 0.01
    assert versions["v2"]["users"]["value"] == 7
    assert sum(bucket["doc_count"] for bucket in answer["aggregations"]["minutes"]["buckets"]) == 60


@pytest.fixture(scope="module")
def pushgateway(supervisor: Supervisor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from bascule.errors import ProgramMissing
    from bascule.processes.ports import free

    try:
        binary = programs.find("prometheus-pushgateway")
    except ProgramMissing:
        pytest.skip("no pushgateway here: python3 tools/fetch_programs.py peers")
    port = free()
    url = f"http://127.0.0.1:{port}"
    log = tmp_path_factory.mktemp("pushgateway") / "log"
    argv = [str(binary), f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    supervisor.start(Program("pushgateway", argv, log=log, ready=answers(f"{url}/-/ready"), ready_timeout=30))
    yield url
    supervisor.stop("pushgateway")


@pytest.fixture
def push(pushgateway: str, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    script = tmp_path / "push-batch.sh"
    script.write_text(FILES["pushgateway/push-batch.sh"])
    environment = os.environ | {"PUSHGATEWAY_URL": pushgateway, "no_proxy": "127.0.0.1"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["sh", str(script), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


def test_a_batch_jobs_push_is_taken_by_the_pushgateway(
    push: Callable[..., subprocess.CompletedProcess[str]], pushgateway: str
) -> None:
    """A failed run tells its exit code and keeps the time of the last success."""
    assert push("nightly", "true").returncode == 0
    first = httpx.get(f"{pushgateway}/metrics", trust_env=False).text
    assert 'batch_exit_code{instance="",job="nightly"} 0' in first
    failed = push("nightly", "sh", "-c", "exit 3")
    assert (failed.returncode, failed.stderr) == (3, "")
    second = httpx.get(f"{pushgateway}/metrics", trust_env=False).text
    assert 'batch_exit_code{instance="",job="nightly"} 3' in second
    success = next(line for line in first.splitlines() if line.startswith("batch_last_success_timestamp_seconds{"))
    assert success in second


def test_the_source_documents_push_is_refused(pushgateway: str) -> None:
    """Row 15: JSON is no exposition format."""
    body = json.dumps({"http_response_time": "0.04", "api_version": "v2"})
    answer = httpx.post(f"{pushgateway}/metrics/job/logstash/instance/supersmartmatch", content=body, trust_env=False)
    assert answer.status_code == 400


@pytest.fixture
def recorder() -> Iterator[tuple[str, list[tuple[str, str, object]]]]:
    """An HTTP server that answers 404 to what it is asked for, takes what it is sent, and remembers it."""
    taken: list[tuple[str, str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.answer(404)

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append(("PUT", self.path, json.loads(body)))
            self.answer(200)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            taken.append(("POST", self.path, '"type": "index-pattern"' in body and self.headers["kbn-xsrf"]))
            self.answer(200)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", taken
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("engine", "policy", "more"),
    [
        ("elasticsearch", "/_ilm/policy/", [("POST", "/api/saved_objects/_import?overwrite=true", "true")]),
        ("opensearch", "/_plugins/_ism/policies/", []),
    ],
)
def test_the_setup_script_puts_policy_template_and_data_view_in_place(
    engine: str,
    policy: str,
    more: list[tuple[str, str, object]],
    recorder: tuple[str, list[tuple[str, str, object]]],
    tmp_path: Path,
) -> None:
    """The policy before the template that names it."""
    url, taken = recorder
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    environment = os.environ | {"no_proxy": "127.0.0.1", f"{engine.upper()}_URL": url, "KIBANA_URL": url}
    done = subprocess.run(
        ["sh", str(tmp_path / engine / "setup.sh")], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rules = {"elasticsearch": "ilm-policy.json", "opensearch": "ism-policy.json"}[engine]
    assert taken == [
        ("PUT", f"{policy}supersmartmatch-logs", json.loads(FILES[f"{engine}/{rules}"])),
        ("PUT", "/_index_template/supersmartmatch-logs", json.loads(FILES[f"{engine}/index-template.json"])),
        *more,
    ]
