"""Slack, PagerDuty and plain webhooks: one POST of JSON each."""

from __future__ import annotations

from typing import Any

import httpx

from bascule.conventions import Severity
from bascule.delivery.message import Doubtful, Message
from bascule.delivery.secrets import read_secret
from bascule.errors import DeliveryFailed
from bascule.spec.model import PagerDuty, Slack, Webhook
from bascule.transport import is_local

PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"
_SLACK_LIMIT = 3000  # characters of a message; Slack cuts longer ones anywhere
_PAGERDUTY = {Severity.CRITICAL, Severity.WARNING, Severity.INFO}  # of ours, those it knows by the same name
_LATER = (408, 425, 429)


def send_slack(slack: Slack, message: Message, timeout: float) -> None:
    text = f"*{_slack_text(message.subject)}*\n{_slack_text(message.text)}"
    _post(read_secret(slack.url_file), {"text": _cut(text)}, message.key, timeout, "Slack")


def _slack_text(text: str) -> str:
    """Slack reads `<!channel>` and links in these three characters: they are written as it asks for them."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str) -> str:
    """At most what Slack shows, without cutting an escape in two."""
    shorter = text[:_SLACK_LIMIT]
    start = shorter.rfind("&", _SLACK_LIMIT - 4)
    return shorter[:start] if len(text) > _SLACK_LIMIT and start >= 0 and ";" not in shorter[start:] else shorter


def send_webhook(webhook: Webhook, message: Message, timeout: float) -> None:
    body = {
        "key": message.key,
        "subject": message.subject,
        "text": message.text,
        "severity": message.severity,
        "status": "resolved" if message.resolved else "firing",
    }
    _post(webhook.url, body, message.key, timeout, webhook.url)


def send_pagerduty(pagerduty: PagerDuty, message: Message, timeout: float) -> None:
    severity = message.severity if message.severity in _PAGERDUTY else "error"
    body = {
        "routing_key": read_secret(pagerduty.routing_key_file),
        "event_action": "resolve" if message.resolved else "acknowledge" if message.acknowledged else "trigger",
        "dedup_key": message.thread or message.key,
        "payload": {
            "summary": message.subject,
            "source": "bascule",
            "severity": severity,
            "custom_details": message.text,
        },
    }
    _post(pagerduty.url or PAGERDUTY, body, message.key, timeout, "PagerDuty")


def _post(url: str, body: dict[str, Any], key: str, timeout: float, name: str) -> None:
    """`name` stands for the address in errors: an address can be a secret.

    A proxy of the environment is asked only for addresses beyond this machine.
    """
    headers = {"Idempotency-Key": key}
    try:
        response = httpx.post(url, json=body, headers=headers, timeout=timeout, trust_env=not is_local(url))
    except (httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError) as error:
        raise Doubtful(f"{name} took the message and did not answer ({type(error).__name__})") from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise DeliveryFailed(f"{name} has no usable address", "check its URL", can_retry=False) from error
    except httpx.HTTPError as error:
        raise DeliveryFailed(
            f"{name} cannot be reached ({type(error).__name__})", "check its address", can_retry=True
        ) from error
    if response.is_success:
        return
    later = response.status_code >= 500 or response.status_code in _LATER
    what = f"{name} answered {response.status_code}: {response.text[:200]}"
    raise DeliveryFailed(what, "check its address and secret", can_retry=later)
