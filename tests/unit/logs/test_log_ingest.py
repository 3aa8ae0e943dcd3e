"""`logs ingest`: which source a file is read as, and each line once by whatever path."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bascule import times
from bascule.cli.commands import app
from bascule.errors import UsageError
from bascule.logs import ingest
from bascule.spec import load
from bascule.spec.model import Logs, LogSource, Spec

CALL = "2026-01-31T12:00:00Z INFO shop API_CALL user_id=u{} endpoint=/x response_time=0.1 status=200\n"


def spec_of(folder: Path, **patterns: str) -> Spec:
    base = load("supersmartmatch")
    sources = [LogSource(name=name, files=pattern, formats=["api_call"]) for name, pattern in patterns.items()]
    stack = base.stack.model_copy(update={"state": folder / "state"})
    logs = Logs(sources=sources, retention=36500 * 86400.0)
    return base.model_copy(update={"logs": logs, "stack": stack})


def written(path: Path, rows: int = 3) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(CALL.format(n) for n in range(rows)))
    return path


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return spec_of(tmp_path, first=str(tmp_path / "first/*.log"), second=str(tmp_path / "sub/*.log"))


def test_a_file_is_read_once_by_whatever_path(spec, tmp_path, monkeypatch):
    """As the source whose files it is: relative, absolute, and through a link."""
    file = written(tmp_path / "sub/app.log")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(file)
    done = [ingest(spec, [path]) for path in ("sub/app.log", str(file), "link", "./sub/../sub/app.log")]
    assert [(each.rows, [*each.sources.values()]) for each in done] == [(3, ["second"]), *[(0, ["second"])] * 3]


def test_the_declared_path_may_be_relative(tmp_path, monkeypatch):
    """To the folder that Bascule is started in."""
    written(tmp_path / "sub/app.log")
    monkeypatch.chdir(tmp_path)
    spec = spec_of(tmp_path, first="first.log", second="sub/app.log")
    assert ingest(spec, [str(tmp_path / "sub/app.log")]).sources == {str(tmp_path / "sub/app.log"): "second"}


def test_what_rotation_left_is_of_the_same_source(spec, tmp_path):
    """Also where the source's own file is there no more."""
    live, old = written(tmp_path / "sub/app.log"), tmp_path / "sub/app.log.1"
    os.rename(live, old)
    written(live, 1)
    assert ingest(spec, [str(old)]).sources == {str(old): "second"}


def test_of_several_sources_one_must_be_named_where_the_file_is_of_none(spec, tmp_path):
    """Not silently the first."""
    file = written(tmp_path / "else.log")
    with pytest.raises(UsageError, match=r"else.log belongs to no log source of the spec"):
        ingest(spec, [str(file)])
    assert ingest(spec, [str(file)], "first").rows == 3


def test_where_there_is_one_source_it_is_that(tmp_path):
    """It is said all the same."""
    file = written(tmp_path / "else.log")
    assert ingest(spec_of(tmp_path, only="/nowhere/*.log"), [str(file)]).sources == {str(file): "only"}


def test_a_search_without_a_match_says_whether_there_was_a_line_to_match(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BASCULE_SPEC", "supersmartmatch")
    none = CliRunner().invoke(app, ["logs", "search", "absent"])
    assert (none.exit_code, none.stdout) == (1, "")
    assert "no line is stored yet" in none.stderr
    today = times.rfc3339(time.time())
    (tmp_path / "app.log").write_text(CALL.format(1).replace("2026-01-31T12:00:00Z", today))
    assert ingest(load("supersmartmatch"), ["app.log"], "supersmartmatch").rows == 1
    no_match = CliRunner().invoke(app, ["logs", "search", "absent"])
    assert no_match.exit_code == 1
    assert no_match.stderr.startswith(f"no line matches; the store holds 1, from {today[:10]}")


def test_a_search_without_a_match_says_when_no_line_of_the_store_has_a_time(tmp_path, monkeypatch):
    """Without an internal error, whatever the lines have instead of one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BASCULE_SPEC", "supersmartmatch")
    (tmp_path / "app.log").write_text(CALL.format(1).replace("2026-01-31T12:00:00Z", "0001-01-01T00:00:00+01:00"))
    assert ingest(load("supersmartmatch"), ["app.log"], "supersmartmatch").rows == 1
    no_match = CliRunner().invoke(app, ["logs", "search", "absent"])
    assert (no_match.exit_code, no_match.stderr) == (1, "no line matches; the store holds 1, without times\n")


@pytest.mark.parametrize("moment", ["9999-12-31T23:00:00-23:00", "0001-01-01T00:00:00+01:00"])
def test_a_span_from_outside_the_calendar_is_an_error_with_its_fix(tmp_path, monkeypatch, moment):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BASCULE_SPEC", "supersmartmatch")
    refused = CliRunner().invoke(app, ["logs", "search", "absent", "--since", moment])
    assert isinstance(refused.exception, UsageError)
    assert refused.exception.what == f"{moment!r} is not a time"
    assert refused.exception.fix.startswith("write 2026-")
