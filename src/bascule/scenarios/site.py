"""What drills need besides the lab: a partner with a small quota, a TLS endpoint, a Redis Cluster with sessions."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bascule.lab import API_PARTNERS, RedisCluster, sessions_kept
from bascule.scenarios import tls
from bascule.spec import Spec
from bascule.spec.model import Probe, Service

BUSY_PARTNER, BUSY_QUOTA = "mercury", 300  # requests an hour; it sends none by itself
HOUR_SECONDS = 3600.0
SESSIONS, DOOR = "sessions", "drill-door"  # names in the spec


class SitePart(StrEnum):
    """What a fault needs, and only then is started."""

    TLS = "tls"
    CLUSTER = "redis cluster"


@dataclass(frozen=True)
class Site:
    """The parts that were started; those that nobody needs are None."""

    door: tls.TlsDoor | None = None
    cluster: RedisCluster | None = None

    def in_lab(self, spec: Spec) -> Spec:
        """The spec that the lab's own services are told."""
        segment = spec.segments.named[API_PARTNERS]
        quotas = {**segment.quotas, BUSY_PARTNER: BUSY_QUOTA / HOUR_SECONDS}
        named = {**spec.segments.named, API_PARTNERS: segment.model_copy(update={"quotas": quotas})}
        return spec.model_copy(update={"segments": spec.segments.model_copy(update={"named": named})})

    def watched(self, spec: Spec) -> Spec:
        """The spec of the stack, which watches these parts too."""
        services, probes = dict(spec.services), dict(spec.probes)
        if self.cluster is not None:
            services[SESSIONS] = Service(kind="redis", targets=list(self.cluster.addresses))
        if self.door is not None:
            url = f"https://{self.door.address}/health"
            probes[DOOR] = Probe(kind="https", url=url, ca_file=self.door.ca)
        return spec.model_copy(update={"services": services, "probes": probes})


@contextmanager
def standing_site(folder: Path, needed: Collection[SitePart]) -> Iterator[Site]:
    """The parts that are needed, below a folder."""
    with ExitStack() as parts:
        door = parts.enter_context(tls.serving(folder / "tls")) if SitePart.TLS in needed else None
        cluster = parts.enter_context(RedisCluster(folder / "cluster")) if SitePart.CLUSTER in needed else None
        if cluster is not None:
            parts.enter_context(sessions_kept(cluster))
        yield Site(door, cluster)
