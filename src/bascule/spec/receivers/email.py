"""Mail over SMTP."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from bascule.spec.receivers.channel import AlertTexts, Channel


class Email(Channel):
    key: ClassVar[str] = "email"
    title: ClassVar[str] = "mail"
    to: list[str]
    smtp: str
    sender: str = "bascule@localhost"
    username: str | None = None
    password_file: Path | None = None
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    ca_file: Path | None = None  # of a private certificate authority

    def alertmanager(self, texts: AlertTexts) -> Mapping[str, list[dict[str, Any]]]:
        shared = {
            "from": self.sender,
            "smarthost": self.smtp,
            "auth_username": self.username,
            "auth_password_file": str(self.password_file) if self.password_file else None,
            "require_tls": False if self.tls != "starttls" else None,  # by default it does
            "tls_config": {"ca_file": str(self.ca_file)} if self.ca_file else None,
            "send_resolved": False,
            "headers": {"Subject": texts.title},
        }
        said = {key: value for key, value in shared.items() if value is not None}
        return {"email_configs": [{"to": address, **said} for address in self.to]}
