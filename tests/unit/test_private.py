"""What stands in the state folder is its owner's alone, whoever makes it first and whatever the umask says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bascule import logs
from bascule.api import Tokens
from bascule.delivery import Outbox
from bascule.incidents.store import Store
from bascule.sla import Archive
from bascule.spec import load
from bascule.stack.state import held, write_status

LINE = "2026-01-31T12:00:00.123Z INFO supersmartmatch-v2 API_CALL user_id=u endpoint=/m response_time=0.1 status=200\n"


def a_line(state: Path) -> None:
    """A segment, and the key of its pseudonyms."""
    spec = load("supersmartmatch")
    spec = spec.model_copy(update={"stack": spec.stack.model_copy(update={"state": state})})
    file = state.parents[1] / "app.log"
    file.write_text(LINE)
    logs.ingest(spec, [str(file)], next(iter(spec.logs.named)))


MAKERS: dict[str, Callable[[Path], object]] = {
    "the stack": lambda state: (held(state, "shop.yaml").__enter__(), write_status(state, [])),
    "a line": a_line,
    "the journal": lambda state: Store(state / "incidents.sqlite", now=0.0),
    "the deliveries": lambda state: Outbox(state / "deliveries.sqlite"),
    "the logs": lambda state: logs.open_store(state / "logs"),
    "the reports": lambda state: Archive(state / "reports").begun(0.0),
    "the tokens": lambda state: Tokens(state).ensure(),
}


@pytest.fixture(autouse=True)
def generous() -> Iterator[None]:
    """A umask that takes nothing away."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.parametrize("maker", MAKERS)
def test_another_user_can_enter_no_folder_that_bascule_makes(maker: str, tmp_path: Path) -> None:
    state = tmp_path / "bascule" / "state"
    MAKERS[maker](state)
    folders = [state.parent, *(Path(folder) for folder, _, _ in os.walk(state))]
    assert {oct(folder.stat().st_mode & 0o777) for folder in folders} == {oct(0o700)}


@pytest.mark.parametrize("maker", MAKERS)
def test_another_user_can_read_no_file_that_bascule_makes(maker: str, tmp_path: Path) -> None:
    """Not even where the folder was open before."""
    state = tmp_path / "bascule" / "state"
    state.mkdir(parents=True)
    made = MAKERS[maker](state)  # held: collected, it would take its files away while this looks
    files = {str(Path(folder) / name) for folder, _, names in os.walk(state) for name in names}
    assert made is None or files
    assert [name for name in files if Path(name).stat().st_mode & 0o077] == []


@pytest.mark.parametrize("maker", ["the journal", "the deliveries"])
def test_another_user_cannot_read_a_journal_in_a_folder_that_was_open_before(maker: str, tmp_path: Path) -> None:
    opened = MAKERS[maker](tmp_path)  # held: collected, it would take its write-ahead log away while this looks
    assert opened
    assert {oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()} == {oct(0o600)}
