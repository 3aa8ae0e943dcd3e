"""Slack, and what takes its webhooks (Mattermost, Rocket.Chat)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from bascule.spec.receivers.channel import AlertTexts, HttpChannel, NoticeText, Post, ReadSecret

_LIMIT = 3000  # characters of a message; Slack cuts longer ones anywhere


class Slack(HttpChannel):
    key: ClassVar[str] = "slack"
    title: ClassVar[str] = "Slack"
    url_file: Path

    def alertmanager(self, texts: AlertTexts) -> Mapping[str, list[dict[str, Any]]]:
        entry = {"api_url_file": str(self.url_file), "send_resolved": False, "title": texts.title, "text": texts.text}
        return {"slack_configs": [entry]}

    def post(self, notice: NoticeText, secret: ReadSecret) -> Post:
        text = f"*{_escaped(notice.subject)}*\n{_escaped(notice.text)}"
        return Post(secret(self.url_file), {"text": _cut(text)})


def _escaped(text: str) -> str:
    """Slack reads `<!channel>` and links in these three characters: they are written as it asks for them."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str) -> str:
    """At most what Slack shows, without cutting an escape in two."""
    shorter = text[:_LIMIT]
    start = shorter.rfind("&", _LIMIT - 4)
    return shorter[:start] if len(text) > _LIMIT and start >= 0 and ";" not in shorter[start:] else shorter
