"""Every command, its help, every page and every notice, with a fault: numbers as people read them.

`make real NAME=numbers`. `tests/unit/test_numbers.py` holds that none is forgotten.
"""

import re
import threading

import pytest
import walk
from plain_numbers import problems

from bascule.scenarios.house import SPEC, standing
from bascule.scenarios.receiver import listening
from bascule.spec import load

pytestmark = pytest.mark.real
TAGS = re.compile(r"<(?:style|script|svg)\b.*?</(?:style|script|svg)>|<[^>]*>", re.DOTALL)


def test_numbers_have_units_and_three_digits_and_no_time_is_in_unix_seconds(tmp_path) -> None:
    with listening() as person, standing(tmp_path, lambda _: None, threading.Event(), told=person) as house:
        house.set_phase(0, "baseline")
        house.wait(20)
        house.set_phase(3, "half of the traffic")
        house.wait(15)
        house.lab.fault("v2", error_rate=0.3)
        house.wait_for("the alarm", lambda: [i for i in house.incidents() if i.alert == "CandidateWorse"], 30)
        spec = load(tmp_path / SPEC)
        shown = list(walk.pages(spec))
        said = list(walk.commands(spec, next(tmp_path.rglob("*access*")), tmp_path / "walk"))
    notices = [(f"notice {each.status}", f"{each.subject}\n{each.text}") for each in person.told]
    assert notices
    texts = [*said, *notices, *((page, TAGS.sub(" ", text)) for page, text in shown)]
    assert [f"{name}: {problem}" for name, text in texts for problem in problems(text)] == []
