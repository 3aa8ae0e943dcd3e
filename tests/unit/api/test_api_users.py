"""Who may sign in to the console: hashed passwords, few guesses, and out at once when removed."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from bascule.api.tokens import Seat, Session
from bascule.api.users import FORGOTTEN_AFTER, MOST_FAILURES, Users
from bascule.errors import NotAllowed, StoreError, UsageError

PASSWORD = "correct horse battery"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_password_is_kept_hashed_in_a_file_that_its_owner_alone_can_read(tmp_path: Path) -> None:
    users = Users(tmp_path)
    users.put("ada", Seat.OPERATOR, PASSWORD)
    (file,) = (tmp_path / "secrets").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASSWORD not in file.read_text()
    session = users.sign_in("ada", PASSWORD)
    assert (session.user, session.seat) == ("ada", Seat.OPERATOR)
    assert users.knows(session)
    assert dict(users.all()) == {"ada": Seat.OPERATOR}


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong password"), ("nobody", PASSWORD), ("ada", "")])
def test_what_is_wrong_is_not_told(tmp_path: Path, name: str, password: str) -> None:
    users = Users(tmp_path)
    users.put("ada", Seat.VIEWER, PASSWORD)
    with pytest.raises(NotAllowed, match="the name or the password is wrong"):
        users.sign_in(name, password)


def test_guessing_ends_after_a_few_tries_and_is_possible_again_later(tmp_path: Path) -> None:
    clock = Clock()
    users = Users(tmp_path, clock)
    users.put("ada", Seat.VIEWER, PASSWORD)
    for _ in range(MOST_FAILURES):
        with pytest.raises(NotAllowed, match="is wrong"):
            users.sign_in("ada", "a guess of ten")
    with pytest.raises(NotAllowed, match="too many"):
        users.sign_in("ada", PASSWORD)
    clock.now += FORGOTTEN_AFTER
    assert users.sign_in("ada", PASSWORD).user == "ada"


def test_who_is_removed_is_out(tmp_path: Path) -> None:
    users = Users(tmp_path)
    users.put("ada", Seat.OPERATOR, PASSWORD)
    users.remove("ada")
    with pytest.raises(NotAllowed):
        users.sign_in("ada", PASSWORD)
    with pytest.raises(UsageError, match="there is no user 'ada'"):
        users.remove("ada")


def test_a_session_is_over_with_the_password_that_began_it(tmp_path: Path) -> None:
    """A new one, the same one set again, another seat, and a user who was removed and comes back."""
    users = Users(tmp_path)
    users.put("ada", Seat.VIEWER, PASSWORD)
    password = PASSWORD
    for seat, following in (
        (Seat.VIEWER, "another password"),
        (Seat.VIEWER, "another password"),
        (Seat.OPERATOR, PASSWORD),
    ):
        before, password = users.sign_in("ada", password), following
        assert users.knows(before)
        users.put("ada", seat, following)
        assert not users.knows(before)
    before = users.sign_in("ada", PASSWORD)
    users.remove("ada")
    users.put("ada", Seat.OPERATOR, PASSWORD)
    assert not users.knows(before)
    users.remove("ada")
    assert not users.knows(Session("ada", Seat.OPERATOR))


def test_a_short_password_a_wrong_name_and_a_broken_file_are_refused(tmp_path: Path) -> None:
    users = Users(tmp_path)
    with pytest.raises(UsageError, match="shorter than"):
        users.put("ada", Seat.VIEWER, "short")
    with pytest.raises(UsageError, match="one line"):
        users.put("a\nb", Seat.VIEWER, PASSWORD)
    users.put("ada", Seat.VIEWER, PASSWORD)
    (tmp_path / "secrets" / "users").write_text("{")
    with pytest.raises(StoreError, match="cannot be read"):
        users.all()
