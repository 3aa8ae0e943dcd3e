"""The check of words finds every phrase that the glossary refuses, in every kind of text, and leaves names alone."""

import importlib.util
from pathlib import Path

import pytest

_SOURCE = Path(__file__).parents[2] / "tools" / "check_words.py"
_SPEC = importlib.util.spec_from_file_location("check_words", _SOURCE)
words = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(words)

PHRASES = sorted({each.phrase for each in words.refusals()})


def found(file: str, text: str) -> list[tuple[str, int]]:
    return [(each.refusal.phrase, each.line) for each in words.findings(file, text)]


@pytest.mark.parametrize("phrase", PHRASES)
def test_each_refused_phrase_is_found_in_prose_in_a_comment_and_across_the_lines_of_a_string(phrase):
    assert (phrase, 3) in found("docs/x.md", f"One.\n\nIt {phrase} here.\n")
    assert (phrase, 1) in found("tests.py", f"x = 1  # it {phrase.upper()} here\n")
    wrapped = ' "\n    f"'.join(phrase.split())
    assert phrase in [name for name, _ in found("tests.py", f'say(\n    "it "\n    f"{wrapped} {{x}}"\n)\n')]


def test_names_backquotes_and_placeholders_are_no_prose():
    text = "`mend` job:mend:rate5m mend_total runbooks/mend.md {mend} x.mend() mend-it\n"
    assert found("docs/x.md", text) == []
    assert found("src/x.py", 'mend = spec.mend  # `mend`\nprint(f"{mend} it", mend)\n') == []


def test_a_phrase_is_allowed_where_the_glossary_says_so_and_there_alone():
    assert found("docs/method.md", "evidence in nats\n") == []
    assert found("docs/sla.md", "evidence in nats\n") == [("nats", 1)]


def test_each_row_of_the_glossary_says_what_to_write_instead():
    assert all(each.write for each in words.refusals())
    assert len(PHRASES) > 80
