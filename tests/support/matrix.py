"""What verdict, gate, page, rule and report say of the same blocks, and one table of right answers.

{scrape interval} x {unit} x {bucket layout} x {source} x {what became of V2}. Cells that mean
nothing are left out: probes alone count no events, so that nothing but availability can be told of them; and a unit or
a layout makes no difference to a version that has no samples, so that those are crossed with one of each.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from bascule import slo
from bascule.console import Kept, SourceReading, promises
from bascule.conventions import GATE_EXIT_CODES, Recorded, State, Verdict
from bascule.generate.prometheus.sla_rules import sla_rules
from bascule.judge import PhaseWatch, outcome_of, read_plan
from bascule.prometheus import Prometheus
from bascule.sla import JournalSpan, SlaOutcome, evaluate
from bascule.spec import Spec, parse
from bascule.units import unit_of

HOUR, BEFORE, AFTER = 3600, 900, 900  # seconds: judged, before that, and a margin so that "now" has samples too
PHASE = 1800  # seconds since the phase began
LIMIT, QUICK, SLOW = 0.1, 0.04, 0.4  # seconds
LAYOUTS = {  # bounds of V1 and of V2, in seconds
    "exact": ((0.05, 0.1, 0.25, 1.0), (0.05, 0.1, 0.25, 1.0)),
    "around": ((0.05, 0.25, 1.0), (0.05, 0.25, 1.0)),
    "unlike": ((0.05, 0.1, 0.25, 1.0), (0.05, 0.2, 1.0)),
}
UNITS = ("seconds", "milliseconds", "microseconds", "nanoseconds")
CONDITIONS = ("healthy", "failing", "hung", "silent", "absent", "stale")
SAMPLED = ("healthy", "failing")
PROMOTED = {Verdict.PROMOTE, Verdict.HOLD}

# The one table: what each of the five says. An SLA here is of V2's own events.
RIGHT: dict[str, tuple[set[Verdict], State, SlaOutcome]] = {
    "healthy": (PROMOTED, State.OK, SlaOutcome.PASS),
    "failing": ({Verdict.ROLL_BACK}, State.BAD, SlaOutcome.FAIL),
    **dict.fromkeys(("hung", "silent", "absent", "stale"), ({Verdict.NO_DATA}, State.NO_DATA, SlaOutcome.NO_DATA)),
}


@dataclass(frozen=True)
class Cell:
    """One combination; `name` is the prefix of its metrics."""

    interval: int
    unit: str
    layout: str
    source: str
    condition: str

    @property
    def name(self) -> str:
        return f"{self.source}_{self.condition}_{self.layout}_{self.unit}_{self.interval}"

    @property
    def jobs(self) -> tuple[str, str]:
        """Whose scrapes bring the series of each version: its own, or those of the role that reads logs."""
        own = (f"{self.name}-v1", f"{self.name}-v2")
        return own if self.source == "scraped" else (f"{self.name}-logs",) * 2

    def spec(self, of_candidate: bool = False) -> Spec:
        """What the judge compares; or the SLAs, which are of the candidate's events."""
        only = '{version="v2"}' if of_candidate else ""
        bad = f'{self.name}_total{{status=~"5.."{only.strip("{}").join((",", ""))}}}'.replace(",}", "}")
        return parse(f"""
apiVersion: bascule/v1
kind: Migration
metadata: {{name: matrix}}
versions: {{label: version, baseline: v1, candidate: v2}}
services:
  {self.name}-v1: {{targets: ["127.0.0.1:1"], version: v1}}
  {self.name}-v2: {{targets: ["127.0.0.1:2"], version: v2}}
signals:
  errors: {{kind: ratio, bad: '{bad}', total: '{self.name}_total{only}', better: lower, harmful_increase: 1pt}}
  took: {{kind: histogram, metric: '{self.name}_took{only}', unit: {self.unit}, role: latency}}
phases:
  - {{share: 50%, hold: 10m, gates: {{errors: "<5%", took.p95: "<250ms"}}}}
  - {{share: 100%, hold: 1h}}
rollback:
  - {{when: "errors > 20%", for: 1m}}
  - {{when: "took.p95 > 300ms", for: 1m}}
slas:
  error_rate: {{objective: "< 5%", window: 1h}}
  response_time: {{objective: "95% < 100ms", window: 1h}}
stack: {{scrape: {{interval: {self.interval}s, timeout: 500ms, evaluation: {min(self.interval, 15)}s}}}}
""")


