"""A partner asks far more than its quota."""

from __future__ import annotations

import time

import httpx

from bascule.scenarios.drills.fault import HousePart, TimedFault
from bascule.scenarios.house import House
from bascule.scenarios.site import BUSY_PARTNER, BUSY_QUOTA

PAUSE_SECONDS = 0.02


class QuotaExceeded(TimedFault):
    """A quota is of an hour, so the alert stays for the rest of it."""

    key = "quota-exceeded"
    title = f"the partner {BUSY_PARTNER} sends {2 * BUSY_QUOTA} requests, its quota of an hour is {BUSY_QUOTA}"
    # The rule holds for a minute; what it reads is summed every 15 s from rates over five minutes.
    bound = 60.0 + 15.0 + 150.0
    breaks = frozenset({HousePart.PARTNER})
    expects = ("PartnerQuotaNearlyUsed",)
    evidence = f'max(partner:quota_used:ratio1h{{partner="{BUSY_PARTNER}"}})'
    stays = True

    def inject(self, house: House) -> float:
        who = {"X-User-Segment": "api_partners", "X-Partner": BUSY_PARTNER}
        with httpx.Client(base_url=house.front, headers=who, trust_env=False) as client:
            for number in range(2 * BUSY_QUOTA):
                user = f"{BUSY_PARTNER}-{number:05}"
                body = {"number": 10**7 + number, "user_id": user, "candidate_id": "c1", "job_id": "j1"}
                client.post("/api/match", json=body, headers={"X-User-Id": user})
                house.wait(PAUSE_SECONDS)
        return time.time()

    def remove(self, house: House) -> None:
        """Its requests are over."""
