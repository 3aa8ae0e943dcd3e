"""Alertmanager's configuration: one fast route for the machine, grouped ones for people.

The machine route takes everything at once (`group_by: ['...']`, no wait) to the incident journal, which tells people.
People's own routes are its stand-in: alerts that say that the journal, or what it needs, is down. Alertmanager does
not distinguish an end from a Prometheus that went away, so it tells beginnings alone: of ends it tells the role `sla`,
which asks Prometheus.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from bascule.api.tokens import FOLDER, WEBHOOK
from bascule.conventions import Alert, Severity
from bascule.generate.certificates import tls_config
from bascule.generate.render import without_empty
from bascule.spec import Spec
from bascule.spec.model import SWITCH, Maintenance
from bascule.spec.quantities import format_duration, parse_moment
from bascule.spec.receivers import AlertTexts, Receiver

MACHINE = "bascule-incidents"
PEOPLE_WAIT_SECONDS = 5.0  # so that what fails together is told together
_TEXTS = AlertTexts(
    title="{{ .CommonLabels.alertname }}: {{ (index .Alerts 0).Annotations.summary }}",
    text=(
        "{{ range .Alerts }}{{ .Status }}: {{ .Annotations.description }}\n"
        "{{ with .Annotations.action }}Do: {{ . }}\n{{ end }}"
        "{{ with .Annotations.runbook_url }}Runbook: {{ . }}\n{{ end }}{{ end }}"
    ),
)


def alertmanager_config(spec: Spec) -> dict[str, Any]:
    return without_empty(
        {
            "route": {
                "receiver": MACHINE,
                **_AT_ONCE,
                "routes": [*_switch_routes(spec), _MACHINE_ROUTE, *_people_routes(spec)],
            },
            "inhibit_rules": [_repeats(spec)],
            "receivers": [
                {"name": MACHINE, "webhook_configs": [_own_webhook(spec, "incidents", "/api/webhook")]},
                *_receivers(spec),
            ],
            "time_intervals": [
                {"name": _interval_name(index), "time_intervals": list(_days(window))}
                for index, window in enumerate(spec.maintenance)
            ],
        }
    )


# A group lives on for half a minute after its alert has ended; one that fires again then waits for the next interval.
_AT_ONCE = {"group_by": ["..."], "group_wait": "0s", "group_interval": "100ms", "repeat_interval": "5m"}
_MACHINE_ROUTE = {"receiver": MACHINE, **_AT_ONCE, "continue": True}


def _repeats(spec: Spec) -> dict[str, Any]:
    """The quick burn of a budget silences its slow twin. Of any other alert the labels are not known here, and labels
    that are missing on both sides count as equal: one thing's alert would silence another's."""
    name = f'alertname="{spec.alert_prefix}{Alert.SLA_BUDGET_BURN}"'
    return {
        "source_matchers": [name, f'severity="{Severity.CRITICAL}"'],
        "target_matchers": [name, f'severity="{Severity.WARNING}"'],
        "equal": ["sla"],
    }


def _own_webhook(spec: Spec, role: str, path: str) -> dict[str, Any]:
    """Of a role. The file's path counts from the configuration's own folder, wherever that is."""
    url = spec.stack.url_for("alertmanager", role)
    http = {"authorization": {"credentials_file": f"../{FOLDER}/{WEBHOOK}"}}
    if url.startswith("https:"):
        http["tls_config"] = tls_config(spec.stack.credentials("roles"))
    return {"url": url + path, "send_resolved": True, "http_config": http}


def _switch_routes(spec: Spec) -> list[dict[str, Any]]:
    """The switch always fires: it goes to the service that counts its heartbeats (a receiver of that name), and to the
    journal, which notes when it last came and tells nobody."""
    beats = {
        "matchers": [f'alertname="{spec.alert_prefix}{Alert.DEAD_MANS_SWITCH}"'],
        "group_wait": "0s",
        "group_interval": "1m",
        "repeat_interval": "1m",
    }
    return [{"receiver": MACHINE, **beats, "continue": True}, {"receiver": SWITCH, **beats}]


def _receivers(spec: Spec) -> list[dict[str, Any]]:
    """Those that Alertmanager tells itself; the switch's always, so that its route leads somewhere."""
    direct = [_direct(spec, name) for name in spec.notify.first_told]
    return [_receiver(SWITCH, spec.notify.receivers.get(SWITCH, Receiver())), *direct]


