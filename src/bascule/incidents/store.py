"""The journal on disk: SQLite with write-ahead log, one connection behind a lock.

Every public method is one transaction; what it returns is on disk. While the disk takes nothing, what people must hear
of anyway, and the way back, go on in memory, in a copy of the file that is written back as soon as there is room. All
else is refused, and who answers that something is done asks `must_be_kept` first.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from bascule.conventions import EntryKind, NoticeKind
from bascule.delivery.database import connect, unusable
from bascule.errors import StoreError, UsageError
from bascule.incidents.causes import cause_of
from bascule.incidents.kinds import kind_of
from bascule.incidents.model import BEGINNINGS, Entry, Incident, Notice, Notification, Pause, PhaseStep, Window
from bascule.prometheus.lookup import distance, same_alert
from bascule.times import clock

log = logging.getLogger(__name__)
_SCHEMA = """
CREATE TABLE incidents (
  id INTEGER PRIMARY KEY, situation INTEGER NOT NULL, fingerprint TEXT NOT NULL, alert TEXT NOT NULL,
  labels TEXT NOT NULL, severity TEXT NOT NULL, kind TEXT NOT NULL, summary TEXT NOT NULL, description TEXT NOT NULL,
  starts REAL NOT NULL, received REAL NOT NULL, ends REAL, resolved REAL,
  acknowledged REAL, acknowledged_by TEXT NOT NULL DEFAULT '', deliveries INTEGER NOT NULL DEFAULT 1);
CREATE INDEX incidents_of_alert ON incidents (fingerprint, id);
CREATE INDEX incidents_open ON incidents (resolved) WHERE resolved IS NULL;
CREATE TABLE entries (at REAL NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, who TEXT NOT NULL, incident INTEGER);
CREATE INDEX entries_in_time ON entries (at);
CREATE TABLE phases (
  at REAL NOT NULL, number INTEGER NOT NULL, share REAL NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL);
CREATE TABLE windows (
  id INTEGER PRIMARY KEY, starts REAL NOT NULL, ends REAL NOT NULL, reason TEXT NOT NULL, services TEXT NOT NULL,
  who TEXT NOT NULL, silence TEXT NOT NULL, cancelled INTEGER NOT NULL DEFAULT 0);
CREATE TABLE notices (
  key TEXT PRIMARY KEY, situation INTEGER NOT NULL, step INTEGER NOT NULL, kind TEXT NOT NULL, receiver TEXT NOT NULL,
  at REAL NOT NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL, attempts INTEGER NOT NULL);
