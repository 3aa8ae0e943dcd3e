"""A spec proposed from OpenSLO v1 documents: each SLO whose queries count events becomes a signal and an SLA.

Versions, services and phases are not in such documents: they are guessed, and said to be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bascule.discover.verify import selectors_of
from bascule.documents import read_yamls, text_of
from bascule.errors import SpecError, UsageError
from bascule.spec import parse
from bascule.spec.proposal import USUAL, Beginning
from bascule.spec.quantities import parse_duration
from bascule.visible import one_line

QUANTILE = re.compile(r"histogram_quantile\(\s*(0\.\d+)\s*,")
AT_MOST = ("lt", "lte")
WHERE_READ = ("ratioMetric", "thresholdMetric")


class _NotTaken(ValueError):
    """Why an SLO cannot become a signal."""


@dataclass(frozen=True)
class _Taken:
    """`signal`: its keys; `objective` and `window` as the spec writes them."""

    name: str
    signal: Mapping[str, str]
    objective: str
    window: str


def propose_from_slos(files: Sequence[Path], beginning: Beginning = USUAL) -> str:
    """The YAML of a spec that `bascule check` accepts. Raises UsageError for files without an OpenSLO v1 document."""
    documents = [document for file in files for document in _documents(file)]
    slos = [document for document in documents if document.get("kind") == "SLO"]
    if not slos:
        raise UsageError(f"no OpenSLO v1 document of kind SLO is in {', '.join(map(str, files))}", "name another file")
    indicators = {_name(each): each.get("spec") for each in documents if each.get("kind") == "SLI"}
    named = one_line(" ".join(map(str, files)))
    return "\n".join([f"# Proposed by `bascule init --from-openslo {named}`.", *beginning.lines(),
                      *_guessed(), *_taken_over(slos, indicators)]) + "\n"  # fmt: skip


def _documents(file: Path) -> Iterator[dict[str, Any]]:
    try:
        found = read_yamls(text_of(file), file)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read as YAML: {error}", "name a file of OpenSLO documents") from error
    for document in found:
        if isinstance(document, dict) and document.get("apiVersion") == "openslo/v1":
            yield document


def _guessed() -> Iterator[str]:
    yield "# guessed: OpenSLO says nothing of versions, services and phases"
    yield "versions: {label: version, baseline: v1, candidate: v2}"
    yield "services:"
    yield '  app-v1: {targets: ["127.0.0.1:8001"], version: v1}'
    yield '  app-v2: {targets: ["127.0.0.1:8002"], version: v2}'
    yield "phases:"
    yield "  - {share: 10%, hold: 1d}"
    yield "  - {share: 100%, hold: 1d}"


def _taken_over(slos: Sequence[Mapping[str, Any]], indicators: Mapping[str, Any]) -> Iterator[str]:
    taken: dict[str, _Taken] = {}
    for slo in slos:
        try:
            found = _taken(slo, indicators)
            if found.name in taken:
                raise _NotTaken("another SLO before it has this name")
            _refuse_invalid(found)
            taken[found.name] = found
        except (_NotTaken, LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            why = str(error) if isinstance(error, _NotTaken) else "it is not written as OpenSLO v1 has it"
            yield f"# not taken over: {_name(slo)}: {one_line(why)}"
    yield from _written(taken.values())


def _written(taken: Collection[_Taken]) -> Iterator[str]:
    yield "signals:" if taken else "signals: {}"
    yield from (f"  {each.name}: {json.dumps(each.signal)}" for each in taken)
    if taken:
        yield "slas:"
    for each in taken:
        yield f'  {each.name}: {{objective: "{each.objective}", window: {each.window}, signal: {each.name}}}'


def _refuse_invalid(found: _Taken) -> None:
    """What `check` would refuse: an objective of 100%, a metric that is not a name."""
    try:
        parse("\n".join([*USUAL.lines(), *_guessed(), *_written([found])]))
    except SpecError as error:
        raise _NotTaken(error.problems[0].told) from error


def _name(document: Mapping[str, Any]) -> str:
    metadata = document.get("metadata")
    told = metadata.get("name", "") if isinstance(metadata, Mapping) else ""
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", str(told))
    return name if name[:1].isalpha() else f"slo-{name}"


def _taken(slo: Mapping[str, Any], indicators: Mapping[str, Any]) -> _Taken:
    spec = slo["spec"]
    indicator = indicators[spec["indicatorRef"]] if "indicatorRef" in spec else spec["indicator"]["spec"]
    objectives = spec["objectives"]
    if len(objectives) != 1:
        raise _NotTaken(f"it has {len(objectives)} objectives; give each an SLO of its own")
    window = str(spec["timeWindow"][0]["duration"])
    parse_duration(window)  # raises for months and the like
    reads = next((_READERS[kind] for kind in WHERE_READ if kind in indicator), None)
    if reads is None:
        raise _NotTaken("its indicator is neither a ratio nor a threshold")
    signal, objective = reads(indicator, objectives[0])
    return _Taken(_name(slo), signal, objective, window)


def _ratio(indicator: Mapping[str, Any], objective: Mapping[str, Any]) -> tuple[dict[str, str], str]:
    metric, target = indicator["ratioMetric"], float(objective["target"])
    if "total" not in metric or not {"good", "bad"} & set(metric):
        raise _NotTaken("its ratio has no counts of all events and of good or bad ones")
    side = "good" if "good" in metric else "bad"
    signal = {
        "kind": "ratio",
        side: _selector(metric[side]),
        "total": _selector(metric["total"]),
        "better": "higher" if side == "good" else "lower",
    }
    return signal, f"{_percent(target)}" if side == "good" else f"< {_percent(1 - target)}"


def _threshold(indicator: Mapping[str, Any], objective: Mapping[str, Any]) -> tuple[dict[str, str], str]:
    query = _query(indicator["thresholdMetric"])
    quantile = QUANTILE.search(query)
    if quantile is None or objective.get("op") not in AT_MOST:
        raise _NotTaken("only a quantile of a histogram below a limit can be counted")
    buckets = _selector(indicator["thresholdMetric"])
    if "_bucket" not in buckets:
        raise _NotTaken("its quantile is not of the buckets of a histogram")
    signal = {"kind": "histogram", "metric": buckets.replace("_bucket", "", 1), "better": "lower"}
    return signal, f"{_percent(float(quantile[1]))} < {float(objective['value']) * 1000:.12g}ms"


def _selector(metric: Mapping[str, Any]) -> str:
    """The one counter that a query counts."""
    query = _query(metric)
    try:
        found = selectors_of(query)
    except ValueError as error:
        raise _NotTaken(f"its query is no PromQL: {query}") from error
    if len(found) != 1:
        raise _NotTaken(f"its query reads {len(found)} metrics where one is wanted: {query}")
    return found[0].removesuffix("{}")


def _query(metric: Mapping[str, Any]) -> str:
    source = metric["metricSource"]
    if str(source.get("type", "Prometheus")).lower() != "prometheus":
        raise _NotTaken(f"its metrics are in {source['type']}, not in a Prometheus")
    return str(source["spec"]["query"])


def _percent(share: float) -> str:
    return f"{100 * share:.12g}%"


_READERS = {"ratioMetric": _ratio, "thresholdMetric": _threshold}
