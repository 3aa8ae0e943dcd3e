"""Every metric, label, rule, group and index name, once.

Names from the SuperSmartMatch source document are kept as its readers know them;
new rule names follow `level:metric:operations`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

# ---------------------------------------------------------------- states and verdicts


class State(StrEnum):
    """The four states of anything that is judged. No data is never health."""

    OK = "ok"
    BAD = "bad"
    NO_DATA = "no_data"
    NOT_APPLICABLE = "not_applicable"


class Engine(StrEnum):
    """What stores the samples and evaluates the rules."""

    PROMETHEUS = "prometheus"
    VICTORIAMETRICS = "victoriametrics"


class Verdict(StrEnum):
    PROMOTE = "promote"
    HOLD = "hold"
    ROLL_BACK = "roll_back"
    NO_DATA = "no_data"

    @property
    def words(self) -> str:
        """As people read it: `roll back`."""
        return self.value.replace("_", " ")


GATE_EXIT_CODES = {Verdict.PROMOTE: 0, Verdict.ROLL_BACK: 1, Verdict.HOLD: 3, Verdict.NO_DATA: 4}

# ---------------------------------------------------------------- incidents and notices


class IncidentStatus(StrEnum):
    """`unknown`: an end was claimed, or its source went away, and no fresh evidence says which."""

    OPEN = "open"
    UNKNOWN = "unknown"
    RESOLVED = "resolved"


class EntryKind(StrEnum):
    """What an entry of the journal's timeline is about. Others may write kinds of their own."""

    PHASE = "phase"
    VERDICT = "verdict"  # what a move of the plan was made on
    PAUSE = "pause"
    RESUME = "resume"
    HOOK_FAILED = "hook_failed"
    MAINTENANCE = "maintenance"
    ACKNOWLEDGED = "acknowledged"
    ENDED = "ended"
    REOPENED = "reopened"
    FAULT = "fault"
    NOTE = "note"


TROUBLES = (EntryKind.FAULT, EntryKind.HOOK_FAILED)  # what charts mark as bad
MOVES = (EntryKind.PHASE, EntryKind.PAUSE, EntryKind.RESUME)
MOVING = (*MOVES, EntryKind.VERDICT, EntryKind.HOOK_FAILED)  # of the plan


class NoticeKind(StrEnum):
    """Why somebody is told of an incident: a step of the escalation, that it grew, that it is over or open again, …"""

    STEP = "step"
    REMINDER = "reminder"
    GREW = "grew"
    TAKEN = "acknowledged"
    OVER = "resolved"
    AGAIN = "reopened"


_NOTICE_WORDS: dict[str, str] = {
    NoticeKind.STEP: "alert",
    NoticeKind.GREW: "more alerts",
    NoticeKind.TAKEN: "acknowledgement",
    NoticeKind.OVER: "end",
}


def notice_word(kind: str) -> str:
    """What people read for a notice of a kind, in lists of who was told."""
    return _NOTICE_WORDS.get(kind, kind)


# ---------------------------------------------------------------- severities


class Severity(StrEnum):
    """What an alert asks of people, the most severe first.

    `levels`: how many levels of an escalation are notified, None for all. `reminder_seconds`: how long after the last
    message to someone who was notified they are notified again, until someone acknowledges.
    """

    levels: int | None
    reminder_seconds: float

    def __new__(cls, name: str, levels: int | None, reminder_seconds: float) -> Self:
        member = str.__new__(cls, name)
        member._value_ = name
        member.levels, member.reminder_seconds = levels, reminder_seconds
        return member

    CRITICAL = "critical", None, 900.0
    WARNING = "warning", 1, 1800.0
    INFO = "info", 0, math.inf  # kept in the journal
    GATE = "gate", 0, math.inf  # holds a promotion back
    NONE = "none", 0, math.inf  # the dead man's switch, which always fires

    @property
    def pages(self) -> bool:
        """Whether people are told of it at once."""
        return self.levels != 0

    @property
    def rank(self) -> int:
        return list(Severity).index(self)

    @classmethod
    def of(cls, text: str) -> Severity:
        """The severity of that name; one that is not ours (of somebody else's rule) is told like a warning."""
        return next((severity for severity in cls if severity == text), cls.WARNING)


