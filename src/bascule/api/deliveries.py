"""What is owed and what is delivered, as every role that sends to receivers answers it."""

from __future__ import annotations

from fastapi import FastAPI

from bascule.api.models.fields import readable
from bascule.api.models.others import DeliveryAnswer
from bascule.delivery import Outbox


def add_deliveries(app: FastAPI, outbox: Outbox, record: str) -> None:
    """`record`: what the log calls the role's outbox where a row of it cannot be read."""

    @app.get("/api/deliveries")
    def deliveries() -> list[DeliveryAnswer]:
        """What is owed to each channel of each receiver, and what each has."""
        return readable(DeliveryAnswer, outbox.all(), record)