# ---------------------------------------------------------------- people


def _people_routes(spec: Spec) -> list[dict[str, Any]]:
    watchers = f'alertname=~"{"|".join(spec.alert_prefix + alert for alert in _JOURNAL_MAY_BE_DEAD)}"'
    return [_people_route(spec, name, watchers) for name in spec.notify.first_told]


# When the journal itself may be dead it can tell nobody: these reach its people without it.
_JOURNAL_MAY_BE_DEAD = (
    Alert.ROLE_DOWN,
    Alert.ROLE_NOT_READY,
    Alert.WORKER_FAILING,
    Alert.ALERTS_UNHEARD,
    Alert.NOTIFICATIONS_FAILING,
    Alert.RULES_FAILING,
)


def _people_route(spec: Spec, receiver: str, matcher: str) -> dict[str, Any]:
    everywhere = [_interval_name(i) for i, window in enumerate(spec.maintenance) if not window.services]
    return without_empty(
        {
            "receiver": receiver,
            "matchers": [matcher],
            "group_by": ["..."],  # an end is told of what was told
            "group_wait": format_duration(PEOPLE_WAIT_SECONDS),
            "group_interval": "1m",
            "repeat_interval": "4h",
            "mute_time_intervals": everywhere,
            "continue": True,
            "routes": list(_muted_services(spec, everywhere)),
        }
    )


def _muted_services(spec: Spec, everywhere: list[str]) -> Iterator[dict[str, Any]]:
    """A route for what alerts about services that have maintenance windows of their own are labelled with."""
    own: dict[tuple[str, str], list[str]] = {}
    for index, window in enumerate(spec.maintenance):
        for label, values in spec.labels_about(window.services).items():
            for value in values:
                own.setdefault((label, value), []).append(_interval_name(index))
    for (label, value), intervals in own.items():
        yield {"matchers": [f'{label}="{value}"'], "mute_time_intervals": everywhere + intervals}


# ---------------------------------------------------------------- receivers; a secret is always a file


def _receiver(name: str, receiver: Receiver) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name}
    for channel in receiver.channels.values():
        found |= channel.alertmanager(_TEXTS)
    return found


def _direct(spec: Spec, name: str) -> dict[str, Any]:
    """A receiver, and the role that tells ends, and beginnings where Alertmanager does not know the channel."""
    found = _receiver(name, spec.notify.receivers[name])
    relay = _own_webhook(spec, "sla", f"/api/relay/{quote(name, safe='')}")
    return found | {"webhook_configs": [*found.get("webhook_configs", []), relay]}


# ---------------------------------------------------------------- maintenance windows


def _interval_name(index: int) -> str:
    return f"maintenance-{index + 1}"


def _days(window: Maintenance) -> Iterator[dict[str, Any]]:
    """Alertmanager knows times of a day, not spans: one entry for each UTC day the window touches.

    Its finest step is a minute: a window is rounded outwards to whole minutes.
    """
    start = parse_moment(window.start).astimezone(UTC).replace(second=0, microsecond=0)
    end = parse_moment(window.end).astimezone(UTC) + timedelta(seconds=59, microseconds=999_999)
    day = start.replace(hour=0, minute=0)
    while day < end.replace(second=0, microsecond=0):
        following = day + timedelta(days=1)
        yield _part_of_day(max(day, start), None if following <= end else end)
        day = following


def _part_of_day(begin: datetime, end: datetime | None) -> dict[str, Any]:
    return {
        "times": [{"start_time": f"{begin:%H:%M}", "end_time": "24:00" if end is None else f"{end:%H:%M}"}],
        "years": [str(begin.year)],
        "months": [str(begin.month)],
        "days_of_month": [str(begin.day)],
    }
