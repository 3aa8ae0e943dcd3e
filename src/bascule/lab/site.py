"""Where the lab's parts are: the spec of a migration that runs on this machine alone, beside anything else on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import yaml

from bascule.errors import PortBusy, UsageError
from bascule.lab.files import replace_text
from bascule.lab.plan import API_PARTNERS, PARTNERS
from bascule.processes import ports
from bascule.spec import Spec
from bascule.spec.model import Logs, LogSource, Ports, Probe, Segments, Service, Stack

LOOPBACK = "127.0.0.1"
SERVICE_FORMATS = ["api_call", "match_result", "python", "werkzeug"]
# Below the range from which the system takes the ports of outgoing connections: one of those could take a crashed
# service's port, or even connect to itself there.
PORT_RANGE = range(20_000, 32_000)


def lab_spec(base: Spec, folder: Path | str) -> Spec:
    """The base spec, moved to free ports of this machine and to paths below `folder`; all else stays."""
    folder = Path(folder).resolve()
    free = _free_ports()
    stack = base.stack.model_copy(
        update={
            "ports": Ports(**{part: next(free) for part in Ports.model_fields}),
            "listen": LOOPBACK,
            "state": folder / "state",
        }
    )
    services = {name: _moved(service, stack, free, folder) for name, service in base.services.items()}
    moved = base.model_copy(update={"stack": stack, "services": services, "segments": _segments(base)})
    return moved.model_copy(update={"logs": _logs(moved, folder), "probes": _probes(moved)})


def write_spec(spec: Spec, path: Path | str) -> Path:
    """Write a spec as YAML that `bascule.spec.load` reads back to the same."""
    document = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    replace_text(Path(path), yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
    return Path(path)


def address(spec: Spec, service: str) -> str:
    """host:port of a service's first target."""
    return spec.services[service].targets[0]


def only(spec: Spec, kind: str) -> str:
    """The name of the spec's one service of a kind."""
    names = list(spec.services_of(kind))
    if len(names) != 1:
        raise UsageError(f"the lab needs exactly one {kind} service, the spec has {len(names)}", f"declare one {kind}")
    return names[0]


def front_url(spec: Spec) -> str:
    return f"http://{address(spec, only(spec, 'nginx'))}"


def access_log(folder: Path) -> Path:
    return folder / "logs" / "access.json"


def service_log(folder: Path, service: str) -> Path:
    return folder / "logs" / f"{service}.log"


def _free_ports() -> Iterator[int]:
    candidates = list(PORT_RANGE)
    SystemRandom().shuffle(candidates)
    for port in candidates:
        try:
            ports.check(LOOPBACK, port, "the lab")
        except PortBusy:
            continue
        yield port
    raise PortBusy(f"no port is free from {PORT_RANGE.start} to {PORT_RANGE.stop}", "stop the programs that use them")


def _moved(service: Service, stack: Stack, free: Iterator[int], folder: Path) -> Service:
    port = stack.ports.node_exporter if service.kind == "node" else next(free)
    log = {"access_log": access_log(folder)} if service.kind == "nginx" else {}
    return service.model_copy(update={"targets": [f"{LOOPBACK}:{port}"], **log})


def _segments(base: Spec) -> Segments:
    """The lab's partners are declared, each with the segment's default quota."""
    named = dict(base.segments.named)
    segment = named.get(API_PARTNERS)
    if segment is not None and "default" in segment.quotas:
        quotas = dict.fromkeys(PARTNERS, segment.quotas["default"]) | segment.quotas
        named[API_PARTNERS] = segment.model_copy(update={"quotas": quotas})
    return base.segments.model_copy(update={"named": named})


def _logs(spec: Spec, folder: Path) -> Logs:
    services = [
        LogSource(files=str(service_log(folder, name)), formats=SERVICE_FORMATS, version=service.version)
        for name, service in spec.services_of("application").items()
    ]
    front = LogSource(files=str(access_log(folder)), formats=["nginx_json"])
    return spec.logs.model_copy(update={"sources": [*services, front]})


def _probes(spec: Spec) -> dict[str, Probe]:
    """Probes of plain HTTP go to the lab's nginx; the lab has no certificates, names or networks to look at."""
    front = urlsplit(front_url(spec)).netloc
    moved: dict[str, Any] = {}
    for name, probe in spec.probes.items():
        if probe.kind == "http":
            url = urlunsplit(urlsplit(probe.url)._replace(netloc=front))
            moved[name] = probe.model_copy(update={"url": url})
    return moved
