"""What a day brings to a stack: each kind on a thread of its own, evenly over the time, and held to its effect."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle

import httpx
import yaml

from bascule.api import SlaClient
from bascule.conventions import MAINTENANCE
from bascule.errors import BasculeError, ProcessFailed
from bench.holding.shop import JOBS_WAITING, RULES
from bench.holding.standing import Standing

WHO = "bench"
EFFECT_SECONDS = 60.0  # in which what happens must show
REPORT_SECONDS = 120.0  # that making a report may take
RECEIVER, BREACHED = "on-call", 1  # who is sent it; how the command ends where an SLA was not kept
PAUSE = 0.2  # between two looks for an effect
PLANNED = "orders-v2"  # the service whose maintenance is planned
PAGES = ("/", "/wall", "/segments", "/incidents", "/sla", "/executive", "/dashboards", "/dashboards/technical/now",
         "/logs", "/checklist", "/drills", "/migrations", "/runbooks/")  # fmt: skip
STREAMS = ("/stream", "/stream/incidents")
FRAMES = 3  # that are read of a stream before its page is closed
STEPS = (2, 1, 2, 3)  # of the plan
RELOADED = "prometheus_config_last_reload_success_timestamp_seconds"


@dataclass
class Happening:
    """Something that happens so many times; `act` returns when its effect has shown."""

    name: str
    times: int
    act: Callable[[], None]
    done: int = 0
    failures: list[str] = field(default_factory=list)


class Day:
    """Everything that happens to a house. What has no effect is kept, and the day goes on."""

    def __init__(self, house: Standing, stop: threading.Event) -> None:
        self._house, self._stop = house, stop
        self._http = httpx.Client(base_url=house.spec.stack.url("console"), timeout=30.0, trust_env=False)
        self._archive = SlaClient(house.spec, seconds=30.0)
        self._steps, self._pods = cycle(STEPS), dict.fromkeys(house.spec.services, 0)
        self._turns = cycle(house.spec.services)
        self._pages = cycle(PAGES)
        self._streams = cycle(STREAMS)
        self._rotations = 0
        self._configuring = threading.Lock()

    def happenings(self, share: float) -> list[Happening]:
        """Those of a day, or of a share of it; each at least twice."""
        of_a_day = {
            "alerts that fire, are acknowledged and end": (48, self._alert),
            "steps of the plan": (12, self._step),
            "SLA reports made and sent": (24, self._report),
            "console pages opened and closed": (1440, self._page),
            "streams opened and closed": (480, self._stream),
            "log rotations": (24, self._rotate),
            "Prometheus reloads": (24, self._reload),
            "pods replaced": (96, self._replace_pod),
            "maintenance windows begun and ended": (12, self._maintain),
        }
        return [Happening(name, max(2, round(share * count)), act) for name, (count, act) in of_a_day.items()]

    def begin(self) -> None:
        """Give Prometheus the rule whose alerts fire."""
        (self._house.config / "rules" / "jobs.yml").write_text(RULES)
        self._reload()

    def live(self, happenings: Sequence[Happening], seconds: float) -> None:
        """All of it, within so many seconds."""
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(len(happenings), thread_name_prefix="day") as pool:
            try:
                # Each begins at another moment, so that not all of them happen at once.
                parts = [(each, (n + 1) / (len(happenings) + 1)) for n, each in enumerate(happenings)]
                for running in [pool.submit(self._repeat, each, part, end, seconds) for each, part in parts]:
                    running.result()
            finally:
                self._stop.set()
        self._http.close()

    def _repeat(self, happening: Happening, part: float, end: float, seconds: float) -> None:
        pause = seconds / happening.times
        for number in range(happening.times):
            due = end - seconds + (number + part) * pause
            if self._stop.wait(max(0.0, due - time.monotonic())) or time.monotonic() > end:
                return
            try:
                happening.act()
                happening.done += 1
            except (BasculeError, httpx.HTTPError, subprocess.SubprocessError) as error:
                happening.failures.append(f"{type(error).__name__}: {error}"[:300])

    def _shows(self, what: str, condition: Callable[[], object], seconds: float = EFFECT_SECONDS) -> None:
        """Wait for an effect. Raises ProcessFailed where it does not show."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise ProcessFailed(f"{what} did not show within {seconds:g} s", "read the logs of the parts involved")
            if self._stop.wait(PAUSE):
                raise ProcessFailed(f"{what} did not show until the end", "give the benchmark more time")

    # ------------------------------------------------------------ alerts, and the plan

    def _alert(self) -> None:
        journal = self._house.journal
        begun = time.time()
        self._house.order("pages", waiting=1)
        try:
            self._shows("the alert's incident", lambda: self._raised(begun))
            for incident in self._raised(begun):
                journal.acknowledge(incident, WHO, "seen")
        finally:
            self._house.order("pages", waiting=0)
        self._shows("the alert's end", lambda: not self._raised(begun))

    def _raised(self, since: float) -> list[int]:
        """Incidents of the alert that are open."""
        known = [each for each in self._house.journal.incidents(since) if each.alert == JOBS_WAITING]
        return [each.id for each in known if each.is_open and each.starts.timestamp() >= since - 1]

    def _step(self) -> None:
        number = next(self._steps)
        self._house.set_step(number, WHO)
        asked = "max(bascule_phase)"
        self._shows(f"step {number} of the plan", lambda: self._house.prometheus.scalar(asked) == number)

    def _maintain(self) -> None:
        now, journal = time.time(), self._house.journal
        window = journal.add_maintenance(now, now + 3600, "planned by the bench", WHO, [PLANNED])
        planned = f'max({MAINTENANCE.name}{{service="{PLANNED}"}})'
        self._shows("planned maintenance", lambda: self._house.prometheus.scalar(planned) == 1)
        journal.end_maintenance(window.id, WHO)
        self._shows("the end of maintenance", lambda: not self._house.prometheus.scalar(planned))

    # ------------------------------------------------------------ reports and pages

    def _report(self) -> None:
        """One that a person makes and sends, and once more by the role that keeps it."""
        target = self._house.folder / "report.html"
        words = ["sla", "report", str(self._house.spec_path), "--from", "now-5m", "--to", "now", "--format", "html"]
        argv = [sys.executable, "-m", "bascule", *words, "--out", str(target), "--send", RECEIVER]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=REPORT_SECONDS, cwd=self._house.folder)
        if done.returncode not in (0, BREACHED):
            raise ProcessFailed(f"`bascule sla report` ended with {done.returncode}: {done.stderr[-200:]}", "run it")
        self._shows("the report in the archive", self._archive.reports)
        self._archive.send(self._archive.reports()[0].id, [RECEIVER], WHO)

    def scheduled(self) -> int:
        """How many reports were made by themselves."""
        return sum(report.id.startswith("day-") for report in self._archive.reports())

    def _page(self) -> None:
        self._http.get(next(self._pages)).raise_for_status()

    def _stream(self) -> None:
        with self._http.stream("GET", next(self._streams)) as answer:
            answer.raise_for_status()
            frames = 0
            for line in answer.iter_lines():
                frames += line.startswith("event: frame")
                if frames >= FRAMES or self._stop.is_set():
                    return

    # ------------------------------------------------------------ logs, Prometheus, pods

    def _rotate(self) -> None:
        self._rotations += 1
        self._house.order("lines", rotation=self._rotations)

    def _reload(self) -> None:
        with self._configuring:
            before = self._house.prometheus.scalar(RELOADED) or 0.0
            os.kill(self._house.pid_of("prometheus"), signal.SIGHUP)
            self._shows("the reload", lambda: (self._house.prometheus.scalar(RELOADED) or 0.0) > before)

    def _replace_pod(self) -> None:
        """A pod with another name at the same address, which counts from nothing."""
        job = next(self._turns)
        self._pods[job] += 1
        name = f"{job}-pod-{self._pods[job]}"
        self._house.order("pages", pods=self._pods)
        config = self._house.config / "prometheus.yml"
        with self._configuring:
            document = yaml.safe_load(config.read_text())
            entry = next(each for each in document["scrape_configs"] if each["job_name"] == job)
            entry["static_configs"][0]["labels"] = {"instance": name}
            config.write_text(yaml.safe_dump(document))
        self._reload()
        asked = f'up{{job="{job}",instance="{name}"}}'
        self._shows(f"{name} in Prometheus", lambda: self._house.prometheus.scalar(asked) == 1)
