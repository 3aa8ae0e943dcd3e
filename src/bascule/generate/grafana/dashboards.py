"""What the dashboards show. Each is a file of `boards/`: rows of panels, with `[[places]]` for what the spec says.

`when` leaves out what the spec has no use for; so is a panel whose series it does not record. Panels read recorded
series, so that a dashboard, an alert and a report can never disagree about a figure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

from bascule.conventions import PHASE, Recorded, log_index_prefix
from bascule.documents import read_yaml
from bascule.generate.grafana.panels import Board, Panel, Row, to_json, up_to
from bascule.generate.prometheus.rule_groups import rule_groups
from bascule.generate.render import to_yaml
from bascule.prometheus import merged_expression
from bascule.promql import QUANTILES, value_series
from bascule.slo import all_of
from bascule.spec import Spec
from bascule.spec.kinds import Signal
from bascule.spec.uses import partner_label, uses_instrument

BOARDS = ("executive", "technical", "business", "sla", "infrastructure", "logs", "judge", "segments")
EACH_SIGNAL = "each signal"  # in a row, instead of a panel's name
_VERSION = 'version=~"$version"'
_GRAFANA_UNITS = {
    "seconds": "s",
    "milliseconds": "ms",
    "microseconds": "µs",
    "nanoseconds": "ns",
    "minutes": "m",
    "hours": "h",
    "days": "d",
    "ratio": "percentunit",
    "percent": "percent",
    "bytes": "decbytes",
    "kilobytes": "deckbytes",
    "megabytes": "decmbytes",
    "gigabytes": "decgbytes",
    "kibibytes": "kbytes",
    "mebibytes": "mbytes",
    "gibibytes": "gbytes",
}
Values = Mapping[str, Any]


def grafana_files(spec: Spec) -> dict[str, str]:
    """Dashboards, and the provisioning that makes Grafana load them."""
    boards = {f"grafana/dashboards/{board.uid}.json": to_json(spec, board) for board in boards_of(spec)}
    return {**boards, **_provisioning(spec)}


def boards_of(spec: Spec) -> list[Board]:
    """Every dashboard, without the panels whose series this spec does not record."""
    recorded = {rule.name for group in rule_groups(spec) for rule in group.recordings}
    parts, values = parts_of(spec), _values(spec)
    wanted = (name for name in BOARDS if parts[_read(name).get("when", "")])
    return [_board(spec, name, parts, values, recorded) for name in wanted]


# ---------------------------------------------------------------- what a spec has, and says


def parts_of(spec: Spec) -> dict[str, Any]:
    """The parts that `when` can ask for; true where the spec has them."""
    kinds = ("redis", "postgres", "nginx", "node", "container")
    return {
        "": True,
        "segments": spec.segments.named,
        "no segments": not spec.segments.named,
        "partners": partner_label(spec),
        "instrument": uses_instrument(spec),
        "logs": spec.logs.sources,
        "probes": spec.is_probed,
        "https probes": [probe for probe in spec.probes.values() if probe.kind == "https"],
        **{kind: spec.services_of(kind) for kind in kinds},
        **_by_role(spec),
    }


def _by_role(spec: Spec) -> dict[str, str]:
    """The names of the signals that panels ask for by role."""
    named = {"errors": spec.errors, "latency": spec.latency, "accuracy": spec.accuracy, "revenue": spec.revenue}
    return {role: one.name if one else "" for role, one in named.items()}


def _values(spec: Spec) -> Values:
    """What is in `[[places]]`."""
    tolerance = spec.thresholds.share_tolerance
    return {
        "title": spec.title,
        "baseline": spec.versions.baseline,
        "candidate": spec.versions.candidate,
        "tolerance": tolerance,
        "half_tolerance": tolerance / 2,
        "warning": spec.slas.states.warning,
        "p95_limit": spec.thresholds.response_time_p95,
        "latency_unit": _GRAFANA_UNITS.get(spec.latency.signal.unit, "none") if spec.latency else "",
        **_holds(spec),
        **_by_role(spec),
    }


def _holds(spec: Spec) -> dict[str, str]:
    """How long the current phase is held, and those after it, as expressions: the plan is no series."""
    holds = [phase.hold for phase in spec.phases]

    def each(seconds: Callable[[int], float]) -> str:
        terms = (f"max({PHASE.name} == {at + 1}) * 0 + {seconds(at):g}" for at in range(len(holds)))
        return " or ".join(terms)

    return {"holds": each(lambda at: holds[at]), "later_holds": each(lambda at: sum(holds[at + 1 :]))}


# ---------------------------------------------------------------- from files to boards


@cache
def _read(name: str) -> dict[str, Any]:
    text = resources.files("bascule.generate.grafana").joinpath("boards", f"{name}.yaml").read_text("utf-8")
    found: dict[str, Any] = read_yaml(text, f"{name}.yaml")
    return found


def _board(spec: Spec, name: str, parts: Values, values: Values, recorded: set[str]) -> Board:
    written = _read(name)
    rows = [
        Row(
            _filled(row["title"], each),
            tuple(_panels(spec, row["panels"], parts, each, recorded)),
        )
        for row in written["rows"]
        if parts[row.get("when", "")]
        for each in _each(spec, row.get("each", ""), values)
    ]
    title, text = _filled(written["title"], values), _filled(written["text"], values)
    shown = tuple(_read_once(spec, row) for row in rows if row.panels)
    return Board(uid(spec, name), title, text, shown, with_logs=written.get("with_logs", False))


def _each(spec: Spec, part: str, values: Values) -> Iterator[Values]:
    """The values for a row, or for each of the rows that it represents."""
    if part == "sla":
        for slo in all_of(spec):
            yield {**values, "sla": slo.name, "objective": slo.declared.objective, "budget": slo.budget}
    else:
        yield values


def _panels(spec: Spec, written: list[Any], parts: Values, values: Values, recorded: set[str]) -> Iterator[Panel]:
    for entry in written:
        if entry == EACH_SIGNAL:
            yield from (_signal(name, signal) for name, signal in spec.signals.items())
            continue
        panel = _filled(_read("shared")[entry] if isinstance(entry, str) else entry, values)
        there = {legend: expr for legend, expr in panel["targets"].items() if _names(expr) <= recorded}
        if there and parts[panel.pop("when", "")]:
            leads_to = uid(spec, panel["leads_to"]) if "leads_to" in panel else ""
            yield Panel.model_validate({**panel, "targets": there, "leads_to": leads_to})


def _read_once(spec: Spec, row: Row) -> Row:
    """Series that are there once per replica are drawn as one."""
    label = spec.prometheus.replica_label
    if label is None:
        return row
    return replace(row, panels=tuple(panel if panel.kind == "logs" else _merged(panel, label) for panel in row.panels))


def _merged(panel: Panel, label: str) -> Panel:
    targets = {legend: merged_expression(expr, label) for legend, expr in panel.targets.items()}
    return panel.model_copy(update={"targets": targets})


def _filled(node: Any, values: Values) -> Any:
    """The same with each `[[place]]` filled in; a text that is a place alone becomes the value itself."""
    if isinstance(node, dict):
        return {_filled(key, values): _filled(value, values) for key, value in node.items()}
    if not isinstance(node, str):
        return node
    if alone := _PLACE.fullmatch(node):
        return values[alone[1]]
    return _PLACE.sub(lambda place: str(values[place[1]]), node)


_PLACE = re.compile(r"\[\[(\w+)\]\]")
_RECORDED_NAME = re.compile(r"\b[a-z_0-9]+(?::[a-z_0-9]+){1,2}\b")


def _names(expr: str) -> set[str]:
    """The recorded series that an expression reads."""
    return set(_RECORDED_NAME.findall(re.sub(r'"[^"]*"', "", expr)))


def uid(spec: Spec, name: str) -> str:
    return f"{spec.metadata.name}-{name}"[:40]


# ---------------------------------------------------------------- a panel for each signal


def _signal(name: str, signal: Signal) -> Panel:
    """Its value by version; where the versions are compared by it, mix-adjusted too."""
    title, where = name.replace("_", " ").capitalize(), f'{{signal="{name}",{_VERSION}}}'
    if signal.buckets is not None:
        targets = {f"{{{{version}}}} {q}": f"{value_series(signal, q)}{where}" for q in QUANTILES}
        steps = up_to(max(signal.quantile_targets.values())) if signal.quantile_targets else ()
        unit = _GRAFANA_UNITS.get(signal.unit, "none")
        return Panel(
            title=title, text=f"{title}: p50, p95 and p99 by version.", targets=targets, unit=unit, steps=steps
        )
    targets = {"{{version}}": f"{value_series(signal)}{where}"}
    if signal.level is not None:
        return Panel(title=title, text=f"{title} ({signal.unit or 'as exported'}) by version.", targets=targets)
    targets["{{version}} mix-adjusted"] = f"{Recorded.SIGNAL_STANDARDISED}{where}"
    text = f"{title} ({signal.unit}) by version: as it is, and mix-adjusted for comparison."
    return Panel(title=title, text=text, targets=targets, unit="percentunit" if signal.is_share else "none")


# ---------------------------------------------------------------- provisioning


def _provisioning(spec: Spec) -> dict[str, str]:
    sources = [
        _source("Prometheus", "prometheus", isDefault=True, jsonData={"timeInterval": "1s", "httpMethod": "POST"}),
        _source(
            "Logs",
            "elasticsearch",
            jsonData={"index": f"{log_index_prefix(spec.metadata.name)}-*", "timeField": "@timestamp"},
        ),
    ]
    provider = {
        "name": spec.metadata.name,
        "folder": spec.title,
        "type": "file",
        "options": {"path": "/var/lib/grafana/dashboards"},
    }
    return {
        "grafana/provisioning/datasources/bascule.yml": to_yaml({"apiVersion": 1, "datasources": sources}),
        "grafana/provisioning/dashboards/bascule.yml": to_yaml({"apiVersion": 1, "providers": [provider]}),
    }


def _source(name: str, kind: str, **more: Any) -> dict[str, Any]:
    url = f"${{BASCULE_{kind.upper()}_URL}}"
    return {"name": name, "uid": f"bascule-{name.lower()}", "type": kind, "access": "proxy", "url": url, **more}
