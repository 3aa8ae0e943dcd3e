"""The scrapes that were written, by their `up`: whether they came in order, and whether one is missing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bascule.judge.pushed.series import WrittenSeries
from bascule.judge.pushed.written import Written

GAP = 1.9  # times the usual step of a target: a scrape is missing
REMEMBERED = 8.0  # steps: a busy Prometheus scrapes by turns sooner and later than it should


@dataclass(frozen=True)
class Order:
    """What a request tells. `late`: of a scrape whose `up` was here, more came; `whole_since`: before that, scrapes may
    be missing (Unix seconds; -inf: none is)."""

    late: bool
    whole_since: float


class Scrapes:
    """By target: when it was scraped last, and its usual step."""

    def __init__(self, series: WrittenSeries) -> None:
        self._series = series
        self._newest, self._step, self._seen = np.empty(0), np.empty(0), np.empty(0)
        self._is_wanted = np.empty(0, bool)
        self._last = np.empty(0)  # of each row: its newest sample

    def take(self, written: Written) -> Order:
        """A request: of each row, samples in the order of their time."""
        self._grow()
        rows, times = written.rows, written.times
        targets, is_up = self._series.targets[rows], self._series.presence[rows]
        late = ~is_up & (times <= self._newest[targets]) & (times > self._last[rows])
        np.maximum.at(self._last, rows, times)
        order = np.argsort(times[is_up], kind="stable")
        self._is_wanted[targets[is_up]] |= self._series.wanted[:, rows[is_up]].any(axis=0)
        return Order(bool(late.any()), self._follow(targets[is_up][order].tolist(), times[is_up][order].tolist()))

    def oldest(self, newest: float, patience: float) -> float:
        """Until when all scrapes are here, of the targets that a selector wants and that are still scraped; -inf where
        there are none. `newest`: the time of the newest sample, for a sender that is behind is so with all of them;
        `patience`: seconds by which a scrape may come after others."""
        step = np.where(np.isfinite(self._step), self._step, 0.0)
        living = self._is_wanted & (self._newest + GAP * step + patience > newest)
        return float(self._newest[living].min(initial=math.inf)) if living.any() else -math.inf

    def living(self, since: float) -> int:
        """How many series have had a sample since then."""
        return int((self._last >= since).sum())

    @property
    def step(self) -> float:
        """The longest usual one of a target that a selector wants, seconds; 0 while none is known."""
        known = self._step[self._is_wanted & np.isfinite(self._step)]
        return float(known.max(initial=0.0))

    def _follow(self, targets: list[int], times: list[float]) -> float:
        """From when on no scrape is missing, as far as these tell."""
        whole = -math.inf
        for target, time in zip(targets, times, strict=True):
            step = time - self._newest[target]
            if step > 0:
                if not step <= GAP * self._step[target]:  # also where none is known yet
                    whole = max(whole, time)
                if math.isfinite(step):
                    self._remember(target, step)
                self._newest[target] = time
        return whole

    def _remember(self, target: int, step: float) -> None:
        """The mean of the first ones, then one that forgets."""
        self._seen[target] = min(self._seen[target] + 1, REMEMBERED)
        before = self._step[target]
        self._step[target] = step if math.isnan(before) else before + (step - before) / self._seen[target]

    def _grow(self) -> None:
        """Most requests bring no new series."""
        rows = len(self._series.labels) - len(self._last)
        if not rows:
            return
        many = self._series.target_count - len(self._newest)
        self._last = np.append(self._last, np.full(rows, -math.inf))
        self._newest = np.append(self._newest, np.full(many, -math.inf))
        self._step = np.append(self._step, np.full(many, np.nan))
        self._seen = np.append(self._seen, np.zeros(many))
        self._is_wanted = np.append(self._is_wanted, np.zeros(many, bool))
