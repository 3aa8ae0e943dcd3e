"""Both versions miss their cache."""

from __future__ import annotations

from bascule.scenarios.drills.fault import Broken, HousePart, TimedFault, to


class CacheCollapse(Broken, TimedFault):
    key = "cache-collapse"
    title = "V2 finds 5 % of its look-ups in the cache"
    bound = 180.0 + 15.0 + 120.0  # the rule holds for three minutes; its window needs two to fall below 80 %
    # The versions share the cache: of less traffic on V2, the hit ratio takes longer to fall.
    breaks = frozenset({HousePart.VERSION, HousePart.TRAFFIC, HousePart.REDIS})
    expects = ("CacheHitRateLow",)
    evidence = "max(1 - redis:hit_ratio)"
    changes = to(cache_hits=0.05)
