"""A scrape target with a native histogram, in Prometheus' protobuf format: clients of Python do not write it."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator, Mapping

from served import Quiet, served

HISTOGRAM = 4
PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


def _field(number: int, value: int | float | bytes) -> bytes:
    if isinstance(value, bytes):
        return _varint(number << 3 | 2) + _varint(len(value)) + value
    if isinstance(value, float):
        return _varint(number << 3 | 1) + struct.pack("<d", value)
    return _varint(number << 3) + _varint(value)


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else -number * 2 - 1


def family(name: str, labels: Mapping[str, str], counts: int) -> bytes:
    """A native histogram with `counts` observations, all in one bucket."""
    pairs = [_field(1, _field(1, key.encode()) + _field(2, value.encode())) for key, value in labels.items()]
    span = _field(12, _field(1, _zigzag(-5)) + _field(2, 1))
    shape = _field(5, _zigzag(3)) + _field(6, 2.938735877055719e-39) + _field(7, 0)
    histogram = _field(1, counts) + _field(2, 0.6 * counts) + shape + span + _field(13, _zigzag(counts))
    metric = b"".join(pairs) + _field(7, histogram)
    message = _field(1, name.encode()) + _field(2, b"times") + _field(3, HISTOGRAM) + _field(4, metric)
    return _varint(len(message)) + message


@contextlib.contextmanager
def native_page(body: bytes) -> Iterator[str]:
    """Serves it: the target."""

    class Handler(Quiet):
        def do_GET(self) -> None:
            self.answer(200, body, PROTOBUF)

    with served(Handler) as address:
        yield address
