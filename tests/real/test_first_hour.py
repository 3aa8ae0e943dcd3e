"""From nothing to a true verdict, as a new user: `make real NAME=first_hour` (its figures: docs/first-hour.md)."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from first_hour import (
    STACKS,
    Heard,
    NewUser,
    Place,
    Stack,
    own_alert,
    requests,
    until_ready,
    users_alertmanager,
    users_prometheus,
)

from bascule.processes import programs
from bascule.processes.ready import wait_until

pytestmark = pytest.mark.real

FOUND_WITHIN_SECONDS = 30.0
HISTORY_SECONDS = 15.0  # that the services were running when the user begins
QUIET_SECONDS = 25.0  # before anything fails: no false alarm
MOST_EDITS = 5


@contextlib.contextmanager
def new_user(folder: Path) -> Iterator[NewUser]:
    user = NewUser(folder)
    try:
        yield user
    finally:
        user.ends_all()


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_a_new_user_gets_from_nothing_to_a_true_verdict(stack: Stack, tmp_path: Path) -> None:
    place = Place.below(tmp_path)
    with contextlib.ExitStack() as entered:
        jobs = entered.enter_context(stack.runs(place))
        entered.enter_context(requests(stack.asked(place)))
        url = entered.enter_context(users_prometheus(tmp_path, jobs)) if jobs else ""
        user = entered.enter_context(new_user(tmp_path))
        time.sleep(HISTORY_SECONDS)
        user.types("init", user.spec, *(stack.begins or ("--from-prometheus", url)))
        user.edit(stack.edits(place))
        user.types("check", user.spec)
        user.types("doctor", user.spec)
        printed = user.leaves_running("up", user.spec)
        until_ready(printed)
        started = user.must_start()
        healthy = user.verdicts(QUIET_SECONDS)
        seconds = user.seconds_to_roll_back(place.fail, within=2 * FOUND_WITHIN_SECONDS)
        told = printed.read_text()
    print(user.diary(), told, sep="\n")
    print(f"| {stack.name} | {len(user.commands)} | {len(user.edits)} | {seconds:.1f} s |")
    assert ("does not scrape bascule-incidents" in started) == bool(url)
    assert "roll_back" not in healthy, user.diary()
    assert "hold" in healthy, user.diary()
    assert seconds <= FOUND_WITHIN_SECONDS, user.diary()
    assert len(user.edits) <= MOST_EDITS


FOUND_AT_15_SECONDS = 120.0


def test_beside_a_prometheus_and_an_alertmanager_two_files_are_merged_and_their_routes_keep_working(
    tmp_path: Path,
) -> None:
    """Scrapes of 15 s; the user's own alert reaches the user's own receiver before and after."""
    place, heard = Place.below(tmp_path), Heard()
    with contextlib.ExitStack() as entered:
        jobs = entered.enter_context(STACKS["fastapi"].runs(place))
        entered.enter_context(requests(STACKS["fastapi"].asked(place)))
        hook = entered.enter_context(heard.listening())
        alertmanager = entered.enter_context(users_alertmanager(tmp_path, hook))
        prometheus = entered.enter_context(users_prometheus(tmp_path, jobs, "15s", own_alert(tmp_path, alertmanager)))
        user = entered.enter_context(new_user(tmp_path))
        assert wait_until(lambda: "OrdersStuck" in heard.names, 120.0)
        time.sleep(2 * HISTORY_SECONDS)
        user.types("init", user.spec, "--from-prometheus", prometheus)
        user.types("check", user.spec)
        files = {
            "prometheus": tmp_path / "prometheus" / "prometheus.yml",
            "alertmanager": tmp_path / "alertmanager.yml",
        }
        given = [word for name, file in files.items() for word in (f"--{name}-config", str(file))]
        user.types("merge", user.spec, *given)
        printed = user.leaves_running("up", user.spec)
        until_ready(printed)
        for name, file in files.items():
            shutil.copy(tmp_path / "merged" / f"{name}.yml", file)
        checked("promtool", "check", "config", files["prometheus"])
        checked("amtool", "check-config", files["alertmanager"])
        for url in (prometheus, alertmanager):
            httpx.post(f"{url}/-/reload", trust_env=False).raise_for_status()
        heard.names.clear()
        assert wait_until(lambda: "every job is scraped" in printed.read_text(), 90.0), printed.read_text()
        assert "does not scrape" not in user.must_start()
        healthy = user.verdicts(2 * QUIET_SECONDS)
        seconds = user.seconds_to_roll_back(place.fail, within=2 * FOUND_AT_15_SECONDS)
        assert wait_until(lambda: {"OrdersStuck", "CandidateWorse"} <= heard.names, 60.0), heard.names
        listed = user.types("incidents", "list", user.spec)
    print(user.diary(), printed.read_text(), heard.names, sep="\n")
    print(f"| beside, 15 s | {len(user.commands)} | {len(user.edits)} | {seconds:.1f} s |")
    assert "roll_back" not in healthy
    assert seconds <= FOUND_AT_15_SECONDS
    assert "CandidateWorse" in listed
    assert "DeadMansSwitch" not in heard.names  # it beats for whoever counts it, and for nobody else


def test_two_migrations_run_on_one_machine_from_one_folder(tmp_path: Path) -> None:
    """The second gets ports and a state folder of its own from `init`; `up` a second time is refused by name."""
    place = Place.below(tmp_path)
    with contextlib.ExitStack() as entered:
        jobs = entered.enter_context(STACKS["fastapi"].runs(place))
        entered.enter_context(requests(STACKS["fastapi"].asked(place)))
        url = entered.enter_context(users_prometheus(tmp_path, jobs))
        user = entered.enter_context(new_user(tmp_path))
        time.sleep(HISTORY_SECONDS)
        for spec in ("orders.yaml", "desk.yaml"):
            user.types("init", spec, "--from-prometheus", url)
            user.types("doctor", spec)
            until_ready(user.leaves_running("up", spec))
        refused = user.is_refused("up", "desk.yaml")
        statuses = [user.types("status", spec) for spec in ("orders.yaml", "desk.yaml")]
    assert "another Bascule uses the state folder" in refused
    assert "desk.yaml" in refused
    assert all("judge" in status for status in statuses), statuses


def checked(tool: str, *words: object) -> None:
    binary = programs.find(tool)
    argv = [str(binary), *map(str, words)]
    done = subprocess.run(argv, capture_output=True, text=True, env=programs.environment(binary))
    assert done.returncode == 0, done.stdout + done.stderr
