"""Writing what was generated: atomic, foreign files left alone, drift told."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bascule.errors import UsageError
from bascule.generate.files import MANIFEST, drift, foreign_files, read_manifest, write_files

FILES = {"a/one.yml": "1\n", "two.json": "{}\n"}


def test_writes_every_file_and_then_there_is_no_drift(tmp_path: Path) -> None:
    """What was just written does not differ."""
    assert write_files(FILES, tmp_path) == [tmp_path / "a/one.yml", tmp_path / "two.json"]
    assert (tmp_path / "a/one.yml").read_text() == "1\n"
    assert drift(FILES, tmp_path) == []


def test_drift_names_what_is_missing_changed_and_no_longer_generated(tmp_path: Path) -> None:
    """Each kind of drift is one sentence with the file's name."""
    write_files({**FILES, "old.yml": "x"}, tmp_path)
    (tmp_path / "two.json").unlink()
    (tmp_path / "a/one.yml").write_text("2\n")
    told = drift(FILES, tmp_path)
    assert told == [
        "a/one.yml: differs from the spec",
        "two.json: missing",
        "old.yml: no longer generated",
    ]


def test_a_file_that_is_no_longer_generated_is_removed(tmp_path: Path) -> None:
    """Stale rules would go on being loaded by Prometheus."""
    write_files({**FILES, "old.yml": "x"}, tmp_path)
    write_files(FILES, tmp_path)
    assert not (tmp_path / "old.yml").exists()


def test_a_stale_file_that_somebody_edited_is_left(tmp_path: Path) -> None:
    """What carries somebody's work is theirs."""
    write_files({**FILES, "old.yml": "x"}, tmp_path)
    (tmp_path / "old.yml").write_text("mine")
    write_files(FILES, tmp_path)
    assert (tmp_path / "old.yml").read_text() == "mine"


def test_foreign_files_are_left_alone_and_told(tmp_path: Path) -> None:
    """A folder may hold the user's own rules beside ours."""
    (tmp_path / "mine.yml").write_text("mine")
    write_files(FILES, tmp_path)
    assert (tmp_path / "mine.yml").read_text() == "mine"
    assert foreign_files(FILES, tmp_path) == [tmp_path / "mine.yml"]


def test_a_foreign_file_in_the_way_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """Nothing is overwritten that no run of ours wrote, and nothing is half done."""
    (tmp_path / "two.json").write_text("theirs")
    with pytest.raises(UsageError, match=r"two\.json was not written by bascule generate"):
        write_files(FILES, tmp_path)
    assert not (tmp_path / "a/one.yml").exists()
    assert (tmp_path / "two.json").read_text() == "theirs"


def test_no_temporary_file_stays_behind(tmp_path: Path) -> None:
    """Only the files and the manifest are there."""
    write_files(FILES, tmp_path)
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {*FILES, MANIFEST}


def test_what_cannot_be_written_whole_is_not_written_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up half-way: the files of the last run are as they were, and nothing is left over."""
    write_files(FILES, tmp_path)
    whole = Path.write_text

    def full(path: Path, text: str, encoding: str) -> int:
        if "two.json" in path.name:
            whole(path, text[:1], encoding)
            raise OSError(28, "No space left on device")
        return whole(path, text, encoding)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UsageError, match=r"two\.json cannot be written: No space left on device"):
        write_files(dict.fromkeys(FILES, "new"), tmp_path)
    assert {name: (tmp_path / name).read_text("utf-8") for name in FILES} == FILES
    assert not list(tmp_path.rglob("*.new"))


def test_a_run_that_was_ended_half_way_is_taken_up_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files it had put in place are known as ours, though the spec has changed since."""
    put = os.replace

    def ended(new: Path, target: Path) -> None:
        if target.name == "two.json":
            raise KeyboardInterrupt
        put(new, target)

    monkeypatch.setattr(os, "replace", ended)
    with pytest.raises(KeyboardInterrupt):
        write_files(FILES, tmp_path)
    monkeypatch.undo()
    assert (tmp_path / "a/one.yml").is_file()
    write_files(dict.fromkeys(FILES, "changed"), tmp_path)
    assert (tmp_path / "a/one.yml").read_text("utf-8") == "changed"


def test_a_broken_manifest_is_told_with_its_mend(tmp_path: Path) -> None:
    """Guessing what is ours could delete what is not."""
    (tmp_path / MANIFEST).write_text("not json")
    with pytest.raises(UsageError, match="cannot be read"):
        read_manifest(tmp_path)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A file where a folder is wanted is the user's to fix, without a traceback."""
    (tmp_path / "a").write_text("a file")
    with pytest.raises(UsageError, match="cannot be written"):
        write_files(FILES, tmp_path)


@pytest.mark.parametrize("name", ["../victim", "{folder}/victim", "sub/../../victim", "link/victim"])
def test_no_file_outside_the_folder_is_touched_whatever_the_manifest_says(name: str, tmp_path: Path) -> None:
    """By a path upwards, an absolute one, or a link to another folder."""
    victim, out = tmp_path / "victim", tmp_path / "out"
    write_files({"a": "one"}, out)
    (out / "link").symlink_to(tmp_path)
    victim.write_text("one")
    digest = read_manifest(out)["a"]
    (out / MANIFEST).write_text(json.dumps({"files": {name.format(folder=tmp_path): digest}}))
    with pytest.raises(UsageError, match="is not inside"):
        write_files({"a": "two"}, out)
    assert (victim.read_text(), (out / "a").read_text()) == ("one", "one")


def test_nothing_is_written_through_a_link_to_another_folder(tmp_path: Path) -> None:
    """Such a folder is named, and stays as it was."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "rules").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="is not inside"):
        write_files({"rules/a": "one"}, tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []
