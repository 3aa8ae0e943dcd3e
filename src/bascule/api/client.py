"""Asking Bascule's own roles: with the operator's token, models in and out, and errors that say what to do."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from bascule.api.identity import HEADER, Identity
from bascule.api.models.fields import problems_of, readable
from bascule.api.models.journal import (
    Acknowledgement,
    Annotation,
    IncidentAnswer,
    IncidentDetail,
    NewWindow,
    NoticeAnswer,
    Reason,
    Signature,
    TimelineAnswer,
    WindowAnswer,
)
from bascule.api.models.logs import Forget, Forgotten, Ingest, LogCounts, LogLine, LogStats, Search, Taken
from bascule.api.models.moves import KeptComparison, MoveRequest, PhaseChange, PlanAnswer, PlanMove
from bascule.api.models.others import DeliveryAnswer, Refusal, ReportAnswer, SendAgain
from bascule.api.models.verdict import VerdictAnswer
from bascule.api.proof import Prover
from bascule.api.tokens import ELSEWHERE, FOLDER, OPERATOR, token_for
from bascule.conventions import EntryKind
from bascule.errors import BasculeError, NotAllowed, OtherMigration, QueryRejected, StoreFull, Unreachable, UsageError
from bascule.several import Several, told
from bascule.spec import Spec
from bascule.transport import MIB, NO_CREDENTIALS, Credentials, Http, HttpAnswer, Prove, is_local

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")
LATER_TICKS = 3  # by which a judge may lag behind another that is asked after it
HOOK_GRACE = 10.0  # seconds that a role gets beyond the time its share hook may take

log = logging.getLogger(__name__)


def _entrance(spec: Spec, role: str) -> tuple[str, Credentials]:
    """Over loopback; a command whose token is in a file of its own runs on another machine."""
    if ELSEWHERE not in os.environ:
        return spec.stack.url(role), NO_CREDENTIALS
    return spec.stack.page(role), spec.stack.credentials("roles")


def proof_wanted(spec: Spec, role: str, url: str) -> Prove | None:
    """What makes a listener show that it is the role, before a secret goes there. Over TLS its certificate does."""
    if url.startswith("https:"):
        return None
    return Prover(role, Identity.of(spec), lambda: token_for(spec.stack.state), _permission(spec))


def _permission(spec: Spec) -> str:
    token = spec.stack.state.absolute() / FOLDER / OPERATOR
    return f"run this as the user who runs the role, or set ${ELSEWHERE} to a file with the token (now: {token})"


class RoleClient:
    """A client of one role of a spec's stack; `seconds` bounds a whole request.

    Raises Unreachable when the role does not answer, NotAllowed without the right token, OtherMigration when it
    serves another migration, UsageError when it refuses what was asked, QueryRejected when it cannot do it now.
    """

    def __init__(
        self,
        spec: Spec,
        role: str,
        *,
        seconds: float = 60.0,
        transport: httpx.BaseTransport | None = None,
        url: str | None = None,
    ) -> None:
        """`url`: of another than the spec's first."""
        self.spec = spec
        self.role = role
        fix = f"start it: bascule up, or bascule serve --role {role}"
        self._is_beside = url is not None and is_local(url)  # with a token of its own; on loopback, reading needs none
        url, credentials = (url, spec.stack.credentials("roles")) if url else _entrance(spec, role)

        def client(prove: Prove | None) -> Http:
            name = f"the {role} role"
            return Http(
                name,
                url,
                seconds=seconds,
                fix=fix,
                largest=16 * MIB,
                transport=transport,
                credentials=credentials,
                prove=prove,
            )

        self._http, self._proven = client(None), client(proof_wanted(spec, role, url))
        self.url = self._http.url
        self._mine = Identity.of(spec)
        self._warned = False

    def close(self) -> None:
        self._http.close()
        self._proven.close()

    def get(self, path: str, kind: type[M], **params: Any) -> M:
        return self._one(self._ask("GET", path, params=params), kind)

    def rows(self, path: str, kind: type[M], **params: Any) -> list[M]:
        """A list, without the rows that cannot be read; those are logged."""
        return self._rows(self._ask("GET", path, params=params), kind)

    def text(self, path: str) -> str:
        return self._ask("GET", path).text

    def first_line(self, path: str, start: str) -> str:
        """The first line of a stream that begins with `start`, empty where there is none."""
        http, headers = self._entered()
        return http.first_line(path, start, headers=headers)

    def post(self, path: str, body: BaseModel, kind: type[M], seconds: float | None = None) -> M:
        return self._one(self._send(path, body, seconds), kind)

    def post_for_rows(self, path: str, body: BaseModel, kind: type[M]) -> list[M]:
        return self._rows(self._send(path, body, None), kind)

    def _send(self, path: str, body: BaseModel, seconds: float | None) -> HttpAnswer:
        return self._ask("POST", path, json=body.model_dump(mode="json", exclude_unset=True), seconds=seconds)

    def _ask(self, method: str, path: str, **content: Any) -> HttpAnswer:
        http, headers = self._entered()
        answer = http.ask(method, path, headers=headers, **content)
        if answer.is_success:
            self._compare(answer)
            return answer
        raise self._refusal(answer) or self._stranger(answer)

    def _entered(self) -> tuple[Http, dict[str, str]]:
        """By what a request goes, and with which headers: the token over proven connections alone."""
        headers = {HEADER: self._mine.header}
        if not self._is_beside and (token := token_for(self.spec.stack.state)):
            return self._proven, headers | {"Authorization": f"Bearer {token}"}
        return self._http, headers

    def _one(self, answer: HttpAnswer, kind: type[M]) -> M:
        try:
            return kind.model_validate(self._json(answer, dict))
        except ValidationError as error:
            raise self._unexpected(problems_of(error)) from error

    def _rows(self, answer: HttpAnswer, kind: type[M]) -> list[M]:
        told = self._json(answer, list)
        rows = readable(kind, told, self.url)
        if told and not rows:
            raise self._unexpected("no row can be read")
        return rows

    def _json(self, answer: HttpAnswer, shape: type[T]) -> T:
        try:
            told = answer.json()
        except ValueError as error:
            raise self._stranger(answer) from error
        if not isinstance(told, shape):
            raise self._stranger(answer)
        return told

    def _unexpected(self, why: str) -> QueryRejected:
        what = f"the {self.role} role at {self.url} gave an unexpected response: {why}"
        return QueryRejected(what, "restart it; it may be another version")

    def _stranger(self, answer: HttpAnswer) -> Unreachable:
        what = f"the server at {self.url} is not the {self.role} role (status {answer.status})"
        return Unreachable(what, f"stop the program on that port, or change stack.ports.{self.role} in the spec")

    def _compare(self, answer: HttpAnswer) -> None:
        """Another state of the same spec is worth a warning, and no more: a rollback must not fail for it."""
        theirs = Identity.read(answer.headers.get(HEADER, ""))
        if theirs is None or self._warned:
            return
        if not theirs.is_same_migration(self._mine):
            raise other_migration(self.role, self.url, theirs, self._mine)
        if theirs.digest != self._mine.digest:
            self._warned = True
            log.warning(
                "the %s role at %s runs another state of this spec; restart it to apply changes", self.role, self.url
            )

    def _refusal(self, answer: HttpAnswer) -> BasculeError | None:
        """What the role has against it; None when this is not how a role answers."""
        try:
            said = Refusal.model_validate(answer.json())
        except ValueError:
            return None
        match answer.status:
            case 401 | 403:
                return NotAllowed(f"the {self.role} role at {self.url} refused: {said.error}", _permission(self.spec))
            case 409:
                return OtherMigration(said.error, said.fix)
            case 408 | 429 | 503:
                return Unreachable(said.error, said.fix)
            case 507:
                return StoreFull(said.error, said.fix)
            case status if status < 500:
                return UsageError(said.error, said.fix)
            case _:
                return QueryRejected(said.error, said.fix)


