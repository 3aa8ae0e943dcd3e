"""The report as one HTML file: inline styles, fonts and charts, light and dark, and fit for print."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from importlib import resources
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bascule.conventions import TOTAL_SEGMENT
from bascule.errors import UsageError
from bascule.sla.render import charts
from bascule.sla.render.numbers import NONE, Numbers
from bascule.sla.render.texts import LANGUAGES, text
from bascule.sla.report import (
    Assessment,
    Comparison,
    Note,
    ObjectiveReport,
    PartReport,
    Report,
    SlaOutcome,
    SlaState,
)
from bascule.slo import Goal, SloKind
from bascule.states import Cause, no_data
from bascule.visible import finished

_WEIGHTS = (400, 600, 700)
_SAME = 1e-9


def render_html(report: Report, language: str = "en") -> str:
    """One file without any reference to another; identical data gives identical bytes."""
    return environment().get_template("report.html").render(view=View.of(report, language), fonts=_fonts())


def environment() -> Environment:
    loader = PackageLoader("bascule.sla.render")
    return Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finished,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _fonts() -> list[tuple[int, str]]:
    folder = resources.files("bascule.sla.render").joinpath("fonts")
    files = [(weight, folder.joinpath(f"inter-latin-{weight}-normal.woff2").read_bytes()) for weight in _WEIGHTS]
    return [(weight, base64.b64encode(data).decode("ascii")) for weight, data in files]


@dataclass(frozen=True)
class View:
    """What a template asks for: the report, a language's words and numbers, and the charts."""

    report: Report
    language: str
    numbers: Numbers

    @classmethod
    def of(cls, report: Report, language: str) -> View:
        if language not in LANGUAGES:
            raise UsageError(f"there is no report in {language!r}", f"languages are {' and '.join(LANGUAGES)}")
        return cls(report, language, Numbers(language, ZoneInfo(report.timezone)))

    def t(self, key: str, **values: object) -> str:
        return text(self.language, key, **values)

    # ---------------------------------------------------------------- the first page

    @property
    def conclusion(self) -> str:
        missing = [SlaOutcome.NO_DATA for _ in self.report.missing]
        outcomes = [*(objective.outcome for objective in self.report.objectives), *missing]
        if not outcomes:
            return self.t("overall.none")
        said = self.t(
            f"overall.{self.report.outcome.value}",
            failed=outcomes.count(SlaOutcome.FAIL),
            missing=outcomes.count(SlaOutcome.NO_DATA),
            all=len(outcomes),
        )
        return self._told(said, self.report)

    def outcome(self, what: Report | ObjectiveReport) -> str:
        """`PASS`, or `PASS so far (17 min of 30 d)` where little of the window is known; `NO DATA: silent`."""
        return self._told(self.t(f"outcome.{what.outcome.value}"), what)

    def part_outcome(self, objective: ObjectiveReport, row: PartReport) -> str:
        """Of a part with a goal of its own: no surer than what is known of its objective."""
        said = self.t(f"outcome.{row.assessment.outcome.value}")
        return self._told(said, objective) if row.assessment.outcome is SlaOutcome.PASS else said

    def _told(self, said: str, what: Report | ObjectiveReport) -> str:
        decides = what.decides if isinstance(what, Report) else what
        return said if decides is None else decides.headline.told(said, self.numbers.lasting, self.language)

    @property
    def span(self) -> str:
        """`1 Jan – 31 Jan 2026`, with the clock where days alone do not tell."""
        start, end = self.report.start, self.report.end
        if end - start >= 86400:
            first, last = self.numbers.date(start), self.numbers.date(end - 1)
            return first if first == last else f"{first} – {last}"
        same = self.numbers.date(start) == self.numbers.date(end)
        first = f"{self.numbers.date(start)} {self.numbers.clock(start, True)}"
        last = self.numbers.clock(end, True)
        return f"{first} – {last}" if same else f"{first} – {self.numbers.date(end)} {last}"

    @property
    def length(self) -> str:
        return self.numbers.lasting(self.report.end - self.report.start)

    def name(self, objective: ObjectiveReport) -> str:
        return self.t(f"name.{objective.name}")

    def headline(self, objective: ObjectiveReport) -> str:
        figure = objective.whole.deciding
        return self.numbers.value(objective.promise, figure.value) if figure else NONE

    def decides(self, objective: ObjectiveReport) -> str:
        """What the headline is the figure of."""
        figure = objective.whole.deciding
        if figure is None:
            return self.t("no_data_in_span")
        if objective.window_kind != "rolling":
            return self.t(f"decides.{objective.window_kind}", day=self.numbers.day(figure.start))
        if objective.whole.windows <= 1:
            return self.t("decides.span", span=self.numbers.lasting(figure.end - figure.start))
        return self.t("decides.rolling", window=self._length(objective.window))

    def _length(self, window: float) -> str:
        """A window's length; a rolling day is 24 hours to everyone."""
        return "24\u202fh" if window == 86400 else self.numbers.lasting(window)

    def covered(self, objective: ObjectiveReport) -> str:
        wanted = self.numbers.lasting(objective.wanted)
        return self.t("data_for", covered=self.numbers.lasting(objective.covered), wanted=wanted)

    def trend(self, objective: ObjectiveReport) -> str:
        figure = objective.whole.deciding
        if objective.previous is None or figure is None or figure.value is None:
            return ""
        span = self.length
        value = self.numbers.value(objective.promise, objective.previous)
        if value == self.numbers.value(objective.promise, figure.value):
            return self.t("same_as_before", span=span)
        better = (figure.value > objective.previous) == (not objective.promise.is_upper)
        return self.t("better_than_before" if better else "worse_than_before", span=span, value=value)

    def worst_part(self, objective: ObjectiveReport) -> str:
        """The part with an objective of its own that did worst, when it failed."""
        failed = [r for r in objective.rows if r.own_target and r.assessment.outcome is SlaOutcome.FAIL]
        figures = [(r.assessment.deciding.spent or 0.0, r) for r in failed if r.assessment.deciding]
        if not figures:
            return ""
        row = max(figures, key=lambda pair: pair[0])[1]
        assert row.assessment.deciding is not None
        value = self.numbers.value(row.promise, row.assessment.deciding.value)
        return self.t("worst_part_is", name=row.name, value=value, target=self.numbers.target(row.promise))

    def unproven(self, objective: ObjectiveReport) -> str:
        """The selectors that cannot count what they name, where that is why there is no data."""
        return " ".join(self.t("note.unproven", found=found) for found in objective.unproven)

    def bad(self, objective: ObjectiveReport, row: PartReport) -> str:
        """What was bad of a part: time, or events where the part is measured on events."""
        figure = row.assessment.deciding
        if figure is None:
            return NONE
        amount = self.numbers.amount(row.promise, figure.bad)
        unlike = objective.promise.kind is SloKind.AVAILABILITY and row.promise.kind is not SloKind.AVAILABILITY
        return self.t("failed_of", bad=amount, all=self.numbers.number(figure.total)) if unlike else amount

    def left(self, objective: ObjectiveReport) -> str:
        left = objective.budget.left
        if left is None:
            return NONE
        return self.t("budget_none") if left <= 0 else self.numbers.percent(left, 0)

    # ---------------------------------------------------------------- parts of an objective

    def tone(self, state: SlaOutcome | SlaState) -> str:
        """The colour class of an outcome or state."""
        return {
            SlaOutcome.PASS: "ok",
            SlaOutcome.FAIL: "bad",
            SlaState.OK: "ok",
            SlaState.CRITICAL: "bad",
            SlaState.WARNING: "warn",
            SlaState.RECOVERING: "warn",
        }.get(state, "none")

    def window(self, objective: ObjectiveReport) -> str:
        return self.t(f"window.{objective.window_kind}", window=self._length(objective.window))

    def breaches(self, assessment: Assessment) -> str:
        if assessment.windows <= 1:
            return self.t("one_window")
        count = self.numbers.number
        return self.t("breaches", breaches=count(assessment.breaches), windows=count(assessment.windows))

    def figure(self, promise: Goal, assessment: Assessment) -> str:
        return self.numbers.value(promise, assessment.deciding.value) if assessment.deciding else NONE

    def exhausted(self, objective: ObjectiveReport) -> str:
        left, seconds = objective.budget.left, objective.budget.exhausted_in
        if left is not None and left <= 0:
            return self.t("already")
        return self.t("not_at_this_rate") if seconds is None else self.numbers.lasting(seconds)

    def gain_text(self, objective: ObjectiveReport) -> str:
        gain = objective.gain
        assert gain is not None
        names = {"baseline": self.report.baseline, "candidate": self.report.candidate}
        if gain.standing is SlaState.NOT_APPLICABLE:
            return self.t("gain_not_applicable", **names)
        if gain.cause is not None and gain.cause is not Cause.TOO_FEW:
            return no_data(gain.cause, self.language)
        if gain.value is None or gain.standing is SlaState.NO_DATA:
            counted = (gain.events_baseline, gain.events_candidate)
            return self.t(
                "gain_few", baseline=self.numbers.number(counted[0]), candidate=self.numbers.number(counted[1])
            )
        parts = [
            self.numbers.gain(gain.value, gain.wanted, gain.relative),
            self.t("gain_wanted", wanted=self.numbers.declared_gain(gain.wanted, gain.relative)),
        ]
        if gain.frozen_at is not None:
            parts.append(self.t("gain_frozen", day=self.numbers.date(gain.frozen_at), **names))
        return " · ".join(parts)

    def method(self, objective: ObjectiveReport) -> list[str]:
        quantile = f"{objective.promise.quantile * 100:g}"
        return [
            self.t(f"method.{objective.promise.kind.value}", quantile=quantile),
            self.t("method.counters", interval=self.numbers.lasting(self.report.interval)),
            self.t(f"source.{objective.source}"),
            *(self.note(note) for note in objective.notes),
        ]

    def note(self, note: Note) -> str:
        values: dict[str, str] = dict(note.values)
        if "time" in values:
            values["day"] = self.numbers.at(float(values["time"]))
        if "lasting" in values:
            values["lasting"] = self.numbers.lasting(float(values["lasting"]))
            values["share"] = self.numbers.percent(float(values["share"]))
        if "seconds" in values:
            values["window"] = self.numbers.lasting(float(values["seconds"]))
            values["recovery"] = self.numbers.lasting(float(values["recovery"]))
        if note.key == "window_too_short":
            values = {name: self.numbers.lasting(float(value)) for name, value in values.items()}
        if note.key == "share":
            values["candidate"] = self.report.candidate
            values["segment"] = self.t("all_segments") if values["segment"] == TOTAL_SEGMENT else values["segment"]
            values |= {
                name: self.numbers.percent(float(values[name])) for name in ("planned", "estimate", "low", "high")
            }
        return self.t(f"note.{note.key}", **values)

    # ---------------------------------------------------------------- V1 vs V2

    def measure(self, comparison: Comparison) -> str:
        name, _, statistic = comparison.measure.partition(".")
        return f"{self.t(f'measure.{name}')} {statistic}".strip()

    def measured(self, comparison: Comparison, value: float | None) -> str:
        return self.numbers.measured(value, comparison.unit)

    def difference(self, comparison: Comparison) -> str:
        value = comparison.difference
        if value is None:
            return NONE
        if comparison.unit == "ratio":
            return self.numbers.points(value)
        return self.numbers.signed_measure(value, comparison.unit)

    def reading(self, comparison: Comparison) -> tuple[str, str]:
        """(word, colour class)."""
        value = comparison.difference
        if value is None or math.isnan(value):
            return self.t("not_comparable"), "none"
        if abs(value) < _SAME:
            return self.t("same"), "none"
        better = (value > 0) == (comparison.better == "higher")
        return self.t("better" if better else "worse"), "ok" if better else "bad"

    # ---------------------------------------------------------------- charts

    def value_chart(self, objective: ObjectiveReport) -> Markup:
        return charts.value_chart(self.report, objective, self.numbers, self.t("chart.value"))

    def second_chart(self, objective: ObjectiveReport) -> tuple[str, Markup]:
        """Its caption and picture: windows one by one, or how the one window's budget went."""
        if objective.whole.windows > 1:
            caption = self.t("chart.track")
            return caption, charts.track_chart(self.report, objective, self.numbers, caption)
        caption = self.t("chart.left")
        return caption, charts.budget_chart(self.report, objective, self.numbers, caption)

    def spark(self, objective: ObjectiveReport) -> Markup:
        return charts.spark(objective, self.t("chart.value"))

    def timeline(self) -> Markup:
        return charts.timeline(self.report, self.numbers, self.t)
