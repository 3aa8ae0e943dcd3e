"""The one table of states, and the page that prints it."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

from bascule.conventions import State, Verdict
from bascule.states import COLOURS, MEANINGS, Cause, first_of, no_data

PAGE = (Path(__file__).parents[2] / "docs/no-data.md").read_text("utf-8")


def test_every_cause_of_no_data_has_a_meaning_and_no_data_is_never_another_verdict() -> None:
    """A cause without a sentence and a next step cannot be added."""
    assert set(MEANINGS) == set(Cause)
    for meaning in MEANINGS.values():
        assert meaning.sentence.endswith(".")
        assert meaning.fix.endswith(".")
        assert meaning.verdict is Verdict.NO_DATA
        assert meaning.gate_exit_code == 4
    assert set(COLOURS) == set(State)


def test_every_cause_is_said_in_french() -> None:
    said = {no_data(cause, "fr") for cause in Cause}
    assert len(said) == len(Cause)
    assert all(text.startswith("sans données : ") for text in said)


def test_the_page_prints_the_table_as_it_is() -> None:
    """docs/no-data.md and the code say the same, row by row."""
    for cause, meaning in MEANINGS.items():
        row = f"| `{cause}` | {meaning.sentence} | {meaning.fix} | {'yes' if meaning.pages else 'no'} |"
        assert row in PAGE, row


def test_of_several_causes_the_most_telling_is_said_in_whatever_order_they_are_found() -> None:
    """A server that is away explains why everything is stale; not the other way round."""
    for causes in permutations([Cause.STALE, Cause.SERVER_AWAY, Cause.NO_TRAFFIC]):
        assert first_of(causes) is Cause.SERVER_AWAY
    assert first_of([]) is None
