"""Hooks on a change of verdict: once each, written down, and never through a shell."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pretended_journal
import pytest

from bascule.api.server import serve
from bascule.conventions import Verdict
from bascule.errors import SpecError
from bascule.judge import (
    Hooks,
    Judgement,
    JudgeOutcome,
    JudgesBeside,
    PlanStep,
    PresentStep,
    VerdictBoard,
    build_app,
    read_audit,
)
from bascule.processes import ports
from bascule.processes.ready import answers, wait_until
from bascule.spec import Spec, parse

KEEP = "import sys, pathlib; pathlib.Path(sys.argv[1]).open('a').write(sys.stdin.read() + '\\n')"


@pytest.fixture
def spec_with(house, tmp_path):
    def made(*hooks: dict[str, object]):
        spec = house.shop_spec(
            house.SPEC.replace("min_samples: 100}", f"min_samples: 100, hooks: {json.dumps(hooks)}}}")
        )
        return spec.model_copy(update={"stack": spec.stack.model_copy(update={"state": tmp_path})})

    return made


@pytest.fixture
def kept(tmp_path):
    return tmp_path / "kept; touch never"


def command(kept) -> dict[str, object]:
    return {"on": ["roll_back"], "command": [sys.executable, "-c", KEEP, str(kept)]}


def see(hooks: Hooks, *verdicts: Verdict) -> None:
    for verdict in verdicts:
        judged = Judgement(verdict, ("because",))
        for thread in hooks.see(JudgeOutcome(judged, (), (), (), PlanStep(1, 1_000_000.0), 1_000_100.0)):
            thread.join(20)


def test_a_hook_runs_when_the_verdict_turns_to_what_it_waits_for(spec_with, kept):
    see(Hooks(spec_with(command(kept))), Verdict.HOLD, Verdict.PROMOTE, Verdict.ROLL_BACK, Verdict.ROLL_BACK)
    ran = [json.loads(line) for line in kept.read_text().splitlines()]
    assert ran == [{"migration": "shop", "verdict": "roll_back", "reasons": ["because"]}]


def test_the_first_verdict_is_no_change(spec_with, kept):
    see(Hooks(spec_with(command(kept))), Verdict.ROLL_BACK)
    assert not kept.exists()


def test_a_judge_that_restarts_does_not_run_a_hook_again(spec_with, kept):
    spec = spec_with(command(kept))
    see(Hooks(spec), Verdict.HOLD, Verdict.ROLL_BACK)
    see(Hooks(spec), Verdict.ROLL_BACK)
    assert len(kept.read_text().splitlines()) == 1


def test_what_ran_is_written_down_before_and_after(spec_with, kept):
    hooks = Hooks(spec_with(command(kept)))
    see(hooks, Verdict.HOLD, Verdict.ROLL_BACK)
    entries = [entry for entry in read_audit(hooks.path) if "hook" in entry]
    assert [entry.get("begun", entry.get("result")) for entry in entries] == [True, "exit 0"]


@pytest.mark.parametrize(
    ("present", "result"),
    [((1, 1_000_000.0), "exit 0"), ((2, 1_000_050.0), "not run: "), (None, "not run: ")],
    ids=["the same step", "another step", "no journal"],
)
def test_what_moves_forward_runs_only_for_the_journals_present_step(spec_with, kept, present, result):
    spec = spec_with(command(kept) | {"on": ["promote"]})
    hooks = Hooks(spec, PresentStep(spec, pretended_journal.client(spec, present)))
    see(hooks, Verdict.HOLD, Verdict.PROMOTE)
    assert read_audit(hooks.path)[-1]["result"].startswith(result)
    assert kept.exists() is (result == "exit 0")


def test_what_moves_forward_does_not_run_while_the_plan_is_paused(spec_with, kept):
    spec = spec_with(command(kept) | {"on": ["promote"]})
    paused = {"at": 1_000_010.0, "who": "ada", "why": "holidays"}
    hooks = Hooks(spec, PresentStep(spec, pretended_journal.client(spec, (1, 1_000_000.0), paused=paused)))
    see(hooks, Verdict.HOLD, Verdict.PROMOTE)
    assert read_audit(hooks.path)[-1]["result"].startswith("not run: Paused since ")
    assert not kept.exists()


def test_a_command_that_is_not_there_is_written_down_and_harms_nobody(spec_with):
    hooks = Hooks(spec_with({"on": ["hold"], "command": ["/no/such/program"]}))
    see(hooks, Verdict.NO_DATA, Verdict.HOLD)
    assert "failed" in read_audit(hooks.path)[-1]["result"]


def test_a_torn_line_of_the_audit_is_passed_over(spec_with, kept):
    hooks = Hooks(spec_with(command(kept)))
    see(hooks, Verdict.HOLD)
    with hooks.path.open("a") as file:
        file.write('{"torn')
    assert len(read_audit(hooks.path)) == 1


def test_a_hook_is_a_command_or_a_webhook(house):
    text = house.SPEC.replace("min_samples: 100}", "min_samples: 100, hooks: [{on: [hold]}]}")
    with pytest.raises(SpecError, match="one of 'command' and 'webhook'"):
        parse(text)


class HotJudge:
    """One of two judges: what it serves, and its hooks; `started` in Unix seconds."""

    def __init__(self, spec: Spec, started: float) -> None:
        self.board = VerdictBoard(spec)
        self.board.serving_since = started
        self.hooks = Hooks(spec, beside=JudgesBeside(spec, started))

    def see(self, *verdicts: Verdict) -> None:
        for verdict in verdicts:
            judged = JudgeOutcome(Judgement(verdict, ("because",)), (), (), (), PlanStep(1, 1_000_000.0), time.time())
            self.board.publish(judged, None, 0.01)
            see(self.hooks, verdict)

    @contextmanager
    def serving(self) -> Iterator[None]:
        spec, stop = self.board.spec, threading.Event()
        app = build_app(self.board)
        role = threading.Thread(target=serve, args=(stop, app, spec, "judge"), daemon=True)
        role.start()
        assert wait_until(answers(f"{spec.stack.url('judge')}/healthz"), 20)
        try:
            yield
        finally:
            stop.set()
            role.join(20)


@pytest.fixture
def two_judges(spec_with, tmp_path):
    """`made(first, second)`: two judges that know each other, the first started before; with these hooks."""

    def made(first: list[dict[str, object]], second: list[dict[str, object]]) -> tuple[HotJudge, HotJudge]:
        chosen = ports.free(), ports.free()
        return (
            HotJudge(place(spec_with(*first), tmp_path / "first", *chosen), 1_000_000.0),
            HotJudge(place(spec_with(*second), tmp_path / "second", *reversed(chosen)), 1_000_000.5),
        )

    return made


def place(spec: Spec, state, port: int, other: int) -> Spec:
    where = {
        "state": state,
        "ports": spec.stack.ports.model_copy(update={"judge": port}),
        "peers": {"judge": [f"http://127.0.0.1:{other}"]},
    }
    return spec.model_copy(update={"stack": spec.stack.model_copy(update=where)})


def test_of_two_judges_the_one_that_started_first_runs_a_hook(two_judges, kept):
    first, second = two_judges([command(kept)], [command(kept)])
    with first.serving(), second.serving():
        for verdict in (Verdict.HOLD, Verdict.ROLL_BACK):
            first.see(verdict)
            second.see(verdict)
    assert len(kept.read_text().splitlines()) == 1
    assert read_audit(first.hooks.path)[-1]["result"] == "exit 0"
    assert read_audit(second.hooks.path)[-1]["result"].startswith("not run: left to the judge at http://127.0.0.1:")


def test_the_second_judge_runs_hooks_once_the_first_is_lost(two_judges, kept):
    first, second = two_judges([command(kept)], [command(kept)])
    with second.serving():
        with first.serving():
            first.see(Verdict.HOLD)
        second.see(Verdict.HOLD, Verdict.ROLL_BACK)
    assert len(kept.read_text().splitlines()) == 1


def test_a_judge_without_hooks_keeps_no_other_from_running_its_own(two_judges, kept):
    first, second = two_judges([], [command(kept)])
    with first.serving(), second.serving():
        first.see(Verdict.HOLD, Verdict.ROLL_BACK)
        second.see(Verdict.HOLD, Verdict.ROLL_BACK)
    assert len(kept.read_text().splitlines()) == 1
