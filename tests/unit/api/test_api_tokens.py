"""The secrets of a stack: private files, made once, good for what they are for."""

from __future__ import annotations

import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bascule.api import Tokens
from bascule.api.tokens import ADDRESS_SECONDS, ELSEWHERE, SESSION_SECONDS, WEBHOOK_ELSEWHERE, Seat, Session, token_for
from bascule.errors import StoreError


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    made = Tokens(tmp_path)
    made.ensure()
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_files_that_their_owner_alone_can_read(tokens: Tokens) -> None:
    tokens.one_time()
    assert mode(tokens.folder) == 0o700
    assert {path.name: mode(path) for path in tokens.folder.iterdir()} == {
        "token": 0o600,
        "alertmanager-webhook-token": 0o600,
        "console-addresses": 0o700,
    }
    assert [mode(path) for path in (tokens.folder / "console-addresses").iterdir()] == [0o600]
    assert len({tokens.operator, tokens.webhook}) == 2
    assert min(len(tokens.operator), len(tokens.webhook)) >= 43


def test_a_restart_keeps_them_and_an_empty_file_is_made_anew(tokens: Tokens, tmp_path: Path) -> None:
    before = tokens.operator
    Tokens(tmp_path).ensure()
    assert Tokens(tmp_path).operator == before
    (tokens.folder / "token").write_text("\n")
    assert not tokens.is_operator("")
    tokens.ensure()
    assert tokens.operator not in ("", before)


def test_roles_that_start_at_once_end_up_with_one_token(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: (Tokens(tmp_path).ensure(), Tokens(tmp_path).operator)[1], range(40)))
    assert set(made) == {Tokens(tmp_path).operator}


def test_without_a_token_nothing_is_the_operators(tmp_path: Path) -> None:
    absent = Tokens(tmp_path)
    assert not absent.is_operator("")
    assert not absent.is_webhook("")
    assert not absent.redeem("")
    cookie = absent.cookie(Session("ada", Seat.OPERATOR))
    assert absent.session_of(cookie) is None
    assert not absent.is_page_token(absent.page_token(cookie), cookie)


def test_each_printed_address_of_the_console_is_good_once_within_a_day(tokens: Tokens) -> None:
    older, newer, oldest = tokens.one_time(), tokens.one_time(), tokens.one_time()
    assert tokens.redeem(newer)
    assert tokens.redeem(older)
    assert not tokens.redeem(newer)
    assert not tokens.redeem("../token")
    made = next((tokens.folder / "console-addresses").iterdir())
    os.utime(made, (time.time() - ADDRESS_SECONDS - 1,) * 2)
    assert not tokens.redeem(oldest)
    assert not made.exists()


def test_a_session_ends_in_a_week_with_the_operators_token_and_when_it_is_changed(tokens: Tokens) -> None:
    ada = Session("ada.o'neil@é", Seat.VIEWER, "c0ffee")
    cookie = tokens.cookie(ada, now=1000.0)
    assert tokens.session_of(cookie, now=1000.0 + SESSION_SECONDS - 1) == ada
    assert tokens.session_of(cookie, now=1000.0 + SESSION_SECONDS + 1) is None
    told, _, signature = cookie.rpartition(".")
    ends, seat, user, credential, nonce = told.split(".")
    more = f"{credential}.{nonce}"
    later, higher, other = f"{int(ends) + 1}.{seat}.{user}", f"{ends}.operator.{user}", f"{ends}.{seat}.YWRh"
    forged = [f"{start}.{more}.{signature}" for start in (later, higher, other)]
    forged.append(f"{ends}.{seat}.{user}.another.{nonce}.{signature}")
    for each in (*forged, f"{told}.", f"{told}.{'0' * 64}", "", ".", "x.y", "²."):
        assert tokens.session_of(each, now=1000.0) is None, each
    (tokens.folder / "token").write_text("another")
    assert tokens.session_of(cookie, now=1000.0) is None


def test_a_session_that_is_ended_stays_so_and_others_go_on(tokens: Tokens, tmp_path: Path) -> None:
    """Two of one user, begun in the same second."""
    ada = Session("ada", Seat.OPERATOR, "c0ffee")
    first, second = tokens.cookie(ada), tokens.cookie(ada)
    tokens.end_session(first)
    for each in (tokens, Tokens(tmp_path)):  # as after a restart
        assert each.session_of(first) is None
        assert each.session_of(second) == ada
    (kept,) = (tokens.folder / "ended-sessions").iterdir()
    assert (mode(kept), mode(kept.parent), first in kept.name) == (0o600, 0o700, False)
    os.utime(kept, (time.time() - SESSION_SECONDS - 1,) * 2)
    tokens.end_session(second)
    assert not kept.exists()  # the cookie has ended by itself


def test_what_is_no_session_leaves_no_trace_when_it_is_ended(tokens: Tokens) -> None:
    for cookie in ("", "x", "1.operator..a.b.c"):
        tokens.end_session(cookie)
    assert not (tokens.folder / "ended-sessions").exists()


def test_a_cookie_of_before_sessions_could_be_ended_signs_nobody_in(tokens: Tokens) -> None:
    told = f"{int(time.time()) + 1000}.operator."
    assert tokens.session_of(f"{told}.{tokens._signature('session', told)}") is None


def test_a_pages_token_is_good_for_its_own_session_alone(tokens: Tokens) -> None:
    mine, theirs = (tokens.cookie(Session(name, Seat.OPERATOR), now=1000.0) for name in ("ada", "bob"))
    assert tokens.is_page_token(tokens.page_token(mine), mine)
    assert not tokens.is_page_token(tokens.page_token(theirs), mine)
    assert not tokens.is_page_token("", mine)
    assert not tokens.is_page_token(mine.rpartition(".")[2], mine)


def test_a_pipeline_names_its_token_file(tokens: Tokens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert token_for(tmp_path) == tokens.operator
    elsewhere = tmp_path / "ci-token"
    elsewhere.write_text("of-the-pipeline\n")
    monkeypatch.setenv(ELSEWHERE, str(elsewhere))
    monkeypatch.setenv(WEBHOOK_ELSEWHERE, str(elsewhere))
    assert token_for(tmp_path) == "of-the-pipeline"
    assert tokens.is_webhook("of-the-pipeline")
    assert not tokens.is_operator("of-the-pipeline")


def test_a_state_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="cannot be kept"):
        Tokens(tmp_path).ensure()
