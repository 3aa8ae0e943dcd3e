"""The cache that both versions share is killed."""

from __future__ import annotations

from bascule.scenarios.drills.fault import BUDGETS, SERVICE_DOWN, Broken, HardFault, to


class RedisDown(Broken, HardFault):
    key = "redis-down"
    title = "Redis is killed"
    service = "redis"
    expects = ("ServiceDown",)
    also = (*BUDGETS, "CacheHitRateLow", "CandidateWorse", "ResponseTimeHigh", "RollbackTriggered", "SignalNoData")
    evidence = SERVICE_DOWN
    changes = to(crash=True)
