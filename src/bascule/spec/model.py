"""What a user declares: one migration, from its versions to who gets the report.

A complete small spec:

    apiVersion: bascule/v1
    kind: Migration
    metadata: {name: shop, title: Shop checkout v2}
    versions: {label: version, baseline: v1, candidate: v2}
    services:
      shop-v1: {targets: ["127.0.0.1:8001"], version: v1}
      shop-v2: {targets: ["127.0.0.1:8002"], version: v2}
    signals:
      errors:
        kind: ratio
        bad: http_requests_total{status=~"5.."}
        total: http_requests_total
        better: lower
    phases:
      - {share: 10%, hold: 1h, gates: {errors: "<1%"}}
      - {share: 100%, hold: 1d}

Everything else has a default. Values are kept in base units (seconds, ratios, per second).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from ipaddress import ip_address, ip_network
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Generic, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from bascule.conventions import (
    MONITORING_AGENTS,
    PATIENCE_SECONDS,
    SEGMENT,
    TOTAL_SEGMENT,
    VERSION,
    AlertKind,
    health_job,
)
from bascule.spec.addresses import Label, ListenAddress, Url, bracketed, check_target
from bascule.spec.kinds import Signal
from bascule.spec.listening import Elsewhere, RoleTls, Tls, is_loopback, loopback_of, unencrypted
from bascule.spec.part import Contradiction, Part
from bascule.spec.preset_signals import with_preset
from bascule.spec.presets import preset_named, presets
from bascule.spec.quantities import (
    ConditionField,
    Duration,
    GainField,
    Quantity,
    Rate,
    Share,
    ThresholdField,
    parse_moment,
)
from bascule.spec.receivers import Receiver
from bascule.spec.roles import roles_of
from bascule.spec.selector import Matcher, MatchersField
from bascule.spec.sign_in import ProxySignIn
from bascule.spec.signals import CountedShare, HistogramSignal, MeanSignal, Role, SignalPart
from bascule.transport import NO_CREDENTIALS, Credentials
from bascule.units import Dimension, Unit, unit_of

NAME = r"^[A-Za-z][A-Za-z0-9_.-]*$"
Name = Annotated[str, Field(pattern=NAME, max_length=100)]
Port = Annotated[int, Field(ge=1, le=65535)]
Span = Annotated[Duration, Field(ge=0.001)]  # of time that cannot be empty
AVAILABILITY = "availability"  # a measure, and an SLA, that needs no signal: scrapes tell it


def _gather(data: Any, own: tuple[str, ...]) -> Any:
    """Move the user's flat entries under `named`, so that they are beside a part's own keys in the YAML."""
    if not isinstance(data, dict) or "named" in data:
        return data
    rest = {key: value for key, value in data.items() if key not in own}
    return {key: data[key] for key in own if key in data} | {"named": rest}


class Metadata(Part):
    name: Name
    title: str = ""
    timezone: str = "UTC"
    currency: str = "EUR"

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is not a time zone; write it like Europe/Paris") from error
        return name


class Versions(Part):
    """The two versions, and how their series are told apart: by a label, or by matchers of their own."""

    baseline: Name
    candidate: Name
    label: Label | None = None
    select: dict[Name, MatchersField] | None = None

    def contradictions(self) -> Iterator[Contradiction]:
        if self.baseline == self.candidate:
            yield Contradiction(
                "baseline and candidate are the same; give two different names", "baseline", "candidate"
            )
        if self.select is not None and (missing := {self.baseline, self.candidate} - set(self.select)):
            yield Contradiction(f"select has no matchers for {', '.join(sorted(missing))}; add them", "select")

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        if self.select is None and self.label is None:
            object.__setattr__(self, "label", "version")
        return self

    def matchers(self, version: str) -> tuple[Matcher, ...]:
        """What narrows a selector to one version."""
        if self.select is not None:
            return self.select[version]
        return (Matcher(self.label or "version", "=", version),)

    @property
    def both(self) -> tuple[str, str]:
        return self.baseline, self.candidate


NO_METRICS = "none"


def _metrics(value: Any) -> str:
    """`none`, a path, or `{path: ...}`. Raises ValueError for anything else."""
    path = value["path"] if isinstance(value, dict) and list(value) == ["path"] else value
    if path == NO_METRICS or (isinstance(path, str) and path.startswith("/")):
        return str(path)
    raise ValueError(f"{value!r} is not a path of metrics; write a path such as /metrics, or none")


def _health(value: Any) -> str:
    """A path, or a whole URL. Raises ValueError for anything else."""
    if isinstance(value, str) and value.startswith(("/", "http://", "https://")):
        return value
    raise ValueError(f"{value!r} is not a health address; write a path such as /health, or a URL")


class Service(Part):
    """Something that is scraped or probed. Its name becomes the `job` label.

    One with `metrics: none` is there when its `health` address answers; without that, nobody knows.
    """

    targets: list[str] = Field(min_length=1)
    kind: Literal["application", "nginx", "redis", "node", "container", "postgres", "exporter"] = "application"
    version: Name | None = None
    preset: str | None = None  # what it exposes: a file of spec/presets, which gives the signals that are not declared
    upstreams: list[str] = Field(default_factory=list)  # more names a balancer's log gives it: groups, other addresses
    metrics: Annotated[str, BeforeValidator(_metrics)] | None = None  # its path, or `none`
    metrics_path: str | None = None  # the path alone
    health: Annotated[str, BeforeValidator(_health)] | None = None  # a path of every target, or one URL
    status_path: str = "/nginx_status"  # nginx only: where stub_status answers
    access_log: Path | None = None  # nginx only

    @property
    def page(self) -> str | None:
        """The path of its metrics; None for a service without."""
        path = self.metrics or self.metrics_path or "/metrics"
        return None if path == NO_METRICS else path

    @property
    def health_urls(self) -> dict[str, str]:
        """The addresses that tell whether it is there, by `instance`."""
        if self.health is None:
            return {}
        if self.health.startswith("/"):
            return {target: f"http://{target}{self.health}" for target in self.targets}
        return {self.health: self.health}

    @property
    def health_path(self) -> str | None:
        """The path that probes ask for."""
        return urlsplit(self.health).path if self.health is not None else None

    def contradictions(self) -> Iterator[Contradiction]:
        if self.metrics is not None and self.metrics_path is not None:
            yield Contradiction(
                "'metrics' and 'metrics_path' mean the same; give one of them", "metrics", "metrics_path"
            )
        if self.metrics == NO_METRICS and self.kind not in ("application", "nginx", "redis"):
            yield Contradiction(f"a service of kind {self.kind} has only metrics; remove metrics: none", "metrics")

    @field_validator("preset")
    @classmethod
    def _known_preset(cls, name: str | None) -> str | None:
        if name is not None and preset_named(name) is None:
            raise ValueError(f"{name!r} is not a preset; presets are {', '.join(preset.name for preset in presets())}")
        return name

    @field_validator("targets")
    @classmethod
    def _addresses(cls, targets: list[str]) -> list[str]:
        return [check_target(target) for target in targets]


class Probe(Part):
    """An outside look at an address, by the blackbox exporter."""

    kind: Literal["http", "https", "tcp", "icmp", "dns"] = "http"
    url: str
    version: Name | None = None  # whose health it tells
    certificate_warning: Duration = 30 * 86400.0
    ca_file: Path | None = None  # https only: of a private certificate authority

    @model_validator(mode="after")
    def _verified(self) -> Self:
        if self.ca_file is not None and self.kind != "https":
            raise ValueError("'ca_file' needs a probe of kind https; remove it, or write kind: https")
        return self

    @property
    def host(self) -> str:
        """The host of an https probe's URL."""
        return urlsplit(self.url).hostname or ""


