"""What the items look at: the spec, what is generated from it, and the running stack."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from bascule import generate, times
from bascule.api import IncidentsClient
from bascule.api.client import LogsClient
from bascule.api.servers import prometheus_of
from bascule.checklist.deployed import RuleDifference, RunningGroup, jobs_of, rule_differences
from bascule.discover import CheckedExpression, verify
from bascule.prometheus import Prometheus
from bascule.promql.expressions import among
from bascule.spec import Spec


@dataclass(frozen=True)
class Looked:
    """`wait`: seconds that a marker may take to arrive; `sleep`: how to wait in between. `digests`: of what sign-offs
    are about, by item; each is computed once.
    """

    spec: Spec
    wait: float = 20.0
    sleep: Callable[[float], None] = time.sleep
    digests: dict[str, str] = field(default_factory=dict)

    @cached_property
    def prometheus(self) -> Prometheus:
        return prometheus_of(self.spec)

    @cached_property
    def journal(self) -> IncidentsClient:
        return IncidentsClient(self.spec, seconds=10.0)

    @cached_property
    def logs(self) -> LogsClient:
        return LogsClient(self.spec)

    @cached_property
    def files(self) -> Mapping[str, str]:
        """Everything that is generated from the spec: path to text."""
        return generate.generate(self.spec)

    @cached_property
    def expressions(self) -> list[CheckedExpression]:
        """What the running Prometheus answers to each generated expression."""
        return verify(self.spec, self.files, self.prometheus)

    @cached_property
    def running(self) -> list[RunningGroup]:
        """The rule groups that Prometheus runs, also those that are not of this spec."""
        return list(self.prometheus.rules())

    @cached_property
    def rule_differences(self) -> list[RuleDifference]:
        """In what they differ from those that are generated from the spec."""
        return rule_differences(self.spec, self.running)

    @cached_property
    def history(self) -> float:
        """Seconds of samples that Prometheus has of the spec's own jobs, to the hour; 0 without any."""
        up = f"up{{{among('job', jobs_of(self.spec))}}}"
        asked = (f"min(min_over_time(timestamp({up})[{steps}]))" for steps in ("30d:1h", "2h:1m"))
        firsts = [first for query in asked if isinstance(first := self.prometheus.scalar(query), float)]
        return time.time() - min(firsts) if firsts else 0.0

    def too_young(self, seconds: float, why: str) -> str:
        """What is missing where Prometheus has less than `seconds` of history; empty where it has enough."""
        if self.history >= seconds:
            return ""
        return f"Prometheus has {times.lasting(self.history)} of history; {times.lasting(seconds)} are needed {why}"

    def until(self, condition: Callable[[], bool]) -> bool:
        """Whether the condition came true within `wait`."""
        deadline = time.monotonic() + self.wait
        while time.monotonic() < deadline:
            if condition():
                return True
            self.sleep(0.5)
        return condition()
