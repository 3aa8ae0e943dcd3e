"""Requests of the remote-write protocol, field by field as its protobuf definition says."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

import cramjam

STALE = struct.unpack("<d", (0x7FF0000000000002).to_bytes(8, "little"))[0]
Series = tuple[Mapping[str, str], list[tuple[float, float]]]  # labels; times in Unix seconds, and values


def request(series: Iterable[Series]) -> bytes:
    whole = b"".join(_field(1, _series(labels, samples)) for labels, samples in series)
    return bytes(cramjam.snappy.compress_raw(whole))


def _series(labels: Mapping[str, str], samples: list[tuple[float, float]]) -> bytes:
    named = [_field(1, name.encode()) + _field(2, value.encode()) for name, value in sorted(labels.items())]
    return b"".join([*(_field(1, each) for each in named), *(_field(2, _sample(*each)) for each in samples)])


def _sample(time: float, value: float) -> bytes:
    """Zero is not written."""
    written = struct.pack("<d", value)
    return (b"\x09" + written if written != bytes(8) else b"") + b"\x10" + _number(round(1000 * time))


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _number(len(content)) + content


def _number(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
