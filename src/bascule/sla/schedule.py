"""Reports that come by themselves: which one fell due, and which span it is about. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bascule.spec.model import ScheduledReport


@dataclass(frozen=True)
class DueReport:
    """A report that fell due `at`, about the whole day, week or month before it. Times are Unix seconds."""

    id: str
    report: ScheduledReport
    at: float
    start: float
    end: float


def due(reports: list[ScheduledReport], zone: ZoneInfo, now: float) -> Iterator[DueReport]:
    """Of each scheduled report the one that fell due last; the caller knows whether it was made."""
    for number, report in enumerate(reports):
        at = _latest(report, zone, now)
        end = at.replace(hour=0, minute=0, second=0, microsecond=0)
        start = _back(report.every, end)
        identity = f"{report.every}-{start:%Y%m%d}-{report.language}-{number}"
        yield DueReport(identity, report, at.timestamp(), start.timestamp(), end.timestamp())


def _latest(report: ScheduledReport, zone: ZoneInfo, now: float) -> datetime:
    """When the report last fell due: at its time of day, on Mondays for weeks, on the first for months."""
    hour, minute = (int(part) for part in report.at.split(":"))
    present = datetime.fromtimestamp(now, zone)
    moment = present.replace(hour=hour, minute=minute, second=0, microsecond=0, fold=0)
    if report.every == "week":
        moment -= timedelta(days=moment.weekday())
    elif report.every == "month":
        moment = moment.replace(day=1)
    if moment <= present:
        return moment
    return _back(report.every, moment)


def _back(every: str, moment: datetime) -> datetime:
    """A day, week or month earlier by the calendar, whatever the clocks did in between."""
    if every == "month":
        return (moment.replace(day=1) - timedelta(days=1)).replace(day=1)
    return moment - timedelta(days=7 if every == "week" else 1)
