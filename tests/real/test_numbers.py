"""Every command, its help, every page and every notice, with a fault: numbers as people read them.

`make real NAME=numbers`. `tests/unit/test_numbers.py` holds that none is forgotten.
"""

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import walk
from plain_numbers import problems

from bascule.scenarios.house import SPEC, standing
from bascule.scenarios.receiver import listening
from bascule.spec import load

pytestmark = pytest.mark.real
TAGS = re.compile(r"<(?:style|script|svg)\b.*?</(?:style|script|svg)>|<[^>]*>", re.DOTALL)


def test_numbers_have_units_and_three_digits_and_no_time_is_in_unix_seconds(tmp_path) -> None:
    texts = list(_read(tmp_path))
    (tmp_path / "read.txt").write_text(
        "\n".join(f"##### {name}\n{text}" for name, text in texts)
    )  # to be read by a person
    for_people = [(name, text) for name, text in texts if "--format csv" not in name]
    assert [f"{name}: {problem}" for name, text in for_people for problem in problems(text)] == []


def _read(folder: Path) -> Iterator[tuple[str, str]]:
    """Every text of a migration that begins well, and fails: its name and what a person reads."""
    with listening() as person, standing(folder, lambda _: None, threading.Event(), told=person) as house:
        spec = load(folder / SPEC)
        for number, why in ((0, "baseline"), (3, "half of the traffic")):
            house.set_phase(number, why)
            house.wait(20)
            yield f"gate at step {number}", walk.printed(spec, "gate")
        house.lab.fault("v2", error_rate=0.3)
        house.wait_for("the alarm", lambda: [i for i in house.incidents() if i.alert == "CandidateWorse"], 120)
        yield from ((page, TAGS.sub(" ", text)) for page, text in walk.pages(spec))
        yield from walk.commands(spec, next(folder.rglob("*access*")), folder / "walk")
        assert person.told
        yield from ((f"notice {each.status}", f"{each.subject}\n{each.text}") for each in person.told)