S = TypeVar("S", bound=SignalPart)


@dataclass(frozen=True)
class Named(Generic[S]):
    """A signal of the spec, with the name it has there."""

    name: str
    signal: S


class LatencyTargets(Part):
    p50: Duration | None = None
    p95: Duration | None = None
    p99: Duration | None = None


class Segment(Part):
    """A group of users with targets of its own. `joins_at`: the phase share from which the candidate serves it."""

    joins_at: Share = 0.0
    latency: LatencyTargets = LatencyTargets()
    accuracy: Share | None = None
    availability: Share | None = None
    errors: Share | None = None
    format_compatibility: Share | None = None
    rate_limit: Rate | None = None
    partner_label: Label | None = None
    quotas: dict[Name, Rate] = Field(default_factory=dict)

    def share_at(self, phase_share: float) -> float:
        """The candidate's planned share of this segment when the phase's share is `phase_share`."""
        return phase_share if phase_share >= self.joins_at else 0.0


class Segments(Part):
    label: Label = SEGMENT
    named: dict[Name, Segment] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, data: Any) -> Any:
        return _gather(data, ("label",))


class Phase(Part):
    """One step of the plan: the candidate's share, how long it is held, and the gates to the next."""

    share: Share
    hold: Duration
    gates: dict[str, ThresholdField] = Field(default_factory=dict)


