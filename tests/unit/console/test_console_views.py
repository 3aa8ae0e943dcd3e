"""What the page shows, from what the parts said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from bascule import figures
from bascule.api.models.others import DeliveryAnswer
from bascule.console import (
    THRESHOLD_AT,
    JournalReading,
    Kept,
    ListedIncident,
    LogStats,
    PhaseAnswer,
    ServiceHealth,
    SignalAnswer,
    Source,
    SourceReading,
    TimelineAnswer,
    TrafficReading,
    VerdictAnswer,
    gate_rows,
    log_rows,
    notices,
    open_alerts,
    plan,
    promises,
    resolved,
    service_rows,
    share_rows,
    signal_groups,
    timeline,
    trigger_rows,
    verdict_view,
)
from bascule.console.views.unheard import unheard
from bascule.console.views.unseen import not_seen
from bascule.conventions import State, Verdict
from bascule.errors import Problem
from bascule.prometheus import ActiveAlert, Sample, Target
from bascule.promql import Unproven
from bascule.spec import load
from bascule.spec.model import Segments

SPEC = load("supersmartmatch")
NOW = 1_800_000_000.0


def said(value: Any, ago: float = 0.0, error: str = "", heard_ago: float | None = None) -> SourceReading[Any]:
    return SourceReading(value, NOW - ago, error, NOW - (ago if heard_ago is None else heard_ago))


def opinion(**more: Any) -> VerdictAnswer:
    return VerdictAnswer.model_validate({"verdict": "hold", "reasons": ["too few matches"]} | more)


def signal(**more: Any) -> dict[str, Any]:
    plain = {
        "signal": "errors",
        "segment": "freemium",
        "state": "ok",
        "unit": "ratio",
        "baseline": 0.001,
        "candidate": 0.002,
        "effect": 0.001,
        "effect_low": -0.001,
        "effect_high": 0.003,
        "evidence": 2.0,
        "threshold": 8.0,
    }
    return plain | more


class TestVerdict:
    def test_a_fresh_verdict_is_shown_with_its_reasons(self) -> None:
        view = verdict_view(SPEC, said(opinion()), 3, NOW)
        assert (view.verdict, view.reasons) == (Verdict.HOLD, ["too few matches"])

    def test_an_old_verdict_is_no_verdict_and_what_it_said_is_told_as_past(self) -> None:
        view = verdict_view(SPEC, said(opinion(verdict="promote"), ago=7), 3, NOW)
        assert view.verdict is Verdict.NO_DATA
        assert view.then == "Promote"
        assert view.said == datetime.fromtimestamp(NOW - 7, UTC)

    def test_a_judge_that_answers_but_does_not_look_any_more_has_no_verdict(self) -> None:
        view = verdict_view(SPEC, said(opinion(verdict="promote"), ago=30, heard_ago=0), 3, NOW)
        assert view.verdict is Verdict.NO_DATA
        assert "made no evaluation" in view.reasons[0]

    def test_a_judge_that_cannot_look_tells_why_itself(self) -> None:
        answer = opinion(verdict="no_data", reasons=["Prometheus does not answer."])
        view = verdict_view(SPEC, said(answer, ago=30, heard_ago=0), 3, NOW)
        assert view.reasons == ["Prometheus does not answer."]

    def test_a_judge_never_heard_of_is_no_data_with_the_reason(self) -> None:
        view = verdict_view(SPEC, SourceReading(error="connection refused"), 3, NOW)
        assert (view.verdict, view.reasons) == (Verdict.NO_DATA, ["connection refused"])

    @pytest.mark.parametrize("unknown", ["PROMOTE!", "", "yes", None])
    def test_a_verdict_nobody_knows_is_no_data(self, unknown: Any) -> None:
        assert opinion(verdict=unknown).verdict is Verdict.NO_DATA

    def test_the_advice_names_what_to_do_next(self) -> None:
        def advice(verdict: str, number: int | None) -> str:
            return verdict_view(SPEC, said(opinion(verdict=verdict)), number, NOW).advice

        assert "back to V1 now" in advice("roll_back", 3)
        assert "Rolled back to V1" in advice("roll_back", 0)
        assert "75" in advice("promote", 3)
        assert "next share" in advice("promote", None)
        assert "retired" in advice("promote", 5)
        assert "Start with 10" in advice("hold", 0)
        assert "No action needed" in advice("hold", None)

    def test_while_it_holds_the_advice_says_whether_the_next_share_is_safe(self) -> None:
        states = ["ok", "ok", "bad", "no_data"]
        gates = [{"gate": str(n), "state": state} for n, state in enumerate(states)]
        advice = verdict_view(SPEC, said(opinion(verdict="hold", gates=gates)), 2, NOW).advice
        assert advice.replace("\u202f", " ") == (
            "Stay at 25 %; it is not yet safe to go to 50 %. Of 4 gates 2 pass, 1 fail, 1 not yet known."
        )

    def test_the_advice_names_the_command(self) -> None:
        def command(verdict: str, number: int | None) -> str:
            return verdict_view(SPEC, said(opinion(verdict=verdict)), number, NOW).command

        assert command("roll_back", 3).startswith("bascule rollback ")
        assert command("roll_back", None).startswith("bascule rollback ")
        assert command("promote", 3).startswith("bascule promote ")
        assert {command("roll_back", 0), command("promote", 5), command("promote", None), command("hold", 3)} == {""}


class TestNotices:
    def sources(self, **ages: float) -> list[Source[Any]]:
        found = []
        for name in ("prometheus", "services", "judge", "incidents", "logs"):
            source: Source[Any] = Source(name, lambda: None)
            source.reading = said("x", ago=ages.get(name, 0.0))
            found.append(source)
        return found

    def test_nothing_is_said_while_all_parts_speak(self) -> None:
        assert notices(self.sources(), [], NOW) == []

    def test_a_silent_part_is_named_with_how_long(self) -> None:
        (notice,) = notices(self.sources(judge=7), [], NOW)
        assert notice.title == "No data from the judge"
        assert notice.age.startswith("for 7")

    def test_a_dead_prometheus_is_told_once_though_two_readings_of_it_fail(self) -> None:
        found = notices(self.sources(prometheus=9, services=9), [], NOW)
        assert [notice.key for notice in found] == ["prometheus"]

    def test_a_service_that_is_down_comes_first(self) -> None:
        rows = service_rows(SPEC, said(health({"supersmartmatch-v2": 0.0})), NOW)
        found = notices(self.sources(logs=9), rows, NOW)
        assert [notice.key for notice in found] == ["down-supersmartmatch-v2", "logs"]


def health(ups: Mapping[str, float], age: float = 0.0, **more: Any) -> ServiceHealth:
    named = {name: ups.get(name, 1.0) for name in SPEC.services}
    samples = [up(name, value) for name, value in named.items()]
    times = {(name, "i"): NOW - age for name in named}
    return ServiceHealth(samples=(*samples, *more.pop("samples", ())), times=times, **more)


def up(job: str, value: float, name: str = "up") -> Sample:
    return Sample({"__name__": name, "job": job, "instance": "i"}, value, NOW)


class TestServices:
    def states(self, reading: SourceReading[ServiceHealth]) -> dict[str, State]:
        return {row.name: row.state for row in service_rows(SPEC, reading, NOW)}

    def test_the_worst_comes_first(self) -> None:
        rows = service_rows(SPEC, said(health({"redis": 0.0})), NOW)
        assert rows[0].name == "redis"
        assert rows[0].state is State.BAD

    def test_a_service_without_samples_is_no_data_and_not_up(self) -> None:
        assert self.states(said(ServiceHealth()))["supersmartmatch-v2"] is State.NO_DATA

    def test_samples_that_stopped_coming_are_no_data_although_the_last_said_up(self) -> None:
        assert self.states(said(health({}, age=20.0)))["supersmartmatch-v1"] is State.NO_DATA

    def test_with_a_silent_prometheus_no_service_is_up(self) -> None:
        assert set(self.states(said(health({}), ago=9)).values()) == {State.NO_DATA}

    def test_an_exporter_that_answers_for_a_dead_redis_does_not_make_it_up(self) -> None:
        rows = service_rows(SPEC, said(health({}, samples=(up("redis", 0.0, "redis_up"),))), NOW)
        assert (rows[0].name, rows[0].state) == ("redis", State.BAD)

    def test_why_a_service_is_down_and_how_long_are_told(self) -> None:
        target = Target("nginx", "i", "down", 'Get "http://127.0.0.1:9113/metrics": dial tcp: connection refused')
        rows = service_rows(SPEC, said(health({"nginx": 0.0}, targets=(target,), down_for={"nginx": 65.0})), NOW)
        assert rows[0].detail == "connection refused"
        assert rows[0].age.startswith("1")

    def test_a_probe_counts_by_its_success(self) -> None:
        failing = up("probe-front-door", 0.0, "probe_success")
        assert self.states(said(health({}, samples=(failing,))))["front-door"] is State.BAD
        assert self.states(said(health({})))["front-door"] is State.NO_DATA


SILENT: SourceReading[VerdictAnswer] = SourceReading()


class TestShares:
    def row(self, planned: float, actual: float | None, rate: float = 400.0, held: float = 3600.0) -> Any:
        shares = {} if actual is None else {"freemium": actual}
        traffic = TrafficReading(shares, {"freemium": planned}, {"freemium": rate}, {}, actual)
        rows = share_rows(SPEC, said(traffic), SILENT, held, NOW)
        return next(row for row in rows if row.segment == "freemium")

    def test_a_share_near_the_plan_is_on_it(self) -> None:
        assert self.row(0.5, 0.53).state is State.OK

    def test_a_share_away_from_the_plan_is_bad_and_says_by_how_much(self) -> None:
        row = self.row(0.1, 0.5)
        assert (row.state, row.word) == (State.BAD, "40 pt above plan")

    def test_a_few_requests_prove_nothing_against_the_plan(self) -> None:
        assert self.row(0.5, 0.62, rate=2.0).state is State.OK

    def test_a_share_that_just_changed_is_settling(self) -> None:
        assert self.row(0.5, 0.3, held=3.0).word == "settling"

    def test_a_share_kept_at_zero_by_the_plan_is_not_applicable(self) -> None:
        assert self.row(0.0, 0.0).state is State.NOT_APPLICABLE

    def test_candidate_traffic_where_the_plan_gives_none_is_bad(self) -> None:
        assert self.row(0.0, 0.3).state is State.BAD

    def test_no_traffic_is_no_data(self) -> None:
        assert self.row(0.5, None).state is State.NO_DATA

    def test_what_the_plan_means_for_all_depends_on_the_mix(self) -> None:
        planned = {"enterprise": 0.0, "api_partners": 0.5, "freemium": 0.5}
        rates = {"enterprise": 20.0, "api_partners": 10.0, "freemium": 10.0}
        rows = share_rows(SPEC, said(TrafficReading(planned, planned, rates, {}, 0.25)), SILENT, 3600.0, NOW)
        assert rows[-1].planned == pytest.approx(0.25)

    def test_without_segments_the_plan_is_for_all_of_the_traffic(self) -> None:
        spec = SPEC.model_copy(update={"segments": Segments()})
        traffic = TrafficReading({"": 0.5}, {"all": 0.5}, {"": 20.0}, {"": 20.0}, 0.5)
        rows = share_rows(spec, said(traffic), SILENT, 3600.0, NOW)
        assert [(row.segment, row.planned, row.rate, row.word) for row in rows] == [("all", 0.5, 40.0, "on plan")]

    def test_the_judge_says_whether_a_share_is_the_planned_one_and_within_which_bounds(self) -> None:
        traffic = TrafficReading({"freemium": 0.14}, {"freemium": 0.1}, {"freemium": 40.0}, {}, 0.14)
        share = {"segment": "freemium", "planned": 0.1, "actual": 0.14, "low": 0.125, "high": 0.155, "state": "bad"}
        for state, word in (("bad", "4 pt above plan"), ("ok", "on plan")):
            judged = said(opinion(shares=[share | {"state": state}]))
            row = next(r for r in share_rows(SPEC, said(traffic), judged, 3600.0, NOW) if r.segment == "freemium")
            assert (row.state.value, row.word, row.low, row.high) == (state, word, 0.125, 0.155)

    def test_segments_that_the_spec_does_not_name_are_shown_too(self) -> None:
        rows = share_rows(SPEC, said(TrafficReading(baseline_rate={"beta": 1.0})), SILENT, None, NOW)
        assert "beta" in [row.segment for row in rows]


class TestPlan:
    def test_the_journal_tells_the_phase_and_the_steps_know_their_place(self) -> None:
        journal = JournalReading(phase=PhaseAnswer(number=3, share=0.5, started=datetime.fromtimestamp(NOW - 60, UTC)))
        found = plan(SPEC, said(journal), SourceReading(), NOW)
        assert [step.place for step in found.steps] == ["done", "done", "now", "next", "next"]
        assert found.held == pytest.approx(60)
        assert found.hold == SPEC.phases[2].hold

    def test_the_judge_tells_it_when_the_journal_is_silent(self) -> None:
        found = plan(SPEC, said(JournalReading(), ago=60), said(opinion(phase={"number": 2})), NOW)
        assert found.number == 2

    def test_when_neither_speaks_the_phase_is_unknown_and_not_zero(self) -> None:
        assert plan(SPEC, SourceReading(), SourceReading(), NOW).number is None


class TestSignals:
    def rows(self, *signals: dict[str, Any], ago: float = 0.0) -> list[Any]:
        groups = signal_groups(SPEC, said(opinion(signals=list(signals)), ago=ago), NOW)
        return [row for group in groups for row in group.rows]

    def test_groups_follow_the_spec_and_segments_too(self) -> None:
        rows = self.rows(signal(segment="all"), signal(segment="freemium"), signal(segment="enterprise"))
        assert [row.segment for row in rows] == ["enterprise", "freemium", "all"]

    def test_every_declared_signal_has_its_place_before_the_judge_spoke(self) -> None:
        assert [group.name for group in signal_groups(SPEC, SourceReading(), NOW)] == [*SPEC.signals, ""]

    def test_old_rows_are_no_data_though_their_numbers_stay_to_be_read(self) -> None:
        (row,) = self.rows(signal(), ago=12)
        assert row.state is State.NO_DATA
        assert row.baseline.startswith("0.1")

    def test_a_state_nobody_knows_is_no_data(self) -> None:
        assert SignalAnswer.model_validate(signal(state="fine")).state is State.NO_DATA

    def test_the_bar_reaches_the_line_when_the_evidence_reaches_the_threshold(self) -> None:
        bars = [self.rows(signal(evidence=e))[0].bar for e in (-3.0, 0.0, 8.0, 800.0)]
        assert bars == [0.0, 0.0, THRESHOLD_AT, 100.0]

    def test_without_evidence_there_is_no_bar(self) -> None:
        (row,) = self.rows(signal(evidence=None))
        assert row.bar is None

    def test_a_quantile_beyond_the_buckets_is_shown_as_over_their_last_bound(self) -> None:
        told = {"signal": "latency", "unit": "seconds", "baseline": 0.04, "candidate": None, "candidate_over": 0.05}
        (row,) = self.rows(signal(**told, effect=None, effect_low=0.004, effect_high=None))
        assert row.candidate.replace("\u202f", " ") == "over 50 ms"
        assert row.interval.replace("\u202f", " ") == "at least +4.00 ms"
        assert (row.look, row.forest) == ("so_far", None)
        one_end = {"candidate_over": None, "effect": None, "effect_low": None, "effect_high": -0.004}
        (faster,) = self.rows(signal(**told | one_end))
        assert faster.look == "ok"
        assert faster.interval.startswith("at most")

    def test_harm_is_drawn_to_the_right_whichever_way_is_better(self) -> None:
        (errors,) = self.rows(signal(effect=0.02, effect_low=0.01, effect_high=0.03))
        (accuracy,) = self.rows(signal(signal="accuracy", effect=-0.02, effect_low=-0.03, effect_high=-0.01))
        assert errors.forest.low > 50
        assert accuracy.forest.low > 50

    def test_segments_out_of_the_phase_are_named_apart(self) -> None:
        groups = signal_groups(SPEC, said(opinion(signals=[signal(state="not_applicable")])), NOW)
        assert (groups[0].rows, groups[0].apart) == ([], ["freemium"])

    def test_signals_the_spec_does_not_declare_come_last(self) -> None:
        groups = signal_groups(SPEC, said(opinion(signals=[signal(signal="novel")])), NOW)
        assert groups[-1].rows[0].signal == "novel"

    def test_a_gate_with_too_little_data_is_undecided_and_not_without_data(self) -> None:
        text = "accuracy.gain >10pt: +13.4 pt (+9.1 pt to +17.7 pt): not yet decided."
        answer = opinion(
            gates=[
                {"gate": "enough", "state": "no_data", "value": 0.134, "text": text},
                {"gate": "gone", "state": "no_data", "cause": "stale", "value": 0.134, "text": "+13.4 pt when seen"},
                {"gate": "none", "state": "no_data", "cause": "too few events", "value": None, "text": ""},
            ]
        )
        assert [row.word for row in gate_rows(said(answer), NOW)] == [
            "not yet decided",
            "no data: stale",
            "no data: too few events",
        ]
        assert gate_rows(said(answer), NOW)[0].look == "undecided"
        assert gate_rows(said(answer, ago=9), NOW)[0].look == "no_data"

    def test_a_trigger_that_is_beyond_its_bound_is_not_clear_while_its_time_runs(self) -> None:
        counting = {"when": "errors > 5%", "state": "ok", "text": "Trigger errors > 5%: 12 % for 14 s of 2 min."}
        over = counting | {"state": "bad", "text": "Trigger errors > 5%: 12 % for 3 min (limit 2 min): a rollback."}
        clear = counting | {"text": "Trigger errors > 5%: 0.19 %."}
        rows = trigger_rows(said(opinion(rollback=[counting, over, clear])), NOW)
        assert [row.word for row in rows] == ["not yet decided", "triggered", "clear"]

    def test_old_gates_and_triggers_are_no_data(self) -> None:
        answer = opinion(
            gates=[{"gate": "errors <1%", "state": "ok"}], rollback=[{"when": "errors > 5%", "state": "ok"}]
        )
        assert gate_rows(said(answer), NOW)[0].word == "passes"
        assert trigger_rows(said(answer), NOW)[0].word == "clear"
        assert gate_rows(said(answer, ago=9), NOW)[0].state is State.NO_DATA
        assert trigger_rows(said(answer, ago=9), NOW)[0].state is State.NO_DATA


class TestEvents:
    def incident(self, **more: Any) -> ListedIncident:
        plain = {"id": 1, "alert": "ServiceDown", "severity": "warning", "labels": {"job": "redis"}}
        plain |= {"starts": NOW - 60, "received": NOW - 59}
        return ListedIncident.model_validate(plain | more)

    def test_open_alerts_put_the_critical_first(self) -> None:
        journal = JournalReading(incidents=(self.incident(), self.incident(severity="critical", starts=NOW - 5)))
        found = open_alerts(SPEC, said(journal), SourceReading(), NOW)
        assert [event.kind for event in found.incidents] == ["critical", "warning"]

    def test_no_alerts_from_a_silent_journal_is_not_good_news(self) -> None:
        assert open_alerts(SPEC, SourceReading(), SourceReading(), NOW).doubt
        assert open_alerts(SPEC, said(JournalReading(), ago=9), SourceReading(), NOW).doubt
        assert not open_alerts(SPEC, said(JournalReading()), SourceReading(), NOW).doubt

    def test_pending_alerts_are_told_once_by_name_and_only_those_that_will_call(self) -> None:
        def waiting(name: str, severity: str) -> ActiveAlert:
            return ActiveAlert(name, "pending", {"severity": severity}, {}, datetime.fromtimestamp(NOW, UTC))

        seen = (waiting("B", "critical"), waiting("A", "warning"), waiting("A", "warning"), waiting("T", "gate"))
        found = open_alerts(SPEC, said(JournalReading()), said(ServiceHealth(pending=seen)), NOW)
        assert [event.title for event in found.pending] == ["A ×2", "B"]

    def test_no_alerts_through_an_alerting_that_stopped_is_not_good_news(self) -> None:
        assert (
            "heartbeat" in open_alerts(SPEC, said(JournalReading()), SourceReading(), NOW, alerting_stopped=True).doubt
        )

    def test_what_holds_a_promotion_stands_apart_from_what_calls_somebody(self) -> None:
        journal = JournalReading(incidents=(self.incident(), self.incident(alert="GateUnmet", severity="gate")))
        found = open_alerts(SPEC, said(journal), SourceReading(), NOW)
        assert [event.name for event in found.incidents] == ["ServiceDown"]
        assert [event.name for event in found.holding] == ["GateUnmet"]
        assert [each.look for each in journal.incidents] == ["bad", "hold"]

    def test_times_may_be_unix_seconds_or_rfc_3339(self) -> None:
        one = self.incident(starts=NOW)
        other = self.incident(starts=datetime.fromtimestamp(NOW, UTC).isoformat())
        assert one.starts == other.starts

    def test_resolved_incidents_come_newest_first(self) -> None:
        ended = tuple(self.incident(alert=str(i), status="resolved", resolved=NOW - i) for i in range(30))
        assert [event.title[0] for event in resolved(said(JournalReading(incidents=ended)))[:3]] == ["0", "1", "2"]

    def test_the_timeline_tells_who_moved_the_share_and_why(self) -> None:
        step = TimelineAnswer.model_validate(
            {"at": NOW, "kind": "phase", "number": 2, "share": 0.25, "who": "a", "why": "b"}
        )
        seen = TimelineAnswer.model_validate(
            {"at": NOW + 0.2, "kind": "verdict", "text": "verdict at promote: hold: too few", "who": "a"}
        )
        note = TimelineAnswer.model_validate({"at": NOW + 0.1, "kind": "note", "text": "n", "who": "a"})
        _, event = timeline(said(JournalReading(timeline=(seen, note, step))))
        assert (event.title, event.who, event.text) == ("Phase 2: 25\u202f%", "a", "b")
        assert event.verdict == "hold: too few"

    def test_a_verdict_of_another_persons_move_stands_by_itself(self) -> None:
        entries = [
            {"at": NOW, "kind": "phase", "number": 2, "share": 0.25, "who": "a"},
            {"at": NOW + 0.2, "kind": "verdict", "text": "verdict at promote: hold", "who": "b"},
        ]
        told = tuple(TimelineAnswer.model_validate(each) for each in entries)
        assert [event.verdict for event in timeline(said(JournalReading(timeline=told)))] == ["", ""]


class TestPromisesAndLogs:
    def states(self, good: Mapping[str, float], ago: float = 0.0) -> dict[str, State]:
        return {row.name: row.state for row in promises(SPEC, said(Kept(good, 3600.0), ago), NOW).rows}

    def test_an_sla_is_kept_broken_or_without_data(self) -> None:
        states = self.states({"availability": 0.9995, "error_rate": 0.98})
        assert states["availability"] is State.OK
        assert states["error_rate"] is State.BAD
        assert states["accuracy"] is State.NO_DATA

    def test_an_hour_of_a_month_is_kept_so_far_and_no_data_has_its_cause(self) -> None:
        kept = Kept({"availability": 0.9995}, 1020.0, {"error_rate": 0.0})
        words = {row.name: row.word.replace("\u202f", " ") for row in promises(SPEC, said(kept), NOW).rows}
        assert words["availability"] == "kept so far (17 min of 30 d)"
        assert (words["error_rate"], words["accuracy"]) == ("no data: no traffic", "no data: no series")

    @pytest.mark.parametrize(
        ("good", "state", "shown"),
        [(1.0, State.NO_DATA, (figures.MISSING, "no data: unproven")), (0.5, State.BAD, ("50.0 %", "missed"))],
    )
    def test_errors_that_a_selector_cannot_count_are_not_shown_as_none(
        self, good: float, state: State, shown: tuple[str, str]
    ) -> None:
        found = Unproven("errors", "bad", "v2", "its series have no label 'status'")
        kept = Kept({"error_rate": good}, 3600.0, unproven={"error_rate": (found,)})
        (row,) = (row for row in promises(SPEC, said(kept), NOW).rows if row.name == "error_rate")
        assert row.state is state
        assert (row.good.replace("\u202f", " "), row.word) == shown

    def test_old_figures_of_an_sla_are_no_data(self) -> None:
        assert set(self.states({"availability": 1.0}, ago=120).values()) == {State.NO_DATA}

    def test_the_burn_rate_is_bad_events_by_the_budget(self) -> None:
        (row,) = (r for r in promises(SPEC, said(Kept({"error_rate": 0.98}, 60.0)), NOW).rows if r.name == "error_rate")
        assert row.burn == "×2.0"

    @pytest.mark.parametrize(
        ("source", "state"),
        [
            ({"source": "a", "formats": {"python": 3}}, State.OK),
            ({"source": "a", "formats": {}}, State.NO_DATA),
            ({"source": "a", "formats": {"python": 3}, "lag_seconds": 20}, State.BAD),
        ],
    )
    def test_a_log_source_is_read_late_or_without_lines(self, source: dict[str, Any], state: State) -> None:
        (row,) = log_rows(said(LogStats.model_validate({"sources": [source]})), NOW)
        assert row.state is state


def test_a_channel_that_does_not_get_its_notices_is_shown_with_the_reason():
    """One that was owed just now is about to have it."""

    def owed(channel, ago):
        at = datetime.fromtimestamp(NOW - ago, UTC)
        known = {"key": "k", "receiver": "ada", "subject": "s", "result": "owed", "attempts": 3, "detail": "refused"}
        return DeliveryAnswer(**known, channel=channel, started=at, ended=at)

    (notice,) = unheard(said([owed("slack", 130), owed("slack", 60), owed("webhook", 2)]), NOW)
    assert (notice.title, notice.text) == ("ada has not got 2 notices (slack)", "refused")
    assert notice.age.startswith("for 2")


def test_what_prometheus_has_not_seen_is_one_notice_until_it_has() -> None:
    found = [Problem("job shop-v1", "no route"), *(Problem(f"signal s{n} of v2", "no series") for n in range(8))]
    (notice,) = not_seen(SourceReading(found, 1.0, heard=1.0))
    assert notice.text.startswith("job shop-v1, signal s0 of v2")
    assert notice.items[0] == "job shop-v1: no route"
    assert len(notice.items) == len(found)
    assert notice.text.endswith("and 3 more")
    assert not_seen(SourceReading([], 2.0, heard=2.0)) == []
    assert not_seen(SourceReading()) == []