def other_migration(role: str, url: str, theirs: Identity, mine: Identity) -> OtherMigration:
    what = f"the {role} role at {url} serves {theirs}, not {mine}"
    return OtherMigration(what, f"use the spec of that migration, or give each migration its own stack.ports.{role}")


# ---------------------------------------------------------------- by role


class IncidentsClient(RoleClient):
    """The incident journal. Times are Unix seconds."""

    def __init__(self, spec: Spec, *, seconds: float = 60.0, transport: httpx.BaseTransport | None = None) -> None:
        super().__init__(spec, "incidents", seconds=seconds, transport=transport)

    def incidents(self, since: float = 0.0, until: float | None = None) -> list[IncidentAnswer]:
        return self.rows("/api/incidents", IncidentAnswer, **_span(since, until))

    def acknowledge(self, identity: int, who: str, note: str = "") -> list[IncidentAnswer]:
        body = _asked(Acknowledgement, who=who, note=note)
        return self.post_for_rows(f"/api/incidents/{identity}/acknowledge", body, IncidentAnswer)

    def incident(self, identity: int) -> IncidentDetail:
        return self.get(f"/api/incidents/{identity}", IncidentDetail)

    def close_incident(self, identity: int, who: str, why: str) -> IncidentAnswer:
        return self.post(f"/api/incidents/{identity}/close", _asked(Reason, who=who, why=why), IncidentAnswer)

    def reopen_incident(self, identity: int, who: str, why: str) -> IncidentAnswer:
        return self.post(f"/api/incidents/{identity}/reopen", _asked(Reason, who=who, why=why), IncidentAnswer)

    def deliveries(self) -> list[DeliveryAnswer]:
        return self.rows("/api/deliveries", DeliveryAnswer)

    def owed(self) -> list[DeliveryAnswer]:
        """What a channel of a receiver does not have yet, the oldest first."""
        return self.rows("/api/owed", DeliveryAnswer)

    def note(self, identity: int, text: str, who: str) -> TimelineAnswer:
        return self.post(f"/api/incidents/{identity}/notes", _asked(Annotation, text=text, who=who), TimelineAnswer)

    def summary(self, identity: int) -> str:
        """The post-incident summary, Markdown."""
        return self.text(f"/api/incidents/{identity}/summary")

    def notices(self) -> list[NoticeAnswer]:
        return self.rows("/api/notices", NoticeAnswer)

    def told(self, situation: int) -> tuple[list[NoticeAnswer], list[DeliveryAnswer]]:
        """The notices of a situation, and what each channel of their receivers has or is owed, the newest first."""
        notices = [each for each in self.notices() if each.situation == situation]
        ends = tuple(f"-{notice.key}" for notice in notices)
        return notices, [each for each in self.deliveries() if each.key.endswith(ends)]

    def timeline(self, since: float = 0.0, until: float | None = None) -> list[TimelineAnswer]:
        return self.rows("/api/timeline", TimelineAnswer, **_span(since, until))

    def annotate(self, text: str, who: str, kind: str = EntryKind.NOTE) -> TimelineAnswer:
        return self.post("/api/annotations", _asked(Annotation, text=text, kind=kind, who=who), TimelineAnswer)

    def phase(self) -> PlanAnswer:
        return self.get("/api/phase", PlanAnswer)

    def set_phase(
        self, number: int, who: str, why: str, share: float | None = None, force: bool | None = None
    ) -> PlanAnswer:
        """Waits for the spec's share hook, for as long as that may take; `force`: forward against the verdict."""
        change = _asked(PhaseChange, number=number, who=who, why=why, share=share, force=force)
        return self.post("/api/phase", change, PlanAnswer, self._hook_seconds)

    def move(self, move: PlanMove, who: str, why: str = "", force: bool | None = None) -> PlanAnswer:
        """A move of the plan; it waits for the share hook, too."""
        asked = _asked(MoveRequest, who=who, why=why, force=force)
        return self.post(f"/api/plan/{move}", asked, PlanAnswer, self._hook_seconds)

    def comparison(self) -> KeptComparison:
        """What was compared last before the present step took the candidate's traffic back."""
        return self.get("/api/plan/comparison", KeptComparison)

    @property
    def _hook_seconds(self) -> float:
        hook = self.spec.share_hook
        return self._http.seconds if hook is None else max(self._http.seconds, hook.timeout + HOOK_GRACE)

    def maintenance(self, since: float = 0.0, until: float | None = None, cancelled: bool = True) -> list[WindowAnswer]:
        return self.rows("/api/maintenance", WindowAnswer, cancelled=cancelled, **_span(since, until))

    def add_maintenance(
        self, starts: float, ends: float, reason: str, who: str, services: Sequence[str] = (), silent: bool = True
    ) -> WindowAnswer:
        window = {"starts": starts, "ends": ends, "reason": reason, "who": who, "services": services, "silent": silent}
        return self.post("/api/maintenance", _asked(NewWindow, **window), WindowAnswer)

    def end_maintenance(self, identity: int, who: str) -> WindowAnswer:
        return self.post(f"/api/maintenance/{identity}/end", _asked(Signature, who=who), WindowAnswer)


