"""The channels of a receiver, and one attempt through one of them. Channels never wait for each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from bascule.delivery.by_apprise import send_by_apprise
from bascule.delivery.line import Line
from bascule.delivery.mail import send_mail
from bascule.delivery.message import Message
from bascule.delivery.web import send
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
            yield channel.key, partial(send_by_apprise, channel)
