"""The certificate of the front door expires within a day."""

from __future__ import annotations

import time

from bascule.scenarios.drills.fault import HousePart, TimedFault
from bascule.scenarios.house import House
from bascule.scenarios.site import SitePart
from bascule.scenarios.tls import GOOD_DAYS, LAST_DAYS, unable


class CertificateExpires(TimedFault):
    key = "certificate"
    title = "the certificate of a TLS endpoint is replaced by one that expires within a day"
    bound = 60.0 + 15.0  # the rule holds for a minute
    breaks = frozenset({HousePart.CERTIFICATE})
    expects = ("CertificateExpires",)
    evidence = "max(1 - clamp_max(probe:certificate_expiry_timestamp_seconds:last - time(), 864000) / 864000)"

    needs = (SitePart.TLS,)

    @property
    def unable(self) -> str:
        return unable()

    def inject(self, house: House) -> float:
        house.door.renew(LAST_DAYS)
        return time.time()

    def remove(self, house: House) -> None:
        house.door.renew(GOOD_DAYS)
