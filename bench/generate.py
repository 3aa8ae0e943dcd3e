"""A thousand partners, two hundred endpoints: how long generating takes, what the rules cost a real Prometheus."""

from __future__ import annotations

import http.server
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import yaml

from bascule.generate import write
from bascule.processes import ports, programs
from bascule.processes.ready import answers
from bascule.processes.supervisor import Program, Supervisor
from bascule.prometheus import Prometheus
from bascule.spec import built_in_text, parse
from bench.harness import Bar, Result

PARTNERS, ENDPOINTS = 1000, 200
INTERVAL_SECONDS = 5.0
WATCHED_SECONDS = 60.0
BUCKETS = ("0.01", "0.03", "0.05", "0.1", "0.2", "0.5", "1.0", "+Inf")
BAD = 'status="500"'  # nothing is wrong: two thousand firing alerts are not what is measured
SEGMENTS = ("enterprise", "api_partners", "freemium")


def run() -> Result:
    with tempfile.TemporaryDirectory() as folder:
        spec_path = Path(folder) / "spec.yaml"
        spec_path.write_text(big_spec(), "utf-8")
        generation = generated(spec_path, Path(folder) / "out")
        evaluation = evaluated(Path(folder))
    return Result(
        [
            Bar("generation", generation["seconds"], "s", 5),
            Bar("generation memory", generation["megabytes"], "MB", 500),
            Bar("evaluating every rule", evaluation["share"], "of a core", 0.5),
            Bar("series scraped", evaluation["series"], "series", PARTNERS * 4, "at_least"),
            Bar("rules that failed", evaluation["failed"], "rules", 0),
        ],
        {"generation": generation, "evaluation": evaluation},
    )


def big_spec(**stack: object) -> str:
    document = yaml.safe_load(built_in_text())
    partners = {f"partner-{number:04}": "10000/h" for number in range(PARTNERS)}
    document["segments"]["api_partners"]["quotas"] |= partners
    document["instrument"] = {"endpoints": [f"/api/v2/{number}" for number in range(ENDPOINTS)], "label_limit": 2000}
    document["stack"] = stack
    return yaml.safe_dump(document, sort_keys=False)


# ---------------------------------------------------------------- generating


_GENERATE = """
import json, resource, sys, time
from pathlib import Path
start = time.perf_counter()
from bascule.generate import write
from bascule.spec import load
files = write(load(sys.argv[1]), Path(sys.argv[2]))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": time.perf_counter() - start, "megabytes": peak, "files": len(files)}))
"""


def generated(spec: Path, out: Path) -> dict[str, float]:
    """In a process of its own, imports included: what a user waits for."""
    command = [sys.executable, "-c", _GENERATE, str(spec), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


# ---------------------------------------------------------------- evaluating


def evaluated(folder: Path) -> dict[str, float]:
    """Rules on a real Prometheus that scrapes that many series."""
    with exposed() as target, Supervisor() as supervisor:
        port = ports.free()
        spec = parse(
            big_spec(
                ports={"prometheus": port},
                scrape={"interval": f"{INTERVAL_SECONDS}s", "timeout": "4s", "evaluation": f"{INTERVAL_SECONDS}s"},
            )
        )
        out = folder / "running"
        write(spec, out)
        config = out / "prometheus" / "prometheus.yml"
        document = yaml.safe_load(config.read_text())
        document["scrape_configs"] = [{"job_name": "supersmartmatch-v2", "static_configs": [{"targets": [target]}]}]
        config.write_text(yaml.safe_dump(document))
        url = f"http://127.0.0.1:{port}"
        supervisor.start(_prometheus(config, folder, port, url))
        return _watched(Prometheus(url), supervisor.pid("prometheus"))


def _prometheus(config: Path, folder: Path, port: int, url: str) -> Program:
    flags = {
        "config.file": config,
        "storage.tsdb.path": folder / "data",
        "web.listen-address": f"127.0.0.1:{port}",
    }
    argv = [str(programs.find("prometheus")), *(f"--{flag}={value}" for flag, value in flags.items())]
    return Program(
        "prometheus", argv, env=programs.environment("prometheus"), log=folder / "prometheus.log",
        ready=answers(f"{url}/-/ready"),
    )  # fmt: skip


def _watched(prometheus: Prometheus, pid: int | None) -> dict[str, float]:
    """Each group's usual evaluation, as a share of its own interval; their sum is what one core is busy with."""
    seen: dict[str, list[float]] = defaultdict(list)
    deadline = time.monotonic() + WATCHED_SECONDS
    while time.monotonic() < deadline:
        for group in prometheus.rules():
            seen[group["name"]].append(float(group["evaluationTime"]) / float(group["interval"]))
        time.sleep(1)
    shares = {f"group {name}": statistics.median(found) for name, found in seen.items()}
    failed = sum(1 for group in prometheus.rules() for rule in group["rules"] if rule.get("lastError"))
    scraped = prometheus.scalar("sum(scrape_samples_scraped)")
    return {
        "share": sum(shares.values()),
        "series": float(scraped or 0.0),
        "failed": failed,
        "memory_megabytes": _memory(pid),
        **shares,
    }


def _memory(pid: int | None) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


@contextmanager
def exposed() -> Iterator[str]:
    """A target whose counters rise with the time: every partner, every endpoint, both versions."""
    names = list(series())
    began = time.monotonic()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            value = f"{(time.monotonic() - began) * 10:.1f}"
            body = "\n".join(f"{name} {0 if BAD in name else value}" for name in names).encode() + b"\n"
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def series() -> Iterator[str]:
    for number, version, status in product(range(PARTNERS), ("v1", "v2"), ("200", "500")):
        labels = f'version="{version}",status="{status}",method="POST",endpoint="/api/v2/{number % ENDPOINTS}"'
        yield f'http_requests_total{{{labels},user_segment="api_partners",partner="partner-{number:04}"}}'
    for number, version, segment in product(range(ENDPOINTS), ("v1", "v2"), SEGMENTS):
        labels = f'version="{version}",method="POST",endpoint="/api/v2/{number}",user_segment="{segment}"'
        yield from (f'http_request_duration_seconds_bucket{{{labels},le="{le}"}}' for le in BUCKETS)
        yield f"http_request_duration_seconds_count{{{labels}}}"
    for version, segment, success in product(("v1", "v2"), SEGMENTS, ("True", "False")):
        yield f'supersmartmatch_matches_total{{version="{version}",user_segment="{segment}",success="{success}"}}'