class Rollback(Part):
    when: ConditionField
    hold: Duration = Field(alias="for", default=0.0)
    action: Literal["immediate", "gradual", "emergency"] = "immediate"

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Sla(Part):
    """An objective: `99.9%` (at least), `< 1%` (at most), or `95% < 100ms` (share of requests under a time)."""

    objective: str
    window: Span
    gain: GainField | None = None
    aggregate: Literal["window", "daily"] = "window"
    calendar: Literal["month", "quarter"] | None = None  # instead of a rolling window
    signal: str | None = None  # by default the signal of the same meaning
    services: list[Name] = Field(default_factory=list)  # availability only: these, instead of all that serve

    @field_validator("objective")
    @classmethod
    def _readable(cls, text: str) -> str:
        from bascule.spec.objective import Objective

        Objective.parse(text)
        return text


class SlaStates(Part):
    warning: Share = 0.9
    recovery: Duration = 900.0


class Slas(Part):
    named: dict[Name, Sla] = Field(default_factory=dict)
    states: SlaStates = SlaStates()

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, data: Any) -> Any:
        return _gather(data, ("states",))


class Hook(Part):
    """What to do when the verdict changes to one of `on`: a command without a shell, or a webhook; run at most once."""

    on: list[Literal["promote", "hold", "roll_back", "no_data"]] = Field(min_length=1)
    command: list[str] | None = Field(None, min_length=1)
    webhook: Url | None = None
    timeout: Span = 10.0

    def contradictions(self) -> Iterator[Contradiction]:
        if (self.command is None) == (self.webhook is None):
            what = "a hook needs exactly one of 'command' and 'webhook'; add or keep one"
            yield Contradiction(what, "command", "webhook")


class Judge(Part):
    """How the judge weighs. The budget is for all signals and segments of a migration together."""

    false_alarm_budget: Share = 0.01
    tick: Span = 1.0
    recovery: Duration = 60.0
    min_samples: int = Field(500, ge=1)
    hooks: list[Hook] = Field(default_factory=list)
    push: bool = False  # Prometheus writes the samples to the judge, which then does not ask for them


VersionWay = Literal["source", "upstream", "field", "service", "path"]


