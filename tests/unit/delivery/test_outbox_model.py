"""The queue of what is owed, held against a model while it is filled, served, restarted and cannot write."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bascule.delivery import Message, Outbox, Result

CHANNELS = ("mail", "slack")
RECEIVERS = ("on-call", "lead")


class OwedUntilDelivered(RuleBasedStateMachine):
    """`model`: every address ever owed, and whether it was settled."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "deliveries.sqlite"
        self.model: dict[tuple[str, str, str], Result] = {}
        self.added: list[tuple[str, str, str]] = []
        self.now = 0.0

    @initialize()
    def begin(self) -> None:
        self.outbox = Outbox(self.path)

    def teardown(self) -> None:
        self.outbox.close()
        self.folder.cleanup()

    @rule(number=st.integers(0, 5), thread=st.integers(0, 1), receiver=st.sampled_from(RECEIVERS))
    def owe(self, number: int, thread: int, receiver: str) -> None:
        message = Message(f"key-{number}-{thread}", "s", "t", thread=f"thread-{thread}")
        self.outbox.add(message, receiver, CHANNELS, self.now)
        for channel in CHANNELS:
            address = (message.key, receiver, channel)
            if address not in self.model:
                self.model[address] = Result.OWED
                self.added.append(address)

    @rule(receiver=st.sampled_from(RECEIVERS), channel=st.sampled_from(CHANNELS), works=st.booleans())
    def attempt(self, receiver: str, channel: str, works: bool) -> None:
        """What is tried is the oldest that this channel is owed of its thread."""
        owed = self.outbox.next_for(receiver, channel)
        waiting = [a for a in self.added if a[1:] == (receiver, channel) and self.model[a] is Result.OWED]
        if not waiting:
            assert owed is None
            return
        assert owed is not None
        thread = owed.message.key.rpartition("-")[2]
        assert owed.address == next(a for a in waiting if a[0].rpartition("-")[2] == thread)
        if works:
            self.outbox.settle(owed, Result.DELIVERED, "", self.now)
            self.model[owed.address] = Result.DELIVERED
        else:
            self.outbox.postpone(owed, "refused", self.now + 5)

    @rule()
    def time_passes(self) -> None:
        self.now += 3

    @rule()
    def restart(self) -> None:
        self.outbox.close()
        self.outbox = Outbox(self.path)

    @invariant()
    def owed_is_what_was_not_delivered(self) -> None:
        if hasattr(self, "outbox"):
            owed = {each.address for each in self.outbox.owed()}
            assert owed == {address for address, result in self.model.items() if result is Result.OWED}
            kept = {(d.key, d.receiver, d.channel): d.result for d in self.outbox.all()}
            assert kept == self.model


OwedUntilDelivered.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestOwedUntilDelivered = OwedUntilDelivered.TestCase