class JudgeClient:
    """The judge, or the judges that evaluate side by side. Raises as RoleClient, where none of them answers."""

    def __init__(self, spec: Spec, *, seconds: float = 3.0, transport: httpx.BaseTransport | None = None) -> None:
        others = spec.stack.others("judge")
        self._judges = Several(
            [RoleClient(spec, "judge", seconds=seconds, transport=transport, url=url) for url in (None, *others)]
        )
        self._spec = spec

    def close(self) -> None:
        self._judges.close()
        for judge in self._judges.servers:
            judge.close()

    def verdict(self) -> VerdictAnswer:
        """That of the first in the spec's order that evaluates: of one that lags behind another nobody hears."""
        return first_of(told(self.asked()), self._spec.judge.tick)

    def asked(self) -> list[VerdictAnswer | BasculeError]:
        """What each says, or why it does not answer in time, in the spec's order."""
        return self._judges.ask(lambda judge: judge.get("/api/verdict", VerdictAnswer))


def first_of(answers: Sequence[VerdictAnswer], tick: float) -> VerdictAnswer:
    """The first that lags behind none by LATER_TICKS; `tick`: seconds between two evaluations."""
    newest = max(map(_ticked, answers))
    return next(answer for answer in answers if newest - _ticked(answer) <= LATER_TICKS * tick)


