"""What a full disk does not take is written as soon as there is room, whether anything else is owed or not."""

from __future__ import annotations

from pathlib import Path

from bascule.delivery import Message, Outbox


def test_what_was_in_memory_is_on_disk_once_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "deliveries.sqlite"
    outbox = Outbox(path)
    (pages,) = outbox._db.execute("PRAGMA page_count").fetchone()
    outbox._db.execute(f"PRAGMA max_page_count = {pages}")  # what a full disk is to SQLite
    outbox.add(Message("key-1", "subject", "x" * 100_000), "on-call", ["mail"], 0.0)
    assert "in memory only" in outbox.problem
    outbox._db.execute("PRAGMA max_page_count = 1000000")
    assert outbox.problem == ""
    again = Outbox(path)
    assert [owed.message.key for owed in again.owed()] == ["key-1"]
    again.close()
    outbox.close()