class AlertKind(StrEnum):
    """Who is called for an alert; the names of the spec's escalations."""

    TECHNICAL = "technical"
    BUSINESS = "business"
    CUSTOMER = "customer"


WRITE_PATH = "/api/v1/write"  # where Prometheus writes samples to, at the judge

# ---------------------------------------------------------------- labels

VERSION = "version"
SEGMENT = "user_segment"
PARTNER = "partner"
ENDPOINT = "endpoint"
METHOD = "method"
STATUS = "status"
ALGORITHM = "algorithm"
SUCCESS = "success"
TOTAL_SEGMENT = "all"  # the segment label's value of mix-adjusted figures over all segments

UNKNOWN = "unknown"  # a label value that was expected and did not come
OTHER = "other"  # an undeclared label value beyond the cap
NONE = "none"  # a label that does not apply, such as the partner of a freemium user


def certificate_job(name: str) -> str:
    """The `job` label of the probe that reads an https probe's certificate without verifying it."""
    return f"certificate-{name}"


def health_job(name: str) -> str:
    """The `job` label of the probe of a service's health address, where the service has metrics too."""
    return f"health-{name}"


def probe_job(name: str) -> str:
    """The `job` label of the probe of that name."""
    return f"probe-{name}"


# ---------------------------------------------------------------- answers, the same in logs and instrumentation

CLIENT_LEFT = "499"  # nginx' status: the client closed the connection before the answer's end; no error
CLIENT_GAVE_UP = "599"  # it did so after `patience`: an error, matched by `status=~"5.."`
PATIENCE_SECONDS = 10.0  # unless the spec has a p99 target: ten times that
OWN_AGENT = "Bascule/1"  # the User-Agent of every request that Bascule makes
MONITORING_AGENTS = ("Prometheus/", "Blackbox Exporter/", "Bascule/")  # User-Agents of scrapes and probes: no traffic

# ---------------------------------------------------------------- buckets (they hold every declared target)

# tables: a row or two for each name
# fmt: off
LATENCY_BUCKETS_SECONDS = (
    0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0,
)
SCORE_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0)
RATING_BUCKETS = (1.0, 2.0, 3.0, 4.0, 5.0)  # whole stars, so that the sum of squares can be read off


# ---------------------------------------------------------------- canonical metrics


@dataclass(frozen=True)
class Metric:
    """One metric of the canonical table; `docs/metrics.md` is generated from these."""

    name: str
    kind: str  # counter, gauge or histogram
    help: str
    labels: tuple[str, ...]
    unit: str
    producer: str  # the room whose process exports it
    buckets: tuple[float, ...] = ()
    multiprocess_mode: str = ""  # gauges only, see prometheus_client


def _service(name: str, kind: str, help: str, labels: tuple[str, ...], unit: str, **more: object) -> Metric:
    return Metric(name, kind, help, labels, unit, "instrument", **more)  # type: ignore[arg-type]


