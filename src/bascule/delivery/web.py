"""One POST of JSON to a channel that takes it, and what its answer means."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import httpx

from bascule.delivery.line import Line
from bascule.delivery.message import Doubtful, Message, Unacceptable
from bascule.delivery.secrets import read_secret
from bascule.errors import DeliveryFailed
from bascule.spec.receivers import HttpChannel
from bascule.transport import is_local

_LATER = (408, 425, 429)
_OF_THE_MESSAGE = (400, 413, 414, 422)
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
            f"{name} cannot be reached: {_reason(error)}", "check its address", can_retry=True
        ) from error


def _reason(error: httpx.HTTPError) -> str:
    """What the system says of a connection (no such host, a certificate that nobody vouches for); it names no address,
    which can be a secret."""
    return str(error) if isinstance(error, httpx.ConnectError) and str(error) else type(error).__name__


def _refusal(name: str, response: httpx.Response) -> DeliveryFailed:
    status = response.status_code
    what = f"{name} answered {status}: {_beginning(response)}"
    if status in _OF_THE_MESSAGE:
        return Unacceptable(what)
    later = status >= 500 or status in _LATER
    wait = _wanted_pause(response.headers.get("Retry-After", "")) if later else 0.0
    return DeliveryFailed(what, "check its address and secret", can_retry=later, wait=wait)


def _wanted_pause(text: str) -> float:
    """Seconds, from a number or a date; 0 where it says nothing that can be understood."""
    try:
        return max(0.0, float(text) if text.isdigit() else parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _beginning(response: httpx.Response) -> str:
    """What it says of its refusal, which may be endless."""
    try:
        piece = next(response.iter_raw(), b"")
    except httpx.HTTPError:
        return ""
    return piece.decode("utf-8", "replace")[:_SHOWN]
