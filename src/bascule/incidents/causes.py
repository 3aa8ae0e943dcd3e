"""What an alert is about: incidents of one cause make one situation, so that a fault is told under its own name.

- `migration`: the candidate, the share, the gates, the SLAs
- `monitoring`: the parts that watch; their trouble never stands before the migration's
- `service NAME`: one service of the stack
- `partner NAME`: one partner
"""

from __future__ import annotations

from collections.abc import Mapping

from bascule.conventions import PARTNER, VERSION, Alert

MIGRATION, MONITORING = "migration", "monitoring"
_OF_MONITORING = (
    Alert.DEAD_MANS_SWITCH,
    Alert.ROLE_DOWN,
    Alert.JUDGE_STUCK,
    Alert.RULES_FAILING,
    Alert.NOTIFICATIONS_FAILING,
    Alert.CONFIG_RELOAD_FAILED,
    Alert.LOGS_BEHIND,
    Alert.LOGS_UNPARSED,
    Alert.LABEL_VALUES_CAPPED,
)
_OF_SERVICES = (
    Alert.SERVICE_DOWN,
    Alert.CACHE_HIT_RATE_LOW,
    Alert.REDIS_MEMORY_HIGH,
    Alert.REDIS_EVICTIONS,
    Alert.REDIS_REPLICATION_BROKEN,
    Alert.NGINX_CONNECTIONS_DROPPED,
    Alert.HOST_CPU_HIGH,
    Alert.HOST_MEMORY_LOW,
    Alert.HOST_DISK_LOW,
    Alert.HOST_DISK_FILLING,
    Alert.CONTAINER_MEMORY_HIGH,
    Alert.CONTAINER_THROTTLED,
    Alert.CERTIFICATE_EXPIRES,
    Alert.PROBE_SLOW,
    Alert.PROBE_LOSS,
    Alert.DNS_SLOW,
)


def cause_of(labels: Mapping[str, str]) -> str:
    """The cause an alert belongs to; a user's own alerts are told by service, else by their name."""
    name = labels.get("alertname", "")
    if name.endswith(_OF_MONITORING):
        return MONITORING
    if labels.get(PARTNER):
        return f"partner {labels[PARTNER]}"
    if name.endswith(_OF_SERVICES):
        return f"service {labels.get('job', '')}".strip()
    if name.endswith(tuple(Alert)) or VERSION in labels or "signal" in labels:
        return MIGRATION
    return f"service {labels['job']}" if labels.get("job") else f"alert {name}"
