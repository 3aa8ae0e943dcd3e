"""What stands in the state folder is its owner's alone, whoever makes it first and whatever the umask says."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bascule import logs, private
from bascule.api import Tokens
from bascule.delivery import Outbox
from bascule.errors import StoreError, StoreFull
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


def keep_by(way: str, path: Path) -> None:
    {"replace": private.replace, "append": private.append, "create": private.create}[way](path, "new\n")


@pytest.mark.parametrize("way", ["replace", "append", "create"])
def test_what_is_kept_is_on_disk_with_its_name_before_anyone_is_told(way: str, tmp_path: Path, monkeypatch) -> None:
    """The file, and each folder that got a new name."""
    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(Path(os.readlink(f"/proc/self/fd/{handle}"))))
    keep_by(way, tmp_path / "state" / "kept")
    assert (tmp_path / "state" / "kept").read_text() == "new\n"
    assert {tmp_path, tmp_path / "state"} <= set(synced)
    assert synced[-1] == tmp_path / "state"
    assert any(each.parent == tmp_path / "state" for each in synced)


@pytest.mark.parametrize("way", ["replace", "append"])
@pytest.mark.parametrize("step", ["write", "sync"])
def test_what_cannot_be_kept_leaves_the_file_as_it_was(way: str, step: str, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "kept"
    path.write_text("old\n")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def half(file, content) -> None:
        file.write(b"ne")
        full()

    monkeypatch.setattr(*((private, "_write_all", half) if step == "write" else (os, "fsync", full)))
    with pytest.raises(OSError, match="No space"):
        keep_by(way, path)
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"kept": "old\n"}


def test_of_several_that_create_a_file_one_does(tmp_path: Path) -> None:
    assert private.create(tmp_path / "key", "mine") is True
    assert private.create(tmp_path / "key", "theirs") is False
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"key": "mine"}


def test_a_refusal_names_the_file_what_it_needs_and_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    full = private.unkept("the record", path, OSError(errno.ENOSPC, "No space left on device"), 5_000_000)
    assert (full.what, type(full)) == (f"the record cannot be kept: {path}: No space left on device", StoreFull)
    assert full.fix.startswith("free 5 MB on its file system, which has ")
    denied = private.unkept("the record", path, PermissionError(errno.EACCES, "Permission denied"))
    assert (type(denied), denied.fix) == (StoreError, "check the permissions of the state folder")
