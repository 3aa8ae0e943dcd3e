"""Who notices that the whole alerting has stopped: a receiver off this machine that counts the dead man's switch."""

from __future__ import annotations

from bascule.spec import Spec
from bascule.spec.model import SWITCH
from bascule.spec.receivers import Webhook
from bascule.transport import is_local

_ASKED = (
    f"declare notify.receivers.{SWITCH}, a webhook of a service on another machine that calls you when heartbeats stop"
)


def lacks_watcher(spec: Spec) -> str:
    """What is wrong with the receiver of the switch and how to fix it; empty when it is as it should be."""
    receiver = spec.notify.receivers.get(SWITCH)
    if receiver is None:
        return f"if this machine or its alerting stops, no one is notified: {_ASKED}"
    if len(receiver.relayed) == len(receiver.channels):
        return f"Alertmanager has no channel to {SWITCH}: {_ASKED}"
    if any(isinstance(each, Webhook) and is_local(each.url) for each in receiver.channels.values()):
        return f"{SWITCH} is on this machine and stops with it: {_ASKED}"
    return ""
