"""Sending a report to people: mail with the summary as its body and the report attached; a short text to others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from bascule.delivery import Attachment, Deliverer, Delivery, Ledger, Message, Policy
from bascule.delivery.ledger import FILE as LEDGER_FILE
from bascule.errors import UsageError
from bascule.sla.archive import Archive, Archived
from bascule.sla.render import MEDIA_TYPES, SUFFIXES
from bascule.spec import Spec
from bascule.spec.model import Email, Receiver


def send_archived(spec: Spec, archive: Archive, entry: Archived, to: Iterable[str], *, again: str = "",
                  policy: Policy | None = None) -> list[Delivery]:  # fmt: skip
    """Send a report to receivers of the spec, or to mail addresses through the spec's first mail receiver.

    What was delivered to someone before is not sent to them again, unless `again` names the occasion.
    """
    receivers = {name: _receiver(spec, name) for name in dict.fromkeys(to)}
    if not receivers:
        raise UsageError("nobody is named to send the report to", "name receivers of the spec, or mail addresses")
    ledger = Ledger(spec.stack.state / LEDGER_FILE)
    deliverer = Deliverer(receivers, ledger, policy or Policy())
    try:
        return deliverer.send_all(receivers, _message(spec, archive, entry, again))
    finally:
        deliverer.close()
        ledger.close()


def _receiver(spec: Spec, name: str) -> Receiver:
    if name in spec.notify.receivers:
        return spec.notify.receivers[name]
    if "@" not in name:
        declared = ", ".join(spec.notify.receivers) or "none"
        raise UsageError(f"{name!r} is neither a receiver of the spec nor a mail address", f"declared are: {declared}")
    return Receiver(email=_account(spec, name).model_copy(update={"to": [name]}))


def _account(spec: Spec, address: str) -> Email:
    for receiver in spec.notify.receivers.values():
        if receiver.email is not None:
            return receiver.email
    what = f"the spec says nothing about a mail server, so nothing can be sent to {address}"
    raise UsageError(what, "declare a receiver with 'email' under notify.receivers")


def _message(spec: Spec, archive: Archive, entry: Archived, again: str) -> Message:
    attached = tuple(
        Attachment(
            f"{spec.metadata.name}-sla-{entry.id}.{SUFFIXES[form]}", archive.content(entry, form), MEDIA_TYPES[form]
        )
        for form in entry.files
    )
    content = hashlib.sha256((entry.html + again).encode()).hexdigest()[:12]
    return Message(
        f"{spec.metadata.name}-sla-{entry.id}-{content}", entry.subject, entry.text, entry.html, attachments=attached
    )