class LogSource(Part):
    name: Name | None = None  # the metrics' `source` label; by default from the path
    files: str | None = None
    beats: str | None = None
    stdin: bool = False  # what is written to the standard input of the logs role
    start_at: Literal["beginning", "end"] = "beginning"  # of files that are there when they are first looked at
    formats: list[Name] = Field(default_factory=list)
    version: Name | None = None
    version_from: list[VersionWay] | None = None  # by default that of all logs
    tls: Tls | Elsewhere | None = None  # beats only

    def contradictions(self) -> Iterator[Contradiction]:
        if sum((self.files is not None, self.beats is not None, self.stdin)) != 1:
            yield Contradiction(
                "a log source needs exactly one of 'files', 'beats' and 'stdin'; add or keep one",
                "files",
                "beats",
                "stdin",
            )
        if self.start_at == "end" and self.files is None:
            yield Contradiction("'start_at: end' is for 'files'; remove it from other sources", "start_at")
        if self.beats is not None:
            yield from unencrypted(self.beats, self.tls)

    @property
    def usual_name(self) -> str:
        """`/var/log/shop/*.log` is `shop`, `/var/log/nginx/access.json` is `access`."""
        if self.files is None:
            return "stdin" if self.stdin else "beats"
        path = PurePosixPath(self.files)
        plain = [part for part in (path.stem, *reversed(path.parent.parts)) if not set(part) & set("*?[")]
        return plain[0] if plain else "files"


class LogFormat(Part):
    dissect: str | None = None
    grok: str | None = None
    json_lines: bool = Field(False, alias="json")
    fields: dict[Name, str] = Field(default_factory=dict)  # json only: column -> path, such as request.uri
    units: dict[str, Literal["s", "ms", "us", "ns"]] = Field(default_factory=dict)  # of times taken, by either name

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    def contradictions(self) -> Iterator[Contradiction]:
        if sum((self.dissect is not None, self.grok is not None, self.json_lines)) != 1:
            yield Contradiction(
                "a log format needs exactly one of 'dissect', 'grok' and 'json'; add or keep one",
                "dissect",
                "grok",
                "json_lines",
            )
        if self.fields and not self.json_lines:
            yield Contradiction("'fields' is for JSON lines; remove it, and name the fields in the pattern", "fields")


class Internal(Part):
    """Requests that are no user's: by the caller's address or network, or by what its User-Agent begins with."""

    clients: list[str] = Field(default_factory=list)
    agents: list[str] = Field(default_factory=lambda: list(MONITORING_AGENTS))

    @field_validator("clients")
    @classmethod
    def _networks(cls, clients: list[str]) -> list[str]:
        for client in clients:
            ip_network(client, strict=False)
        return clients


class Access(Part):
    """What a server asks of those who enter; a secret is always a file. `header_files`: such as X-Scope-OrgID."""

    token_file: Path | None = None  # a bearer token
    username: str | None = None
    password_file: Path | None = None
    header_files: dict[str, Path] = Field(default_factory=dict)
    ca: Path | None = None  # who vouches for the server
    certificate: Path | None = None  # ours
    key: Path | None = None

    def contradictions(self) -> Iterator[Contradiction]:
        if self.token_file is not None and self.username is not None:
            yield Contradiction("'token_file' and 'username' exclude each other; give one", "token_file", "username")
        if self.key is not None and self.certificate is None:
            yield Contradiction("'key' needs a 'certificate'; declare it too", "key")

    @field_validator("header_files")
    @classmethod
    def _headers(cls, files: dict[str, Path]) -> dict[str, Path]:
        for name in files:
            if not re.fullmatch(r"[A-Za-z0-9-]+", name):
                raise ValueError(f"{name!r} is not the name of a header; write letters, digits and -")
        return files

    @property
    def credentials(self) -> Credentials:
        return Credentials(**{name: getattr(self, name) for name in Access.model_fields})


class SearchEngine(Access):
    """Elasticsearch or OpenSearch, to which rows are sent on; the store on disk is the spool."""

    url: Url
    engine: Literal["elasticsearch", "opensearch"] = "opensearch"
    keep: Literal["both", "engine"] = "both"  # `engine`: rows leave the store once they are delivered
    spool: Duration = 7 * 86400.0  # how long rows wait for an engine that is away


