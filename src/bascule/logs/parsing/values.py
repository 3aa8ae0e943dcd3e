"""Typed values out of text: one at a time (the strict reading), or all distinct values of a column at once.

Both ways accept exactly the same texts.
Times are whole microseconds since 1970 in UTC; a time without a zone is taken as UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bascule.logformat import LEVELS, UNITS, patterns

Value = str | int | float

_INT_TEXT, _FLOAT_TEXT = re.compile(patterns.WHOLE), re.compile(patterns.DECIMAL)
_ISO = re.compile(rf"({patterns.DAY})[T ]({patterns.SECOND})(?:[.,]([0-9]{{1,9}}))? ?(Z|UTC|{patterns.ZONE})?")
_COMMON = re.compile(rf"({patterns.COMMON_DAY})[: ]({patterns.SECOND})(?: ([+-][0-9]{{4}}))?")
_EPOCH = re.compile(patterns.EPOCH)
_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: f"{number:02d}" for number, name in enumerate(_MONTH_NAMES, 1)}
_EPOCH_START = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def read_value(text: str, kind: str) -> Value | None:
    """The value that `text` writes, or None when it does not write one of that kind."""
    if kind == "text":
        return text
    if kind == "word":
        return text if " " not in text else None
    if kind == "level":
        return text if text in LEVELS else None
    if kind == "time":
        return read_time(text)
    if kind == "int":
        return int(text) if _INT_TEXT.fullmatch(text) else None
    return float(text) * UNITS.get(kind, 1.0) if _FLOAT_TEXT.fullmatch(text) else None


def read_time(text: str) -> int | None:
    """Microseconds since 1970 of an ISO 8601, common-log or epoch time."""
    if match := _ISO.fullmatch(text):
        day, second, fraction, zone = match.groups()
        start = _second(day, second, zone)
        return None if start is None else start + int((fraction or "0").ljust(6, "0")[:6])
    if match := _COMMON.fullmatch(text):
        day, second, zone = match.groups()
        return _second(f"{day[7:]}-{_MONTHS.get(day[3:6], '00')}-{day[:2]}", second, zone)
    if _EPOCH.fullmatch(text):
        whole, _, fraction = text.partition(".")
        return int(whole) * 1_000_000 + int(fraction.ljust(6, "0"))
    return None


@lru_cache(4096)  # lines come many to a second
def _second(day: str, second: str, zone: str | None) -> int | None:
    try:
        moment = datetime.fromisoformat(f"{day}T{second}").replace(tzinfo=_zone(zone))
        return (moment - _EPOCH_START) // _MICROSECOND
    except (ValueError, OverflowError):
        return None


def _zone(text: str | None) -> timezone:
    if text is None or text in ("Z", "UTC"):
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


# ---------------------------------------------------------------- whole columns


def read_numbers(texts: pa.Array, kind: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Every text's number, and whether it writes one; the others are nan."""
    pattern = f"^(?:{patterns.WHOLE if kind == 'int' else patterns.DECIMAL})$"
    valid = pc.match_substring_regex(texts, pattern)
    safe = pc.if_else(valid, texts, pa.scalar("nan", texts.type))
    numbers = pc.cast(safe, pa.float64()).to_numpy(zero_copy_only=False)
    return numbers * UNITS.get(kind, 1.0), valid.to_numpy(zero_copy_only=False)


def read_times(texts: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Every text's microseconds since 1970, and whether it writes a time; the others are 0.

    The common layout (`2026-01-31T12:00:00.123Z`) is read column by column: lines come in
    the order of their times, so minutes are read once each and only seconds and
    milliseconds per line.
    """
    if len(texts) == 0 or not _all_of_length(texts, 24):
        return _read_times_singly(texts)
    words = np.frombuffer(texts.buffers()[2], "<u8", len(texts) * 3, _data_start(texts)).reshape(-1, 3)
    minutes, known = _minutes(words[:, 0], words[:, 1])
    seconds, shaped = _seconds(words[:, 2])
    result, valid = minutes + seconds, known & shaped
    return _with_single_readings(texts, result, valid)


def _all_of_length(texts: pa.Array, length: int) -> bool:
    offsets = _offsets(texts)
    return bool(texts.null_count == 0 and (np.diff(offsets) == length).all())


def _offsets(texts: pa.Array) -> NDArray[np.int32]:
    return np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, texts.offset * 4)


def _data_start(texts: pa.Array) -> int:
    return int(_offsets(texts)[0])


def _minutes(dates: NDArray[np.uint64], minutes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Microseconds of the minute that starts each text; the words are `YYYY-MM-` and `DDTHH:MM`."""
    new = np.ones(len(dates), bool)
    new[1:] = (dates[1:] != dates[:-1]) | (minutes[1:] != minutes[:-1])
    run = np.cumsum(new) - 1
    cache: dict[bytes, int | None] = {}
    starts = []
    for date, minute in zip(dates[new].tolist(), minutes[new].tolist(), strict=True):
        head = date.to_bytes(8, "little") + minute.to_bytes(8, "little")
        if head not in cache:
            cache[head] = read_time(head.decode("latin-1") + ":00Z")
        starts.append(cache[head])
    values = np.array([start or 0 for start in starts], np.int64)
    known = np.array([start is not None for start in starts], bool)
    return values[run], known[run]


_SECONDS_SHAPE = np.uint64(int.from_bytes(b":\x00\x00.\x00\x00\x00Z", "little"))
_SECONDS_FIXED = np.uint64(int.from_bytes(b"\xff\x00\x00\xff\x00\x00\x00\xff", "little"))
_DIGIT_HIGH = np.uint64(int.from_bytes(b"\x00\xf0\xf0\x00\xf0\xf0\xf0\x00", "little"))
_DIGIT_ZERO = np.uint64(int.from_bytes(b"\x00\x30\x30\x00\x30\x30\x30\x00", "little"))
_SIX = np.uint64(int.from_bytes(b"\x00\x06\x06\x00\x06\x06\x06\x00", "little"))


def _seconds(words: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Microseconds within the minute; each word is `:SS.mmmZ`. Digits have high half 3 even after adding 6."""
    shaped = (words & _SECONDS_FIXED) == _SECONDS_SHAPE
    shaped &= (words & _DIGIT_HIGH) == _DIGIT_ZERO
    shaped &= ((words + _SIX) & _DIGIT_HIGH) == _DIGIT_ZERO

    def digit(place: int) -> NDArray[np.int64]:
        return ((words >> np.uint64(8 * place)) & np.uint64(15)).astype(np.int64)

    seconds = digit(1) * 10 + digit(2)
    shaped &= seconds < 60
    return seconds * 1_000_000 + (digit(4) * 100 + digit(5) * 10 + digit(6)) * 1_000, shaped


def _with_single_readings(texts: pa.Array, result: Any, valid: Any) -> tuple[Any, Any]:
    rest = np.flatnonzero(~valid)
    if len(rest):
        result[rest], valid[rest] = _read_times_singly(texts.take(pa.array(rest)))
    return result, valid


def _read_times_singly(texts: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    distinct = texts.dictionary_encode()
    times = [read_time(text) for text in distinct.dictionary.to_pylist()]
    values = np.array([time or 0 for time in times], np.int64)
    valid = np.array([time is not None for time in times], bool)
    codes = distinct.indices.to_numpy(zero_copy_only=False)
    return values[codes], valid[codes]
