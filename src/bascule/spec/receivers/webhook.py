"""A plain webhook: the notice as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from bascule.spec.addresses import Url
from bascule.spec.receivers.channel import AlertTexts, HttpChannel, NoticeText, Post, ReadSecret


class Webhook(HttpChannel):
    key: ClassVar[str] = "webhook"
    title: ClassVar[str] = "the webhook"
    url: Url

    @property
    def shown(self) -> str:
        return self.url

    def alertmanager(self, texts: AlertTexts) -> Mapping[str, list[dict[str, Any]]]:
        return {"webhook_configs": [{"url": self.url, "send_resolved": False}]}

    def post(self, notice: NoticeText, secret: ReadSecret) -> Post:
        body = {
            "key": notice.key,
            "subject": notice.subject,
            "text": notice.text,
            "severity": notice.severity,
            "status": "resolved" if notice.resolved else "firing",
        }
        return Post(self.url, body)
