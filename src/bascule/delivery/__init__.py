"""Messages to people: mail, Slack, webhooks, PagerDuty, and Apprise for the rest; owed until they are delivered."""

from bascule.delivery.attempt import Policy, deliver_now, deliver_to_all
from bascule.delivery.channels import channels_of
from bascule.delivery.courier import Courier
from bascule.delivery.message import DAY_SECONDS, Attachment, Delivery, Doubtful, Message, Result
from bascule.delivery.outbox import FILE, Outbox, Owed

__all__ = [
    "DAY_SECONDS",
    "FILE",
    "Attachment",
    "Courier",
    "Delivery",
    "Doubtful",
    "Message",
    "Outbox",
    "Owed",
    "Policy",
    "Result",
    "channels_of",
    "deliver_now",
    "deliver_to_all",
]