def cells() -> list[Cell]:
    sampled = product((5, 15, 60), UNITS, LAYOUTS, ("scraped", "logs"), SAMPLED)
    gone = product((5, 15, 60), UNITS[:2], ("exact", "unlike"), ("scraped", "logs"), CONDITIONS[2:])
    return [Cell(*each) for each in (*sampled, *gone) if each[0] != 5 or each[1] == "milliseconds"]


# ---------------------------------------------------------------- the blocks


class Blocks:
    """OpenMetrics text, a metric's series together."""

    def __init__(self, end: int) -> None:
        self.end, self.lines = end, dict[str, list[str]]()

    def add(self, cell: Cell) -> None:
        for version, job in zip(("v1", "v2"), cell.jobs, strict=True):
            condition = cell.condition if version == "v2" else "healthy"
            own = f'job="{cell.name}-{version}",instance="{version}:1"'
            self._level("up", own, 0 if condition == "hung" else 1, cell.interval)
            if cell.source == "logs" and version == "v1":
                self._level("up", f'job="{job}",instance="{job}:1"', 1, cell.interval)
            if condition != "absent":
                where = own if cell.source == "scraped" else f'job="{job}",instance="{job}:1"'
                self.version(cell, version, condition, f'{where},version="{version}"')

    def version(self, cell: Cell, version: str, condition: str, where: str, lasted: float | None = None) -> None:
        """A version's series: over the whole past, or as they are after so many seconds."""
        bad = 0.5 if condition == "failing" else 0.001
        took = SLOW if condition == "failing" else QUICK
        self._counter(f"{cell.name}_total", f'{where},status="200"', 10 * (1 - bad), cell, condition, lasted)
        self._counter(f"{cell.name}_total", f'{where},status="503"', 10 * bad, cell, condition, lasted)
        for bound in (*LAYOUTS[cell.layout][version == "v2"], math.inf):
            le = "+Inf" if math.isinf(bound) else f"{unit_of(cell.unit).of_base(bound):g}"
            rate = 10 if bound >= took else 0
            self._counter(f"{cell.name}_took_bucket", f'{where},le="{le}"', rate, cell, condition, lasted)
        self._counter(f"{cell.name}_took_count", where, 10, cell, condition, lasted)
        self._counter(f"{cell.name}_took_sum", where, 10 * unit_of(cell.unit).of_base(took), cell, condition, lasted)

    def _counter(
        self, metric: str, labels: str, per_second: float, cell: Cell, condition: str, lasted: float | None
    ) -> None:
        if lasted is not None:
            self.lines.setdefault(metric, []).append(f"{metric}{{{labels}}} {1000 + per_second * lasted:.10g}")
            return
        begun, stopped = self.end - HOUR - BEFORE, self.end - HOUR - BEFORE / 2
        gone = condition == "stale" or (condition == "hung" and cell.source == "scraped")
        for at in self._times(cell.interval):
            if gone and at > stopped:
                break
            counted = min(at, stopped) if condition in ("silent", "hung") else at
            self._write(metric, labels, 1000 + per_second * (counted - begun), at)

    def _level(self, metric: str, labels: str, value: float, interval: int) -> None:
        for at in self._times(interval):
            self._write(metric, labels, value, at)

    def plan(self) -> None:
        self._level("bascule_phase", 'job="plan"', 1, 15)
        self._level("bascule_phase_started_timestamp_seconds", 'job="plan"', self.end - PHASE, 15)
        self._level("bascule_planned_share_ratio", 'job="plan",user_segment="all"', 0.5, 15)

    def _times(self, interval: int) -> range:
        return range(self.end - HOUR - BEFORE, self.end + AFTER, interval)

    def _write(self, metric: str, labels: str, value: float, at: int) -> None:
        self.lines.setdefault(metric, []).append(f"{metric}{{{labels}}} {value:.10g} {at}")

    def write(self, path: Path) -> None:
        with path.open("w") as file:
            for metric, rows in self.lines.items():
                file.write(f"# TYPE {metric} unknown\n" + "\n".join(rows) + "\n")
            file.write("# EOF\n")


# ---------------------------------------------------------------- what the five say


# ---------------------------------------------------------------- the same, scraped


