"""What each SLA of a spec measures, and what it allows: asked by rules, reports, the page and gates alike."""

from bascule.slo.burn import BURN_SECONDS, Tier
from bascule.slo.goal import EXACT, Goal, SloKind
from bascule.slo.headline import ENOUGH, Headline, headline, unknown
from bascule.slo.proof import mistrusted, unproven_slas
from bascule.slo.recorded import RecordedWindow, recorded
from bascule.slo.resolve import all_of, resolve
from bascule.slo.slo import (
    LEAST_SCRAPES,
    LEAST_WINDOW,
    AvailabilitySlo,
    EventSlo,
    OwnGoal,
    Slo,
    availability,
    availability_window,
)

__all__ = [
    "LEAST_SCRAPES",
    "LEAST_WINDOW",
    "BURN_SECONDS",
    "ENOUGH",
    "EXACT",
    "AvailabilitySlo",
    "EventSlo",
    "Goal",
    "Headline",
    "OwnGoal",
    "RecordedWindow",
    "Slo",
    "SloKind",
    "Tier",
    "all_of",
    "availability",
    "availability_window",
    "headline",
    "mistrusted",
    "recorded",
    "resolve",
    "unknown",
    "unproven_slas",
]
