"""A master of the Redis Cluster is killed: its replica takes over, and somebody has to know."""

from __future__ import annotations

import time

from bascule.scenarios.drills.fault import BUDGETS, HardFault
from bascule.scenarios.house import House
from bascule.scenarios.site import SESSIONS, SitePart

WITH_REPLICA = 0  # the slot whose master has one
TAKES_OVER_SECONDS = 30.0


class RedisFailover(HardFault):
    """The replica must serve the slots before the drill counts; the killed node comes back as its replica."""

    key = "redis-failover"
    title = "a master of the Redis Cluster is killed, its replica takes over"
    expects = ("ServiceDown",)
    also = (*BUDGETS, "SignalNoData", "RedisReplicationBroken", "CacheHitRateLow")
    evidence = f'max(1 - bascule:service_up{{job="{SESSIONS}"}})'
    needs = (SitePart.CLUSTER,)

    def __init__(self) -> None:
        self._killed: int | None = None

    def inject(self, house: House) -> float:
        cluster = house.cluster
        self._killed = cluster.master_of(WITH_REPLICA)
        cluster.kill(self._killed)
        return time.time()

    def remove(self, house: House) -> None:
        if self._killed is None:
            return
        killed, cluster = self._killed, house.cluster
        try:
            house.wait_for(
                "the replica to take over", lambda: cluster.master_of(WITH_REPLICA) != killed, TAKES_OVER_SECONDS
            )
        finally:
            cluster.start(killed)
            self._killed = None