class Logs(Part):
    sources: list[LogSource] = Field(default_factory=list)
    formats: dict[Name, LogFormat] = Field(default_factory=dict)
    # How a line's version is found: the first way that tells it counts.
    version_from: list[VersionWay] = Field(default=["source", "upstream", "field", "service", "path"], min_length=1)
    internal: Internal = Internal()
    pseudonymise: list[str] = Field(default_factory=list)
    key_file: Path | None = None
    retention: Duration = 30 * 86400.0
    search_engine: SearchEngine | None = None

    @property
    def named(self) -> dict[str, LogSource]:
        """The sources under the names that metrics and fields have; alike ones are told apart by a number."""
        named: dict[str, LogSource] = {}
        for source in self.sources:
            base = source.name or source.usual_name
            number = 1
            while (name := base if number == 1 else f"{base}-{number}") in named:
                number += 1
            named[name] = source
        return named


class EscalationStep(Part):
    after: Duration
    to: str


class ScheduledReport(Part):
    sla: list[Literal["html", "pdf", "markdown", "csv", "json"]]
    every: Literal["day", "week", "month"]
    at: str = "08:00"
    to: list[str]
    language: Literal["en", "fr"] = "en"

    @field_validator("at")
    @classmethod
    def _clock(cls, text: str) -> str:
        hour, _, minute = text.partition(":")
        if not (len(text) == 5 and hour.isdigit() and minute.isdigit() and int(hour) < 24 and int(minute) < 60):
            raise ValueError(f"{text!r} is not a time of day; write it like 08:00")
        return text


SWITCH = "dead-mans-switch"  # the receiver that counts the beats of the alert that always fires


class Notify(Part):
    receivers: dict[Name, Receiver] = Field(default_factory=dict)
    escalation: dict[Name, list[EscalationStep]] = Field(default_factory=dict)
    reports: list[ScheduledReport] = Field(default_factory=list)

    @property
    def in_steps(self) -> list[str]:
        """Receivers that the journal tells step by step."""
        named = {step.to for steps in self.escalation.values() for step in steps}
        return [name for name in self.receivers if name in named]

    @property
    def people(self) -> list[str]:
        """Everyone who can be told of an alert."""
        return [name for name in self.receivers if name != SWITCH]

    @property
    def at_once(self) -> list[str]:
        """Receivers outside every escalation: the journal tells them of every critical and warning alert at once."""
        return [name for name in self.people if name not in self.in_steps]

    def steps_for(self, kind: str) -> list[EscalationStep]:
        """A kind's own steps, else the technical ones, so that nothing stays unheard for want of a line in a spec."""
        return self.escalation.get(kind) or self.escalation.get(AlertKind.TECHNICAL) or []

    def at_once_for(self, kind: str) -> list[str]:
        """Who is told of a kind at once: those outside every escalation; everyone, where no one else would be told."""
        return self.at_once if self.at_once or self.steps_for(kind) else self.people

    @property
    def first_told(self) -> list[str]:
        """Who hears first: the first step of each escalation, and everyone outside them."""
        firsts = [step.to for steps in self.escalation.values() for step in steps[:1]]
        return list(dict.fromkeys((*firsts, *self.at_once)))


class Maintenance(Part):
    """A planned window, RFC 3339 times; excluded from SLAs, and listed there."""

    start: str
    end: str
    reason: str
    services: list[str] = Field(default_factory=list)

    @field_validator("start", "end")
    @classmethod
    def _moment(cls, text: str) -> str:
        parse_moment(text)
        return text

    @property
    def span(self) -> tuple[float, float]:
        """From when to when, Unix seconds."""
        return parse_moment(self.start).timestamp(), parse_moment(self.end).timestamp()

    def contradictions(self) -> Iterator[Contradiction]:
        length = parse_moment(self.end) - parse_moment(self.start)
        if not timedelta(0) < length <= timedelta(days=366):
            yield Contradiction("the end is not within a year after the start; correct one of them", "start", "end")


