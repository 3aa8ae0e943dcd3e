"""Reports that were made, kept as files: resent on demand, and never made twice for the same schedule."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bascule import private
from bascule.errors import StoreError, UsageError
from bascule.sla.render.forms import SUFFIXES, render, told
from bascule.sla.render.mail import render_mail
from bascule.sla.report import Report

FOLDER = "sla/reports"


@dataclass(frozen=True)
class Archived:
    """One report in the archive. `start`, `end` and `made` are Unix seconds; `files` by format.

    `said`: the outcome as people read it, with how much of the window is known; "" in entries of former versions.
    """

    id: str
    title: str
    start: float
    end: float
    made: float
    outcome: str
    language: str
    subject: str
    text: str
    html: str
    files: dict[str, str]
    said: str = ""


class Archive:
    """A folder with a folder for each report; a report's entry is written last, so a half-written one is none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, report: Report, forms: Iterable[str], language: str, made: float, identity: str = "") -> Archived:
        """Render and keep a report; its id, when none is given, tells its span and language."""
        identity = identity or f"{_day(report.start)}-{_day(report.end)}-{language}"
        place = self.folder / identity
        files = {form: f"report.{SUFFIXES[form]}" for form in dict.fromkeys(forms)}
        subject, text, html = render_mail(report, language)
        entry = Archived(
            identity,
            report.title,
            report.start,
            report.end,
            made,
            report.outcome.value,
            language,
            subject,
            text,
            html,
            files,
            told(report, language),
        )
        try:
            for form, name in files.items():
                private.replace(place / name, render(report, form, language))
            private.replace(place / "entry.json", json.dumps(asdict(entry), indent=2))
        except OSError as error:
            raise self._unwritable(error) from error
        return entry

    def _unwritable(self, error: OSError) -> StoreError:
        return private.unkept("the archive of reports", self.folder, error)

    def list(self) -> list[Archived]:
        """Every report, newest first."""
        entries = [self._read(path) for path in self.folder.glob("*/entry.json")]
        return sorted(entries, key=lambda entry: (-entry.made, entry.id))

    def get(self, identity: str) -> Archived:
        found = private.held(self.folder, identity)
        path = found and private.held(found, "entry.json")
        if path is None:
            raise UsageError(f"there is no report {identity!r} in the archive", "`bascule sla list` lists them")
        return self._read(path)

    def has(self, identity: str) -> bool:
        return (self.folder / identity / "entry.json").exists()

    def begun(self, now: float) -> float:
        """When this archive was first asked: what fell due before then is nobody's to send."""
        path = self.folder / "begun"
        try:
            if not path.exists():
                private.replace(path, f"{now:.3f}")
            return float(path.read_text("ascii"))
        except OSError as error:
            raise self._unwritable(error) from error
        except ValueError as error:
            raise StoreError(
                f"{path} contains no timestamp: {error}", "remove this folder; the report can be made again"
            ) from error

    def mark_sent(self, identity: str) -> None:
        try:
            private.replace(self.folder / identity / "sent", b"")
        except OSError as error:
            raise self._unwritable(error) from error

    def was_sent(self, identity: str) -> bool:
        return (self.folder / identity / "sent").exists()

    def content(self, entry: Archived, form: str) -> bytes:
        try:
            return (self.folder / entry.id / entry.files[form]).read_bytes()
        except (OSError, KeyError) as error:
            raise StoreError(
                f"the archive has no {form} of {entry.id}", "make the report again with `bascule sla report`"
            ) from error

    def _read(self, path: Path) -> Archived:
        try:
            return Archived(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise StoreError(f"the archive's {path} cannot be read: {error}", "remove it, or make it again") from error


def _day(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y%m%dT%H%M%S")