HTTP_REQUESTS = _service(
    "http_requests_total", "counter", "Requests answered.",
    (VERSION, ENDPOINT, METHOD, STATUS, SEGMENT, PARTNER), "requests",
)
HTTP_DURATION = _service(
    "http_request_duration_seconds", "histogram", "Time to answer a request.",
    (VERSION, ENDPOINT, METHOD, SEGMENT), "seconds", buckets=LATENCY_BUCKETS_SECONDS,
)
HTTP_LEFT = _service(
    "http_requests_left_total", "counter",
    "Requests whose clients left before the answer's end and before `patience` (status 499): in no other metric.",
    (VERSION, ENDPOINT, METHOD, SEGMENT), "requests",
)
RESPONSE_TIME = _service(
    "supersmartmatch_response_time_seconds", "histogram", "Response time in seconds.",
    (VERSION, ENDPOINT, METHOD), "seconds", buckets=LATENCY_BUCKETS_SECONDS,
)
MATCH_ACCURACY = _service(
    "supersmartmatch_accuracy_score", "histogram", "Matching accuracy score.",
    (VERSION, ALGORITHM, SEGMENT), "score 0 to 1", buckets=SCORE_BUCKETS,
)
MATCHES_TOTAL = _service(
    "supersmartmatch_matches_total", "counter", "Matches made, by success ('True' or 'False').",
    (VERSION, ALGORITHM, SUCCESS, SEGMENT), "matches",
)
MATCH_VALUE = _service(
    "supersmartmatch_match_value_total", "counter", "Value of successful matches, in the spec's currency.",
    (VERSION, SEGMENT), "currency",
)
MATCH_VALUE_SQUARED = _service(
    "supersmartmatch_match_value_squared_total", "counter",
    "Sum of the squares of the values of successful matches, so that means can be tested.",
    (VERSION, SEGMENT), "currency squared",
)
ACTIVE_USERS = _service(
    "supersmartmatch_active_users", "gauge", "Number of active users.",
    (VERSION, "user_type"), "users", multiprocess_mode="livesum",
)
TRAFFIC_SPLIT = _service(
    "supersmartmatch_traffic_split_ratio", "gauge", "Ratio of traffic going to each version.",
    (VERSION,), "ratio", multiprocess_mode="livemostrecent",
)
USER_RATING = _service(
    "supersmartmatch_user_rating", "histogram", "Ratings given by users, 1 to 5 stars.",
    (VERSION, SEGMENT), "stars", buckets=RATING_BUCKETS,
)
FORMAT_CHECKS = _service(
    "supersmartmatch_format_checks_total", "counter", "Answers checked against a partner's format, by result.",
    (VERSION, PARTNER, "compatible"), "checks",
)
FALLBACK_ANSWERS = _service(
    "supersmartmatch_fallback_answers_total", "counter", "Answers given by the emergency fallback.",
    (VERSION, ENDPOINT, SEGMENT), "answers",
)
CACHE_REQUESTS = _service(
    "supersmartmatch_cache_requests_total", "counter", "Look-ups in the cache, by result (hit or miss).",
    (VERSION, "result"), "look-ups",
)
RATE_LIMIT_REQUESTS = _service(
    "supersmartmatch_rate_limit_requests_total", "counter", "Requests counted against a quota, by decision.",
    (VERSION, SEGMENT, PARTNER, "decision"), "requests",
)
BUILD_INFO = _service(
    "supersmartmatch_build_info", "gauge", "Always 1; the labels show what is running.",
    (VERSION, "revision"), "1", multiprocess_mode="livemax",
)
LABEL_VALUES_CAPPED = _service(
    "bascule_label_values_capped_total", "counter", "Label values counted as 'other' because of the cap.",
    ("metric", "label"), "observations",
)
INSTRUMENT_PROBLEMS = _service(
    "bascule_instrument_problems_total", "counter", "Observations refused or recorded as 'unknown', by reason.",
    ("reason",), "observations",
)


def _role(producer: str, name: str, kind: str, help: str, labels: tuple[str, ...], unit: str,
          buckets: tuple[float, ...] = ()) -> Metric:
    return Metric(name, kind, help, labels, unit, producer, buckets)


