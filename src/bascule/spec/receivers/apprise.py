"""Teams, ntfy, Telegram and more: an Apprise address, which holds secrets and so is in a file."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from bascule.spec.receivers.channel import Channel


class AppriseUrl(Channel):
    key: ClassVar[str] = "apprise"
    title: ClassVar[str] = "Apprise"
    url_file: Path
