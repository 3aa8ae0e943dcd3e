"""The source document's own rules beside ours: a second Prometheus that scrapes the same services and tells nobody.

rules.yml, alerts.yml   word for word
corrected.yml           the same with names and labels that match series
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from bascule.documents import read_yaml
from bascule.processes import ports, programs
from bascule.processes.ready import answers
from bascule.processes.supervisor import Program, Supervisor
from bascule.prometheus import Prometheus
from bascule.scenarios.house import House

__all__ = ["SourceRules", "beside"]

FILES = ("rules.yml", "alerts.yml", "corrected.yml")
EVERY = "5s"  # scrape and evaluation: the document names none, and Prometheus' own default is a minute
AS_WRITTEN = "as written"
START_SECONDS = 60.0  # it starts beside a whole stack


@dataclass(frozen=True)
class SourceRules:
    """The second Prometheus."""

    prometheus: Prometheus

    def fired(self, since: float, until: float) -> dict[str, float]:
        """By rule set and alert, the seconds after `since` (Unix seconds) from which it fired, where it had not."""
        found: dict[str, float] = {}
        for series in self.prometheus.range('ALERTS{alertstate="firing"}', since - 10.0, until, 1.0):
            labels = series.labels
            name = f"{labels.get('rules', AS_WRITTEN)}: {labels['alertname']}"
            begun = [float(at) - since for at in series.times]
            if begun and begun[0] > 0:
                found[name] = round(min(begun[0], found.get(name, math.inf)), 1)
        return dict(sorted(found.items()))


@contextmanager
def beside(house: House, folder: Path) -> Iterator[SourceRules]:
    """The document's rules over the services of a house."""
    folder.mkdir(parents=True)
    for name in FILES:
        shutil.copy(Path(__file__).with_name(name), folder / name)
    ours = read_yaml(house.prometheus_config.read_text("utf-8"), house.prometheus_config)["scrape_configs"]
    jobs = [job for job in ours if job["job_name"] in house.spec.services]
    every = {"scrape_interval": EVERY, "evaluation_interval": EVERY}
    config = {"global": every, "rule_files": list(FILES), "scrape_configs": jobs}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
    url = f"http://127.0.0.1:{ports.free()}"
    argv = [
        str(programs.find("prometheus")),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={url.removeprefix('http://')}",
    ]
    with Supervisor() as supervisor:
        ready = answers(f"{url}/-/ready")
        supervisor.start(Program("source-rules", argv, log=folder / "log", ready=ready, ready_timeout=START_SECONDS))
        yield SourceRules(Prometheus(url))
