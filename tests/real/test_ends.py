"""Where a server does not say when its rules started, an alert ends in time, and never because a part was lost."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from engines import program_of, prometheus_program, scraping, victoria_metrics_program, vmalert_program
from prometheus_proxy import proxied
from served import MetricsPage, metrics_page

from bascule.errors import BasculeError
from bascule.processes.ports import free
from bascule.processes.supervisor import Program, Supervisor
from bascule.prometheus import Prometheus
from bascule.prometheus.held import AskedRules, Word

pytestmark = pytest.mark.real
LABELS = {"alertname": "Failing", "job": "shop", "severity": "critical"}
SETTLE_SECONDS = 4.0  # for which the journal wants to hear it
RULES = """
groups:
  - name: shop
    interval: 1s
    rules:
      - {alert: Failing, expr: "rate(failures_total[10s]) > 0", for: 2s, labels: {severity: critical}}
"""


@dataclass
class House:
    """A service whose failures an alert is about, and what watches it."""

    page: MetricsPage
    client: Prometheus
    supervisor: Supervisor
    programs: dict[str, Program]
    words: list[tuple[float, Word]] = field(default_factory=list)  # when, and what is said of the alert
    fails: bool = False

    def lose(self, name: str, seconds: float) -> None:
        self.supervisor.kill(self.programs[name].name)
        time.sleep(seconds)
        self.supervisor.start(self.programs[name])

    def says(self, word: Word) -> bool:
        """Whether it has said so for as long as the journal wants to hear it."""
        last = list(itertools.takewhile(lambda each: each[1] is word, reversed(self.words)))
        return bool(last) and last[0][0] - last[-1][0] >= SETTLE_SECONDS

    def serve(self, stop: threading.Event) -> None:
        failures = 0
        while not stop.wait(0.2):
            failures += self.fails
            self.page.text = f"failures_total {failures}\n"

    def ask(self, stop: threading.Event) -> None:
        """As the journal does; no answer is no word."""
        rules = AskedRules(self.client, 1.0)
        while not stop.wait(0.5):
            now = time.time()
            try:
                self.words.append((now, rules.word(now).says(LABELS, now)))
            except BasculeError:
                self.words.append((now, Word.UNKNOWN))


@pytest.fixture(params=["victoria-metrics", "prometheus"])
def house(request: Any, tmp_path: Path) -> Iterator[House]:
    make = _victoria_metrics if request.param == "victoria-metrics" else _hidden_prometheus
    stop = threading.Event()
    with ExitStack() as stack:
        page = stack.enter_context(metrics_page("failures_total 0\n"))
        made = stack.enter_context(make(page, tmp_path))
        threads = [threading.Thread(target=work, args=(stop,)) for work in (made.serve, made.ask)]
        for thread in threads:
            thread.start()
        yield made
        stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def _victoria_metrics(page: MetricsPage, folder: Path) -> Iterator[House]:
    """Fed by a Prometheus, whose batches are up to 5 s late; vmalert answers through it."""
    store, rules, sender = free(), free(), free()
    url, flags = f"http://127.0.0.1:{store}", (f"-vmalert.proxyURL=http://127.0.0.1:{rules}",)
    for part in ("store", "sender"):
        (folder / part).mkdir()
    (folder / "store" / "scrape.yml").touch()
    write = f"remote_write: [{{url: '{url}/api/v1/write'}}]\n"
    (folder / "sender" / "scrape.yml").write_text(write + scraping({"shop": page.target}))
    programs = {
        "store": victoria_metrics_program(program_of("victoria-metrics"), folder / "store", store, flags),
        "rules": vmalert_program(url, RULES, f"http://{page.target}", folder, rules),
        "sender": prometheus_program(program_of("prometheus"), folder / "sender", sender),
    }
    with _running(programs) as supervisor, closing(Prometheus(url, timeout=3)) as client:
        yield House(page, client, supervisor, programs)


@contextmanager
def _hidden_prometheus(page: MetricsPage, folder: Path) -> Iterator[House]:
    config = scraping({"shop": page.target}).replace("global:", "rule_files: [rules.yml]\nglobal:")
    (folder / "scrape.yml").write_text(config)
    (folder / "rules.yml").write_text(RULES)
    port = free()
    program = prometheus_program(program_of("prometheus"), folder, port)
    programs = dict.fromkeys(("store", "rules", "sender"), program)
    upstream = f"http://127.0.0.1:{port}"
    with (
        _running({"prometheus": program}) as supervisor,
        proxied(upstream, hidden="/api/v1/status") as url,
        closing(Prometheus(url, timeout=3)) as client,
    ):
        yield House(page, client, supervisor, programs)


@contextmanager
def _running(programs: dict[str, Program]) -> Iterator[Supervisor]:
    with Supervisor() as supervisor:
        for program in programs.values():
            supervisor.start(program)
        yield supervisor


def test_an_alert_ends_when_it_is_over_and_never_because_a_part_was_lost(
    house: House, eventually: Callable[..., Any]
) -> None:
    house.fails = True
    eventually(lambda: house.says(Word.FIRING), 60)
    for name, seconds in (("rules", 0.0), ("store", 0.0), ("rules", 6.0), ("store", 14.0), ("sender", 20.0)):
        lost, began = time.time(), len(house.words)
        house.lose(name, seconds)
        eventually(lambda: house.says(Word.FIRING), 60)
        said = [(round(at - lost, 1), word.name) for at, word in house.words[began:]]
        assert Word.ENDED.name not in {word for _, word in said}, (name, said)
    house.fails = False
    over = time.time()
    eventually(lambda: house.says(Word.ENDED), 60)
    assert time.time() - over < 45
