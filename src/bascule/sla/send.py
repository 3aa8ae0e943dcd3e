"""Sending a report to people: mail with the summary as its body and the report attached; a short text to others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from bascule.delivery import Attachment, Courier, Delivery, Message, Outbox, Policy, deliver_to_all
from bascule.errors import StoreError, UsageError
from bascule.sla.archive import Archive, Archived
from bascule.sla.render.forms import MEDIA_TYPES, SUFFIXES
from bascule.spec import Spec
from bascule.spec.receivers import Email, Receiver

REPORT_SECONDS = 3 * 86400.0  # for which a report is tried to be sent
OUTBOX_FILE = "report-deliveries.sqlite"


def send_archived(
    spec: Spec, archive: Archive, entry: Archived, to: Iterable[str], *, again: str = "", policy: Policy | None = None
) -> list[Delivery]:
    """Send a report now, to receivers of the spec or to mail addresses through the spec's first mail receiver.

    What was delivered to someone before is not sent to them again, unless `again` names the occasion.
    """
    receivers = {name: receiver_of(spec, name) for name in dict.fromkeys(to)}
    if not receivers:
        raise UsageError("no one is named to send the report to", "name receivers of the spec, or mail addresses")
    outbox = Outbox(spec.stack.state / OUTBOX_FILE)
    message = _message(spec, archive, entry, again)
    try:
        missing = {name: each for name, each in receivers.items() if not outbox.was_delivered(message.key, name)}
        sent = list(deliver_to_all(missing.items(), message, policy or Policy()))
        for delivery in sent:
            outbox.record(delivery)
        return [each for each in outbox.all(message.key) if each.receiver in receivers]
    finally:
        outbox.close()


def owe_archived(spec: Spec, archive: Archive, entry: Archived, to: Iterable[str], courier: Courier) -> None:
    """Owe a scheduled report to everyone it is for; the courier delivers it, for days if it must. Raises StoreError
    while that is in memory alone."""
    message = _message(spec, archive, entry, "")
    for name in dict.fromkeys(to):
        courier.owe(name, message)
    if not courier.has_kept(message.key):
        raise StoreError(
            f"report {entry.id} is being sent, but that is not on disk: {courier.outbox.problem}",
            "free some space; it is tried again",
        )


def report_receivers(spec: Spec) -> dict[str, Receiver]:
    """Everyone that a scheduled report goes to."""
    return {name: receiver_of(spec, name) for report in spec.notify.reports for name in report.to}


def receiver_of(spec: Spec, name: str) -> Receiver:
    if name in spec.notify.receivers:
        return spec.notify.receivers[name]
    if "@" not in name:
        declared = ", ".join(spec.notify.receivers) or "none"
        raise UsageError(f"{name!r} is neither a receiver of the spec nor a mail address", f"declared are: {declared}")
    return Receiver(email=_account(spec, name).model_copy(update={"to": [name]}))


def _account(spec: Spec, address: str) -> Email:
    for receiver in spec.notify.receivers.values():
        if isinstance(email := receiver.channels.get(Email.key), Email):
            return email
    what = f"the spec has no mail server, so nothing can be sent to {address}"
    raise UsageError(what, "declare a receiver with 'email' under notify.receivers")


def _message(spec: Spec, archive: Archive, entry: Archived, again: str) -> Message:
    attached = tuple(
        Attachment(
            f"{spec.metadata.name}-sla-{entry.id}.{SUFFIXES[form]}", archive.content(entry, form), MEDIA_TYPES[form]
        )
        for form in entry.files
    )
    content = hashlib.sha256((entry.html + again).encode()).hexdigest()[:12]
    key = f"{spec.metadata.name}-sla-{entry.id}-{content}"
    return Message(
        key, entry.subject, entry.text, html=entry.html, attachments=attached, thread=key, lives=REPORT_SECONDS
    )
