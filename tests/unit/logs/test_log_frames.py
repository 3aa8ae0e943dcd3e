"""The lumberjack frame reader: any split of the bytes, hostile sizes, bombs."""

from __future__ import annotations

import json
import struct
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.logs import MAX_EVENT, MAX_INFLATED, MAX_PACKED, BeatsEvent, Decoder, ProtocolError, answer, line_of


def window(count: int) -> bytes:
    return b"2W" + struct.pack(">I", count)


def plain(sequence: int, payload: bytes) -> bytes:
    return b"2J" + struct.pack(">II", sequence, len(payload)) + payload


def packed(frames: bytes) -> bytes:
    data = zlib.compress(frames)
    return b"2C" + struct.pack(">I", len(data)) + data


def pairs(sequence: int, fields: dict[str, str]) -> bytes:
    texts = [text.encode() for pair in fields.items() for text in pair]
    body = b"".join(struct.pack(">I", len(text)) + text for text in texts)
    return b"1D" + struct.pack(">II", sequence, len(fields)) + body


def fed(decoder: Decoder, data: bytes) -> list[BeatsEvent]:
    """The events of every portion."""
    return [event for portion in decoder.feed(data) for event in portion]


payloads = st.lists(st.binary(max_size=50), max_size=8)


@given(payloads, st.booleans(), st.lists(st.integers(1, 40), max_size=20))
def test_events_come_out_whole_however_the_bytes_are_cut(messages, compress, cuts):
    """TCP keeps no boundaries; a window may come plain or packed."""
    frames = b"".join(plain(number, message) for number, message in enumerate(messages, 1))
    data = window(len(messages)) + (packed(frames) if compress else frames)
    decoder = Decoder()
    events: list[BeatsEvent] = []
    for cut in cuts:
        events += fed(decoder, data[:cut])
        data = data[cut:]
    events += fed(decoder, data)
    assert [event.payload for event in events] == messages
    assert decoder.window == len(messages)


frames = st.one_of(
    st.integers(0, 5).map(window),
    st.builds(plain, st.integers(0, 9), st.binary(max_size=30)),
    st.builds(pairs, st.integers(0, 9), st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3)),
    st.binary(max_size=10),
)
streams = st.lists(frames | st.lists(frames, max_size=4).map(b"".join).map(packed), max_size=6).map(b"".join)


def damaged(data: bytes, places: list[tuple[int, int]]) -> bytes:
    changed = bytearray(data)
    for place, byte in places if data else []:
        changed[place % len(data)] = byte
    return bytes(changed)


@settings(derandomize=True, max_examples=300)
@given(streams, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=3), st.integers(0, 200))
def test_damaged_frames_mean_the_same_however_they_are_cut(data, places, cut):
    """Or are refused; tests/fuzz/log_frames.py looks for more, guided by coverage."""
    data = damaged(data, places)
    try:
        whole = fed(Decoder(), data)
    except ProtocolError:
        return
    decoder = Decoder()
    assert fed(decoder, data[:cut]) + fed(decoder, data[cut:]) == whole


@given(st.binary(max_size=200))
def test_any_bytes_give_events_or_a_protocol_error(data):
    """Nothing else is raised."""
    try:
        fed(Decoder(), data)
        fed(Decoder(), packed(data))
    except ProtocolError:
        pass


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"2X" + bytes(10),
        b"2J" + struct.pack(">II", 1, MAX_EVENT + 1),
        b"2C" + struct.pack(">I", MAX_PACKED + 1),
        packed(packed(plain(1, b"{}"))),
        packed(plain(1, b"{}")[:-1]),
        b"2C" + struct.pack(">I", 9) + b"not zlib!",
        packed(bytes(MAX_INFLATED + 10)),
        b"1D" + struct.pack(">II", 1, 100_000),
    ],
)
def test_what_is_no_lumberjack_or_too_large_is_refused(data):
    """Among them a bomb: 24 MB of zeros in 24 kB."""
    with pytest.raises(ProtocolError):
        fed(Decoder(), data)


@pytest.mark.parametrize("frame", [window(1), plain(1, b""), pairs(1, {})], ids=["windows", "events", "pairs"])
def test_a_few_bytes_unpack_to_a_bounded_number_of_frames_in_bounded_time(frame):
    """16 kB would be a million frames, which nobody else's frames should wait for."""
    begun = time.process_time()
    with pytest.raises(ProtocolError, match="more than 65536"):
        fed(Decoder(), packed(frame * (MAX_INFLATED // len(frame))))
    assert time.process_time() - begun < 3


def test_a_packed_frame_is_unpacked_when_the_one_before_is_dealt_with():
    """Small frames can unpack to gigabytes together."""
    decoder, one = Decoder(), packed(plain(1, b"{}") * 1000)
    portions = decoder.feed(one * 50)
    assert len(next(portions)) == 1000
    assert decoder.buffered == 49 * len(one)
    assert sum(map(len, portions)) == 49_000
    assert decoder.buffered == 0


def test_a_long_text_that_comes_in_small_pieces_is_not_read_again_with_each():
    data = pairs(1, {"line": "x" * (MAX_EVENT - 100)})
    decoder, begun = Decoder(), time.process_time()
    assert sum(len(fed(decoder, data[place : place + 1000])) for place in range(0, len(data), 1000)) == 1
    assert time.process_time() - begun < 3


def test_version_one_frames_are_read():
    """Old forwarders send pairs."""
    (event,) = fed(Decoder(), pairs(7, {"line": "hello", "host": "a"}))
    assert event.sequence == 7
    assert json.loads(event.payload) == {"message": "hello", "host": "a"}
    assert answer(7) == b"2A\x00\x00\x00\x07"


def test_a_line_is_known_by_its_place_and_its_text():
    """After a truncation the same place holds another line."""
    document = {"message": "x", "log": {"offset": 5, "file": {"path": "/a"}}, "agent": {"id": "1"}}
    lines = [
        line_of(json.dumps(document | change).encode(), False, "c", 1)
        for change in ({}, {}, {"message": "y"}, {"agent": {"id": "2"}}, {"log": {"offset": 6}})
    ]
    assert lines[0] == lines[1]
    assert len({line.identity for line in lines}) == 4
    assert line_of(b'{"message": "x"}', False, "c", 1).identity == 0


names = st.sampled_from(["message", "log", "offset", "file", "agent", "@timestamp", "x"])
documents = st.recursive(
    st.none() | st.text() | st.integers(), lambda inner: st.dictionaries(names, inner, max_size=4), max_leaves=10
)


@given(st.binary(max_size=50) | documents.map(lambda document: json.dumps(document).encode()))
def test_any_payload_becomes_one_line(payload):
    """Not JSON, not an object, fields of the wrong kind."""
    line = line_of(payload, True, "c", 1)
    assert b"\n" not in line.text
