"""The lumberjack frame reader.

Whatever bytes come, however TCP cuts them: events or a ProtocolError, the same as in one piece, and no event becomes a
line with a newline in it. The suite has the same properties with hypothesis (tests/unit/logs/test_log_frames.py).
"""

from __future__ import annotations

import struct
import zlib

import atheris

with atheris.instrument_imports(include=["bascule.logs.reading"]):
    from bascule.logs import BeatsEvent, Decoder, ProtocolError

from guided import fuzz

from bascule.logs import line_of


def read(decoder: Decoder, data: bytes) -> tuple[list[BeatsEvent], str]:
    try:
        return [event for portion in decoder.feed(data) for event in portion], ""
    except ProtocolError as error:
        return [], str(error)


def check(data: bytes) -> None:
    """The first byte says where the rest is cut, and whether it comes packed."""
    if len(data) < 2:
        return
    cut, rest = data[0], data[1:]
    if cut & 1:
        rest = b"2C" + struct.pack(">I", len(packed := zlib.compress(rest))) + packed
    whole, wrong = read(Decoder(), rest)
    decoder = Decoder()
    first, wrong_first = read(decoder, rest[: cut >> 1])
    second, wrong_second = ([], "") if wrong_first else read(decoder, rest[cut >> 1 :])
    if not wrong:
        assert wrong_first + wrong_second == ""
        assert first + second == whole
    for event in whole[:20]:
        assert b"\n" not in line_of(event.payload, bool(cut & 2), "c", 1).text


def seeds() -> list[bytes]:
    payload = b'{"@timestamp":"2026-01-31T12:00:01.000Z","message":"a line"}'
    window = b"2W" + struct.pack(">I", 2)
    events = [b"2J" + struct.pack(">II", number, len(payload)) + payload for number in (1, 2)]
    return [bytes([cut]) + window + b"".join(events) for cut in (0, 1, 21)]


if __name__ == "__main__":
    fuzz(check, seeds())
