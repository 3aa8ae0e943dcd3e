"""One attempt at one receiver, through the channel that the spec gives it."""

from __future__ import annotations

import logging

from bascule.delivery.mail import send_mail
from bascule.delivery.message import Message
from bascule.delivery.secrets import read_secret
from bascule.delivery.web import send_pagerduty, send_slack, send_webhook
from bascule.errors import DeliveryFailed
from bascule.spec.model import AppriseUrl, Receiver


def send_once(receiver: Receiver, message: Message, timeout: float) -> None:
    """Send through every channel of the receiver; raises DeliveryFailed (or Doubtful) of the first that fails."""
    if receiver.email is not None:
        send_mail(receiver.email, message, timeout)
    if receiver.slack is not None:
        send_slack(receiver.slack, message, timeout)
    if receiver.pagerduty is not None:
        send_pagerduty(receiver.pagerduty, message, timeout)
    if receiver.webhook is not None:
        send_webhook(receiver.webhook, message, timeout)
    if receiver.apprise is not None:
        _send_apprise(receiver.apprise, message)


def _send_apprise(target: AppriseUrl, message: Message) -> None:
    """Teams, ntfy, Telegram and some hundred more. Apprise answers yes or no, so every no is tried again."""
    try:
        import apprise
    except ImportError as error:
        raise DeliveryFailed("Apprise is not installed", "pip install apprise", can_retry=False) from error
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it logs addresses, which hold secrets
    sender = apprise.Apprise()
    if not sender.add(read_secret(target.url_file)):
        raise DeliveryFailed(f"{target.url_file} holds no address that Apprise knows", "see its list", can_retry=False)
    if not sender.notify(title=message.subject, body=message.text):
        raise DeliveryFailed("Apprise could not deliver it", "check the address", can_retry=True)