LOG_LINES = _role("logs", "bascule_log_lines_total", "counter", "Lines read and parsed.", ("source", "format"), "lines")
LOG_UNPARSED = _role(
    "logs", "bascule_log_unparsed_total", "counter", "Lines that match none of the source's formats.",
    ("source",), "lines",
)
LOG_REQUESTS = _role(
    "logs", "bascule_log_requests_total", "counter", "Requests seen in logs; version_from: how it was known.",
    (VERSION, ENDPOINT, STATUS, "source", "version_from"), "requests",
)
LOG_USAGE = _role(
    "logs", "bascule_log_usage_total", "counter", "Requests seen in logs, by partner and hour of the day (UTC).",
    (VERSION, PARTNER, "hour", "source"), "requests",
)
LOG_RESPONSE_TIME = _role(
    "logs", "bascule_log_response_time_seconds", "histogram", "Response times seen in logs.",
    (VERSION, ENDPOINT, "source"), "seconds", LATENCY_BUCKETS_SECONDS,
)
LOG_ACCURACY = _role(
    "logs", "bascule_log_accuracy_score", "histogram", "Accuracy scores seen in MATCH_RESULT lines.",
    (VERSION, ALGORITHM), "score 0 to 1", SCORE_BUCKETS,
)
LOG_LAG_BYTES = _role("logs", "bascule_log_lag_bytes", "gauge", "Bytes written but not yet read.", ("source",), "bytes")
LOG_LAG_SECONDS = _role(
    "logs", "bascule_log_lag_seconds", "gauge", "Age of the oldest byte not yet read.", ("source",), "seconds"
)
LOG_PROBLEMS = _role(
    "logs", "bascule_log_problems_total", "counter", "Problems that kept lines from being read or stored, by reason.",
    ("source", "reason"), "problems",
)
LOG_MISREAD = _role(
    "logs", "bascule_log_misread_total", "counter",
    "Fields whose value could not be read, and lines that fit no format, by reason; the line is kept.",
    ("source", "format", "field", "reason"), "fields",
)
LOG_TRIES = _role(
    "logs", "bascule_log_tries_total", "counter",
    "Servers that a balancer tried, with the status of each try; bascule_log_requests_total counts the answers.",
    (VERSION, ENDPOINT, STATUS, "source"), "tries",
)
LOG_TRY_TIME = _role(
    "logs", "bascule_log_try_time_seconds", "histogram", "Time that each try of a balancer took.",
    (VERSION, ENDPOINT, "source"), "seconds", LATENCY_BUCKETS_SECONDS,
)
LOG_LEFT = _role(
    "logs", "bascule_log_left_total", "counter",
    "Requests whose clients left before `patience` (status 499): in no other counter of requests.",
    (VERSION, ENDPOINT, "source"), "requests",
)
LOG_INTERNAL = _role(
    "logs", "bascule_log_internal_total", "counter",
    "Requests of internal callers (scrapes, probes, other services), which are not in the traffic.",
    ("source",), "requests",
)
LOG_LATE = _role(
    "logs", "bascule_log_late_total", "counter",
    "Rows stored and counted as lines only, not as traffic: older than the start, or 5 min late.",
    ("source",), "rows",
)
LOG_EXPIRED = _role(
    "logs", "bascule_log_expired_rows_total", "counter", "Rows dropped because they were older than logs.retention.",
    ("source",), "rows",
)
LOG_CONSUMERS = _role(
    "logs", "bascule_log_consumers", "gauge", "Distinct users seen in logs within the window (1h, 24h or 30d).",
    (VERSION, "window"), "users",
)
LOG_RETENTION = _role(
    "logs", "bascule_log_retention_ratio", "gauge",
    "Share of a version's users of the previous window who came back in the last window, on any version.",
    (VERSION, "window"), "ratio",
)
LOG_RETENTION_STATE = _role(
    "logs", "bascule_log_retention_state", "gauge", "1 for the state the retention figure is in, else 0.",
    (VERSION, "window", "state"), "1",
)
LOG_EVENTS_DUPLICATE = _role(
    "logs", "bascule_log_duplicates_total", "counter", "Events sent again by a Beats client and left out.",
    ("source",), "events",
)
LOG_SENT = _role(
    "logs", "bascule_log_documents_total", "counter", "Documents sent to Elasticsearch or OpenSearch, by result.",
    ("result",), "documents",
)
LOG_SPOOLED = _role(
    "logs", "bascule_log_spooled_segments", "gauge", "Stored files not yet sent to Elasticsearch or OpenSearch.", (),
    "segments",
)

