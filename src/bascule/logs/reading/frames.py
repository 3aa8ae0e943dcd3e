"""The lumberjack protocol, version 2, as Beats speak it: bytes in, events out. No I/O, so that it can be fuzzed.

    window   '2' 'W' count            how many events follow before the client waits for an answer
    event    '2' 'J' sequence length payload        a JSON document
    packed   '2' 'C' length payload   zlib; holds further frames
    answer   '2' 'A' sequence         all events up to this one are taken; 0 says only "still alive"

Version 1 data frames ('1' or '2', 'D', sequence, pairs) are read as well.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_EVENT = 4 << 20
MAX_PACKED = 4 << 20
MAX_INFLATED = 16 << 20
MAX_FRAMES = 1 << 16  # in one packed frame
MAX_PAIRS = 1000
SHORTEST = 6  # bytes of a frame
PACKED = b"C"
_WORD = struct.Struct(">I")
_TWO_WORDS = struct.Struct(">II")
_DATA_HEAD = 2 + _TWO_WORDS.size


class ProtocolError(Exception):
    """The client does not speak the protocol, or sends more than is taken."""


class BeatsEvent(NamedTuple):
    sequence: int
    payload: bytes


@dataclass
class Decoder:
    """Feed it bytes as they come. `window` is the count that the client announced last."""

    window: int = 0
    _rest: bytearray = field(default_factory=bytearray)

    @property
    def buffered(self) -> int:
        """Bytes of a frame that is not complete."""
        return len(self._rest)

    def feed(self, data: bytes) -> Iterator[list[BeatsEvent]]:
        """The events that are complete now, in portions: of one packed frame at most, or of as many plain frames as one
        may hold. A few bytes may unpack to many frames, so the next portion is read when it is asked for, and the one
        before is not kept."""
        self._rest += data
        return iter(self._next, None)

    def _next(self) -> list[BeatsEvent] | None:
        used, events = self._portion(self._rest, packed=False)
        del self._rest[:used]
        return events if used else None

    def _portion(self, data: bytearray | bytes, packed: bool) -> tuple[int, list[BeatsEvent]]:
        """Where the first complete frames end, up to a packed one or MAX_FRAMES, and their events."""
        events: list[BeatsEvent] = []
        place = 0
        with memoryview(data) as view:
            for _ in range(MAX_FRAMES):
                if len(view) - place < SHORTEST:
                    break
                kind, end, found = self._frame(view, place, packed)
                if end > len(view):
                    break
                place = end
                events += found
                if kind == PACKED:
                    break
        return place, events

    def _frame(self, view: memoryview, place: int, packed: bool) -> tuple[bytes, int, list[BeatsEvent]]:
        """Its kind, where the frame at `place` ends (beyond the data if it is not complete), and its events."""
        version, kind = view[place], view[place + 1 : place + 2].tobytes()
        if version not in b"12":
            raise ProtocolError(f"version {bytes([version])!r} is not known")
        if kind in _DATA:
            return kind, *_data(view, place, *_DATA[kind])
        if kind == b"W":
            self.window = _WORD.unpack_from(view, place + 2)[0]
            return kind, place + 6, []
        if kind == PACKED:
            if packed:
                raise ProtocolError("a packed frame within a packed frame")
            return kind, *self._packed(view, place)
        raise ProtocolError(f"frame {kind!r} is not known")

    def _packed(self, view: memoryview, place: int) -> tuple[int, list[BeatsEvent]]:
        length = _WORD.unpack_from(view, place + 2)[0]
        if length > MAX_PACKED:
            raise ProtocolError(f"a packed frame of {length} bytes; {MAX_PACKED} are taken")
        end = place + 6 + length
        if end > len(view):
            return end, []
        inner = _inflated(view[place + 6 : end])
        used, events = self._portion(inner, packed=True)
        if used != len(inner):
            raise ProtocolError(f"a packed frame that ends within a frame, or holds more than {MAX_FRAMES}")
        return end, events


def _inflated(data: memoryview) -> bytes:
    inflater = zlib.decompressobj()
    try:
        inner = inflater.decompress(data, MAX_INFLATED + 1)
    except zlib.error as error:
        raise ProtocolError(f"a packed frame that is not zlib: {error}") from error
    if len(inner) > MAX_INFLATED:
        raise ProtocolError(f"a packed frame that unpacks to more than {MAX_INFLATED} bytes")
    if not inflater.eof:
        raise ProtocolError("a packed frame that is cut short")
    return inner


def _data(view: memoryview, place: int, read: Payload, most: int, unit: str) -> tuple[int, list[BeatsEvent]]:
    """The end of a data frame, and its event: a sequence, how many of `unit` (`most` are taken), and these."""
    start = place + _DATA_HEAD
    if len(view) < start:
        return start, []
    sequence, number = _TWO_WORDS.unpack_from(view, place + 2)
    if number > most:
        raise ProtocolError(f"an event of {number} {unit}; {most} are taken")
    end, payload = read(view, start, number)
    return end, [BeatsEvent(sequence, payload)] if end <= len(view) else []


def _json(view: memoryview, start: int, length: int) -> tuple[int, bytes]:
    return start + length, view[start : start + length].tobytes()


def _pairs(view: memoryview, start: int, count: int) -> tuple[int, bytes]:
    """Version 1: lengths and texts of names and values, which are read once all are there."""
    here, spans = start, []
    for _ in range(2 * count):
        if len(view) - here < 4:
            return len(view) + 1, b""
        text = here + 4
        here = text + _WORD.unpack_from(view, here)[0]
        if here - start > MAX_EVENT - _DATA_HEAD:
            raise ProtocolError(f"an event of more than {MAX_EVENT} bytes")
        spans.append(slice(text, here))
    if here > len(view):
        return here, b""
    texts = [view[span].tobytes().decode(errors="replace") for span in spans]
    names = ("message" if name == "line" else name for name in texts[::2])
    return here, json.dumps(dict(zip(names, texts[1::2], strict=True))).encode()


Payload = Callable[[memoryview, int, int], tuple[int, bytes]]  # where it ends (beyond the data if it is cut), and it
_DATA: dict[bytes, tuple[Payload, int, str]] = {
    b"J": (_json, MAX_EVENT, "bytes"),
    b"D": (_pairs, MAX_PAIRS, "fields"),
}


def answer(sequence: int) -> bytes:
    return b"2A" + _WORD.pack(sequence)
