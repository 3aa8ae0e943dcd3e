"""Prometheus servers that are sent their samples, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bascule.processes import ports, programs
from bascule.processes.supervisor import Program, Supervisor
from bascule.prometheus import Prometheus
from bench.harness import processor_seconds, resident_bytes


@dataclass(frozen=True)
class Server:
    """One that is running."""

    client: Prometheus
    pid: int

    @property
    def receiver(self) -> str:
        return f"{self.client.url}/api/v1/write"

    def cpu(self) -> float:
        """Processor time so far, in seconds."""
        return processor_seconds(self.pid)

    def resident_mb(self) -> float:
        """Memory in use."""
        return resident_bytes(self.pid) / (1 << 20)


@contextmanager
def server(folder: Path, config: str = "global: {scrape_interval: 1h}\n") -> Iterator[Server]:
    """A Prometheus with its data in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(config)
    port = ports.free()
    argv = [
        str(programs.find("prometheus")),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=10y",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
    ]
    client = Prometheus(f"http://127.0.0.1:{port}", timeout=600.0)
    with Supervisor() as supervisor:
        program = Program("prometheus", argv, log=folder / "log", ready=client.is_ready, ready_timeout=120)
        supervisor.start(program)
        yield Server(client, supervisor.pid("prometheus"))
