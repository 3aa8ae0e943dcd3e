"""What may become a label value, so that no id, dump or attack makes series without bound."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from threading import Lock
from typing import Any

from bascule.conventions import NONE, OTHER, UNKNOWN
from bascule.instrument.problems import Problems

LONGEST = 80  # characters; names of segments, partners and algorithms are shorter, dumps are longer
_LOOKS_LIKE_AN_ID = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-"  # a UUID
    r"|\d{6}"  # a row number, a time stamp
    r"|(?=[a-f]*\d)[0-9a-f]{16}"  # a hash
    r"|[@\"=]|\{.*:.*\}",  # an address, a dump
    re.IGNORECASE,
)


class Labels:
    """Admits declared values always, and at most `limit` others per label; the rest become `other`."""

    def __init__(self, limit: int, capped: Any, problems: Problems) -> None:
        self._limit = limit
        self._capped = capped
        self._problems = problems
        self._closed: dict[str, set[str]] = {}
        self._declared: dict[str, set[str]] = defaultdict(lambda: {UNKNOWN, OTHER, NONE})
        self._seen: dict[str, set[str]] = defaultdict(set)
        self._lock = Lock()

    def declare(self, label: str, values: Iterable[str]) -> None:
        """These values never count against the cap."""
        self._declared[label].update(values)

    def close(self, label: str, values: Iterable[str]) -> None:
        """Only these values exist, and those declared; others are recorded as `unknown`. No values close nothing."""
        if known := set(values):
            self.declare(label, known)
            self._closed.setdefault(label, set()).update(known)

    def admit(self, metric: str, label: str, value: object) -> str:
        """The label value to record for `value`; `metric` tells where, should it be capped."""
        text = self._text(label, value)
        if text in self._declared[label]:
            return text
        if label in self._closed:
            self._problems.note(f"unknown_{label}", value)
            return UNKNOWN
        if self._room_for(label, text):
            return text
        self._capped.labels(metric, label).inc()
        return OTHER

    def _text(self, label: str, value: object) -> str:
        if value is None or value == "":
            self._problems.note(f"missing_{label}", value)
            return UNKNOWN
        if isinstance(value, (str, int)):
            return str(value)
        self._problems.note(f"bad_{label}", value)
        return UNKNOWN

    def _room_for(self, label: str, text: str) -> bool:
        seen = self._seen[label]
        if text in seen:
            return True
        if len(text) > LONGEST or not text.isprintable() or _LOOKS_LIKE_AN_ID.search(text):
            return False
        with self._lock:
            if len(seen) < self._limit:
                seen.add(text)
        return text in seen