SIGNAL_LOG_EVIDENCE = _role(
    "judge", "bascule_signal_log_evidence", "gauge",
    "Evidence that the candidate is worse than the baseline.", ("signal", SEGMENT), "natural log",
)
SIGNAL_THRESHOLD = _role(
    "judge", "bascule_signal_log_evidence_threshold", "gauge", "Evidence at which the signal's alarm fires.",
    ("signal", SEGMENT), "natural log",
)
SIGNAL_ALARM = _role(
    "judge", "bascule_signal_alarm", "gauge", "1 while the signal's alarm is firing, else 0.", ("signal", SEGMENT), "1"
)
SIGNAL_ALARM_INFO = _role(
    "judge", "bascule_signal_alarm_info", "gauge", "When each firing alarm was raised; `text` says why.",
    ("signal", SEGMENT, "text"), "unix seconds",
)
SIGNAL_STATE = _role(
    "judge", "bascule_signal_state", "gauge", "1 for the state the signal is in, else 0.",
    ("signal", SEGMENT, "state"), "1",
)
SIGNAL_VALUE = _role(
    "judge", "bascule_signal_value", "gauge", "The signal's value since the phase began.",
    ("signal", SEGMENT, VERSION), "the signal's unit",
)
SIGNAL_EFFECT = _role(
    "judge", "bascule_signal_effect", "gauge",
    "Candidate minus baseline since the phase began: estimate, and bounds that are valid at every evaluation.",
    ("signal", SEGMENT, "bound"), "the signal's unit",
)
DETECTABLE_EFFECT = _role(
    "judge", "bascule_signal_detectable_effect", "gauge",
    "Smallest candidate/baseline rate ratio detectable within 30 s (median) at the current traffic.",
    ("signal", SEGMENT), "ratio",
)
REAL_SHARE = _role(
    "judge", "bascule_real_share_ratio", "gauge",
    "The candidate's share of the segment's requests of the last 5 minutes: planned, estimate, and confidence bounds.",
    (SEGMENT, "bound"), "ratio",
)
SHARE_OFF_PLAN = _role(
    "judge", "bascule_share_off_plan", "gauge",
    "1 if the bounds of the segment's actual share are outside the plan's tolerance, else 0.", (SEGMENT,), "1",
)
VERDICT = _role("judge", "bascule_verdict", "gauge", "1 for the current verdict, else 0.", ("verdict",), "1")
NO_DATA_CAUSE = _role(
    "judge", "bascule_no_data_cause", "gauge",
    "1 for each cause for which there is no data now; of a version, or of both where `version` is empty.",
    ("cause", VERSION), "1",
)
GATE_STATE = _role(
    "judge", "bascule_gate_state", "gauge", "1 for the state the gate is in, else 0.", ("gate", "state"), "1"
)
JUDGE_TICK = _role(
    "judge",
    "bascule_judge_last_tick_timestamp_seconds",
    "gauge",
    "When the judge last finished an evaluation.",
    (),
    "unix seconds",
)
JUDGE_READS = _role(
    "judge", "bascule_judge_reads_total", "counter",
    "Answers about samples; way: pushed (from what Prometheus wrote) or pulled (from Prometheus).", ("way",), "answers",
)
JUDGE_PUSH_LAG = _role(
    "judge", "bascule_judge_push_lag_seconds", "gauge", "Age of the newest sample that Prometheus wrote.", (), "seconds"
)
JUDGE_TICK_SECONDS = _role(
    "judge", "bascule_judge_tick_seconds", "gauge", "How long the last evaluation took.", (), "seconds"
)

