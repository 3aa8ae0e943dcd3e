"""How fast an error budget may go before somebody is told: several windows, as the SRE workbook has them."""

from __future__ import annotations

from typing import Final, NamedTuple

from bascule.conventions import Severity

WEEK_SECONDS: Final = 7 * 86400.0
BURN_SECONDS: Final = (3600.0, 6 * 3600.0, 86400.0, 3 * 86400.0)  # the spans that burn rates are shown over


class Tier(NamedTuple):
    """A burn rate above `rate` over both windows has this severity; the short window ends the alert soon."""

    rate: float
    long: str
    short: str
    severity: Severity


# Of a month's budget: 2 % in an hour, 5 % in six, 10 % in three days.
LONG_TIERS: Final = (
    Tier(14.4, "1h", "5m", Severity.CRITICAL),
    Tier(6.0, "6h", "30m", Severity.CRITICAL),
    Tier(1.0, "3d", "6h", Severity.WARNING),
)
SHORT_TIERS: Final = (Tier(6.0, "1h", "5m", Severity.WARNING),)
