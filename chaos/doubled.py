"""The world of `doubles`: two Prometheus that write to one VictoriaMetrics, which the judge reads; two consoles behind
nginx; two log workers with files of their own and one search server. All real, but the search server: an
OpenSearch-compatible one for tests.
"""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path

import httpx
import yaml
from bench import servers
from bench.harness import Bar
from osmem_server import OsmemServer

from bascule.logs import LogReader
from bascule.processes import ports, programs
from bascule.processes.ready import answers, wait_until
from bascule.processes.supervisor import Program
from bascule.spec import load
from chaos.shop_world import ShopWorld, Victims
from chaos.web import HOST

REPLICAS = ("prometheus-a", "prometheus-b")
VICTIMS: Victims = {"Prometheus": REPLICAS, "console": ("console-1", "console-2"), "log worker": ("logs-1", "logs-2")}
ROLES = ("prometheus", "supervisor", "judge", "logs", "incidents", "sla", "console", "alertmanager")
LINE = "{at} INFO shop-v1 API_CALL user_id={number} endpoint=/api/match response_time=0.02 status=200\n"
LINES_PAUSE = 0.05  # seconds between two lines of a file
PAGE_PAUSE = 0.2  # seconds between two looks at the page
PAGE_SECONDS = 5.0
ARRIVE_SECONDS = 60.0
REST = """prometheus: {{replica_label: replica}}
logs:
  sources: [{{name: app, files: {log}, formats: [api_call]}}]
  pseudonymise: []
  search_engine: {{url: "{search}", engine: opensearch}}
stack:
  state: {state}
  ports: {{{ports}}}
  external: {{prometheus: "{engine}"}}
  scrape: {{remote_write: ["{engine}/api/v1/write"]}}
"""
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log error;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxied; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream console {{ {servers} }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://console; proxy_connect_timeout 1s;
    proxy_set_header Host 127.0.0.1; }} }}
}}
"""


class Doubled(ShopWorld):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder, VICTIMS)
        self._search = OsmemServer.start()
        self._engine, self._front = ports.free(), ports.free()
        own = {name: ports.free() for name in ROLES}
        second = own | {"console": ports.free(), "logs": ports.free()}
        first = self._spec("spec.yaml", "state", "1.log", own)
        page = self._spec("spec-page.yaml", "state", "1.log", own | {"console": second["console"]})
        beside = self._spec("spec-logs.yaml", "state-2", "2.log", second)  # a worker's store is its own
        self.spec = load(first)
        self.generate(first)
        self.programs = {
            "engine": self.own("engine", servers.victoria_metrics(folder / "engine", self._engine)),
            "sla": self.role("sla", "sla", first, own["sla"]),
            "alertmanager": self.alertmanager("alertmanager", own["alertmanager"], "--cluster.listen-address="),
            "journal": self.role("incidents", "incidents", first, own["incidents"]),
            **{name: self._prometheus(name) for name in REPLICAS},
            "judge": self.role("judge", "judge", first, own["judge"]),
            "logs-1": self.role("logs-1", "logs", first, own["logs"]),
            "logs-2": self.role("logs-2", "logs", beside, second["logs"]),
            "console-1": self.role("console-1", "console", first, own["console"]),
            "console-2": self.role("console-2", "console", page, second["console"]),
            "nginx": self._nginx((own["console"], second["console"])),
        }
        self._stop = threading.Event()
        self._written = {"1.log": 0, "2.log": 0}
        self._pages: list[float] = []  # when a page came that says the verdict (monotonic seconds)
        self._threads = [threading.Thread(target=task, daemon=True) for task in (self._write_lines, self._read_pages)]

    def open(self) -> None:
        super().open()
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._stop.set()
        super().close()
        self._search.close()

    def bars(self) -> list[Bar]:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        written = sum(self._written.values())
        wait_until(lambda: self._documents() >= written, ARRIVE_SECONDS)
        stored = [self._stored("state", "1.log"), self._stored("state-2", "2.log")]
        gap = max((later - sooner for sooner, later in itertools.pairwise(self._pages)), default=None)
        return [
            Bar("lines written", written, "", 1, "at_least"),
            Bar("lines missing or doubled in the stores", sum(stored), "", 0),
            Bar("documents beside lines written", abs(self._documents() - written), "", 0),
            Bar("longest time without a page behind nginx", gap, "s", 3.0),
        ]

    # ------------------------------------------------------------ what is written and read all the while

    def _write_lines(self) -> None:
        while not self._stop.wait(LINES_PAUSE):
            for name, number in self._written.items():
                at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
                with (self.folder / name).open("a") as file:
                    file.write(LINE.format(at=at, number=number))
                self._written[name] = number + 1

    def _read_pages(self) -> None:
        while not self._stop.wait(PAGE_PAUSE):
            try:
                page = httpx.get(f"http://{HOST}:{self._front}/", timeout=PAGE_SECONDS, trust_env=False)
            except httpx.HTTPError:
                continue
            if page.is_success and "verdict" in page.text:
                self._pages.append(time.monotonic())

    def _documents(self) -> int:
        url = f"{self._search.url}/doubled-*"
        httpx.post(f"{url}/_refresh", timeout=60, trust_env=False)
        return int(httpx.get(f"{url}/_count", timeout=60, trust_env=False).json()["count"])

    def _stored(self, state: str, log: str) -> int:
        """How many lines of a file are not once in a worker's store."""
        reader = LogReader(self.folder / state / "logs")
        rows = reader.query("select user_id, count(*) as times from logs group by user_id")
        found = {row["user_id"]: row["times"] for row in rows}
        return sum(abs(found.get(str(number), 0) - 1) for number in range(self._written[log]))

    # ------------------------------------------------------------ its parts

    def _spec(self, file: str, state: str, log: str, listening: dict[str, int]) -> Path:
        (self.folder / log).touch()
        rest = REST.format(
            state=self.folder / state, log=self.folder / log,
            search=self._search.url, engine=f"http://{HOST}:{self._engine}",
            ports=", ".join(f"{role}: {port}" for role, port in listening.items()),
        )  # fmt: skip
        return self.write_spec(file, "doubled", rest)

    def _prometheus(self, name: str) -> Program:
        """It scrapes and writes; rules are not what this world loses."""
        made = yaml.safe_load((self.layout.config / "prometheus" / "prometheus.yml").read_text())
        made["global"].setdefault("external_labels", {})["replica"] = name
        made["rule_files"] = []
        for target in made["remote_write"]:
            target.setdefault("queue_config", {})["batch_send_deadline"] = "500ms"
        config, port = self.layout.config / "prometheus" / f"{name}.yml", ports.free()
        config.write_text(yaml.safe_dump(made))
        return self.own(name, servers.prometheus(name, config, self.folder / name, port))

    def _nginx(self, consoles: tuple[int, int]) -> Program:
        servers = " ".join(f"server {HOST}:{port} max_fails=1 fail_timeout=1s;" for port in consoles)
        config = self.folder / "nginx.conf"
        config.write_text(NGINX.format(folder=self.folder, servers=servers, port=self._front))
        argv = [str(programs.find("nginx")), "-p", str(self.folder), "-c", str(config)]
        return self.program("nginx", argv, answers(f"http://{HOST}:{self._front}/health"))