class ShareHook(Part):
    """The command that moves the traffic share; run without a shell, `{share}`, `{percent}`, `{number}` filled in."""

    run: list[str] = Field(min_length=1)
    timeout: Span = 30.0


class Thresholds(Part):
    """Alert thresholds of the source document that are not gates or targets."""

    response_time_p95: Quantity = 0.1
    error_rate_increase: Quantity = 0.02
    cache_hit_ratio: Quantity = 0.8
    share_tolerance: Quantity = 0.02  # of the candidate's real share around the planned one
    min_requests: int = 100  # a ratio alert is silent below this many requests in its window


STEADY_SECONDS = 5.0
ROLES = ("incidents", "logs", "judge", "console", "sla", "supervisor")  # the servers that are Bascule's own


class Scrape(Part):
    """How often Prometheus scrapes; with the defaults a crash is delivered within 7 s (see `bascule check`)."""

    interval: Span = 1.0
    timeout: Span = 0.5
    evaluation: Span = 1.0
    resend_delay: Duration = 5.0
    retention: Span = 32 * 86400.0
    discovery: list[str] = Field(default_factory=list)  # file_sd globs with targets of the user's own
    remote_write: list[str] = Field(default_factory=list)  # URLs of distributed engines that keep a copy

    @property
    def steady_evaluation(self) -> float:
        """Seconds between evaluations of the rules that page nobody within a minute: they cost most."""
        return max(STEADY_SECONDS, self.evaluation)


class Instrumentation(Part):
    """What the services' own metrics are labelled with; declared label sets exist at zero from the start."""

    endpoints: list[str] = Field(default_factory=list)  # `/api/match`, or `POST /api/match`
    algorithms: list[str] = Field(default_factory=list)
    label_limit: int = Field(100, ge=1)  # undeclared values per label, then `other`


class Ports(Part):
    """Where the parts of the stack listen. Change one here when a port is taken."""

    prometheus: Port = 9090
    alertmanager: Port = 9093
    node_exporter: Port = 9100
    redis_exporter: Port = 9121
    nginx_exporter: Port = 9113
    blackbox_exporter: Port = 9115
    supervisor: Port = 9460
    judge: Port = 9461
    logs: Port = 9462
    incidents: Port = 9463
    console: Port = 8460
    sla: Port = 9464


