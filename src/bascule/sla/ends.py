"""Ends of what Alertmanager told people itself: told once Prometheus holds the alert no longer.

Alertmanager lets an alert end when nobody repeats it, also because Prometheus is away: that is a claim. It is kept, in
a file, until Prometheus, which must have run for a while and see the alert's target, says that it is true or false.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from bascule import private, times
from bascule.api.servers import prometheus_of
from bascule.delivery import Courier, Message
from bascule.errors import BasculeError, StoreError
from bascule.prometheus import Prometheus
from bascule.prometheus.held import AskedRules, RuleWord, Word, is_recent, lookup, warm_up
from bascule.spec import Spec
from bascule.spec.model import Scrape
from bascule.spec.quantities import format_duration

FILE = "claimed-ends.json"
ASK_SECONDS = 2.0
SETTLE_SECONDS = 4.0  # for which Prometheus must say so
LONGEST_SECONDS = 7 * 86400.0  # for which a claim is kept
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClaimedEnd:
    """What `receiver` would be told; `labels`: of the alert; `claimed`: Unix seconds."""

    receiver: str
    key: str
    thread: str
    subject: str
    text: str
    severity: str
    labels: Mapping[str, str]
    claimed: float

    def message(self, now: float) -> Message:
        """What is told once Prometheus confirms it."""
        text = f"{self.text}\nconfirmed by Prometheus at {times.clock(now)}"
        return Message(self.key, self.subject, text, severity=self.severity, resolved=True, thread=self.thread)

    @property
    def about(self) -> Mapping[str, str]:
        """The labels of what has ended: an alert sent in place of another names it."""
        if "about" not in self.labels:
            return self.labels
        rest = {name: value for name, value in self.labels.items() if name not in ("about", "severity")}
        return rest | {"alertname": self.labels["about"]}


class Ends:
    """The claims, and the thread that settles them. `clock`: Unix seconds. Threads may share it."""

    def __init__(self, spec: Spec, courier: Courier, clock: Callable[[], float]) -> None:
        self._courier = courier
        self._clock = clock
        self._prometheus = prometheus_of(spec)
        self._rules = _rules(self._prometheus, spec.stack.scrape)
        self._file = spec.stack.state / FILE
        self._lock = threading.Lock()
        kept = [claim for claim in _read(self._file) if claim.receiver in spec.notify.first_told]
        self._claims = {(claim.receiver, claim.key): claim for claim in kept}
        self._since: dict[tuple[str, str], float] = {}  # since when Prometheus says that it has ended

    def close(self) -> None:
        self._prometheus.close()

    def claim(self, *new: ClaimedEnd) -> None:
        """Keep them, all or none. Raises StoreError where the disk does not take them: their sender tries again."""
        with self._lock:
            claims = self._claims | {(claim.receiver, claim.key): claim for claim in new}
            self._write(claims)
            self._claims = claims

    def claims(self) -> list[ClaimedEnd]:
        with self._lock:
            return list(self._claims.values())

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(ASK_SECONDS):
            self.settle()

    def settle(self) -> None:
        """Tell the claims that are true and forget those that are not; without evidence they wait."""
        claims, now = self.claims(), self._clock()
        if not claims:
            return
        try:
            rules = self._rules.word(now)
        except BasculeError as error:
            log.debug("ends wait for Prometheus: %s", error)
            return
        for claim in claims:
            self._settle(claim, _word_on(claim, rules, now), now)

    def _settle(self, claim: ClaimedEnd, word: Word, now: float) -> None:
        address = claim.receiver, claim.key
        if word is not Word.ENDED:
            self._since.pop(address, None)
        elif not 0 <= now - self._since.setdefault(address, now) < SETTLE_SECONDS:
            self._tell(claim, now)
        if word is Word.FIRING:
            self._forget(claim)
        elif now - claim.claimed > LONGEST_SECONDS:
            log.error("%s is never told whether this has ended: %r", claim.receiver, claim.subject)
            self._forget(claim)

    def _tell(self, claim: ClaimedEnd, now: float) -> None:
        """A claim is dropped once what is owed for it is on disk: until then it is owed again, under the same key."""
        self._courier.owe(claim.receiver, claim.message(now))
        if self._courier.has_kept(claim.key):
            self._forget(claim)

    def _forget(self, claim: ClaimedEnd) -> None:
        """Unless the same was claimed again meanwhile. Where the disk does not take that, it is settled once more after
        a restart, and told nobody twice."""
        address = claim.receiver, claim.key
        with self._lock:
            if self._claims.get(address) is not claim:
                return
            self._claims = {other: each for other, each in self._claims.items() if other != address}
            self._since.pop(address, None)
            try:
                self._write(self._claims)
            except StoreError as error:
                log.error("%s", error)

    def _write(self, claims: Mapping[tuple[str, str], ClaimedEnd]) -> None:
        content = json.dumps([asdict(claim) for claim in claims.values()])
        try:
            private.replace(self._file, content)
        except OSError as error:
            raise private.unkept("an end that Alertmanager reports", self._file, error, len(content)) from error


def _rules(prometheus: Prometheus, scrape: Scrape) -> AskedRules:
    """A target counts once it was scraped for as long as its alerts need to fire again."""
    longest = warm_up(scrape.interval, scrape.steady_evaluation)
    return AskedRules(prometheus, scrape.interval, f"min_over_time(up[{format_duration(longest)}])")


def _word_on(claim: ClaimedEnd, rules: RuleWord, now: float) -> Word:
    """What only waits to fire may end untold, and what fires just after a start may rest on samples of before it: of
    these nothing is known yet."""
    firing = lookup(rules.firing)
    if firing.find(claim.labels) or firing.find(claim.about):
        is_early = is_recent(rules.started, now, rules.warm_up(claim.about.get("alertname", "")))
        return Word.UNKNOWN if is_early else Word.FIRING
    is_held = rules.held.find(claim.labels) or rules.says(claim.about, now) is not Word.ENDED
    return Word.UNKNOWN if is_held or rules.is_blind_to(claim.about) else Word.ENDED


def _read(file: Path) -> list[ClaimedEnd]:
    """What was kept; a file that cannot be read is told, and keeps nobody from hearing of what comes."""
    try:
        return [ClaimedEnd(**each) for each in json.loads(file.read_text("utf-8"))]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        log.error("the claimed ends in %s cannot be read: %s", file, error)
        return []
