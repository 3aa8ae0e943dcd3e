"""Alerting rules on a stretch of history: asked of Prometheus, with their `for` and `keep_firing_for` applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import promql_parser

from bascule.conventions import Severity
from bascule.errors import QueryRejected
from bascule.prometheus import Prometheus, Series
from bascule.spec.quantities import parse_duration


@dataclass(frozen=True)
class Fired:
    """An alarm that would have been: `by` the judge or the name of a rule; `ended` None: still firing at the end."""

    by: str
    labels: Mapping[str, str]
    fired: float
    ended: float | None
    text: str = ""


class Unreplayable(Exception):
    """Why a rule says nothing about the stretch."""


class NothingToRead(Unreplayable):
    """There is no series of what it reads: it could not have fired."""


def running_rules(prometheus: Prometheus) -> list[dict[str, Any]]:
    """The alerting rules that Prometheus runs, in the shape of a rule file."""
    return [
        {
            "alert": rule["name"],
            "expr": rule["query"],
            "for": rule.get("duration", 0.0),
            "keep_firing_for": rule.get("keepFiringFor", 0.0),
            "labels": rule.get("labels", {}),
        }
        for group in prometheus.rules()
        for rule in group["rules"]
        if rule["type"] == "alerting"
    ]


def alerting(rules: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those of the rules that are alerts which can be false or late."""
    return [rule for rule in rules if "alert" in rule and _severity(rule) != Severity.NONE]


def _severity(rule: Mapping[str, Any]) -> str:
    return str((rule.get("labels") or {}).get("severity", ""))


def fired_by_rule(
    prometheus: Prometheus, rule: Mapping[str, Any], start: float, end: float, step: float
) -> list[Fired]:
    """Every time the rule would have fired: its expression true at each evaluation for all of its `for`.

    Raises Unreplayable when its expression is refused, or when a metric that it reads is not in this Prometheus.
    """
    try:
        series = prometheus.range(str(rule["expr"]), start, end, step)
    except QueryRejected as error:
        raise Unreplayable(error.what) from error
    if not series and (unknown := [name for name in metrics_of(str(rule["expr"])) if not _is_held(prometheus, name)]):
        raise NothingToRead(f"this Prometheus holds no series of {', '.join(unknown)}")
    wait, keep = parse_duration(rule.get("for", 0.0)), parse_duration(rule.get("keep_firing_for", 0.0))
    return [
        Fired(rule["alert"], dict(one.labels), fired, ended)
        for one in series
        for fired, ended in firings(one, wait, keep, step, end)
    ]


def firings(series: Series, wait: float, keep: float, step: float, end: float) -> list[tuple[float, float | None]]:
    """When an alert with samples at these evaluations fires and ends; `keep`: how long it goes on without one."""
    found: list[tuple[float, float | None]] = []
    for run in _runs(series, step):
        fired, last = float(run[0]) + wait, float(run[-1])
        if last < fired - 1e-6:
            continue
        ended = last + step + keep
        if found and (found[-1][1] is None or found[-1][1] >= run[0]):
            fired = found.pop()[0]
        found.append((fired, ended if ended <= end else None))
    return found


def _runs(series: Series, step: float) -> Sequence[np.ndarray[Any, np.dtype[np.float64]]]:
    return np.split(series.times, np.nonzero(np.diff(series.times) > 1.5 * step)[0] + 1)


def metrics_of(expression: str) -> list[str]:
    """The names of the metrics that an expression reads, each once."""
    read = (selector.name for selector in _selectors(promql_parser.parse(expression)))
    return list(dict.fromkeys(name for name in read if name))


def _selectors(node: Any) -> Iterator[promql_parser.VectorSelector]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    inner = [getattr(node, name, None) for name in ("vector_selector", "expr", "param", "lhs", "rhs")]
    for each in (*inner, *(getattr(node, "args", None) or [])):
        if each is not None:
            yield from _selectors(each)


def _is_held(prometheus: Prometheus, metric: str) -> bool:
    return bool(prometheus.label_values("__name__", metric))
