"""The judge: weighs candidate against baseline at every evaluation, raises alarms, and says promote, hold or roll back.

layout.py, texts.py   counts per segment, and numbers as people read them
pushed/               samples that Prometheus writes, answered as it would answer
sampling/             raw samples from Prometheus, cut into joint evaluations of both versions; the plan
statistics/           evidence, bursts and intervals, on counts alone
evidence/             one phase: looks in, evidence, alarms, values and intervals out
service/              lines, gates, triggers and the verdict at a moment; the live role
backtest/             what would have fired on a stretch of history, and what to declare
"""

from __future__ import annotations

from bascule.judge.backtest.replay import JUDGE, Backtest, Stretch, backtest
from bascule.judge.backtest.rules import Fired, alerting, firings, metrics_of, running_rules
from bascule.judge.evidence.alarm import Alarm
from bascule.judge.evidence.engine import PhaseEngine
from bascule.judge.evidence.silence import Habit
from bascule.judge.layout import BASELINE, CANDIDATE, EventCounts, PairLayout
from bascule.judge.pushed import PushedSamples, WriteReader, add_receiver
from bascule.judge.sampling.alignment import Alignment, JointLook
from bascule.judge.sampling.attendance import Attendance, AttendanceBook, ServiceScrapes, UpSamples
from bascule.judge.sampling.bounds import find_bounds
from bascule.judge.sampling.forgotten import DroppedHistory, forget, forgotten
from bascule.judge.sampling.plan import PlanStep, read_plan
from bascule.judge.sampling.queries import probe_selectors, up_selectors
from bascule.judge.sampling.reading import SampleReader
from bascule.judge.sampling.schema import Schema
from bascule.judge.sampling.strata import Strata, find_strata
from bascule.judge.sampling.surroundings import Sight, Surroundings
from bascule.judge.sampling.table import Growth, Instances, News
from bascule.judge.service.ask import compare, gate
from bascule.judge.service.beside import JudgesBeside
from bascule.judge.service.explain import LEARNING_TEXT
from bascule.judge.service.export import VerdictBoard, body, build_app
from bascule.judge.service.hooks import Hooks, read_audit
from bascule.judge.service.loop import LiveJudge
from bascule.judge.service.opinion import Opinion, fresh_seconds
from bascule.judge.service.outcome import JudgeOutcome, outcome_of
from bascule.judge.service.pace import DueScrape, Pace
from bascule.judge.service.posting import AlarmPost, Poster
from bascule.judge.service.present import PresentStep
from bascule.judge.service.role import run
from bascule.judge.service.snapshot import Snapshots, snapshot_of
from bascule.judge.service.verdict import Judgement
from bascule.judge.service.version_alarms import VersionAlarm, VersionAlarms
from bascule.judge.service.watch import PhaseWatch
from bascule.judge.statistics.bursts import LEARNED_SINGLES, UNKNOWN_PHI
from bascule.judge.statistics.confidence import (
    difference_interval,
    mean_and_variance,
    normal_evidence,
    normal_interval,
    rate_interval,
)
from bascule.judge.statistics.detectable import Setting, smallest_ratio
from bascule.judge.statistics.history import PHI_FLOOR, PHI_SAFETY, BaselineHistory
from bascule.judge.statistics.weighing import (
    BLOCK_SECONDS,
    CLIP,
    CROWD,
    CROWD_PAIRS,
    EFFECTS,
    G0,
    Evidence,
    Look,
    against_history,
    decide,
    log_rising,
    mean_of,
    required_guard,
    side_by_side,
    thresholds,
)
from bascule.judge.texts import clock_text, difference_text, interval_text, reached_text, span_text, value_text

__all__ = [
    "Alarm",
    "AlarmPost",
    "Alignment",
    "Attendance",
    "AttendanceBook",
    "BASELINE",
    "BLOCK_SECONDS",
    "Backtest",
    "BaselineHistory",
    "CANDIDATE",
    "CLIP",
    "CROWD",
    "CROWD_PAIRS",
    "DroppedHistory",
    "DueScrape",
    "EFFECTS",
    "EventCounts",
    "Evidence",
    "Fired",
    "G0",
    "Growth",
    "Habit",
    "Hooks",
    "Instances",
    "JUDGE",
    "JointLook",
    "JudgeOutcome",
    "Judgement",
    "JudgesBeside",
    "LEARNED_SINGLES",
    "LEARNING_TEXT",
    "LiveJudge",
    "Look",
    "News",
    "Opinion",
    "PHI_FLOOR",
    "PHI_SAFETY",
    "Pace",
    "PairLayout",
    "PhaseEngine",
    "PhaseWatch",
    "PlanStep",
    "Poster",
    "PresentStep",
    "PushedSamples",
    "SampleReader",
    "Schema",
    "ServiceScrapes",
    "Setting",
    "Sight",
    "Snapshots",
    "Strata",
    "Stretch",
    "Surroundings",
    "UNKNOWN_PHI",
    "UpSamples",
    "VerdictBoard",
    "VersionAlarm",
    "VersionAlarms",
    "WriteReader",
    "add_receiver",
    "against_history",
    "alerting",
    "backtest",
    "body",
    "build_app",
    "clock_text",
    "compare",
    "decide",
    "difference_interval",
    "difference_text",
    "find_bounds",
    "find_strata",
    "firings",
    "forget",
    "forgotten",
    "fresh_seconds",
    "gate",
    "interval_text",
    "log_rising",
    "mean_and_variance",
    "mean_of",
    "metrics_of",
    "normal_evidence",
    "normal_interval",
    "outcome_of",
    "probe_selectors",
    "rate_interval",
    "reached_text",
    "read_audit",
    "read_plan",
    "required_guard",
    "run",
    "running_rules",
    "side_by_side",
    "smallest_ratio",
    "snapshot_of",
    "span_text",
    "thresholds",
    "up_selectors",
    "value_text",
]
