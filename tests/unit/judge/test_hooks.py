"""Hooks on a change of verdict: once each, written down, and never through a shell."""

from __future__ import annotations

import json
import sys

import pretended_journal
import pytest

from bascule.conventions import Verdict
from bascule.errors import SpecError
from bascule.judge import Hooks, Judgement, JudgeOutcome, PlanStep, PresentStep, read_audit
from bascule.spec import parse

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
