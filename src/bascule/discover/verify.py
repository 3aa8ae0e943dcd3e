"""Every generated expression asked of a real Prometheus: which answer, which are empty and why, which are refused.

An empty answer is traced to the series that are missing, and these to what makes them: a role of Bascule, an
exporter, a service, or a rule that gives nothing itself.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from bascule import conventions
from bascule.discover.unread import native_of, native_text
from bascule.documents import read_yaml
from bascule.errors import QueryRejected
from bascule.prometheus import Prometheus, Sample
from bascule.promql import unproven, vector_selectors
from bascule.spec import Selector, Spec

FindingState = Literal["ok", "empty", "not_applicable", "error"]


@dataclass(frozen=True)
class CheckedExpression:
    """What came of one expression; `where` names the file and the rule, panel or signal it is in."""

    state: FindingState
    where: str
    expression: str
    why: str

    def __str__(self) -> str:
        return f"{self.state}: {self.where}" + (f": {self.why}" if self.why else "")


@dataclass(frozen=True)
class Asked:
    """An expression of the generated files. An alert may be empty while what it reads is there."""

    where: str
    expression: str
    is_alert: bool = False


def verify(spec: Spec, files: Mapping[str, str], prometheus: Prometheus) -> list[CheckedExpression]:
    """A finding for every selector of the spec, and every rule, alert, panel and variable in `files` (path to text).

    Raises Unreachable when Prometheus does not answer.
    """
    series = _Series(prometheus, spec.versions.both, _recorded(files))
    found = ((asked, *_verified(asked, series)) for asked in expressions(files))
    checked = [CheckedExpression(state, asked.where, asked.expression, why) for asked, state, why in found]
    return [*_signals(spec, series), *_by_panel(checked)]


def signals(spec: Spec, prometheus: Prometheus) -> list[CheckedExpression]:
    """A finding for every selector of the spec's signals, of each version. Raises Unreachable."""
    return list(_signals(spec, _Series(prometheus, spec.versions.both, {})))


def why_empty(
    expression: str, prometheus: Prometheus, versions: tuple[str, str], recorded: Mapping[str, list[str]]
) -> str:
    """Why an expression has no value now; empty where it has one. `recorded`: names to the expressions kept under them.

    Raises Unreachable.
    """
    if any(selector.startswith("ALERTS") for selector in selectors_of(expression)):
        return "no alert that it asks for fires"
    return _verified(Asked("", expression), _Series(prometheus, versions, recorded))[1]


def _recorded(files: Mapping[str, str]) -> dict[str, list[str]]:
    """Recorded names to the expressions that are kept under them."""
    found: dict[str, list[str]] = {}
    for rule in _rules(files):
        if "record" in rule:
            found.setdefault(rule["record"], []).append(rule["expr"])
    return found


def _by_panel(findings: list[CheckedExpression]) -> list[CheckedExpression]:
    """A panel whose queries are alternatives (one for each verdict) has data when one of them has."""
    answered = {_panel_of(finding) for finding in findings if finding.state == "ok"} - {""}
    return [
        replace(finding, state="ok") if finding.why == NOTHING_PASSES and _panel_of(finding) in answered else finding
        for finding in findings
    ]


def _panel_of(finding: CheckedExpression) -> str:
    return finding.where.rpartition(" ")[0] if ": panel " in finding.where else ""


# ---------------------------------------------------------------- what is asked


def expressions(files: Mapping[str, str]) -> Iterator[Asked]:
    """Every expression of the rule files and dashboards."""
    for name, text in files.items():
        if name.startswith("prometheus/rules/"):
            for rule in _rules({name: text}):
                kind = "alert" if "alert" in rule else "record"
                yield Asked(f"{name}: {kind} {rule[kind]}", rule["expr"], kind == "alert")
        elif name.startswith("grafana/") and name.endswith(".json"):
            yield from _dashboard(name, json.loads(text))


def _rules(files: Mapping[str, str]) -> list[dict[str, Any]]:
    texts = [(name, text) for name, text in files.items() if name.startswith("prometheus/rules/")]
    documents = [read_yaml(text, name) for name, text in texts]
    return [rule for document in documents for group in document["groups"] for rule in group["rules"]]


def _dashboard(name: str, board: dict[str, Any]) -> Iterator[Asked]:
    variables = [variable["name"] for variable in board.get("templating", {}).get("list", [])]
    for variable in board.get("templating", {}).get("list", []):
        for selector in _LABEL_VALUES.findall(_text_of(variable.get("query"))):
            yield Asked(f"{name}: variable {variable['name']}", _filled_in(selector, variables))
    for panel in _panels(board):
        for target in panel.get("targets", []):
            if target.get("expr"):
                where = f"{name}: panel {panel.get('title', '')!r} {target.get('refId', '')}"
                yield Asked(where.rstrip(), _filled_in(target["expr"], variables))


_LABEL_VALUES = re.compile(r"label_values\((.+), *\w+\)")


