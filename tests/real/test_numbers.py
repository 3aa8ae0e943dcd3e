"""Every command and every page of a house with a fault: numbers as people read them. `make real NAME=numbers`."""

import re
import threading

import pytest
import walk
from plain_numbers import problems

from bascule.scenarios.house import SPEC, standing
from bascule.spec import load

pytestmark = pytest.mark.real
TAGS = re.compile(r"<(?:style|script|svg)\b.*?</(?:style|script|svg)>|<[^>]*>", re.DOTALL)


def test_every_command_is_walked() -> None:
    assert walk.not_walked() == walk.NOT_WALKED


def test_numbers_have_units_and_three_digits_and_no_time_is_in_unix_seconds(tmp_path) -> None:
    with standing(tmp_path, lambda _: None, threading.Event()) as house:
        house.set_phase(0, "baseline")
        house.wait(20)
        house.set_phase(3, "half of the traffic")
        house.wait(15)
        house.lab.fault("v2", error_rate=0.3)
        house.wait_for("the alarm", lambda: [i for i in house.incidents() if i.alert == "CandidateWorse"], 30)
        spec = load(tmp_path / SPEC)
        shown = list(walk.pages(spec))
        said = list(walk.commands(spec, next(tmp_path.rglob("*access*")), tmp_path / "walk"))
    texts = [*said, *((page, TAGS.sub(" ", text)) for page, text in shown)]
    assert [f"{name}: {problem}" for name, text in texts for problem in problems(text)] == []