class Stack(Part):
    """Bascule's own processes. `external` names parts that already run elsewhere, by URL.

    The parts speak to each other over loopback. `listen` is where Bascule's roles can be reached besides, with `tls`;
    Prometheus, Alertmanager and the exporters, which ask no one for a token, stay on loopback.
    """

    listen: ListenAddress = "127.0.0.1"
    tls: RoleTls | Elsewhere | None = None
    state: Path = Path(".bascule/state")
    ports: Ports = Ports()
    scrape: Scrape = Scrape()
    snapshots: bool = False  # Prometheus' admin API, by which `bascule checklist` proves that its data can be restored
    hung_after: Span = 30.0  # a part that does not answer for so long is killed and started again
    external: dict[Literal["prometheus", "alertmanager"], Url] = Field(default_factory=dict)
    peers: dict[Literal["alertmanager", "judge"], list[Url]] = Field(default_factory=dict)  # that do the same beside it
    # Where they ask for it; of the roles: what a command on another machine shows them.
    access: dict[Literal["prometheus", "alertmanager", "roles"], Access] = Field(default_factory=dict)
    sign_in: ProxySignIn | None = None  # at a proxy before the console

    def credentials(self, part: str) -> Credentials:
        """How a part is entered, by the same names as `url`."""
        return next((access.credentials for name, access in self.access.items() if name == part), NO_CREDENTIALS)

    def contradictions(self) -> Iterator[Contradiction]:
        if self.is_beyond and self.tls is None:
            yield Contradiction(
                "other machines can reach it, and nothing encrypts what is said there; declare 'tls' with its files, or"
                " 'tls: elsewhere' where a mesh or a proxy does it",
                "listen",
            )

    @property
    def is_beyond(self) -> bool:
        """Whether other machines can reach Bascule's roles."""
        return not is_loopback(self.listen)

    @property
    def inside(self) -> str:
        """The loopback address by which the parts speak to each other."""
        return loopback_of(self.listen)

    def listens(self, part: str) -> tuple[str, ...]:
        """The addresses of this machine on which a part that Bascule starts listens."""
        return (self.inside, self.listen) if self.is_beyond and part in ROLES else (self.inside,)

    def page(self, role: str) -> str:
        """The address of a role for people and commands on other machines; on this one where there is no other."""
        host = self.tls.host if isinstance(self.tls, RoleTls) else ""
        if not host and (not self.is_beyond or ip_address(self.listen).is_unspecified):
            return self.url(role)
        scheme = "https" if isinstance(self.tls, RoleTls) else "http"
        return f"{scheme}://{bracketed(host or self.listen)}:{getattr(self.ports, role)}"

    def url_for(self, program: Literal["prometheus", "alertmanager"], role: str) -> str:
        """Where a program reaches a role. One that is not started here may run on another machine."""
        return self.page(role) if program in self.external else self.url(role)

    def url(self, part: str) -> str:
        """Where a part answers the others: `url("prometheus")`; the names are those of `Ports`."""
        for name, address in self.external.items():
            if name == part:
                return address.rstrip("/")
        return f"http://{self.address(part)}"

    def urls_for(self, program: Literal["prometheus", "alertmanager"], role: str) -> tuple[str, ...]:
        """Where a program reaches each of those that do the work of a role."""
        return (self.url_for(program, role), *self.others(role))

    def urls(self, part: str) -> tuple[str, ...]:
        """Where each of those answers that do the work of a part side by side, in the order in which they are asked."""
        return (self.url(part), *self.others(part))

    def others(self, part: str) -> tuple[str, ...]:
        """Where its peers answer. The peers of all may be one list, which names this one too."""
        peers = (address.rstrip("/") for name, known in self.peers.items() if name == part for address in known)
        own = {self.url(part), self.page(part)} if part in ROLES else {self.url(part)}
        return tuple(dict.fromkeys(address for address in peers if address not in own))

    def address(self, part: str) -> str:
        """host:port on which a part that Bascule starts listens for the others."""
        return f"{bracketed(self.inside)}:{getattr(self.ports, part)}"


class PrometheusPart(Part):
    """The server that holds the samples, where it is not one Prometheus alone."""

    replica_label: Label | None = None  # of several Prometheus that scrape the same: their series are read as one


