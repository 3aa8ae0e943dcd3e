"""Typed values out of text: one at a time (the strict reading), or all distinct values of a column at once.

Both ways accept exactly the same texts.
Times are whole microseconds since 1970 in UTC; a time without a zone is taken as UTC.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bascule.logformat import LEVELS, SPAN_UNITS, UNITS, patterns
from bascule.transport import parsed

Value = str | int | float
Fields = dict[str, Value]
Misread = tuple[str, str]  # a field, and why its text could not be read

NOT_A_NUMBER, NOT_WHOLE, NOT_FINITE = "not a number", "not a whole number", "not finite"
NEGATIVE, OUT_OF_RANGE, NOT_A_TIME = "negative", "out of range", "not a time"
TOO_LONG = "more than a day"
BLANKS = ("", "-")  # how loggers and proxies write that there is no value

_NUMBER = re.compile(patterns.DECIMAL)
_SPAN_PART, _SPAN = re.compile(patterns.SPAN_PART), re.compile(patterns.SPAN)
LONGEST_SECONDS = 86_400.0  # of a time taken: a longer one has another unit than the one declared
_BEYOND = 1 << 31  # whole numbers are stored in 32 bits
_ISO = re.compile(rf"({patterns.DAY})(?:[Tt ]| - )({patterns.SECOND})(?:[.,]([0-9]+))?(?: ?({patterns.ZONE}))?")
_COMMON = re.compile(rf"({patterns.COMMON_DAY})[: ]({patterns.SECOND})(?:[.,]([0-9]+))?(?: ([+-][0-9]{{4}}))?")
_MAIL = re.compile(rf"(?:\w+, )?([0-9]{{1,2}}) (\w+) ([0-9]{{4}}) ({patterns.SECOND}) ({patterns.ZONE})")
_C_TIME = re.compile(rf"\w+ (\w+) ([ 0-9][0-9]) ({patterns.SECOND})(?:[.,]([0-9]+))? ([0-9]{{4}})")
_SHORT = re.compile(rf"({patterns.SHORT_DAY}) ({patterns.SECOND})")
_EPOCH = re.compile(patterns.EPOCH)
_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: f"{number:02d}" for number, name in enumerate(_MONTH_NAMES, 1)}
_EPOCH_START = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# From which number on an epoch counts what, and how many digits of it are below a microsecond (or -above).
_EPOCH_UNITS = ((10**17, -3), (10**14, 0), (10**11, 3), (10**8, 6))
_LAST_EPOCH = 10**20


def read_value(text: str, kind: str) -> Value | None:
    """The value that `text` writes, or None when it does not write one of that kind.

    Numbers of a time's unit are seconds; times are microseconds since 1970.
    """
    if kind == "text":
        return text
    if kind == "word":
        return text if " " not in text else None
    if kind == "level":
        return text if text in LEVELS else None
    if kind == "time":
        return read_time(text)
    return read_number(text, kind)[0]


def read_number(text: str, kind: str) -> tuple[float | None, str]:
    """The number that `text` writes, as JSON, Python and others print it; else None, and why not.

    `kind` is one of `logformat.FIGURES`: times taken become seconds and are never negative, `int` is whole. A time
    taken may be written with its own units, as `1.5ms` or `1m2s`.
    """
    if kind in UNITS and _SPAN.fullmatch(text):
        taken = sum(float(number) * SPAN_UNITS[unit] for number, unit in _SPAN_PART.findall(text))
        return (taken, "") if taken <= LONGEST_SECONDS else (None, TOO_LONG)
    if not _NUMBER.fullmatch(text):
        return None, NOT_FINITE if text.lstrip("+-").lower() in ("nan", "inf", "infinity") else NOT_A_NUMBER
    number = float(text) * UNITS.get(kind, 1.0)
    if not math.isfinite(number):
        return None, NOT_FINITE
    if kind in UNITS and number < 0:
        return None, NEGATIVE
    if kind in UNITS and number > LONGEST_SECONDS:
        return None, TOO_LONG
    if kind != "int":
        return number, ""
    if not number.is_integer():
        return None, NOT_WHOLE
    return (int(number), "") if abs(number) < _BEYOND else (None, OUT_OF_RANGE)


def document_of(line: str) -> dict[str, Any] | None:
    """The JSON object that a line is; None for anything else, and for one that is nested too deep. Half of a surrogate
    pair, which no column can hold, stays the escape that it is written as."""
    may_be_half = r"\ud" in line or r"\uD" in line
    try:
        document = parsed(line.encode()) if may_be_half else json.loads(line)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def read_time(text: str) -> int | None:
    """Microseconds since 1970 of an ISO 8601, common-log, mail, asctime or epoch time; finer digits are left out.

    An epoch is seconds, milliseconds, microseconds or nanoseconds by its magnitude: from 1973 on, until 5138.
    """
    if match := _ISO.fullmatch(text):
        day, second, fraction, zone = match.groups()
        return _moment(day.replace("/", "-"), second, fraction, zone)
    if match := _COMMON.fullmatch(text):
        day, second, fraction, zone = match.groups()
        return _moment(f"{day[7:]}-{_MONTHS[day[3:6]]}-{day[:2]}", second, fraction, zone)
    if _EPOCH.fullmatch(text):
        return _read_epoch(text)
    if match := _MAIL.fullmatch(text):
        number, month, year, second, zone = match.groups()
        return _moment(f"{year}-{_MONTHS.get(month, '00')}-{int(number):02d}", second, None, zone)
    if match := _C_TIME.fullmatch(text):
        month, number, second, fraction, year = match.groups()
        return _moment(f"{year}-{_MONTHS.get(month, '00')}-{number.replace(' ', '0')}", second, fraction, None)
    if match := _SHORT.fullmatch(text):
        day, second = match.groups()
        return _moment(f"20{day[:2]}-{day[2:4]}-{day[4:]}", second, None, None)
    return None


def _moment(day: str, second: str, fraction: str | None, zone: str | None) -> int | None:
    start = _second(day, second, zone)
    return None if start is None else start + int((fraction or "0")[:6].ljust(6, "0"))


def _read_epoch(text: str) -> int | None:
    plain = format(Decimal(text), "f") if "e" in text or "E" in text else text
    whole, _, fraction = plain.partition(".")
    number = int(whole)
    digits = next((digits for least, digits in _EPOCH_UNITS if number >= least), None)
    if digits is None or number >= _LAST_EPOCH:
        return None
    if digits < 0:
        return int(number // 10**-digits)
    return int(f"{number}{fraction[:digits].ljust(digits, '0')}")


@lru_cache(4096)  # lines come many to a second
def _second(day: str, second: str, zone: str | None) -> int | None:
    try:
        minute = datetime.fromisoformat(f"{day}T{second[:5]}").replace(tzinfo=_zone(zone))
        moment = minute + timedelta(seconds=int(second[6:]))  # of which a minute may have 61
        # What a zone puts outside the calendar is not a time: nothing that reads rows could show it.
        return (moment.astimezone(UTC) - _EPOCH_START) // _MICROSECOND
    except (ValueError, OverflowError):
        return None


def _zone(text: str | None) -> timezone:
    if text is None or text.isalpha():
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return timezone(-offset if text[0] == "-" else offset)


# ---------------------------------------------------------------- whole columns


FEW_NUMBERS = 512  # up to here asking for each, as a rule known from the chunk before, is quicker


@lru_cache(1 << 14)
def _known_number(text: str, kind: str) -> float | None:
    return read_number(text, kind)[0]


# What Arrow reads as Python does, without an overflow; other numbers are left to the strict reading.
_USUAL = r"^[+-]?[0-9]{1,40}(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?$"


def read_numbers(texts: pa.Array, kind: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Every text's number, and whether it is read here; the others are left to `read_number`, and nan."""
    if len(texts) < FEW_NUMBERS:
        numbers = [_known_number(text, kind) for text in texts.to_pylist()]
        return np.array(numbers, np.float64), np.array([number is not None for number in numbers], bool)
    usual = pc.match_substring_regex(texts, _USUAL)
    safe = pc.if_else(usual, texts, pa.scalar("nan", texts.type))
    numbers = pc.cast(safe, pa.float64()).to_numpy(zero_copy_only=False) * UNITS.get(kind, 1.0)
    valid = usual.to_numpy(zero_copy_only=False)
    if kind in UNITS:
        valid = valid & (numbers >= 0) & (numbers <= LONGEST_SECONDS)
    if kind == "int":
        valid = valid & (np.abs(numbers) < _BEYOND) & (numbers == np.trunc(numbers))
    return numbers, valid


def read_times(texts: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Every text's microseconds since 1970, and whether it writes a time; the others are 0.

    The common layout (`2026-01-31T12:00:00.123Z`) is read column by column: lines come in
    the order of their times, so minutes are read once each and only seconds and
    milliseconds per line.
    """
    if len(texts) == 0 or not _all_of_length(texts, 24):
        return _read_times_singly(texts)
    words = np.frombuffer(texts.buffers()[2], "<u8", len(texts) * 3, int(_offsets(texts)[0])).reshape(-1, 3)
    minutes, known = _minutes(words[:, 0], words[:, 1])
    seconds, shaped = _seconds(words[:, 2])
    result, valid = minutes + seconds, known & shaped
    return _with_single_readings(texts, result, valid)


def _all_of_length(texts: pa.Array, length: int) -> bool:
    offsets = _offsets(texts)
    return bool(texts.null_count == 0 and (np.diff(offsets) == length).all())


def _offsets(texts: pa.Array) -> NDArray[np.int32]:
    return np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, texts.offset * 4)


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
