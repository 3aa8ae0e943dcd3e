"""The check of numbers finds what people cannot read at once; `make real NAME=numbers` walks everything with it."""

import pytest
import walk
from plain_numbers import problems
from typer.testing import CliRunner

from bascule import figures
from bascule.cli.commands import app
from bascule.spec import load


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("since 1769850000", "Unix seconds"),
        ("from 1,800,000,000", "Unix seconds"),
        ("a difference of 6.19e-06 pt", "no unit"),
        ("p95 is 98.731 ms", "more than three significant digits"),
        ("p95 is 57.26 ms", "more than three significant digits"),
        ("4.081 stars", "more than three significant digits"),
        ("it took 1.5", "no unit"),
    ],
)
def test_what_is_wrong_with_a_number_is_found(text: str, wrong: str) -> None:
    assert [problem.startswith(wrong) for problem in problems(text)] == [True]


@pytest.mark.parametrize(
    "text",
    [
        "12.5 %, 99.953 % and 0.0120 s",
        "evidence 9.1 (alert threshold 7.0)",
        "13.4 (alert threshold 7.5) +9.6 … +17.5 pt at 8.6/s",
        "8.367% of the seconds of the last 1h were bad",
        "prometheus 2.42.0 at 127.0.0.1:9090, since 2026-01-31 13:41:05 UTC",
        "le=0.005 http://shop.example:8080/v1.25",
        "8,958 of 8,958 requests",
    ],
)
def test_what_people_read_at_once_is_left_alone(text: str) -> None:
    assert list(problems(text)) == []


def test_check_writes_numbers_for_people() -> None:
    assert list(problems(CliRunner().invoke(app, ["check", "supersmartmatch"]).output)) == []


def test_every_command_is_walked() -> None:
    assert walk.not_walked() == walk.NOT_WALKED


def test_every_page_is_walked() -> None:
    found = set(walk.addresses(load("supersmartmatch")))
    assert {"/", "/wall", "/incidents/1", "/executive?lang=fr", "/sla", "/runbooks/sla"} <= found


@pytest.mark.parametrize(
    ("text", "french"),
    [
        ("82.1 %", "82,1 %"),
        ("+0.252 stars", "+0,252 étoiles"),
        ("99.9% over 30 d", "99,9% over 30 j"),
        ("old", "old"),
        ("over 50 ms", "plus de 50 ms"),
    ],
)
def test_figures_are_written_as_the_reader_s_language_writes_them(text: str, french: str) -> None:
    assert (figures.local(text, "fr"), figures.local(text, "en")) == (french, text)
