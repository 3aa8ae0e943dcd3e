"""Whether a selector can count what it names: a wrong label matches nothing, which looks like no errors at all.

A selector is *proven* by the series of one version: they have every label that it names (and the segment's, where the
signal's events have it), and either one of them is matched, or one could be. A label of a known kind (an HTTP status, a
yes or no) has known values: a matcher that accepts none of these never matches. So good events alone are a proven zero,
and a misspelt label is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bascule.conventions import SEGMENT
from bascule.prometheus import Sample
from bascule.promql.expressions import strata
from bascule.spec import Matcher, Selector, Spec
from bascule.spec.quantities import format_duration

NAME = "__name__"
MOST_SHOWN = 10
_STATUS = ("0", *map(str, range(100, 600)))  # 0: nothing was answered
_GRPC = (
    "OK", "Canceled", "Cancelled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists",
    "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented",
    "Internal", "Unavailable", "DataLoss", "Unauthenticated",
)  # fmt: skip
_GRPC_UPPER = tuple(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", code).upper() for code in _GRPC)  # Python's, Java's
_NUMBERS = (_STATUS, tuple("12345"))  # of a label whose name says what they are
_STATUS_NAME = re.compile(r"status|code|class|response", re.IGNORECASE)
_WORDS = (
    tuple(f"{digit}xx" for digit in range(1, 6)),
    tuple(f"{digit}XX" for digit in range(1, 6)),
    ("true", "false"),
    ("True", "False"),
    ("TRUE", "FALSE"),
    ("yes", "no"),
    ("INFORMATIONAL", "SUCCESS", "REDIRECTION", "CLIENT_ERROR", "SERVER_ERROR", "UNKNOWN"),
    _GRPC,
    _GRPC_UPPER,
)


class Queried(Protocol):
    """A Prometheus."""

    def instant(self, expression: str, at: float | None = None) -> list[Sample]: ...


@dataclass(frozen=True)
class Unproven:
    """A selector of the spec (`signals.errors.bad`) that cannot count what it names on a version's series, and why."""

    signal: str
    key: str
    version: str
    why: str

    def __str__(self) -> str:
        return f"signals.{self.signal}.{self.key} of {self.version}: {self.why}"


@dataclass(frozen=True)
class StoredSeries:
    """The series that a Prometheus has `at` a moment, or had in the `reach` seconds before it."""

    prometheus: Queried
    at: float | None = None
    reach: float | None = None

    def labels(self, aggregation: str, selector: Selector) -> list[Mapping[str, str]]:
        """The labels that are left of a selector's series by an aggregation, such as `group by (status) ({})`."""
        reach = None if self.reach is None else format_duration(self.reach)
        series = str(selector) if reach is None else f"last_over_time({selector.over(reach)})"
        return [sample.labels for sample in self.prometheus.instant(aggregation.format(series), self.at)]


def unproven(
    spec: Spec, signal: str, version: str, prometheus: Queried, at: float | None = None, reach: float | None = None
) -> tuple[Unproven, ...]:
    """What is wrong with a signal's selectors; nothing where the version has no series of its events at all.

    `reach`: seconds before `at` of which series count too that are gone then. Raises what Prometheus raises.
    """
    declared, stored = spec.signals[signal], StoredSeries(prometheus, at, reach)
    total = declared.all_events
    own = spec.versions.matchers(version)
    if total is None or not stored.labels("count({})", total.where(*own)):
        return ()
    segment = spec.segments.label if SEGMENT in strata(spec, declared) else ""
    found = (
        (key, _why(selector, total, own, stored) or _unsplit(selector, total, own, segment, stored))
        for key, selector in declared.selectors.items()
    )
    return tuple(Unproven(signal, key, version, why) for key, why in found if why)


def _why(selector: Selector, total: Selector, own: Sequence[Matcher], stored: StoredSeries) -> str:
    """Why a selector is unproven; empty where it is proven."""
    base = (total if selector.metric == total.metric else Selector(selector.metric)).where(*own)
    matchers = [matcher for matcher in selector.matchers if matcher.label != NAME]
    labels = list(dict.fromkeys(matcher.label for matcher in matchers))
    by = f"group by ({', '.join(labels)})" if labels else "group"
    there = stored.labels(f"{by} ({{}})", base)
    if not there:
        return _not_there(selector, own, stored)
    for label in labels:
        if not any(each.get(label) for each in there):
            return f"its series have no label {label!r}; they have {_listed(_labels_of(base, stored))}"
    return "" if _matched(matchers, there) else next(_impossible(matchers, there), "")


def _unsplit(selector: Selector, total: Selector, own: Sequence[Matcher], segment: str, stored: StoredSeries) -> str:
    """Why a counter cannot be split by segments as the signal's events are: then no segment would have any of it."""
    if not segment or selector.metric == total.metric:
        return ""

    def carries(counter: Selector) -> bool:
        there = stored.labels(f"group by ({segment}) ({{}})", Selector(counter.metric).where(*own))
        return any(each.get(segment) for each in there)

    if carries(selector) or not carries(total):
        return ""
    missing = f"the series of {selector.metric} have no label {segment!r}, and those of {total.metric} have it"
    return f"{missing}; add it, or declare `strata: []` for this signal"


def _not_there(selector: Selector, own: Sequence[Matcher], stored: StoredSeries) -> str:
    bare = Selector(selector.metric)
    others = _labels_of(bare, stored)
    if not others:
        return f"there are no series of {selector.metric}"
    if missing := [matcher.label for matcher in own if matcher.label not in others and matcher.label != NAME]:
        return f"the series of {selector.metric} have no label {missing[0]!r}; they have {_listed(others)}"
    return f"{selector.metric} has series, but none of this version"


def _labels_of(selector: Selector, stored: StoredSeries) -> list[str]:
    """The labels that one of its series has."""
    return sorted({label for labels in stored.labels("topk(1, {})", selector) for label in labels if label != NAME})


def _matched(matchers: Iterable[Matcher], there: Iterable[Mapping[str, str]]) -> bool:
    matchers = list(matchers)
    return any(all(matcher.accepts(each.get(matcher.label, "")) for matcher in matchers) for each in there)


def _impossible(matchers: Iterable[Matcher], there: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """The matchers that accept none of the values that a label of a known kind can have."""
    for matcher in matchers:
        values = sorted({value for each in there if (value := each.get(matcher.label, ""))})
        possible = {value for kind in _kinds(matcher.label) if set(kind) & set(values) for value in kind}
        possible |= set(values) if matcher.label == "le" else set()  # a histogram has the buckets that it has
        if possible and not any(map(matcher.accepts, {*possible, *values})):
            yield f"{matcher} accepts no value that {matcher.label!r} can have; it is {_listed(values)}"


def _kinds(label: str) -> tuple[tuple[str, ...], ...]:
    return _WORDS + _NUMBERS if _STATUS_NAME.search(label) else _WORDS


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:MOST_SHOWN]) + (", ..." if len(words) > MOST_SHOWN else "")
