"""Receivers of notices: each file of this folder is one kind of channel, found by its being here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import create_model

from bascule.spec.found import classes_in
from bascule.spec.part import Part
from bascule.spec.receivers.apprise import AppriseUrl
from bascule.spec.receivers.channel import AlertTexts, Channel, HttpChannel, NoticeText, Post, ReadSecret, notice_line
from bascule.spec.receivers.email import Email
from bascule.spec.receivers.pagerduty import PagerDuty
from bascule.spec.receivers.slack import Slack
from bascule.spec.receivers.webhook import Webhook

__all__ = [
    "AlertTexts",
    "AppriseUrl",
    "Channel",
    "Email",
    "HttpChannel",
    "NoticeText",
    "PagerDuty",
    "Post",
    "ReadSecret",
    "Receiver",
    "Slack",
    "Webhook",
    "kinds",
    "notice_line",
]


def kinds() -> dict[str, type[Channel]]:
    """Every kind of channel by its key in the spec."""
    return {kind.key: kind for kind in classes_in(__name__, __path__, Channel) if "key" in vars(kind)}


class _Receiver(Part):
    """One name that people are told under: any number of channels, at most one of each kind."""

    @property
    def channels(self) -> Mapping[str, Channel]:
        """By key, those that are declared."""
        declared = {key: getattr(self, key) for key in type(self).model_fields}
        return {key: channel for key, channel in declared.items() if channel is not None}

    @property
    def relayed(self) -> Mapping[str, Channel]:
        """Those that Alertmanager does not know: a role of Bascule tells them for it."""
        return {key: channel for key, channel in self.channels.items() if not channel.is_known_to_alertmanager}


if TYPE_CHECKING:

    class Receiver(_Receiver):
        def __init__(self, **channels: Channel | None) -> None: ...

else:
    _FIELDS: dict[str, Any] = {key: (kind | None, None) for key, kind in kinds().items()}
    Receiver = create_model("Receiver", __base__=_Receiver, __module__=__name__, **_FIELDS)
