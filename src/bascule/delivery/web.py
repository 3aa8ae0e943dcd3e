"""One POST of JSON to a channel that takes it, and what its answer means."""

from __future__ import annotations

import httpx

from bascule.delivery.line import Line
from bascule.delivery.message import Doubtful, Message
from bascule.delivery.secrets import read_secret
from bascule.errors import DeliveryFailed
from bascule.spec.receivers import HttpChannel
from bascule.transport import is_local

_LATER = (408, 425, 429)
_SHOWN = 200  # characters of a refusal that are shown


def send(channel: HttpChannel, message: Message, line: Line) -> None:
    """One attempt. A proxy of the environment is asked only for addresses beyond this machine; of an answer that says
    yes nobody needs the rest."""
    post = channel.post(message, read_secret)
    name = channel.shown
    headers = {"Idempotency-Key": message.key, "Accept-Encoding": "identity"} | dict(post.headers)
    try:
        with httpx.Client(timeout=line.timeout, trust_env=not is_local(post.url)) as client:
            line.holds(client.close)
            with client.stream("POST", post.url, json=post.body, headers=headers) as response:
                if not response.is_success:
                    raise _refusal(name, response)
    except (httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError) as error:
        raise Doubtful(f"{name} accepted the message and did not answer ({type(error).__name__})") from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise DeliveryFailed(f"{name} has no usable address", "check its URL", can_retry=False) from error
    except httpx.HTTPError as error:
        raise DeliveryFailed(
            f"{name} cannot be reached ({type(error).__name__})", "check its address", can_retry=True
        ) from error


def _refusal(name: str, response: httpx.Response) -> DeliveryFailed:
    later = response.status_code >= 500 or response.status_code in _LATER
    what = f"{name} answered {response.status_code}: {_beginning(response)}"
    return DeliveryFailed(what, "check its address and secret", can_retry=later)


def _beginning(response: httpx.Response) -> str:
    """What it says of its refusal, which may be endless."""
    try:
        piece = next(response.iter_raw(), b"")
    except httpx.HTTPError:
        return ""
    return piece.decode("utf-8", "replace")[:_SHOWN]
