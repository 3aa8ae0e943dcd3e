"""Messages to people: mail, Slack, webhooks, PagerDuty, and Apprise for the rest; retried, and written down."""

from bascule.delivery.channels import send_once
from bascule.delivery.deliver import Deliverer, Policy, deliver
from bascule.delivery.ledger import Ledger
from bascule.delivery.message import Attachment, Delivery, Doubtful, Message, Result

__all__ = [
    "Attachment",
    "Deliverer",
    "Delivery",
    "Doubtful",
    "Ledger",
    "Message",
    "Policy",
    "Result",
    "deliver",
    "send_once",
]
