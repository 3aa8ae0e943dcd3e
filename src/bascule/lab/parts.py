"""The lab's programs: what each is started with, and how it tells that it is ready."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bascule.errors import UsageError
from bascule.generate.prometheus.instrument_config import instrument_config
from bascule.lab.files import replace_text
from bascule.lab.nginx import GENERATION, Front
from bascule.lab.services import FALLBACK, MATCH, RATE, Settings
from bascule.lab.site import access_log, address, only, service_log
from bascule.processes import programs
from bascule.processes.ready import answers, listens
from bascule.processes.supervisor import Program
from bascule.spec import Spec

Role = Literal["baseline", "candidate", "backend"]
WORKERS, THREADS = 2, 8
READY_SECONDS = 60.0  # a busy machine takes long to start three services at once
ALGORITHMS: dict[Role, str] = {"baseline": "classic", "candidate": "nexten", "backend": "nexten"}


@dataclass(frozen=True)
class LabParts:
    """Programs for a spec whose addresses are the lab's own (`lab_spec`), with all files below `folder`."""

    spec: Spec
    folder: Path
    seed: int = 1

    @property
    def roles(self) -> dict[str, Role]:
        """The sample services and what each plays: an application without a version is the backend."""
        versions = self.spec.versions
        role_of: dict[str | None, Role] = {versions.baseline: "baseline", versions.candidate: "candidate"}
        roles = {
            name: role_of.get(part.version, "backend") for name, part in self.spec.services_of("application").items()
        }
        played = sorted(roles.values())
        if played not in (["backend", "baseline", "candidate"], ["baseline", "candidate"]):
            what = f"the lab runs one service of each version and at most one behind them, but the spec has {played}"
            raise UsageError(what, "declare `version` for one service of each version")
        return roles

    def version(self, service: str) -> str:
        return self.spec.services[service].version or service

    def behaviour_path(self, service: str) -> Path:
        return self.folder / "services" / f"{service}.behaviour.json"

    def front(self) -> Front:
        """nginx with all traffic on the baseline."""
        spec, nginx = self.spec, only(self.spec, "nginx")
        faced = [name for name, role in self.roles.items() if role != "backend"]
        return Front(
            folder=self.folder / "nginx",
            listen=address(spec, nginx),
            access_log=spec.services[nginx].access_log or access_log(self.folder),
            upstreams={self.version(name): address(spec, name) for name in faced},
            baseline=spec.versions.baseline,
            candidate=spec.versions.candidate,
            status_path=spec.services[nginx].status_path,
            shares=dict.fromkeys(spec.segments.named, 0.0),
        )

    def redis(self) -> Program:
        name = only(self.spec, "redis")
        host, _, port = address(self.spec, name).rpartition(":")
        home = self.folder / "redis"
        home.mkdir(parents=True, exist_ok=True)
        keeps_nothing = ["--save", "", "--appendonly", "no", "--maxmemory", "32mb", "--maxmemory-policy", "allkeys-lru"]
        argv = [str(programs.find("redis-server")), "--bind", host, "--port", port, "--dir", str(home), *keeps_nothing]
        return Program(name, argv, log=self._output(name), ready=listens(host, int(port)), ready_timeout=READY_SECONDS)

    def nginx(self, front: Front) -> Program:
        front.write()
        name = only(self.spec, "nginx")
        argv = front.argv(programs.find("nginx"))
        return Program(
            name,
            argv,
            log=self._output(name),
            ready=answers(f"http://{front.listen}{GENERATION}"),
            ready_timeout=READY_SECONDS,
        )

    def service(self, name: str) -> Program:
        settings = self._write_settings(name)
        metrics = self.folder / "services" / f"{name}.metrics"
        metrics.mkdir(parents=True, exist_ok=True)
        return Program(
            name,
            [
                *(sys.executable, "-m", "gunicorn", "-c", "python:bascule.lab.gunicorn_hooks"),
                *("--bind", address(self.spec, name), "--workers", str(WORKERS)),
                *("--worker-class", "gthread", "--threads", str(THREADS), "--keep-alive", "75"),
                *("--graceful-timeout", "3", "--log-level", "warning", "--no-control-socket"),
                f"bascule.lab.services:create_app({str(settings)!r})",
            ],
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(metrics)},
            log=self._output(name),
            # Not /health, which would count as a request.
            ready=answers(f"http://{address(self.spec, name)}/metrics"),
            ready_timeout=READY_SECONDS,
        )

    def _write_settings(self, name: str) -> Path:
        home, role = self.folder / "services", self.roles[name]
        log = service_log(self.folder, name)
        log.parent.mkdir(parents=True, exist_ok=True)
        settings = Settings(
            service=name,
            version=self.version(name),
            algorithm=ALGORITHMS[role],
            behaviour=str(self.behaviour_path(name)),
            instrument=str(self._write_instrument()),
            log=str(log),
            redis=address(self.spec, only(self.spec, "redis")),
            backend=self._backend_address() if role == "candidate" else None,
            matches=role != "backend",
            seed=self.seed,
        )
        path = home / f"{name}.json"
        settings.write(path)
        return path

    def _backend_address(self) -> str | None:
        return next((address(self.spec, name) for name, role in self.roles.items() if role == "backend"), None)

    def _write_instrument(self) -> Path:
        """What the spec makes known, and the labels that only the lab knows."""
        declared: dict[str, Any] = {
            **instrument_config(self.spec),
            "versions": [self.version(name) for name in self.roles],
            "endpoints": [f"POST {MATCH}", f"POST {RATE}"],
            "algorithms": sorted({*ALGORITHMS.values(), FALLBACK}),
        }
        path = self.folder / "services" / "instrument.json"
        replace_text(path, json.dumps(declared, indent=2))
        return path

    def _output(self, name: str) -> Path:
        return self.folder / "output" / f"{name}.log"
