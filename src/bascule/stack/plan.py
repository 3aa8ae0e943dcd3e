"""From a spec to the programs of its stack: which, with what flags, in what order."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from bascule.errors import UsageError
from bascule.processes import programs
from bascule.processes.ready import answers, responds
from bascule.processes.supervisor import Program
from bascule.spec import Spec

__all__ = ["Layout", "check_inputs", "config_folder", "exporters", "plan", "ports_of"]

ON = object()  # the value of a flag that takes none
ROLE_READY_SECONDS = 60.0  # they import numpy and its like, on a machine that may be busy


class Layout:
    """What lies where in the state folder."""

    def __init__(self, state: Path) -> None:
        self.state = state.absolute()
        self.config = self.state / "config"
        self.output = self.state / "output"  # what the programs print

    def log(self, name: str) -> Path:
        return self.output / f"{name}.log"


def config_folder(spec: Spec) -> Path:
    """Where `up` writes what is generated: absolute."""
    return Layout(spec.stack.state).config


def plan(spec: Spec, spec_path: Path | str) -> list[list[Program]]:
    """The programs in stages: those of one stage start together, the next stage when all of them are ready.

    What receives comes before what sends: Alertmanager and incidents before Prometheus, Prometheus before the judge
    and the console. Raises ProgramMissing before anything is started.
    """
    layout = Layout(spec.stack.state)
    external = spec.stack.external
    receivers = [*_exporter_programs(spec, layout), _role(spec, spec_path, "incidents", layout)]
    if "alertmanager" not in external:
        receivers.insert(0, _alertmanager(spec, layout))
    store = [] if "prometheus" in external else [_prometheus(spec, layout)]
    readers = [_role(spec, spec_path, role, layout) for role in spec.roles if role != "incidents"]
    patience = spec.stack.hung_after
    return [[replace(each, hung_after=patience) for each in stage] for stage in (receivers, store, readers) if stage]


def exporters(spec: Spec) -> list[str]:
    """The exporters this spec needs, by their names in `stack.ports`."""
    here = spec.stack.address("node_exporter")
    needed = {
        "node_exporter": any(here in service.targets for service in spec.services_of("node").values()),
        "redis_exporter": bool(spec.services_of("redis")),
        "nginx_exporter": bool(spec.services_of("nginx")),
        "blackbox_exporter": spec.is_probed,
    }
    return [name for name, is_needed in needed.items() if is_needed]


def ports_of(spec: Spec) -> dict[str, int]:
    """The port of each part that this stack starts, by its name in `stack.ports`."""
    stores = [part for part in ("prometheus", "alertmanager") if part not in spec.stack.external]
    parts = [*stores, *exporters(spec), "supervisor", *spec.roles]
    return {part: getattr(spec.stack.ports, part) for part in parts}


def check_inputs(spec: Spec) -> None:
    """Make sure that no log source needs the standard input, which no part of a stack has.

    Raises UsageError: a program that writes into `bascule up` would block once the pipe is full.
    """
    name = next((name for name, source in spec.logs.named.items() if source.stdin), None)
    if name is not None:
        raise UsageError(
            f"the log source {name!r} is standard input, which no part of `bascule up` reads",
            "have the lines written to a file and declare `files`; or start the roles one by one with `bascule serve`,"
            " and pipe into that of `--role logs`",
        )


def _prometheus(spec: Spec, layout: Layout) -> Program:
    scrape, url = spec.stack.scrape, spec.stack.url("prometheus")
    flags: dict[str, object] = {
        "config.file": layout.config / "prometheus" / "prometheus.yml",
        "storage.tsdb.path": layout.state / "prometheus",
        "storage.tsdb.retention.time": f"{round(scrape.retention)}s",
        "rules.alert.resend-delay": f"{round(scrape.resend_delay * 1000)}ms",
        "web.listen-address": spec.stack.address("prometheus"),
        "web.external-url": f"{url}/",
    }
    if spec.judge.push and not scrape.remote_write:
        flags["storage.remote.flush-deadline"] = "1s"  # when it stops, the judge has stopped before it
    if spec.stack.snapshots:
        flags["web.enable-admin-api"] = ON
    return _program("prometheus", "prometheus", flags, layout, f"{url}/-/ready")


def _alertmanager(spec: Spec, layout: Layout) -> Program:
    url = spec.stack.url("alertmanager")
    flags = {
        "config.file": layout.config / "alertmanager" / "alertmanager.yml",
        "storage.path": layout.state / "alertmanager",
        "cluster.listen-address": "",  # a single one that looks for peers delays its first notice by 10 s
        "web.listen-address": spec.stack.address("alertmanager"),
        "web.external-url": f"{url}/",
    }
    return _program("alertmanager", "prometheus-alertmanager", flags, layout, f"{url}/-/ready")


def _exporter_programs(spec: Spec, layout: Layout) -> Iterator[Program]:
    makers = {
        "node_exporter": _node_exporter,
        "redis_exporter": _redis_exporter,
        "nginx_exporter": _nginx_exporter,
        "blackbox_exporter": _blackbox_exporter,
    }
    for name in exporters(spec):
        yield makers[name](spec, layout)


def _node_exporter(spec: Spec, layout: Layout) -> Program:
    flags = {"web.listen-address": spec.stack.address("node_exporter"), "log.level": "warn"}
    return _program("node_exporter", "prometheus-node-exporter", flags, layout, spec.stack.url("node_exporter"))


def _redis_exporter(spec: Spec, layout: Layout) -> Program:
    first = next(iter(spec.services_of("redis").values())).targets[0]
    flags = {
        "redis.addr": f"redis://{first}",
        "connection-timeout": _within_a_scrape(spec),
        "web.listen-address": spec.stack.address("redis_exporter"),
    }
    return _program("redis_exporter", "prometheus-redis-exporter", flags, layout, spec.stack.url("redis_exporter"))


def _nginx_exporter(spec: Spec, layout: Layout) -> Program:
    """It answers only once nginx has: the stack does not wait for that, the missing nginx is told by its metrics."""
    service = next(iter(spec.services_of("nginx").values()))
    flags = {
        "nginx.scrape-uri": f"http://{service.targets[0]}{service.status_path}",
        "nginx.timeout": _within_a_scrape(spec),
        "nginx.retries": 1_000_000,
        "nginx.retry-interval": "1s",
        "web.listen-address": spec.stack.address("nginx_exporter"),
    }
    return _program("nginx_exporter", "prometheus-nginx-exporter", flags, layout, None)


def _blackbox_exporter(spec: Spec, layout: Layout) -> Program:
    flags = {
        "config.file": layout.config / "blackbox" / "blackbox.yml",
        "web.listen-address": spec.stack.address("blackbox_exporter"),
        "log.level": "warn",
    }
    url = spec.stack.url("blackbox_exporter")
    return _program("blackbox_exporter", "prometheus-blackbox-exporter", flags, layout, url)


def _role(spec: Spec, spec_path: Path | str, role: str, layout: Layout) -> Program:
    argv = [sys.executable, "-m", "bascule", "serve", str(spec_path), "--role", role]
    program = Program(role, argv, log=layout.log(role), ready_timeout=ROLE_READY_SECONDS)
    return _asked(program, f"{spec.stack.url(role)}/health")


def _program(name: str, binary: str, flags: Mapping[str, object], layout: Layout, ready_url: str | None) -> Program:
    given = (f"--{flag}" if value is ON else f"--{flag}={value}" for flag, value in flags.items())
    argv = [str(programs.find(binary)), *given]
    program = Program(name, argv, log=layout.log(name))
    return _asked(program, ready_url) if ready_url else program


def _asked(program: Program, url: str) -> Program:
    """Ready once the URL says so, and hung when it no longer answers at all."""
    return replace(program, ready=answers(url), alive=responds(url))


def _within_a_scrape(spec: Spec) -> str:
    """An exporter must give up before the scrape does, to say itself that what it watches is down."""
    return f"{round(spec.stack.scrape.timeout * 800)}ms"
