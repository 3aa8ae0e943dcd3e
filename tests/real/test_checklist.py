"""`make real NAME=checklist`: the checklist on the healthy lab, through the command, passes all that can be checked."""

import json
import subprocess
import sys
import threading

import pytest

from bascule.checklist import ChecklistPhase, ItemState, Looked, check, items_of, sign
from bascule.scenarios.house import SPEC, standing
from bascule.scenarios.receiver import listening

pytestmark = pytest.mark.real

NEED_DAYS = {"trends", "capacity", "sla-compliance"}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checklist")
    with listening() as receiver, standing(folder, print, threading.Event(), told=receiver) as house:
        house.set_phase(0, "baseline")
        house.wait(45)
        house.set_phase(3, "half of the traffic")
        house.wait(330)  # a rule over five minutes has a whole window of both versions
        yield house, folder


def test_every_item_that_can_be_checked_passes(house):
    house, _ = house
    looked = Looked(house.spec)
    checked = [each for phase in ChecklistPhase for each in check(looked, phase)]
    told = {each.item.key: f"{each.outcome.state} {each.outcome.why}" for each in checked}
    for key, state in told.items():
        print(key, state)
    assert {key for key, state in told.items() if state.startswith(ItemState.FAILED)} == set()
    assert {each.item.key for each in checked if each.outcome.state is ItemState.CANNOT} == NEED_DAYS
    assert all(each.outcome.evidence for each in checked if each.outcome.state is ItemState.PASSED)


def test_a_sign_off_is_kept_in_the_journal_and_stands_in_the_record(house):
    house, folder = house
    looked = Looked(house.spec)
    displays = next(item for item in items_of(ChecklistPhase.DEPLOYMENT) if item.key == "displays")
    sign(looked, displays, "Ada", "three screens")
    command = [sys.executable, "-m", "bascule", "checklist", str(folder / SPEC), "--phase", "deployment", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = {item["item"]: item for item in json.loads(done.stdout)["items"]}
    assert (told["displays"]["signature"]["who"], told["displays"]["signature"]["note"]) == ("Ada", "three screens")
