"""Splunk On-Call (formerly VictorOps), by its REST endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from bascule.conventions import Severity
from bascule.spec.addresses import Url
from bascule.spec.receivers.channel import AlertTexts, HttpChannel, NoticeText, Post, ReadSecret

ENDPOINT = "https://alert.victorops.com/integrations/generic/20131114/alert"


class SplunkOnCall(HttpChannel):
    key: ClassVar[str] = "splunk_oncall"
    title: ClassVar[str] = "Splunk On-Call"
    api_key_file: Path
    routing_key: str
    url: Url = ENDPOINT  # without the two keys

    def alertmanager(self, texts: AlertTexts) -> Mapping[str, list[dict[str, Any]]]:
        entry = {
            "api_key_file": str(self.api_key_file),
            "api_url": f"{self.url.rstrip('/')}/",
            "routing_key": self.routing_key,
            "send_resolved": False,
            "entity_display_name": texts.title,
            "state_message": texts.text,
        }
        return {"victorops_configs": [entry]}

    def post(self, notice: NoticeText, secret: ReadSecret) -> Post:
        keys = (secret(self.api_key_file), self.routing_key)
        body = {
            "message_type": _message_type(notice),
            "entity_id": notice.thread or notice.key,
            "entity_display_name": notice.subject,
            "state_message": notice.text,
            "monitoring_tool": "bascule",
        }
        return Post("/".join([self.url.rstrip("/"), *(quote(key, safe="") for key in keys)]), body)


_TYPES = {Severity.CRITICAL: "CRITICAL", Severity.WARNING: "WARNING", Severity.INFO: "INFO", Severity.GATE: "INFO"}


def _message_type(notice: NoticeText) -> str:
    if notice.resolved:
        return "RECOVERY"
    if notice.acknowledged:
        return "ACKNOWLEDGEMENT"
    return next((kind for severity, kind in _TYPES.items() if severity == notice.severity), "WARNING")