def _ticked(answer: VerdictAnswer) -> float:
    return answer.tick.timestamp() if answer.tick is not None else 0.0


class LogsClient(RoleClient):
    def __init__(self, spec: Spec, *, seconds: float = 10.0, transport: httpx.BaseTransport | None = None) -> None:
        super().__init__(spec, "logs", seconds=seconds, transport=transport)

    def stats(self) -> LogStats:
        return self.get("/api/stats", LogStats)

    def search(self, asked: Search) -> list[LogLine]:
        """Lines of the logs, the latest first."""
        return self.rows("/api/search", LogLine, **asked.model_dump(mode="json", exclude_unset=True))

    def counts(self, asked: Search) -> LogCounts:
        """How many lines the same search matches, over time and by facet."""
        return self.get("/api/counts", LogCounts, **asked.model_dump(mode="json", exclude_unset=True))

    def ingest(self, sources: Mapping[str, str], seconds: float = 3600.0) -> Taken:
        """Read files to their end: path -> the source that each is read as."""
        return self.post("/api/ingest", _asked(Ingest, sources=dict(sources)), Taken, seconds)

    def forget(self, user: str, seconds: float = 600.0) -> int:
        """Take a user's id out of the store; how many rows named it."""
        return self.post("/api/forget", _asked(Forget, user=user), Forgotten, seconds).rows


class SlaClient(RoleClient):
    """The archive of SLA reports."""

    def __init__(self, spec: Spec, *, seconds: float = 10.0, transport: httpx.BaseTransport | None = None) -> None:
        super().__init__(spec, "sla", seconds=seconds, transport=transport)

    def reports(self) -> list[ReportAnswer]:
        return self.rows("/api/reports", ReportAnswer)

    def deliveries(self, reports: Sequence[ReportAnswer]) -> dict[str, list[DeliveryAnswer]]:
        """Who was sent each of these reports, by the report's id."""
        known = self.rows("/api/deliveries", DeliveryAnswer)
        return {report.id: [each for each in known if report.id in each.key] for report in reports}

    def send(self, report: str, to: Sequence[str], who: str, seconds: float = 120.0) -> list[DeliveryAnswer]:
        """Send a report once more; waits until each receiver has it or does not."""
        body = _asked(SendAgain, to=list(to), who=who)
        return self._rows(self._send(f"/api/reports/{report}/send", body, seconds), DeliveryAnswer)


def _span(since: float, until: float | None) -> dict[str, float]:
    return {"since": max(0.0, since)} | ({} if until is None else {"until": until})


def _asked(kind: type[M], /, **fields: Any) -> M:
    """A request, checked before it is sent. Raises UsageError."""
    try:
        return kind.model_validate({name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        raise UsageError(problems_of(error), "docs/api.md lists what each field may be") from error