PLANNED_SHARE = _role(
    "incidents", "bascule_planned_share_ratio", "gauge", "Share of the segment that the plan gives the candidate.",
    (SEGMENT,), "ratio",
)
PHASE = _role(
    "incidents", "bascule_phase", "gauge", "Number of the current phase: 0 before the first, then 1, 2, ...", (), "1"
)
PHASE_STARTED = _role(
    "incidents", "bascule_phase_started_timestamp_seconds", "gauge", "When the current phase began.", (), "unix seconds"
)
MAINTENANCE = _role(
    "incidents", "bascule_maintenance_planned", "gauge", "1 within a window of planned maintenance, else 0.",
    ("service",), "1",
)
INCIDENTS_OPEN = _role(
    "incidents", "bascule_incidents_open", "gauge", "Incidents that are not resolved.", ("severity",), "incidents"
)
NOTICE_OWED = _role(
    "incidents", "bascule_notice_owed_seconds", "gauge",
    "How long the oldest notice of a receiver's channel has been owed; 0 when none is owed.",
    ("receiver", "channel"), "seconds",
)
NOTIFICATIONS_RECEIVED = _role(
    "incidents", "bascule_notifications_received_total", "counter", "Notifications received from Alertmanager.",
    ("status",), "notifications",
)
SWITCH_ARRIVED = _role(
    "incidents", "bascule_dead_mans_switch_arrived_timestamp_seconds", "gauge",
    "When Alertmanager last delivered the alert that always fires.", (), "seconds",
)
ROLE_RESTARTS = _role(
    "stack", "bascule_process_restarts_total", "counter", "Times a started program was started again after a crash.",
    ("process",), "restarts",
)
WORKER_DEATHS = _role(
    "api", "bascule_worker_deaths_total", "counter", "Times a role's background work died and was started again.",
    ("worker",), "deaths",
)
ROLE_READY = _role(
    "api", "bascule_role_ready", "gauge", "1 while a role does its work, 0 while its `/readyz` says why it does not.",
    (), "1",
)

CONSOLE_VIEWERS = _role("console", "bascule_console_viewers", "gauge", "Pages that are open and live.", (), "pages")

REQUESTS_REFUSED = _role(
    "api", "bascule_http_requests_refused_total", "counter", "Requests that a role refused, by status.",
    (STATUS,), "requests",
)
# fmt: on

METRICS: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
# What only `bascule.instrument` exports: other libraries have the two of HTTP as well.
OWN_METRICS = frozenset(m.name for m in METRICS if m.producer == "instrument") - {
    HTTP_REQUESTS.name,
    HTTP_DURATION.name,
}

# ---------------------------------------------------------------- recording rules of the source document


class Rule(StrEnum):
    ACCURACY_RATE = "supersmartmatch:accuracy_rate"
    RESPONSE_TIME_P95 = "supersmartmatch:response_time_p95"
    ERROR_RATE = "supersmartmatch:error_rate"
    ACCURACY_IMPROVEMENT = "supersmartmatch:accuracy_improvement"
    PERFORMANCE_RATIO = "supersmartmatch:performance_ratio"
    TRAFFIC_SPLIT_V2 = "migration:traffic_split_v2"
    ERROR_RATE_COMPARISON = "migration:error_rate_comparison"
    REDIS_HIT_RATIO = "redis:hit_ratio"