CREATE INDEX notices_of_situation ON notices (situation);
"""
_SCHEMA_VERSION = 6
_SECOND_SCHEMA = """
ALTER TABLE incidents ADD COLUMN cause TEXT NOT NULL DEFAULT '';
ALTER TABLE incidents ADD COLUMN seen REAL;
ALTER TABLE incidents ADD COLUMN unknown_since REAL;
ALTER TABLE incidents ADD COLUMN reopened REAL;
ALTER TABLE incidents ADD COLUMN closed_by TEXT NOT NULL DEFAULT '';
CREATE TABLE moves (
  id INTEGER PRIMARY KEY, at REAL NOT NULL, number INTEGER NOT NULL, share REAL NOT NULL, who TEXT NOT NULL,
  why TEXT NOT NULL, state TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE journal (identity TEXT NOT NULL);
"""
_THIRD_SCHEMA = """
ALTER TABLE phases ADD COLUMN move TEXT NOT NULL DEFAULT 'set';
CREATE TABLE pauses (at REAL NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL, ended REAL);
CREATE TABLE comparisons (at REAL NOT NULL, verdict TEXT NOT NULL);
"""
_FOURTH_SCHEMA = """
ALTER TABLE incidents ADD COLUMN held_by TEXT NOT NULL DEFAULT '';
"""
_FIFTH_SCHEMA = """
CREATE INDEX incidents_open_alert ON incidents (alert, fingerprint) WHERE resolved IS NULL;
CREATE INDEX incidents_untaken ON incidents (cause, kind, situation) WHERE resolved IS NULL AND acknowledged IS NULL;
"""
_SIXTH_SCHEMA = """
ALTER TABLE notices ADD COLUMN newest INTEGER NOT NULL DEFAULT 0;
ALTER TABLE notices ADD COLUMN concluded REAL;
UPDATE notices SET newest = (
  SELECT coalesce(max(id), 0) FROM incidents
  WHERE incidents.situation = notices.situation AND incidents.received <= notices.at);
"""
DIRECT = "direct:"  # what the fingerprint of an alert that came past Alertmanager begins with
LAST_LETTER = "\U0010ffff"
SAME_START_SECONDS = 10.0  # two senders of one alert may differ by so much in when it began
WRITE_BACK_SECONDS = 2.0
LAST_TIME = 253_402_300_800.0  # the year 10000
ASKING_SECONDS = 1.0  # that it takes to ask the sources what they hold ...
LATE_SECONDS = 10.0  # ... and to act on what they said
SEEN_SECONDS = 5.0  # after which it is recorded again that an incident was seen
_WHAT = "incident journal"
_INCIDENT_COLUMNS = (
    "id, situation, fingerprint, alert, labels, severity, kind, summary, description,"
    " starts, received, ends, resolved, acknowledged, acknowledged_by, deliveries, cause, seen, unknown_since,"
    " reopened, closed_by, held_by"
)


P = ParamSpec("P")
R = TypeVar("R")
Sorting = Callable[[Mapping[str, str]], str]


def _even_in_memory(method: Callable[Concatenate[Store, P], R]) -> Callable[Concatenate[Store, P], R]:
    """What the disk refuses is done in memory."""

    @wraps(method)
    def run(store: Store, /, *arguments: P.args, **named: P.kwargs) -> R:
        try:
            return method(store, *arguments, **named)
        except StoreError as error:
            store.go_on_in_memory(error)
            return method(store, *arguments, **named)

    return run


@dataclass(frozen=True)
class Restart:
    """A start of Prometheus: when (Unix seconds), and by alert name the seconds in which it finds what it held."""

    at: float
    finds_again: Mapping[str, float]

    def explains(self, last: Incident, told: Notification) -> bool:
        return last.starts < self.at <= told.starts <= self.at + self.finds_again.get(last.alert, 0.0)


class Store:
    """The journal in one file. Raises StoreError when the file cannot be read or written.

    `kind_of`, `cause_of`: from an alert's labels to the escalation that it belongs to, and to what it is about.
    """

    def __init__(self, path: Path, now: float, kind_of: Sorting = kind_of, cause_of: Sorting = cause_of) -> None:
        self.path = path
        self._kind_of = kind_of
        self._cause_of = cause_of
        self._lock = threading.RLock()
        self._db = connect(path, _WHAT)
        self._db.row_factory = sqlite3.Row
        self._file = self._db
        self.opened = threading.Event()  # set by each new incident, for those who tell people
        self.problem = ""  # why it is kept in memory, while it is
        self._claimed: dict[int, float] = {}  # when the end of an open incident was told last
        self._restarts: dict[float, Restart] = {}  # of Prometheus, by when it started
        self._prepare(now)

    def close(self) -> None:
        with self._lock:
            self.write_back()
            self._db.close()
            self._file.close()

    # ---------------------------------------------------------------- without a disk

    def go_on_in_memory(self, refused: StoreError) -> None:
        """Go on in a copy of the file; raises what the disk refused when there can be none."""
        with self._lock:
            if self.problem:
                raise refused
            copy = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
            copy.row_factory = sqlite3.Row
            try:
                self._file.backup(copy)
            except sqlite3.Error:
                copy.close()
                raise refused from None
            log.error("the journal goes on in memory: %s", refused)
            self._db, self.problem = copy, f"the journal is kept in memory only: {refused.what}"

    def write_back(self) -> None:
        """Bring what was kept in memory to the disk, if it takes it now."""
        with suppress(StoreError):  # `problem` tells it
            self.must_be_kept()

    def must_be_kept(self) -> None:
        """Raises StoreError while anything is in memory alone, and the disk does not take it now."""
        with self._lock:
            if not self.problem:
                return
            try:
                self._db.backup(self._file)
            except sqlite3.Error as error:
                raise unusable(self.path, _WHAT, error) from error
            log.warning("the journal is on disk again")
            self._db.close()
            self._db, self.problem = self._file, ""

    def run(self, stop: threading.Event) -> None:
        """Try to write back until told to stop."""
        while not stop.wait(WRITE_BACK_SECONDS):
            self.write_back()

    def _prepare(self, now: float) -> None:
        try:
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.Error as error:
            raise unusable(self.path, _WHAT, error) from error
        if version > _SCHEMA_VERSION:
            raise StoreError(f"{self.path} was written by a newer Bascule", "upgrade, or use another state folder")
        with self._transaction() as db:
            if version == 0:
                _run_all(db, _SCHEMA)
                db.execute("INSERT INTO phases VALUES (?, 0, 0.0, 'bascule', 'before the first phase')", (now,))
            if version < 2:
                _run_all(db, _SECOND_SCHEMA)
                db.execute("INSERT INTO journal VALUES (?)", (uuid.uuid4().hex[:8],))
            if version < 3:
                _run_all(db, _THIRD_SCHEMA)
            if version < 4:
                _run_all(db, _FOURTH_SCHEMA)
            if version < 5:
                _run_all(db, _FIFTH_SCHEMA)
            if version < 6:
                _run_all(db, _SIXTH_SCHEMA)
            db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")

    @property
    def identity(self) -> str:
        """What distinguishes this journal from a new one: numbers alone start again at 1."""
        return str(self._rows("SELECT identity FROM journal")[0][0])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; on disk when it ends."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                self._abandon()
                raise unusable(self.path, _WHAT, error) from error
            except BaseException:
                self._abandon()
                raise

    @contextmanager
    def _kept(self) -> Iterator[sqlite3.Connection]:
        """The same for what a person is told is done: it is refused while the disk takes nothing."""
        with self._lock:
            self.must_be_kept()
            with self._transaction() as db:
                yield db

    def _abandon(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        with self._lock:
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise unusable(self.path, _WHAT, error) from error

    # ---------------------------------------------------------------- incidents

    def receive(self, notification: Notification) -> Incident | None:
        """Take a notification in; the incident it opened, repeated, reopened or claims to end, None when it fits none.

        An end is only claimed here: the reconciliation resolves the incident on fresh evidence.
        """
        return self.receive_all([notification])[0]

    @_even_in_memory
    def receive_all(self, notifications: Sequence[Notification]) -> list[Incident | None]:
        """The same for several, all or none of them."""
        if not notifications:
            return []
        with self._transaction() as db:
            return [self._received(db, each) for each in notifications]

    def _received(self, db: sqlite3.Connection, told: Notification) -> Incident | None:
        last = self._last_of(told)
        if not told.firing:
            return self._claim_end(db, last, told)
        if last is None:
            return self._open(db, told)
        if _is_new_beginning(last, told) and not self._is_after_restart(last, told):
            return (
                self._replace(db, last, told) if last.resolved is None else self._open(db, told, self._not_told(last))
            )
        return self._repeat(db, last, told)

    def note_restart(self, started: float, finds_again: Mapping[str, float]) -> None:
        """Prometheus started then: what fired before begins for it again, whether it ended in between or not, and fires
        within these seconds (by alert name). `started`: Unix seconds."""
        self._restarts[started] = Restart(started, finds_again)

    def _is_after_restart(self, last: Incident, told: Notification) -> bool:
        """Whether an open incident's later start says no more than that Prometheus was started again."""
        if last.resolved is not None:
            return False
        return any(restart.explains(last, told) for restart in list(self._restarts.values()))

    def is_over(self, told: Notification) -> Incident | None:
        """The incident that has ended and that what is told is about: it says that it fires since the same beginning,
        by whichever way that was heard of."""
        last = self._last_of(told)
        if not told.firing or (last is not None and last.resolved is None):
            return None
        query = f"SELECT {_INCIDENT_COLUMNS} FROM incidents WHERE alert = ? AND resolved >= ? ORDER BY id DESC"
        ended = _incidents(self._rows(query, (told.labels.get("alertname", ""), told.starts)))
        alike = (each for each in ended if same_alert(each.labels, told.labels))
        return next((each for each in alike if not _is_new_beginning(each, told)), None)

    def _last_of(self, told: Notification) -> Incident | None:
        """The latest incident of the alert. What came past Alertmanager has no fingerprint of its: labels tell it. The
        reconciliation has compared them already; here only what was delivered meanwhile is left to find."""
        query = f"SELECT {_INCIDENT_COLUMNS} FROM incidents WHERE fingerprint = ? ORDER BY id DESC LIMIT 1"
        found = next(iter(_incidents(self._rows(query, (told.fingerprint,)))), None)
        if found is not None and found.resolved is None:
            return found
        alike = [each for each in self._open_of_the_other_way(told) if same_alert(each.labels, told.labels)]
        return min(alike, key=lambda each: distance(each.labels, told.labels), default=found)

    def _open_of_the_other_way(self, told: Notification) -> list[Incident]:
        """Open incidents of the alert's name: with the very labels of one that came past Alertmanager, or of one that
        came by it, what did not."""
        is_direct = told.fingerprint.startswith(DIRECT)
        wanted = "labels = ?" if is_direct else "fingerprint >= ? AND fingerprint < ?"  # a range, for the index
        query = (
            f"SELECT {_INCIDENT_COLUMNS} FROM incidents WHERE resolved IS NULL AND alert = ? AND {wanted} ORDER BY id"
        )
        values = [_written(told.labels)] if is_direct else [DIRECT, DIRECT + LAST_LETTER]
        return _incidents(self._rows(query, (told.labels.get("alertname", ""), *values)))

    def _replace(self, db: sqlite3.Connection, last: Incident, told: Notification) -> Incident:
        """The last one ended unseen and the next one fires: where nothing else is open in its situation, that goes on,
        for to tell of its end now would be false."""
        self._end(db, last, told.received, _unseen_text(last, told.starts))
        return self._open(db, told, last.situation if self._is_closed(last.situation) else None)

    def _is_closed(self, situation: int) -> bool:
        return all(each.resolved is not None for each in self.situation(situation))

    def _not_told(self, ended: Incident) -> int | None:
        """Its situation, where people know of it and none has been told yet that all of it is over: it goes on."""
        told = (notice.kind for notice in reversed(self.notices(ended.situation)))
        is_owed = next((kind in BEGINNINGS for kind in told if kind in (*BEGINNINGS, NoticeKind.OVER)), False)
        return ended.situation if is_owed and self._is_closed(ended.situation) else None

    def _open(self, db: sqlite3.Connection, new: Notification, situation: int | None = None) -> Incident:
        """`situation`: that it goes on with; else one of its cause that is open, else one of its own."""
        kind, cause = self._kind_of(new.labels), self._cause_of(new.labels)
        values = (
            new.fingerprint,
            new.labels.get("alertname", ""),
            _written(new.labels),
            new.labels.get("severity", "unknown"),
            kind,
            new.annotations.get("summary", ""),
            new.annotations.get("description", ""),
            new.starts,
            new.received,
        )
        identity = db.execute(
            "INSERT INTO incidents (situation, fingerprint, alert, labels, severity, kind,"
            " summary, description, starts, received, cause, seen) VALUES (0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*values, cause, new.received),
        ).lastrowid
        joined = situation or self._open_situation(kind, cause) or identity
        db.execute("UPDATE incidents SET situation = ? WHERE id = ?", (joined, identity))
        self.opened.set()
        return self.incident(int(identity or 0))

    def _open_situation(self, kind: str, cause: str) -> int | None:
        """One that is acknowledged takes no more in: what is new must call someone again."""
        query = (
            "SELECT min(situation) FROM incidents"
            " WHERE resolved IS NULL AND acknowledged IS NULL AND kind = ? AND cause = ? AND situation > 0"
        )
        found: int | None = self._rows(query, (kind, cause))[0][0]
        return found

    def _repeat(self, db: sqlite3.Connection, last: Incident, again: Notification) -> Incident:
        """The same alert once more. After a resolved notice that was false (a restarted Prometheus) it reopens."""
        if last.resolved is not None and not last.closed_by:
            self._reopen(db, last, again.received, f"{last.alert} still fires: the resolved notice was premature")
        self._claimed.pop(last.id, None)
        db.execute(
            "UPDATE incidents SET deliveries = deliveries + 1, ends = NULL, unknown_since = NULL, seen = ?,"
            " description = ? WHERE id = ?",
            (again.received, again.annotations.get("description", last.description), last.id),
        )
        return self.incident(last.id)

    def _reopen(self, db: sqlite3.Connection, last: Incident, now: float, text: str, who: str = "") -> None:
        """It pages again, also where its situation was acknowledged."""
        _add_entry(db, Entry(now, EntryKind.REOPENED, text, who, last.id))
        db.execute(
            "UPDATE incidents SET ends = NULL, resolved = NULL, unknown_since = NULL, reopened = ?, closed_by = '',"
            " held_by = ? WHERE id = ?",
            (now, who, last.id),
        )
        db.execute(
            "UPDATE incidents SET acknowledged = NULL, acknowledged_by = '' WHERE situation = ?", (last.situation,)
        )

    def _claim_end(self, db: sqlite3.Connection, last: Incident | None, end: Notification) -> Incident | None:
        if last is None or last.resolved is not None or end.starts + SAME_START_SECONDS < last.starts:
            return last
        ends = end.ends if end.ends is not None else end.received
        self._claimed[last.id] = end.received
        db.execute(
            "UPDATE incidents SET ends = ?, unknown_since = coalesce(unknown_since, ?) WHERE id = ?",
            (ends, end.received, last.id),
        )
        return self.incident(last.id)

    def _end(self, db: sqlite3.Connection, incident: Incident, now: float, text: str = "", who: str = "") -> None:
        query = (
            "UPDATE incidents SET ends = coalesce(ends, ?), resolved = ?, unknown_since = NULL, held_by = ''"
            " WHERE id = ? AND resolved IS NULL"
        )
        has_ended = db.execute(query, (now, now, incident.id)).rowcount == 1
        self._claimed.pop(incident.id, None)
        if text and has_ended:
            _add_entry(db, Entry(now, EntryKind.ENDED, text, who, incident.id))

    # ---------------------------------------------------------------- what the reconciliation finds

    @_even_in_memory
    def seen_firing(self, incidents: Sequence[Incident], now: float) -> None:
        """A source holds these alerts: whatever was claimed, they have not ended."""
        with self._lock:
            fresh = [i.id for i in incidents if _is_doubted(i) or _is_old(i, now)]
            fresh = [number for number in fresh if not self._is_just_claimed(number, now)]
            self._update_each("SET seen = ?, unknown_since = NULL, ends = NULL, held_by = ''", now, fresh)

    def _is_just_claimed(self, number: int, now: float) -> bool:
        """Whether its end was told after the sources were asked, or may have been: they do not speak of that."""
        claimed = self._claimed.get(number)
        return claimed is not None and -LATE_SECONDS < now - claimed < ASKING_SECONDS

    @_even_in_memory
    def lost_sight(self, incidents: Sequence[Incident], now: float) -> None:
        """No source can say whether these fire."""
        self._update_each("SET unknown_since = ?", now, [i.id for i in incidents if i.unknown_since is None])

    def _update_each(self, change: str, now: float, numbers: Sequence[int]) -> None:
        if numbers:
            with self._transaction() as db:
                rows = [(now, number) for number in numbers]
                db.executemany(f"UPDATE incidents {change} WHERE id = ? AND resolved IS NULL", rows)

    @_even_in_memory
    def confirm_end(self, identity: int, now: float) -> Incident:
        """Fresh evidence says that it has ended; where no end was claimed, nobody saw when."""
        incident = self.incident(identity)
        text = "" if incident.ends is not None else _unseen_text(incident, now)
        with self._transaction() as db:
            self._end(db, incident, now, text)
        return self.incident(identity)

    def close_incident(self, identity: int, who: str, why: str, now: float) -> Incident:
        """Ended by a person's word. UsageError when it is over already."""
        incident = self.incident(identity)
        if incident.resolved is not None:
            raise UsageError(f"incident {identity} is resolved already", "`bascule incidents reopen` opens it again")
        with self._kept() as db:
            self._end(db, incident, now, f"closed: {why}", who)
            db.execute("UPDATE incidents SET closed_by = ? WHERE id = ?", (who, identity))
        return self.incident(identity)

    def was_closed(self, labels: Mapping[str, str], since: float) -> bool:
        """Whether a person closed this alert as it began at `since`."""
        rows = self._rows(
            f"SELECT {_INCIDENT_COLUMNS} FROM incidents WHERE closed_by != '' AND starts >= ?",
            (since - SAME_START_SECONDS,),
        )
        return any(same_alert(incident.labels, labels) for incident in _incidents(rows))

    def reopen_incident(self, identity: int, who: str, why: str, now: float) -> Incident:
        """Begun again by a person's word: everyone who got the end is notified."""
        incident = self.incident(identity)
        if incident.resolved is None:
            raise UsageError(f"incident {identity} is open already", "no action needed")
        with self._kept() as db:
            self._reopen(db, incident, now, f"reopened: {why}", who)
        return self.incident(identity)

    def incidents(self, since: float = 0.0, until: float = float("inf")) -> list[Incident]:
        """Incidents that were open at some time from `since` to `until`, newest first."""
        query = (
            f"SELECT {_INCIDENT_COLUMNS} FROM incidents"
            " WHERE received <= ? AND coalesce(resolved, ?) >= ? ORDER BY received DESC, id DESC"
        )
        return _incidents(self._rows(query, (until, float("inf"), since)))

    def open_incidents(self) -> list[Incident]:
        query = f"SELECT {_INCIDENT_COLUMNS} FROM incidents WHERE resolved IS NULL ORDER BY id"
        return _incidents(self._rows(query))

    def incident(self, identity: int) -> Incident:
        """Raises UsageError when there is none of that number."""
        found = _incidents(self._rows(f"SELECT {_INCIDENT_COLUMNS} FROM incidents WHERE id = ?", (identity,)))
        if not found:
            raise UsageError(f"there is no incident {identity}", "`bascule incidents list` lists them")
        return found[0]

    def situation(self, identity: int) -> list[Incident]:
        """The incidents of one situation, oldest first."""
        query = f"SELECT {_INCIDENT_COLUMNS} FROM incidents WHERE situation = ? ORDER BY id"
        return _incidents(self._rows(query, (identity,)))

    def open_situations(self) -> list[int]:
        return [int(row[0]) for row in self._rows("SELECT DISTINCT situation FROM incidents WHERE resolved IS NULL")]

    def acknowledge(self, identity: int, who: str, now: float, note: str = "") -> list[Incident]:
        """Acknowledge the incident's whole situation; acknowledging again changes nothing."""
        situation = self.incident(identity).situation
        with self._kept() as db:
            changed = db.execute(
                "UPDATE incidents SET acknowledged = ?, acknowledged_by = ?"
                " WHERE situation = ? AND acknowledged IS NULL",
                (now, who, situation),
            ).rowcount
            if changed:
                _add_entry(db, Entry(now, EntryKind.ACKNOWLEDGED, note or "acknowledged", who, identity))
        return self.situation(situation)

    # ---------------------------------------------------------------- timeline

    def add(self, entry: Entry) -> None:
        if entry.incident is not None:
            self.incident(entry.incident)
        with self._kept() as db:
            _add_entry(db, entry)

    def entries(self, since: float = 0.0, until: float = float("inf"), incident: int | None = None) -> list[Entry]:
        """Annotations and notes, oldest first; of one incident, or all."""
        query = "SELECT at, kind, text, who, incident FROM entries WHERE at >= ? AND at <= ?"
        rows = self._rows(query + " ORDER BY at, rowid", (since, until))
        wanted = (row for row in rows if incident is None or row["incident"] == incident)
        return list(_read(lambda row: Entry(**dict(row)), wanted, ("at",)))

    # ---------------------------------------------------------------- phases

    def intend(self, step: PhaseStep) -> int:
        """Write down that the share is about to be moved; the move's number. Raises StoreError where the disk takes it
        not, unless less goes to the candidate than before: that is never refused."""
        if step.share < self.phase().share:
            return self._intend_back(step)
        with self._kept() as db:
            return _intended(db, step)

    @_even_in_memory
    def _intend_back(self, step: PhaseStep) -> int:
        with self._transaction() as db:
            return _intended(db, step)

    @_even_in_memory
    def finish_move(self, move: int, step: PhaseStep) -> None:
        """The share was moved: the step is the present one."""
        with self._transaction() as db:
            db.execute("INSERT INTO phases VALUES (?, ?, ?, ?, ?, ?)", tuple(asdict(step).values()))
            db.execute("UPDATE moves SET state = 'done' WHERE id = ?", (move,))

    @_even_in_memory
    def abandon_move(self, move: int, state: str, detail: str, told: Entry) -> None:
        """The share was not moved (`failed`), or nobody knows (`unknown`); the timeline says so."""
        with self._transaction() as db:
            db.execute("UPDATE moves SET state = ?, detail = ? WHERE id = ?", (state, detail, move))
            _add_entry(db, told)

    def open_moves(self) -> list[tuple[int, PhaseStep]]:
        """Moves whose result was never written down."""
        rows = self._rows("SELECT id, at, number, share, who, why FROM moves WHERE state = 'moving' ORDER BY id")
        return [(row["id"], PhaseStep(*tuple(row)[1:])) for row in rows]

    def phases(self) -> list[PhaseStep]:
        """The whole journal, oldest first; it is never cut (an audit may ask for a year)."""
        return list(_read(_step, self._rows("SELECT * FROM phases ORDER BY rowid"), ("at",)))

    def phase(self) -> PhaseStep:
        return next(_read(_step, self._rows("SELECT * FROM phases ORDER BY rowid DESC"), ("at",)))

    def pause(self, pause: Pause) -> None:
        """Pause the plan; a pause that is on already is ended for the new one."""
        with self._kept() as db:
            db.execute("UPDATE pauses SET ended = ? WHERE ended IS NULL", (pause.at,))
            db.execute("INSERT INTO pauses VALUES (?, ?, ?, NULL)", (pause.at, pause.who, pause.why))
            _add_entry(db, Entry(pause.at, EntryKind.PAUSE, f"paused{_because(pause.why)}", pause.who))

    def resume(self, now: float, who: str, why: str) -> None:
        """End the pause that is on."""
        with self._kept() as db:
            db.execute("UPDATE pauses SET ended = ? WHERE ended IS NULL", (now,))
            _add_entry(db, Entry(now, EntryKind.RESUME, f"resumed{_because(why)}", who))

    def paused(self) -> Pause | None:
        rows = self._rows("SELECT at, who, why FROM pauses WHERE ended IS NULL ORDER BY rowid DESC LIMIT 1")
        return Pause(**dict(rows[0])) if rows else None

    def keep_comparison(self, at: float, verdict: str) -> None:
        """Keep the judge's last answer before the step that begins `at`, as JSON."""
        with self._kept() as db:
            db.execute("INSERT INTO comparisons VALUES (?, ?)", (at, verdict))

    def comparison(self) -> tuple[float, str] | None:
        """What was kept last, and when, since the candidate last had traffic."""
        query = (
            "SELECT at, verdict FROM comparisons"
            " WHERE at > (SELECT coalesce(max(at), 0) FROM phases WHERE share > 0) ORDER BY rowid DESC LIMIT 1"
        )
        rows = self._rows(query)
        return (float(rows[0][0]), str(rows[0][1])) if rows else None

    # ---------------------------------------------------------------- maintenance

    def add_window(self, window: Window) -> Window:
        """Keep a window; its id is given here."""
        with self._kept() as db:
            identity = db.execute(
                "INSERT INTO windows (starts, ends, reason, services, who, silence) VALUES (?, ?, ?, ?, ?, ?)",
                (window.starts, window.ends, window.reason, json.dumps(window.services), window.who, window.silence),
            ).lastrowid
        return self.window(int(identity or 0))

    @_even_in_memory
    def set_silence(self, identity: int, silence: str) -> None:
        """Alertmanager's id of a window's silence, where that was set again."""
        with self._transaction() as db:
            db.execute("UPDATE windows SET silence = ? WHERE id = ?", (silence, identity))

    def end_window(self, identity: int, now: float) -> Window:
        """End a window now; one that has not begun is cancelled, one that is over stays as it was."""
        window = self.window(identity)
        with self._kept() as db:
            if now < window.starts:
                db.execute("UPDATE windows SET cancelled = 1 WHERE id = ?", (identity,))
            elif now < window.ends:
                db.execute("UPDATE windows SET ends = ? WHERE id = ?", (now, identity))
        return self.window(identity)

    def window(self, identity: int) -> Window:
        rows = self._rows("SELECT * FROM windows WHERE id = ?", (identity,))
        if not rows:
            raise UsageError(f"there is no maintenance window {identity}", "`bascule maintenance list` shows them")
        return _window(rows[0])

    def windows(self) -> list[Window]:
        """All windows, oldest first, cancelled ones too."""
        rows = self._rows("SELECT * FROM windows ORDER BY starts, id")
        return list(_read(_window, rows, ("starts", "ends")))

    # ---------------------------------------------------------------- notices

    @_even_in_memory
    def claim(self, notice: Notice) -> bool:
        """Write a notice down before it is sent; False when it was claimed before (so it is never sent twice)."""
        row = (notice.key, notice.situation, notice.step, notice.kind, notice.receiver, notice.at, notice.newest)
        with self._transaction() as db:
            query = (
                "INSERT OR IGNORE INTO notices (key, situation, step, kind, receiver, at, newest, outcome, detail,"
                " attempts) VALUES (?, ?, ?, ?, ?, ?, ?, 'pending', '', 0)"
            )
            return db.execute(query, row).rowcount == 1

    @_even_in_memory
    def conclude(self, key: str, outcome: str, detail: str, attempts: int, at: float) -> None:
        """The state of a notice; one channel that has it is enough, whatever the state of the others."""
        with self._transaction() as db:
            query = (
                "UPDATE notices SET outcome = ?, detail = ?, attempts = ?, concluded = ?"
                " WHERE key = ? AND outcome != 'delivered'"
            )
            db.execute(query, (outcome, detail, attempts, at, key))

    def notices(self, situation: int | None = None) -> list[Notice]:
        """Notices in the order they were written down; of one situation, or all."""
        where = "" if situation is None else " WHERE situation = ?"
        rows = self._rows(f"SELECT * FROM notices{where} ORDER BY rowid", () if situation is None else (situation,))
        return list(_read(lambda row: Notice(**dict(row)), rows, ("at",)))


def _written(labels: Mapping[str, str]) -> str:
    return json.dumps(dict(labels), sort_keys=True)


def _is_time(value: Any) -> bool:
    """Whether a column that holds a time can be one."""
    return isinstance(value, int | float) and 0 <= value < LAST_TIME


def _read(make: Callable[[sqlite3.Row], R], rows: Iterable[sqlite3.Row], times: Sequence[str]) -> Iterator[R]:
    """The rows that can be read. Nobody would write the others, yet a hand or another build may have: each is told, and
    ends no reader."""
    for row in rows:
        try:
            if not all(_is_time(row[name]) for name in times):
                raise ValueError(f"one of {', '.join(times)} is not a time")
            yield make(row)
        except (ValueError, TypeError, AttributeError) as error:
            log.warning("a row of the journal is left out: %s", error)


def _incident(row: sqlite3.Row) -> Incident:
    return Incident(**(dict(row) | {"labels": dict(json.loads(row["labels"]))}))


def _incidents(rows: Iterable[sqlite3.Row]) -> list[Incident]:
    return list(_read(_incident, rows, ("starts", "received")))


def _is_doubted(incident: Incident) -> bool:
    return incident.ends is not None or incident.unknown_since is not None or bool(incident.held_by)


def _is_old(incident: Incident, now: float) -> bool:
    return incident.seen is None or now - incident.seen >= SEEN_SECONDS


def _run_all(db: sqlite3.Connection, statements: str) -> None:
    for statement in statements.strip().split(";\n"):
        db.execute(statement)


def _is_new_beginning(last: Incident, told: Notification) -> bool:
    """Whether what is told began after what is known: by seconds while that is open, else after its end."""
    ended = last.resolved is not None and last.ends is not None and told.starts > last.ends
    return ended or told.starts > last.starts + SAME_START_SECONDS


def _unseen_text(incident: Incident, until: float) -> str:
    since = incident.seen if incident.seen is not None else incident.received
    return f"ended between {clock(since)} and {clock(until)}, not observed"


def _step(row: sqlite3.Row) -> PhaseStep:
    return PhaseStep(**dict(row))


def _because(why: str) -> str:
    return f": {why}" if why else ""


def _window(row: sqlite3.Row) -> Window:
    return Window(**(dict(row) | {"services": tuple(json.loads(row["services"])), "cancelled": bool(row["cancelled"])}))


def _intended(db: sqlite3.Connection, step: PhaseStep) -> int:
    query = "INSERT INTO moves (at, number, share, who, why, state, detail) VALUES (?, ?, ?, ?, ?, 'moving', '')"
    return int(db.execute(query, (step.at, step.number, step.share, step.who, step.why)).lastrowid or 0)


def _add_entry(db: sqlite3.Connection, entry: Entry) -> None:
    row = (entry.at, entry.kind, entry.text, entry.who, entry.incident)
    db.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", row)
