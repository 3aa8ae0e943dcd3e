"""What an alert is about: incidents of one cause make one situation, so that a fault is told under its own name.

- `monitoring`: the parts that watch; their trouble never gives its name to the migration's
- `partner NAME`, `service NAME`: one partner, one service of the stack
- `migration`: the candidate, the share, the gates, the SLAs
- `alert NAME`: somebody else's rule that names no service
"""

from __future__ import annotations

from collections.abc import Mapping

from bascule.alerts import entries_of
from bascule.api.models.journal import MIGRATION, MONITORING
from bascule.conventions import PARTNER, VERSION, RuleGroup


def cause_of(labels: Mapping[str, str], prefix: str = "") -> str:
    """The cause an alert belongs to. `prefix` is what the spec puts before the names of its alerts."""
    name = labels.get("alertname", "")
    entries = entries_of(name.removeprefix(prefix))
    if any(entry.group is RuleGroup.MONITORING for entry in entries):
        return MONITORING
    if labels.get(PARTNER):
        return f"partner {labels[PARTNER]}"
    if labels.get("job") and "signal" not in labels:
        return f"service {labels['job']}"
    return MIGRATION if entries or VERSION in labels or "signal" in labels else f"alert {name}"