class Recorded(StrEnum):
    """The other recorded series, `level:metric:operations`; `signal` is a label of most."""

    SIGNAL_EVENTS = "stratum:signal_events:rate5m"
    SIGNAL_SUM = "stratum:signal_sum:rate5m"
    SIGNAL_BUCKET = "stratum:signal_bucket:rate5m"
    SIGNAL_MIX = "stratum:signal_mix:rate5m"
    SIGNAL_BY_VERSION = "version:signal:ratio_rate5m"
    SIGNAL_BY_SEGMENT = "version_segment:signal:ratio_rate5m"
    SIGNAL_LEVEL = "version:signal:avg"  # of gauges
    SIGNAL_STANDARDISED = "version:signal:ratio_standardised_rate5m"
    SIGNAL_DIFFERENCE = "bascule:signal_difference:standardised_rate5m"
    SIGNAL_DIFFERENCE_BY_SEGMENT = "segment:signal_difference:rate5m"
    SIGNAL_EXPECTED = "bascule:signal_expected"
    SIGNAL_PRESENT = "bascule:signal_present"
    REQUESTS = "version_segment:requests:rate5m"
    REQUESTS_BY_ENDPOINT = "version_endpoint:requests:rate5m"
    REQUESTS_BY_PARTNER = "version_partner:requests:rate5m"
    ERRORS_BY_ENDPOINT = "version_endpoint:errors:ratio_rate5m"
    ERRORS_BY_PARTNER = "version_partner:errors:ratio_rate5m"
    CLIENT_ERRORS = "version:client_errors:ratio_rate5m"
    UNSUCCESSFUL = "version_segment:unsuccessful:ratio_rate5m"  # neither 2xx nor 3xx
    IN_FLIGHT = "version:in_flight:avg5m"
    ALGORITHM_SHARE = "version_algorithm:matches:share_rate5m"
    LATENCY_BY_ENDPOINT = "version_endpoint:latency:p95_rate5m"
    CONSUMERS = "version:consumers:count1h"
    PARTNER_REQUESTS = "partner:requests:sum1h"
    PARTNER_QUOTA = "partner:quota_used:ratio1h"
    FORMAT_COMPATIBLE = "version_partner:format_compatible:ratio_rate5m"
    REFUSED = "version_segment:rate_limit_refused:ratio_rate5m"
    SCORE = "version_segment:accuracy_score:mean_rate5m"
    CACHE_HITS = "version:cache_hits:ratio_rate5m"
    ACTIVE_USERS = "version:active_users:sum"
    RETENTION = "version:retention:ratio30d"
    SPLIT_BY_SEGMENT = "segment:traffic_split_v2:ratio_rate5m"
    PLANNED_BY_SEGMENT = "segment:planned_share:max"
    PLANNED_BY_VERSION = "version_segment:planned_share:ratio"
    SERVICE_UP = "bascule:service_up"
    PROBE_FAILURE = "probe:failure:reason"  # with the label `reason`
    CERTIFICATE_EXPIRY = "probe:certificate_expiry_timestamp_seconds:last"
    SERVICE_AVAILABILITY = "job:availability:avg5m"
    TARGET_EVENTS = "target:events:increase"  # of a segment or its partners, with the labels `target` and `window`
    TARGET_BAD_EVENTS = "target:bad_events:increase"
    TARGET_BUCKETS = "target:buckets:increase"
    TARGET_MISSED = "target:missed:value"  # the bad share, or the p95, where an hour or a day tells
    SLA_BAD = "sla:bad_events:increase1m"
    SLA_ALL = "sla:all_events:increase1m"
    SLA_UNSURE = "sla:unsure_events:increase1m"  # between the two buckets around a limit that is no bucket's
    SLA_EXCESS = "sla:good_above_all:ratio1h"  # more good events than events, as a share of these
    SLA_BAD_RATIO = "sla:bad_events:ratio"  # with the label `window`
    SLA_BUDGET_SPENT = "sla:budget_spent:ratio"  # over the SLA's own window


def quantile_name(level: str, quantile: str) -> str:
    """Where a quantile is recorded: `quantile_name("version_segment", "p95")`, by version and segment."""
    return f"{level}:signal:{quantile}_rate5m"


def mix_adjusted_quantile_name(quantile: str) -> str:
    return f"version:signal:{quantile}_standardised_rate5m"


SLA_GROWTH = "sla:{}_{}:growth1m"  # signal, side: exact growth of its counters in the last minute (spec/growth.py)


class RuleGroup(StrEnum):
    DISTRIBUTIONS = "distributions.rules"
    SUPERSMARTMATCH = "supersmartmatch.rules"
    MIGRATION = "migration.rules"
    CRITICAL_ALERTS = "critical.alerts"
    MIGRATION_ALERTS = "migration.alerts"
    JUDGE_ALERTS = "judge.alerts"
    NO_DATA_ALERTS = "no-data.alerts"
    REDIS = "redis.rules"
    USAGE = "usage.rules"
    BREAKDOWNS = "breakdowns.rules"
    TARGET_COUNTS = "target-counts.rules"
    TARGETS = "targets.alerts"
    ROLLBACK = "rollback.alerts"
    SLA = "sla.rules"
    SLA_GROWTH = "sla-growth.rules"
    INFRASTRUCTURE = "infrastructure.alerts"
    MONITORING = "monitoring.alerts"


