"""One POST of JSON to a channel that takes it, and what its answer means."""

from __future__ import annotations

import httpx

from bascule.delivery.message import Doubtful, Message
from bascule.delivery.secrets import read_secret
from bascule.errors import DeliveryFailed
from bascule.spec.receivers import HttpChannel
from bascule.transport import is_local

_LATER = (408, 425, 429)


def send(channel: HttpChannel, message: Message, timeout: float) -> None:
    """One attempt. A proxy of the environment is asked only for addresses beyond this machine."""
    post = channel.post(message, read_secret)
    name = channel.shown
    headers = {"Idempotency-Key": message.key} | dict(post.headers)
    try:
        response = httpx.post(
            post.url, json=post.body, headers=headers, timeout=timeout, trust_env=not is_local(post.url)
        )
    except (httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError) as error:
        raise Doubtful(f"{name} took the message and did not answer ({type(error).__name__})") from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise DeliveryFailed(f"{name} has no usable address", "check its URL", can_retry=False) from error
    except httpx.HTTPError as error:
        raise DeliveryFailed(
            f"{name} cannot be reached ({type(error).__name__})", "check its address", can_retry=True
        ) from error
    if response.is_success:
        return
    later = response.status_code >= 500 or response.status_code in _LATER
    what = f"{name} answered {response.status_code}: {response.text[:200]}"
    raise DeliveryFailed(what, "check its address and secret", can_retry=later)