class Live:
    """Pages of the cells' jobs as they are at each moment: well for a while, then as their conditions say."""

    def __init__(self, cells: Sequence[Cell], begun: float, before: float) -> None:
        self._begun, self._fault = begun, begun + before
        self.jobs = {"plan": 1}
        self._of: dict[str, list[tuple[Cell, str]]] = {"plan": []}
        for cell in cells:
            for version, job in zip(("v1", "v2"), cell.jobs, strict=True):
                for each in (f"{cell.name}-{version}", job):
                    self.jobs[each] = cell.interval
                    self._of.setdefault(each, [])
                self._of[job].append((cell, version))

    def page(self, job: str) -> str | None:
        """What the job exposes now; None where it does not answer."""
        now = time.time()
        if job == "plan":
            return self._plan()
        hangs = job.endswith("-v2") and "_hung_" in job and now > self._fault
        return None if hangs else "".join(self._series(cell, version, now) for cell, version in self._of[job])

    def _plan(self) -> str:
        started = f"bascule_phase 1\nbascule_phase_started_timestamp_seconds {self._fault + 5}\n"
        return started + 'bascule_planned_share_ratio{user_segment="all"} 0.5\n'

    def _series(self, cell: Cell, version: str, now: float) -> str:
        condition = cell.condition if version == "v2" else "healthy"
        if condition == "absent" or (condition == "stale" and now > self._fault):
            return ""
        until = min(now, self._fault) if condition in ("silent", "hung") else now
        blocks = Blocks(0)
        blocks.version(cell, version, condition, f'version="{version}"', until - self._begun)
        return "".join("\n".join(rows) + "\n" for rows in blocks.lines.values())


def judged(cell: Cell, client: Prometheus, end: int) -> Verdict:
    """The verdict at `end`, from the phase's beginning on."""
    spec = cell.spec()
    watch = PhaseWatch(spec, client, read_plan(client, end - PHASE, at=end))
    watch.advance(end)
    return outcome_of(watch.engine, watch.surroundings(end)).judgement.verdict


def paged(spec: Spec, client: Prometheus, end: int, span: int = HOUR) -> dict[str, State]:
    """The page's rows, of what Prometheus answers to the page's own questions."""
    asked = {each.name: client.scalar(each.promql(span), at=end) for each in slo.all_of(spec)}
    good = {name: value for name, value in asked.items() if isinstance(value, float)}
    return {row.name: row.state for row in promises(spec, SourceReading(Kept(good, span), end), end).rows}


def ruled(spec: Spec, client: Prometheus, end: int, span: int = HOUR) -> dict[str, State]:
    """What the recorded budget would be: its rule, on the minutes that the rules before it would have recorded."""
    rules = [rule for rule in sla_rules(spec) if "sla" in rule.labels]
    recorded = {(rule.name, rule.labels["sla"]): rule.expr for rule in rules}
    found: dict[str, State] = {}
    for name in spec.slas.named:
        expr = recorded[Recorded.SLA_BUDGET_SPENT, name]
        for series in (Recorded.SLA_BAD, Recorded.SLA_ALL, Recorded.SLA_UNSURE):
            minutes = f"({recorded.get((series, name), 'vector(0)')})[{span - 60}s:1m]"  # each of the minute before it
            expr = expr.replace(f'{series}{{sla="{name}"}}[1h]', minutes)
        spent = client.scalar(expr, at=end)
        found[name] = State.NO_DATA if not isinstance(spent, float) else State.BAD if spent > 1 else State.OK
    return found


def reported(spec: Spec, client: Prometheus, end: int, span: int = HOUR) -> dict[str, SlaOutcome]:
    report = evaluate(spec, client, end - span, end, journal=JournalSpan(True))
    return {objective.name: objective.outcome for objective in report.objectives}


def wrong(cell: Cell, client: Prometheus, end: int, span: int = HOUR) -> list[str]:
    """Which of the five say something else than the table; page, rule and report of the last `span` seconds."""
    verdicts, state, outcome = RIGHT[cell.condition]
    slas = cell.spec(of_candidate=True)
    names = list(slas.slas.named)
    verdict = judged(cell, client, end)
    said = {
        "verdict": verdict in verdicts,
        "gate": GATE_EXIT_CODES[verdict] in {GATE_EXIT_CODES[each] for each in verdicts},
        "page": paged(slas, client, end, span) == dict.fromkeys(names, state),
        "rule": ruled(slas, client, end, span) == dict.fromkeys(names, state),
        "report": reported(slas, client, end, span) == dict.fromkeys(names, outcome),
    }
    return [who for who, right in said.items() if not right]
