"""The channels of a receiver, and one attempt through one of them. Channels never wait for each other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial

from bascule.delivery.line import Line
from bascule.delivery.mail import send_mail
from bascule.delivery.message import Message
from bascule.delivery.secrets import read_secret
from bascule.delivery.web import send
from bascule.errors import DeliveryFailed
from bascule.spec.receivers import AppriseUrl, Channel, Email, HttpChannel, Receiver

Attempt = Callable[[Message, Line], None]  # raises DeliveryFailed


def channels_of(receiver: Receiver) -> dict[str, Attempt]:
    """By name, how to make one attempt: each mail address is a channel of its own, so that one bad address delays
    and doubles nothing for the others."""
    return dict(attempt for channel in receiver.channels.values() for attempt in _attempts(channel))


def _attempts(channel: Channel) -> Iterator[tuple[str, Attempt]]:
    match channel:
        case HttpChannel():
            yield channel.key, partial(send, channel)
        case Email():
            for address in dict.fromkeys(channel.to):
                yield f"email {address}", partial(send_mail, channel, address)
        case AppriseUrl():
            yield channel.key, partial(_send_apprise, channel)


def _send_apprise(target: AppriseUrl, message: Message, line: Line) -> None:
    """Teams, ntfy, Telegram and some hundred more. Apprise answers yes or no, so every no is tried again."""
    try:
        import apprise
    except ImportError as error:
        raise DeliveryFailed("Apprise is not installed", "pip install apprise", can_retry=False) from error
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it logs addresses, which hold secrets
    sender = apprise.Apprise()
    if not sender.add(read_secret(target.url_file)):
        raise DeliveryFailed(
            f"{target.url_file} has no URL that Apprise knows", "see Apprise's list of URLs", can_retry=False
        )
    if not sender.notify(title=message.subject, body=message.text):
        raise DeliveryFailed("Apprise could not deliver it", "check the address", can_retry=True)
