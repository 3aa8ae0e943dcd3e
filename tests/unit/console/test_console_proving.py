"""The pages of the checklist, the drills and the migrations, as far as they need no running stack."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from bascule.api import Tokens
from bascule.api.identity import Identity
from bascule.console import create_app
from bascule.console.proving import drills as drilling
from bascule.console.proving.checks import Checklists, keep
from bascule.console.proving.drills import Drills, is_lab
from bascule.console.views.migrations import migrations
from bascule.errors import UsageError
from bascule.lab import lab_spec, write_spec
from bascule.spec import Spec, load
from bascule.stack import state

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spec:
    monkeypatch.chdir(tmp_path)
    moved = lab_spec(load("supersmartmatch"), tmp_path)
    Tokens(moved.stack.state).ensure()
    return moved


@pytest.fixture
def client(spec: Spec) -> Iterator[TestClient]:
    with TestClient(create_app(spec), base_url="http://127.0.0.1") as client:
        yield client


def found(**more: object) -> dict[str, object]:
    return {"fault": "crash", "title": HOSTILE, "bound_seconds": 10, "median_seconds": 6.4, "failures": [], **more}


def run_of(spec: Spec, items: Sequence[object]) -> dict[str, object]:
    """A run of the checklist on that spec, as it is kept."""
    declaration = Identity.of(spec).digest
    return {"phase": "pre-deployment", "declaration": declaration, "at": "2026-01-31T08:00:00Z", "items": items}


def write_drills(folder: Path, *drills: dict[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "drills.json").write_text(json.dumps({"at": "2026-01-31T08:00:00Z", "drills": drills}))
    (folder / "crash-1.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    (folder / "secret.txt").write_text("not a picture")


class TestChecklist:
    def test_before_a_run_every_item_is_named_and_none_is_called_passed(self, client: TestClient) -> None:
        page = client.get("/checklist?phase=deployment").text
        assert "not checked yet" in page
        assert 'class="ok"' not in page

    def test_the_last_run_is_shown_with_its_time_and_evidence(self, client: TestClient, spec: Spec) -> None:
        evidence = [{"asked": f"up {HOSTILE}", "found": "1"}]
        items = [
            {"item": "alerting-rules", "state": "passed", "evidence": evidence},
            {"item": "dashboards", "state": "failed", "why": "two panels are empty"},
        ]
        keep(spec, run_of(spec, items))
        page = client.get("/checklist").text
        assert "1 failed, 1 passed" in page
        assert "two panels are empty" in page
        assert "up &lt;script&gt;" in page
        assert "2026-01-31T08:00:00Z" in page

    def test_a_run_of_another_spec_counts_no_longer(self, client: TestClient, spec: Spec) -> None:
        items = [{"item": "alerting-rules", "state": "passed"}]
        before = spec.model_copy(update={"phases": spec.phases[:1]})
        keep(spec, run_of(before, items))
        page = client.get("/checklist").text
        assert "not checked since the spec changed" in page
        assert "2026-01-31T08:00:00Z" in page
        assert 'class="ok"' not in page

    def test_a_kept_run_that_cannot_be_read_is_no_run(self, client: TestClient, spec: Spec) -> None:
        keep(spec, {"phase": "pre-deployment", "items": 3})
        assert "not checked yet" in client.get("/checklist").text

    def test_one_run_at_a_time(
        self, spec: Spec, monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., object]
    ) -> None:
        from bascule import checklist
        from bascule.checklist import ChecklistPhase

        go = threading.Event()
        monkeypatch.setattr(checklist, "check", lambda *_: go.wait(30) and [])
        lists = Checklists(spec)
        lists.start(ChecklistPhase.DEPLOYMENT)
        with pytest.raises(UsageError, match="is already being checked"):
            lists.start(ChecklistPhase.DEPLOYMENT)
        assert lists.view(ChecklistPhase.DEPLOYMENT).running_since
        go.set()
        eventually(lambda: not lists.view(ChecklistPhase.DEPLOYMENT).running_since)
        assert lists.view(ChecklistPhase.DEPLOYMENT).at

    def test_a_defect_of_an_item_is_told_and_ends_the_run(
        self, spec: Spec, monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., object]
    ) -> None:
        from bascule import checklist
        from bascule.checklist import ChecklistPhase

        def broken(*_: object) -> None:
            raise ZeroDivisionError("by nothing")

        monkeypatch.setattr(checklist, "check", broken)
        lists = Checklists(spec)
        lists.start(ChecklistPhase.DEPLOYMENT)
        eventually(lambda: not lists.view(ChecklistPhase.DEPLOYMENT).running_since)
        assert "by nothing" in lists.view(ChecklistPhase.DEPLOYMENT).problem

    def test_an_unknown_phase_is_refused(self, client: TestClient) -> None:
        assert client.get("/checklist?phase=never").status_code == 400


class TestDrills:
    def test_results_are_shown_with_their_pictures(self, client: TestClient, tmp_path: Path) -> None:
        write_drills(tmp_path / "drill-output", found(), found(fault="hang", failures=["median 13 s, bound 10 s"]))
        page = client.get("/drills").text
        assert "6.40" in page
        assert "median 13 s, bound 10 s" in page
        assert HOSTILE not in page
        assert client.get("/drills/picture?name=crash-1.svg").headers["content-type"] == "image/svg+xml"

    @pytest.mark.parametrize("name", ["secret.txt", "../../etc/passwd", "/etc/hostname", "no-1.svg", "../x.svg"])
    def test_only_pictures_of_the_folder_are_served(self, client: TestClient, tmp_path: Path, name: str) -> None:
        write_drills(tmp_path / "drill-output", found())
        (tmp_path / "x.svg").write_text("<svg/>")
        assert client.get("/drills/picture", params={"name": name}).status_code == 404

    def test_without_a_drill_the_page_says_how_to_run_one(self, client: TestClient) -> None:
        page = client.get("/drills").text
        assert "no drill was run" in page
        assert "bascule drill supersmartmatch --all" in page

    def test_results_that_cannot_be_read_are_no_results(self, client: TestClient, tmp_path: Path) -> None:
        (tmp_path / "drill-output").mkdir()
        (tmp_path / "drill-output" / "drills.json").write_text('{"drills": 3}')
        assert "cannot be read" in client.get("/drills").text

    def test_a_drill_is_started_only_where_the_services_are_the_labs(self, spec: Spec) -> None:
        assert is_lab(spec)
        service = spec.services["supersmartmatch-v2"].model_copy(update={"targets": ["10.0.0.9:80"]})
        others = spec.model_copy(update={"services": {**spec.services, "supersmartmatch-v2": service}})
        assert not is_lab(others)
        with pytest.raises(UsageError, match="not the lab's"):
            Drills(others).start("crash")

    def test_faults_that_could_not_be_listed_are_asked_for_again(
        self, spec: Spec, monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., object]
    ) -> None:
        drills = Drills(spec)
        with monkeypatch.context() as busy:
            busy.setattr(drilling, "LISTING_SECONDS", 0.01)
            assert drills.view().faults is None
            eventually(lambda: not any(thread.name == "faults" for thread in threading.enumerate()), 60)
            assert drills.view().faults is None
        eventually(lambda: drills.view().faults, 60)

    def test_one_drill_at_a_time_and_it_can_be_stopped(
        self, spec: Spec, monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., object]
    ) -> None:
        told = "import sys, time; print('V2 is killed', flush=True); time.sleep(60)"
        monkeypatch.setattr(drilling, "COMMAND", (sys.executable, "-c", told))
        drills = Drills(spec)
        drills.start("crash")
        eventually(lambda: drills.view().told)
        assert (drills.view().running, drills.view().told) == ("crash", ["V2 is killed"])
        with pytest.raises(UsageError, match="the drill crash runs"):
            drills.start("hang")
        drills.stop()
        eventually(lambda: not drills.view().running)


class TestMigrations:
    def test_those_whose_stack_is_up_are_listed_this_one_first(self, spec: Spec, tmp_path: Path) -> None:
        other = lab_spec(load("supersmartmatch"), tmp_path / "other")
        stack = other.stack.model_copy(update={"state": spec.stack.state.parent / "orders"})
        metadata = other.metadata.model_copy(update={"name": "orders", "title": "Another"})
        path = write_spec(other.model_copy(update={"stack": stack, "metadata": metadata}), tmp_path / "orders.yaml")
        (spec.stack.state.parent / "gone").mkdir()
        with state.held(stack.state, path), state.held(spec.stack.state, tmp_path / "spec.yaml"):
            rows = migrations(spec)
        assert [(row.title, row.is_this) for row in rows] == [(spec.title, True), ("Another", False)]
        assert all(row.word == "No data" and "does not answer" in row.problem for row in rows)
        assert rows[1].url == other.stack.url("console")

    def test_a_stack_whose_spec_is_gone_is_listed_with_why(self, spec: Spec, tmp_path: Path) -> None:
        with state.held(spec.stack.state.parent / "orders", tmp_path / "gone.yaml"):
            rows = migrations(spec)
        assert [row.is_this for row in rows] == [True, False]
        assert "gone.yaml" in rows[1].problem

    def test_the_page_has_a_row_for_each(self, client: TestClient, spec: Spec) -> None:
        with state.held(spec.stack.state, "spec.yaml"):
            page = client.get("/migrations").text
        assert spec.stack.url("console") in page
        assert os.fspath(spec.stack.state) in page
