"""PagerDuty's Events API v2."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from bascule.conventions import Severity
from bascule.spec.addresses import Url
from bascule.spec.receivers.channel import AlertTexts, HttpChannel, NoticeText, Post, ReadSecret

EVENTS = "https://events.pagerduty.com/v2/enqueue"
_EVENT, _CHANGE = "/enqueue", "/change/enqueue"  # what wakes somebody, and what is only shown
_KNOWN = {Severity.CRITICAL, Severity.WARNING, Severity.INFO}  # of ours, those it knows by the same name


class PagerDuty(HttpChannel):
    key: ClassVar[str] = "pagerduty"
    title: ClassVar[str] = "PagerDuty"
    routing_key_file: Path
    url: Url | None = None  # another address that takes its events

    def alertmanager(self, texts: AlertTexts) -> Mapping[str, list[dict[str, Any]]]:
        entry = {"routing_key_file": str(self.routing_key_file), "send_resolved": False, "description": texts.title}
        return {"pagerduty_configs": [entry]}

    def post(self, notice: NoticeText, secret: ReadSecret) -> Post:
        """What is only for information is a change event, which pages nobody."""
        if notice.severity == Severity.INFO and not (notice.resolved or notice.acknowledged):
            return self._change(notice, secret)
        body = {
            "routing_key": secret(self.routing_key_file),
            "event_action": "resolve" if notice.resolved else "acknowledge" if notice.acknowledged else "trigger",
            "dedup_key": notice.thread or notice.key,
            "payload": {
                "summary": notice.subject,
                "source": "bascule",
                "severity": notice.severity if notice.severity in _KNOWN else "error",
                "custom_details": notice.text,
            },
        }
        return Post(self.url or EVENTS, body)

    def _change(self, notice: NoticeText, secret: ReadSecret) -> Post:
        url = self.url or EVENTS
        payload = {"summary": notice.subject, "source": "bascule", "custom_details": {"text": notice.text}}
        body = {"routing_key": secret(self.routing_key_file), "payload": payload}
        return Post(url.removesuffix(_EVENT) + _CHANGE if url.endswith(_EVENT) else url, body)