class Spec(Part):
    """One migration: everything Bascule knows about it."""

    api_version: Literal["bascule/v1"] = Field(alias="apiVersion")
    kind: Literal["Migration"]
    metadata: Metadata
    versions: Versions
    services: dict[Name, Service]
    probes: dict[Name, Probe] = Field(default_factory=dict)
    signals: dict[Name, Signal]
    segments: Segments = Segments()
    phases: list[Phase] = Field(min_length=1)
    rollback: list[Rollback] = Field(default_factory=list)
    slas: Slas = Slas()
    thresholds: Thresholds = Thresholds()
    judge: Judge = Judge()
    logs: Logs = Logs()
    notify: Notify = Notify()
    maintenance: list[Maintenance] = Field(default_factory=list)
    share_hook: ShareHook | None = None
    alert_prefix: str = ""
    instrument: Instrumentation = Instrumentation()
    prometheus: PrometheusPart = PrometheusPart()
    stack: Stack = Stack()

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _by_preset(cls, data: Any) -> Any:
        return with_preset(data) if isinstance(data, dict) else data

    @property
    def title(self) -> str:
        return self.metadata.title or self.metadata.name

    @cached_property
    def source(self) -> str:
        """What `--spec` names it by: the absolute path of its file, or the built-in name. `load` fills it in; it is not
        a part of what specs are compared by."""
        return "SPEC"

    @property
    def rollback_command(self) -> str:
        """What a person types, in any folder, to send all traffic to the baseline."""
        return self.move_command("rollback")

    def move_command(self, move: str, why: str = "") -> str:
        """What a person pastes into a shell to make a move of the plan; nothing in it is left to fill in."""
        return self.command(move) + (f" --why {shlex.quote(why)}" if why else "")

    def command(self, words: str) -> str:
        """A command of Bascule that acts on this migration, to run in any folder."""
        return f'bascule {words} --spec {shlex.quote(self.source)} --who "$(id -un)"'

    def planned_shares(self, share: float) -> dict[str, float]:
        """The candidate's planned share of each segment, and of all, when the phase's share is `share`."""
        return {TOTAL_SEGMENT: share} | {name: each.share_at(share) for name, each in self.segments.named.items()}

    @cached_property
    def signal_roles(self) -> dict[str, Role]:
        """What each signal represents: as declared, else inferred (roles.py)."""
        return roles_of(self.signals)

    def _with(self, role: Role, kind: type[S]) -> Named[S] | None:
        for name, signal in self.signals.items():
            if self.signal_roles[name] is role and isinstance(signal, kind):
                return Named(name, signal)
        return None

    @property
    def errors(self) -> Named[CountedShare] | None:
        """The signal with the role `errors`."""
        return self._with(Role.ERRORS, CountedShare)

    @property
    def latency(self) -> Named[HistogramSignal] | None:
        """The signal with the role `latency`."""
        return self._with(Role.LATENCY, HistogramSignal)

    @property
    def patience(self) -> float:
        """Seconds after which a client that leaves without its answer counts as an error: ten times the p99 target."""
        latency = self.latency
        longest = latency and latency.signal.quantile_targets.get("p99")
        return 10 * latency.signal.measured_in.to_base(longest) if latency and longest else PATIENCE_SECONDS

    def unit_of(self, measure: str) -> Unit:
        """The unit of what a gate or a trigger looks at: `errors`, `latency.p95`, `availability`."""
        signal = self.signals.get(measure.partition(".")[0])
        return signal.measured_in if signal is not None else unit_of(Dimension.SHARE)

    @property
    def accuracy(self) -> Named[CountedShare] | None:
        """The signal with the role `accuracy`."""
        return self._with(Role.ACCURACY, CountedShare)

    @property
    def revenue(self) -> Named[MeanSignal] | None:
        """The signal with the role `revenue`."""
        return self._with(Role.REVENUE, MeanSignal)

    @property
    def roles(self) -> tuple[str, ...]:
        """The processes of Bascule's own that this migration needs, those that others send to first."""
        always = ("incidents", "logs", "judge", "console")
        return (*always, "sla") if self.notify.reports or self.notify.first_told else always

    @property
    def role_jobs(self) -> dict[str, str]:
        """The scrape jobs of Bascule's own processes, each with the part that answers there."""
        return {f"bascule-{role}": role for role in (*self.roles, "supervisor")}

    def services_of(self, kind: str) -> dict[str, Service]:
        """Those of a kind that have metrics."""
        return {n: service for n, service in self.services.items() if service.kind == kind and service.page is not None}

    def labels_about(self, services: Collection[str]) -> dict[str, list[str]]:
        """By which label alerts are about these services: a `job`, or a `version` that has no other service.

        Empty for no services, which means all.
        """
        present = {service.version for service in self.services.values()} - {None}
        others = {service.version for name, service in self.services.items() if name not in services}
        jobs = [job for name in services for job in (name, health_job(name))]
        about = {"job": jobs, VERSION: [version for version in self.versions.both if version in present - others]}
        return {label: values for label, values in about.items() if values}

    @property
    def is_probed(self) -> bool:
        """Whether the blackbox exporter has anything to look at."""
        return bool(self.probes) or any(service.health is not None for service in self.services.values())
