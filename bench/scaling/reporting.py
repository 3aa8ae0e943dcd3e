"""What the SLA report of a day costs the former build and this one, on the same samples in a real Prometheus."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.harness import Bar
from bench.scaling.load import Sender, load_of
from bench.scaling.looking import former_build, in_build
from bench.scaling.servers import server

BEGIN, INTERVAL = 1_790_000_100, 15
SCRIPT = Path(__file__).with_name("report.py")


@dataclass(frozen=True)
class Reported:
    """Of both builds: processor time and wall time in seconds, largest memory, and the figures. `disk`: bytes a sample
    in the server's folder."""

    instances: int
    series: int
    disk: float
    ours: dict[str, Any]
    former: dict[str, Any]

    def bars(self) -> Iterator[Bar]:
        name = f"SLA report of a day at {self.instances} instances"
        yield Bar(f"{name}: own CPU", self.ours["cpu"], "s", None)
        yield Bar(f"{name}: own CPU, the former build", self.former["cpu"], "s", None)
        yield Bar(f"{name}: wall time", self.ours["wall"], "s", None)
        yield Bar(f"{name}: largest memory", self.ours["peak_mb"], "MB", None)
        yield Bar(f"{name}: own CPU less", self.former["cpu"] / self.ours["cpu"], "x", 4, "at_least")
        yield Bar(f"{name}: largest relative difference of a figure", self._apart(), "", 1e-12)

    def _apart(self) -> float:
        ours, former = self.ours["figures"], self.former["figures"]
        return max(float(abs(ours[name] / former[name] - 1)) for name in ours.keys() & former.keys() if former[name])


def reported(instances: int, hours: float) -> Reported:
    """Report a day of which so many hours hold samples."""
    scrapes = round(hours * 3600 / INTERVAL)
    with tempfile.TemporaryDirectory(prefix="bascule-report-") as name, server(Path(name)) as prometheus:
        load, sender = load_of(instances, scrapes, INTERVAL), Sender(prometheus.receiver)
        for scrape in range(scrapes):
            sender.send(load, scrape, BEGIN)
        asked = {"url": prometheus.client.url, "start": BEGIN, "end": BEGIN + round(hours * 3600)}
        ours = in_build(Path("src"), SCRIPT, asked)
        with former_build() as source:
            former = in_build(source, SCRIPT, asked)
        size = sum(path.stat().st_size for path in Path(name, "data").rglob("*") if path.is_file())
        return Reported(instances, len(load), size / (scrapes * len(load)), ours, former)
