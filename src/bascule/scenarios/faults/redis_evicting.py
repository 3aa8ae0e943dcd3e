"""Somebody fills the Redis that both versions share: it throws keys out to make room."""

from __future__ import annotations

import time

import redis

from bascule.scenarios.drills.fault import BUDGETS, HousePart, TimedFault
from bascule.scenarios.house import House

VALUE = "x" * 100_000
KEYS = 600  # 60 MB into the 32 MB that the lab's Redis has


class RedisEvicting(TimedFault):
    """For a minute before the alert, the memory is nearly full too."""

    key = "redis-evicting"
    title = "Redis is filled, and evicts keys"
    bound = 600.0 + 15.0 + 15.0  # the rule holds for ten minutes
    breaks = frozenset({HousePart.REDIS})
    expects = ("RedisEvictions", "RedisMemoryHigh")
    also = (*BUDGETS, "CacheHitRateLow")
    evidence = "max(rate(redis_evicted_keys_total[1m]))"

    def inject(self, house: House) -> float:
        client = _client(house)
        began = time.time()
        for number in range(KEYS):
            client.set(f"drill:{number}", VALUE)
        return began

    def remove(self, house: House) -> None:
        client = _client(house)
        for number in range(KEYS):
            client.delete(f"drill:{number}")


def _client(house: House) -> redis.Redis:
    address = next(iter(house.spec.services_of("redis").values())).targets[0]
    host, _, port = address.rpartition(":")
    return redis.Redis(host, int(port), socket_timeout=5.0)
