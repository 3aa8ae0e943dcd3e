"""The lab: three sample services, their cache and their load balancer, with faults to switch on."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from bascule.errors import ProcessFailed, UsageError
from bascule.lab import nginx
from bascule.lab.parts import LabParts
from bascule.lab.profiles import BehaviourFile, Profile, profile_named
from bascule.lab.services import Cache
from bascule.lab.site import address, only
from bascule.processes import ports
from bascule.processes.ready import listens, wait_until
from bascule.processes.supervisor import Supervisor
from bascule.spec import Spec

Report = Callable[[str], None]

CRASH_SECONDS = 5.0

logger = logging.getLogger(__name__)


class Lab:
    """A context manager that starts every part, with all traffic on the baseline, and leaves nothing behind.

        spec = lab_spec(load("supersmartmatch"), folder)
        with Lab(spec, folder) as lab, Traffic(spec, rate=40):
            lab.set_share({"freemium": 0.5, "api_partners": 0.5})
            since = lab.fault("v2", error_rate=0.12)
            lab.repair("v2")

    profile: a name of `profiles.PROFILES`, or a Profile. report: is told of crashes and restarts.
    Services go by their name in the spec or by their version. Times returned are Unix seconds. Safe to use from several
    threads: one change at a time.
    """

    def __init__(
        self,
        spec: Spec,
        folder: Path | str,
        profile: str | Profile = "healthy",
        report: Report = logger.warning,
        seed: int = 1,
    ) -> None:
        self.spec = spec
        self.folder = Path(folder).resolve()
        self._profile = profile_named(profile) if isinstance(profile, str) else profile
        self._parts = LabParts(spec, self.folder, seed)
        self._roles = self._parts.roles
        self._front = self._parts.front()
        self._behaviours = {name: BehaviourFile(self._parts.behaviour_path(name)) for name in self._roles}
        self._redis, self._nginx = only(spec, "redis"), only(spec, "nginx")
        self._supervisor = Supervisor(report, grace=5.0)
        self._hung: set[str] = set()
        self._changing = threading.Lock()

    @property
    def shares(self) -> Mapping[str, float]:
        """The candidate's share in force, by segment."""
        return self._front.shares

    def pid(self, service: str) -> int:
        """The process group of a part that runs."""
        return self._supervisor.pid(self._named(service))

    def __enter__(self) -> Self:
        names = [self._redis, *self._roles, self._nginx]
        for name in names:
            host, _, port = address(self.spec, name).rpartition(":")
            ports.check(host, int(port), name, f"services.{name}.targets")
        with self._supervisor.starting():
            self._start_all()
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._hung):  # a stopped process does not hear SIGTERM
            self._supervisor.kill(name)
        self._supervisor.close()

    def set_share(self, shares: Mapping[str, float]) -> float:
        """Give the candidate these shares (0 to 1) of the segments named; returns when no request meets the old one."""
        with self._changing:
            return self._reload(self._front.with_shares(shares))

    def reroute(self, upstreams: Mapping[str, str], backups: Mapping[str, str] = MappingProxyType({})) -> float:
        """Have nginx ask a version at another address (`upstreams`), or try a failed request again (`backups`).

        Both are host:port by version; a version that is not named is asked at its own address, and nowhere else.
        The log has the version's own address in any case: what lies between is the network.
        """
        own = self._parts.front().upstreams
        known_as = {address: own[version] for version, address in upstreams.items()}
        with self._changing:
            return self._reload(self._front.with_routes({**own, **upstreams}, backups, known_as))

    def _reload(self, front: nginx.Front) -> float:
        since = nginx.reload(front, self.pid(self._nginx))
        self._front = front
        return since

    def fault(self, service: str, **changes: Any) -> float:
        """Break a service; returns the moment from which every request in every worker meets the fault.

        crash=True: killed, and down until repaired. hang=True: nothing is answered any more, /metrics neither.
        Otherwise fields of `Behaviour`, such as error_rate=0.12, latency_factor=4, accuracy=0.6 or fallback=0.3; they
        add to those already in force.
        """
        with self._changing:
            return self._break(service, changes)

    def _break(self, service: str, changes: Mapping[str, Any]) -> float:
        name = self._named(service)
        if changes == {"crash": True}:
            return self._crash(name)
        if changes == {"hang": True}:
            return self._hang(name)
        if name not in self._behaviours or not changes:
            raise UsageError(f"{service} cannot have the fault {changes}", "it can have crash=True or hang=True")
        file = self._behaviours[name]
        file.write(file.read().with_fault(changes))
        return time.time()

    def repair(self, service: str) -> float:
        """Undo all faults of a service; a crashed or hanging one is restarted. Returns when it answers again."""
        with self._changing:
            return self._fix(self._named(service))

    def _fix(self, name: str) -> float:
        if name in self._behaviours:
            self._behave_well(name)
        if name in self._hung:
            self._crash(name)
        if not self._supervisor.is_running(name):
            self._start(name)
        return time.time()

    def _crash(self, name: str) -> float:
        self._supervisor.kill(name)
        self._hung.discard(name)
        # Its workers die with it, but not in the same instant, and they hold the port.
        if not wait_until(lambda: not self._listens(name), CRASH_SECONDS, pause=0.002):
            what = f"{name} was killed, but something still listens on {address(self.spec, name)}"
            raise ProcessFailed(what, "stop the program that uses that port")
        return time.time()

    def _listens(self, name: str) -> bool:
        host, _, port = address(self.spec, name).rpartition(":")
        return listens(host, int(port))()

    def _hang(self, name: str) -> float:
        # SIGSTOP to the whole group: the kernel still takes connections, and nobody answers.
        os.killpg(self.pid(name), signal.SIGSTOP)
        self._hung.add(name)
        return time.time()

    def _start_all(self) -> None:
        self._start(self._redis)
        with ThreadPoolExecutor(len(self._roles)) as pool:
            list(pool.map(self._start, self._roles))
        self._start(self._nginx)

    def _start(self, name: str) -> None:
        if name in self._roles:
            self._behave_well(name)
            self._supervisor.start(self._parts.service(name))
        elif name == self._nginx:
            self._supervisor.start(self._parts.nginx(self._front))
        else:
            self._supervisor.start(self._parts.redis())
            self._fill_caches()

    def _behave_well(self, name: str) -> None:
        self._behaviours[name].write(getattr(self._profile, self._roles[name]))

    def _fill_caches(self) -> None:
        for name in self._roles:
            Cache(address(self.spec, self._redis), name).fill()

    def _named(self, service: str) -> str:
        """A service's name in the spec, from that or from its version."""
        by_version = {self._parts.version(name): name for name in self._roles}
        name = by_version.get(service, service)
        if name not in (*self._roles, self._redis, self._nginx):
            known = ", ".join([*self._roles, self._redis, self._nginx])
            raise UsageError(f"{service!r} is not a part of the lab", f"its parts are: {known}")
        return name