class Alert(StrEnum):
    """The alerts that code names, in the order of their rules in a group (others follow by name)."""

    RESPONSE_TIME_HIGH = "ResponseTimeHigh"
    ACCURACY_DEGRADED = "AccuracyDegraded"
    V2_ERROR_SPIKE = "V2ErrorSpike"
    MIGRATION_STALLED = "MigrationStalled"
    SERVICE_DOWN = "ServiceDown"
    CACHE_HIT_RATE_LOW = "CacheHitRateLow"
    CANDIDATE_WORSE = "CandidateWorse"  # the judge's own alarms: this and the next two
    VERSION_SILENT = "VersionSilent"
    TARGET_LOST = "TargetLost"
    SIGNAL_NO_DATA = "SignalNoData"
    # objectives of segments and partners
    SEGMENT_ACCURACY_LOW = "SegmentAccuracyLow"
    SEGMENT_ERRORS_HIGH = "SegmentErrorsHigh"
    PARTNER_ERRORS_HIGH = "PartnerErrorsHigh"
    PARTNER_FORMAT_BROKEN = "PartnerFormatBroken"
    PARTNER_QUOTA_NEARLY_USED = "PartnerQuotaNearlyUsed"
    RATE_LIMIT_NOT_KEPT = "RateLimitNotKept"
    RATE_LIMIT_REFUSALS = "RateLimitRefusals"
    # gates: they hold a promotion back and page nobody
    TARGET_UNMET = "TargetUnmet"
    GATE_UNMET = "GateUnmet"
    ROLLBACK_TRIGGERED = "RollbackTriggered"
    # SLAs
    SLA_BREACHED = "SlaBreached"
    SLA_AT_RISK = "SlaAtRisk"
    SLA_BUDGET_BURN = "SlaBudgetBurn"
    # infrastructure
    REDIS_MEMORY_HIGH = "RedisMemoryHigh"
    REDIS_EVICTIONS = "RedisEvictions"
    REDIS_REPLICATION_BROKEN = "RedisReplicationBroken"
    NGINX_CONNECTIONS_DROPPED = "NginxConnectionsDropped"
    HOST_CPU_HIGH = "HostCpuHigh"
    HOST_MEMORY_LOW = "HostMemoryLow"
    HOST_DISK_LOW = "HostDiskLow"
    HOST_DISK_FILLING = "HostDiskFilling"
    CONTAINER_MEMORY_HIGH = "ContainerMemoryHigh"
    CONTAINER_THROTTLED = "ContainerThrottled"
    CERTIFICATE_EXPIRES = "CertificateExpires"
    PROBE_SLOW = "ProbeSlow"
    PROBE_LOSS = "ProbeLoss"
    DNS_SLOW = "DnsSlow"
    # the monitoring itself
    DEAD_MANS_SWITCH = "DeadMansSwitch"
    ROLE_DOWN = "RoleDown"
    ROLE_NOT_READY = "RoleNotReady"
    ALERTS_UNHEARD = "AlertsUnheard"  # what Alertmanager tells people while the journal is down
    WORKER_FAILING = "WorkerFailing"
    NOTICES_OWED = "NoticesOwed"
    JUDGE_STUCK = "JudgeStuck"
    LABEL_VALUES_CAPPED = "LabelValuesCapped"
    RULES_FAILING = "RulesFailing"
    NOTIFICATIONS_FAILING = "NotificationsFailing"
    CONFIG_RELOAD_FAILED = "ConfigReloadFailed"
    LOGS_BEHIND = "LogsBehind"
    LOGS_UNPARSED = "LogsUnparsed"


def log_index_prefix(migration: str) -> str:
    """What the daily log indices' names begin with, from the spec's name; Elasticsearch takes lower case only."""
    return migration.lower()


def log_template_name(migration: str) -> str:
    """What the index template and the life-cycle policy of these indices are called."""
    return f"{log_index_prefix(migration)}-logs"