def _text_of(query: Any) -> str:
    """A variable's query, as Grafana writes it: a text, or a mapping that holds it."""
    return str(query.get("query", "")) if isinstance(query, dict) else str(query or "")


def _panels(board: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in board.get("panels", []):
        yield panel
        yield from _panels(panel)  # those of a folded row


_SPANS = {"__rate_interval": "5m", "__interval": "1m", "__range": "1h", "__range_s": "3600", "__interval_ms": "60000"}


def _filled_in(expression: str, variables: list[str]) -> str:
    """The expression with Grafana's variables replaced: spans by usual ones, the dashboard's own by all values."""
    for name, span in _SPANS.items():
        expression = re.sub(rf"\$(?:{name}\b|\{{{name}\}})", span, expression)
    for name in variables:
        mark = rf"\$(?:{name}\b|\{{{name}(?::\w+)?\}})"
        expression = re.sub(rf'=\s*"{mark}"', '=~".*"', expression)
        expression = re.sub(mark, ".*", expression)
    return expression


# ---------------------------------------------------------------- what Prometheus says


@dataclass
class _Series:
    """Which selectors have series; every one is asked about once."""

    prometheus: Prometheus
    versions: tuple[str, str]
    recorded: Mapping[str, list[str]]
    _counts: dict[str, float] = field(default_factory=dict)

    def count(self, selector: str) -> float:
        if selector not in self._counts:
            found = self.prometheus.scalar(f"count({selector})")
            self._counts[selector] = found if isinstance(found, float) else 0.0
        return self._counts[selector]

    def native(self, selector: Selector) -> str:
        """The native histogram that it picks, or picks a part of, where that is all there is of it."""
        name = native_of(self.prometheus, selector)
        return name if name == selector.metric or not self.count(str(selector)) else ""

    def missing(self, expression: str) -> list[str]:
        """The selectors without series; that no alert fires is no lack."""
        return [each for each in selectors_of(expression) if not each.startswith("ALERTS") and not self.count(each)]

    def planned_share(self, segment: str = "") -> float | None:
        """The candidate's share of a segment (of the largest without one) by the plan; None where none is told."""
        narrowed = Selector(conventions.PLANNED_SHARE.name).where(**({conventions.SEGMENT: segment} if segment else {}))
        share = self.prometheus.scalar(f"max({narrowed})")
        return share if isinstance(share, float) else None

    def is_planned(self, selector: str) -> bool:
        """Whether the plan gives the version and segment that a selector names any traffic."""
        labels = dict(_EQUALITIES.findall(selector))
        version, segment = labels.get(conventions.VERSION), labels.get(conventions.SEGMENT, "")
        if version not in self.versions:
            return True
        share = self.planned_share("" if segment == conventions.TOTAL_SEGMENT else segment)
        return share is None or (share > 0 if version == self.versions[1] else share < 1)


_EQUALITIES = re.compile(r'(\w+)="([^"]*)"')
NOTHING_PASSES = "its series are there, but no value passes its conditions"
NO_SHARE = "the plan gives this version no share of this segment now"


def _verified(asked: Asked, series: _Series) -> tuple[FindingState, str]:
    try:
        samples = series.prometheus.instant(asked.expression)
        missing = [] if _has_values(samples) else _missing(asked, series)
    except QueryRejected as error:
        return "error", error.what
    if _has_values(samples) or (asked.is_alert and not missing):
        return "ok", ""
    if missing:
        planned = [each for each in missing if series.is_planned(each)]
        reasons = dict.fromkeys(_reason(each, series) for each in planned)
        return ("empty", "; ".join(reasons)) if planned else ("not_applicable", NO_SHARE)
    if series.planned_share() == 0:
        return "not_applicable", "the plan gives the new version no share yet"
    if any(each.startswith("ALERTS") for each in selectors_of(asked.expression)):
        return "ok", ""
    return "empty", NOTHING_PASSES


def _missing(asked: Asked, series: _Series) -> list[str]:
    """That a rule records nothing while nothing passes its conditions is no lack of an alert that reads it."""
    missing = series.missing(asked.expression)
    return [each for each in missing if not (asked.is_alert and _records_nothing_now(each, series))]


def _records_nothing_now(selector: str, series: _Series) -> bool:
    metric = selector.partition("{")[0]
    return metric in series.recorded and not series.count(f"{metric}{{}}") and _root(metric, series) == NOTHING_PASSES


def _has_values(samples: list[Sample]) -> bool:
    return any(not math.isnan(sample.value) for sample in samples)


def selectors_of(expression: str) -> list[str]:
    """The vector selectors of an expression, each once, without offsets."""
    texts = (selector.prettify() for selector in vector_selectors(expression))  # str() loses escapes
    return list(dict.fromkeys(map(_at_present, texts)))


def _at_present(selector: str) -> str:
    return selector[: selector.rindex("}") + 1] if "}" in selector else f"{selector.split()[0]}{{}}"


# ---------------------------------------------------------------- why it is empty


def _reason(selector: str, series: _Series) -> str:
    metric = selector.partition("{")[0]
    plain = metric + "{}"
    if metric and plain != selector and series.count(plain):
        return f"{metric} has series, but none like {selector}"
    if metric in series.recorded:
        return f"the rule {metric} has no result: {_root(metric, series)}"
    return f"no series of {metric or selector} (made by {producer(metric)})"


def _root(recorded: str, series: _Series) -> str:
    """Why a rule gives nothing, traced back to the first series that is missing."""
    for expression in series.recorded[recorded]:
        if _has_values(series.prometheus.instant(expression)):
            return "it would now, but is not evaluated yet, or not by this Prometheus"
        missing = series.missing(expression)
        if missing and missing[0].partition("{")[0] != recorded:
            return _reason(missing[0], series)
    return NOTHING_PASSES


_SUFFIXES = ("_bucket", "_sum", "_count")
_PRODUCERS = {metric.name: metric.producer for metric in conventions.METRICS}
_ROLES = {"instrument": "the services, through bascule.instrument", "stack": "`bascule up`", "api": "each role"}
_EXPORTERS = {
    "node_": "the node exporter",
    "redis_": "the redis exporter",
    "nginx_": "the nginx exporter",
    "probe_": "the blackbox exporter",
    "container_": "cAdvisor",
    "pg_": "the PostgreSQL exporter",
    "alertmanager_": "Alertmanager",
    "prometheus_": "Prometheus itself",
    "elasticsearch_": "the Elasticsearch exporter",
    "process_": "the process, by its client library",
}


def producer(metric: str) -> str:
    """Who exports a metric, in words."""
    base = next((metric.removesuffix(end) for end in _SUFFIXES if metric.endswith(end)), metric)
    known = _PRODUCERS.get(metric) or _PRODUCERS.get(base)
    if known:
        return _ROLES.get(known, f"the role {known}")
    return next((name for prefix, name in _EXPORTERS.items() if metric.startswith(prefix)), A_SERVICE)


# ---------------------------------------------------------------- the spec's own selectors


def _signals(spec: Spec, series: _Series) -> Iterator[CheckedExpression]:
    for name, signal in spec.signals.items():
        for key, selector in signal.selectors.items():
            yield from _told_apart(spec, f"spec: signals.{name}.{key}", selector, series)


def _told_apart(spec: Spec, where: str, selector: Selector, series: _Series) -> Iterator[CheckedExpression]:
    """One finding for each version: whether the selector has series of it, and of it alone."""
    old, new = (spec.versions.matchers(version) for version in spec.versions.both)
    shared = series.count(str(selector.where(*old, *new)))
    for version in spec.versions.both:
        narrowed = str(selector.where(*spec.versions.matchers(version)))
        state, why = _of_version(spec, where, selector, version, series)
        if shared:
            state, why = "error", f"{shared:g} series are counted for both versions: fix versions.select"
        yield CheckedExpression(state, f"{where} of {version}", narrowed, why)


def _of_version(spec: Spec, where: str, selector: Selector, version: str, series: _Series) -> tuple[FindingState, str]:
    _, signal, key = where.split(".", 2)
    if native := series.native(Selector(selector.metric).where(*spec.versions.matchers(version))):
        return "error", native_text(series.prometheus, native)
    for found in unproven(spec, signal, version, series.prometheus):
        if found.key == key:
            return "error", found.why
    narrowed = str(selector.where(*spec.versions.matchers(version)))
    if series.count(narrowed):
        return "ok", ""
    bare = Selector(selector.metric)
    if not series.count(str(bare)):
        return _absent(selector.metric, series)
    if not series.count(str(bare.where(*spec.versions.matchers(version)))):
        return "empty", f"{selector} matches series, but none of {version}: see versions in the spec"
    there = "; ".join(_values(selector, series))
    return "ok", f"no such event yet ({there})"


MOST_VALUES = 10
A_SERVICE = "a service"


def _absent(metric: str, series: _Series) -> tuple[FindingState, str]:
    """A name of the services' that none of them exposes is a wrong one; what others make may still come."""
    why = f"no series of {metric} (made by {producer(metric)})"
    if producer(metric) not in (A_SERVICE, _ROLES["instrument"]):
        return "empty", why
    names = series.prometheus.label_values("__name__")  # of the last hours too
    if metric in names:
        return "empty", f"{metric} had series, and has none now: its scrapes fail, or it is exposed no more"
    near = difflib.get_close_matches(metric, names)
    return "error", f"{why}; there are {', '.join(near)}" if near else why


def _values(selector: Selector, series: _Series) -> Iterator[str]:
    """The values that each label of a selector has on its metric."""
    for label in dict.fromkeys(matcher.label for matcher in selector.matchers):
        known = series.prometheus.label_values(label, str(Selector(selector.metric)))
        shown = ", ".join(known[:MOST_VALUES]) + (", ..." if len(known) > MOST_VALUES else "")
        yield f"{label} is {shown}" if known else f"there is no label {label}"
