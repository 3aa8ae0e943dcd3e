"""Patterns are matched in bounded time, and mean what they mean to Python."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.logformat import BUILT_IN, PatternError, read_grok
from bascule.logs import Parser, RegexMatcher, TooCostly, built_in, compile_grok, format_named
from bascule.spec.model import LogFormat

SEVERAL = "%{DATA:a} x %{DATA:b} x %{DATA:c} x %{DATA:d} x %{DATA:e} y %{NUMBER:n}"
LONG = "x " * 2350  # 4.7 KB
PARTS = (
    "x ",
    "a",
    "::",
    '"',
    "[",
    " - ",
    "1",
    "2026-01-31 12:00:00 ",
    "GET / ",
    '1.1.1.1 - - [31/Jan/2026:12:00:00] "',
)
COSTLY = [part * (16_000 // len(part)) for part in PARTS]


@pytest.mark.parametrize("line", COSTLY, ids=lambda line: line[:10])
@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_no_line_is_costly_to_a_built_in_format(name, line):
    """Whatever it is made of; backtracking took minutes."""
    started = time.process_time()
    built_in(name).read(line)
    assert time.process_time() - started < 0.5


def test_a_line_under_several_lazy_patterns_costs_little():
    """It does not match; a backtracking engine tries every way."""
    reader = compile_grok(SEVERAL)
    started = time.process_time()
    assert reader.read_many([LONG] * 10) == [None] * 10
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("pattern", ["%{IPV6} " * 1000, "[a] " * 3000, "%{GREEDYDATA:a} " * 5000], ids=len)
def test_a_pattern_that_takes_long_to_compile_is_refused(pattern):
    """What it refers to counts: eight characters are a kilobyte."""
    started = time.process_time()
    with pytest.raises(PatternError, match="longer than"):
        read_grok(pattern)
    assert time.process_time() - started < 1


def test_a_pattern_that_is_not_linear_is_limited_in_time_and_the_line_told():
    """Look-around makes it so; other lines are read, and the costly one is counted with its reason."""
    form = LogFormat(grok=r"(?<q>(?:(?:a|aa)+)+)(?<!a)b? (?<level>\w+)")
    parser = Parser((format_named("own", {"own": form}), built_in("json")))
    started = time.process_time()
    rows = parser.parse(f"{'a' * 60}b INFO\n{{}}\n".encode())
    assert time.process_time() - started < 2
    assert {found.format: dict(found.misread) for found in rows} == {"own": {("line", "too costly"): 1}, "json": {}}
    assert not RegexMatcher(read_grok(form.grok).expression).is_linear


def test_a_line_that_takes_too_long_is_told_from_one_that_does_not_match():
    """The engine that backtracks has so long for a line, and for all lines of a chunk."""
    matcher = RegexMatcher(r"(?P<x>(?:(?:a|aa)+)+)(?<!a)b?c?")
    started = time.monotonic()
    found = matcher.match(["z", *["a" * 60 + "b"] * 100, "aac", "xb"])
    assert time.monotonic() - started < 10
    assert found[0] is None
    assert all(isinstance(match, TooCostly) for match in found[1:101])
    assert found[101:] == [None, None]


@pytest.mark.parametrize(
    ("pattern", "line", "expected"),
    [
        ("%{GREEDYDATA:a}%{NUMBER:n}", "ab12", {"a": "ab", "n": "12"}),  # what is before a number is no digit
        ("%{IP:ip} %{WORD:w}", "10.0.0.1 bücher", {"ip": "10.0.0.1", "w": "bücher"}),
        ("%{WORD:w} (x|y)+ (?<z>.*)", "über xy rest", {"w": "über", "z": "rest"}),
        (r"(?<a>x++)(?<b>x?)y", "xxy", {"a": "xx"}),
        (r"(?<a>(?>x+))x?y", "xxy", {"a": "xx"}),
    ],
)
def test_what_re2_does_not_know_means_what_it_means_to_python(pattern, line, expected):
    """Look-behind, letters beyond ASCII, unnamed and atomic groups."""
    assert compile_grok(pattern).read(line).fields == expected


words = st.text(alphabet=st.sampled_from('ab1 .-:é"[]'), max_size=8)
pieces = ["%{WORD:w}", "%{DATA:d}", "%{NUMBER:n}", "%{IP:i}", " ", "-", ".", "(a|b)?", "[ab1]*", r"\d+", "%{QS:q}"]
patterns = st.lists(st.sampled_from(pieces), min_size=1, max_size=5).map("".join)


@settings(deadline=None)
@given(patterns, st.lists(words, max_size=6))
def test_a_pattern_matches_what_it_matches_in_python(pattern, lines):
    """With the same groups, whichever engine reads it."""
    expression = read_grok(pattern).expression
    expected = [
        found and {k: v or "" for k, v in found.groupdict().items()}
        for found in map(re.compile(expression).fullmatch, lines)
    ]
    assert RegexMatcher(expression).match(lines) == expected
