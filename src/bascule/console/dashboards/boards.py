"""The dashboards of a spec, read when somebody first opens one, and what they showed a moment ago."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx
import numpy as np

from bascule.api.servers import prometheus_of
from bascule.console.dashboards import shape
from bascule.console.dashboards.asking import Chosen, Moments, Told, ask, filled_in
from bascule.console.dashboards.drawing import ShownPanel, draw
from bascule.console.dashboards.shape import BoardAnnotation, Dashboard, DrawnMetrics
from bascule.console.grid import Grid
from bascule.discover import why_empty
from bascule.errors import BasculeError
from bascule.spec import Spec

AT_ONCE = 4  # queries of all viewers together
PATIENCE = 10.0  # seconds that one query may take
EXPLAINED_FOR = 30.0  # seconds that the cause of no data is not asked for again
MOST_MARKS = 60
IN_SPAN = "no value in this span of time"


@dataclass(frozen=True)
class Answered:
    """A dashboard at one moment; `marks` are what its charts mark."""

    panels: Sequence[ShownPanel]
    marks: Sequence[Mapping[str, Any]]
    seconds: float


class Boards:
    """Asks with few queries at once, however many look. Raises nothing: what cannot be asked is told on its panel."""

    def __init__(
        self, spec: Spec, clock: Callable[[], float] = time.monotonic, transport: httpx.BaseTransport | None = None
    ) -> None:
        """`transport` replaces the network in tests."""
        self._spec = spec
        self._clock = clock
        self._prometheus = prometheus_of(spec, timeout=PATIENCE, transport=transport)
        self._workers = ThreadPoolExecutor(AT_ONCE, "dashboards")
        self._explained: dict[str, tuple[float, str]] = {}

    def close(self) -> None:
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._prometheus.close()

    @cached_property
    def all(self) -> Mapping[str, Dashboard]:
        """By the name in the address: the uid without the migration's name."""
        from bascule.generate.grafana.dashboards import grafana_files  # some 30 MB, for who opens a dashboard

        files = grafana_files(self._spec)
        boards = [shape.read(text) for path, text in files.items() if path.endswith(".json")]
        return {self.name_of(board.uid): board for board in boards}

    def name_of(self, uid: str) -> str:
        return uid.removeprefix(f"{self._spec.metadata.name}-")

    def values(self, choice: shape.Choice) -> list[str]:
        """What a variable can be. Raises BasculeError."""
        return sorted(self._prometheus.label_values(choice.label_of_series, choice.selector))

    def answer(self, name: str, chosen: Chosen, moments: Moments) -> Answered:
        began, board = time.perf_counter(), self.all[name]
        told = ask(board, chosen, moments, self._prometheus, self._workers)
        marks = [self._workers.submit(self._marks, each, moments) for each in board.annotations.list]
        answers = {panel: [each.result() for each in targets] for panel, targets in told.items()}
        why = self._causes(answers, moments)
        panels = [
            draw(panel, answers[panel.id], moments, lambda target: why[target.expr])
            for panel in board.panels
            if isinstance(panel, DrawnMetrics)
        ]
        found = [mark for each in marks for mark in each.result()]
        return Answered(panels, found[:MOST_MARKS], time.perf_counter() - began)

    # ------------------------------------------------------------ why there is nothing

    def _causes(self, answers: Mapping[int, Sequence[Told]], moments: Moments) -> dict[str, str]:
        """By expression, why it has no value."""
        silent = {told.expr for panel in answers.values() for told in panel if not (told.has_values or told.problem)}
        waiting = {expr: self._workers.submit(self._cause, expr) for expr in silent}
        return {expr: each.result() or IN_SPAN for expr, each in waiting.items()}

    def _cause(self, expr: str) -> str:
        kept = self._explained.get(expr)
        if kept is None or self._clock() - kept[0] >= EXPLAINED_FOR:
            try:
                why = why_empty(expr, self._prometheus, self._spec.versions.both, self._recorded)
            except BasculeError as error:
                why = error.what
            kept = self._explained[expr] = (self._clock(), why)
        return kept[1]

    @cached_property
    def _recorded(self) -> Mapping[str, list[str]]:
        from bascule.generate.prometheus.rule_groups import rule_groups

        found: dict[str, list[str]] = {}
        for rule in (rule for group in rule_groups(self._spec) for rule in group.recordings):
            found.setdefault(rule.name, []).append(rule.expr)
        return found

    # ------------------------------------------------------------ what happened

    def _marks(self, annotation: BoardAnnotation, moments: Moments) -> list[dict[str, Any]]:
        """The spans in which an annotation's expression has a value; none where it cannot be wanted."""
        try:
            found = moments.grid.courses(self._prometheus, filled_in(annotation.expr, (), {}, moments))
        except BasculeError:
            return []
        kind = "alert" if annotation.colour == "red" else "phase"
        return [
            {"kind": kind, "label": _label(annotation, labels), "start": start, "end": end}
            for labels, values in found
            for start, end in _runs(values, moments.grid)
        ]


def _label(annotation: BoardAnnotation, labels: Mapping[str, str]) -> str:
    return labels.get("alertname", annotation.name)


def _runs(values: np.ndarray[Any, np.dtype[np.float64]], grid: Grid) -> Iterator[tuple[float, float]]:
    """From when to when (Unix seconds) there is a value, without a gap."""
    there = np.concatenate([[False], np.isfinite(values), [False]])
    turns = np.flatnonzero(there[1:] != there[:-1])
    for first, after in zip(turns[0::2], turns[1::2], strict=True):
        yield grid.start + float(first) * grid.step, grid.start + float(after - 1) * grid.step
