"""Whatever `check` accepts as a selector is PromQL, and means the same when Bascule prints it again."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import suppress

import pytest
import sla_truth

from bascule.discover.verify import selectors_of
from bascule.spec import Selector

pytestmark = pytest.mark.integration

VALUES = ["", "x", "5xx", "503", "/api/match", "a.b", "é", 'q"q', "back\\slash", "tab\tline\nend", "a}b", "A", "#"]
NAMES = ["m", "on", "sum", "inf", "offset", "by", "bool", "start", "group_left"]
GOOD = [
    *("5..", "/api/\\w+", "a[.]b", "[^/]+", ".*", ".+", "(5xx|503)", "x{1,3}", "(?i)a", "(?i:a)", "\\d{3}", "é?", "a|"),
    *("[a-z}]+", "", "[^\\s]+", "^x$", "\\.", "(?P<n>x)", "[]x]", "[x-]", "\\x41", "#", "back\\\\slash", "\\bx\\b"),
]
BAD = [
    *("x**", "(?=x)", "[a&&b]", "[[:alpha:]]+", "\\pL", "(?x) x", "x{,3}", "x{2000}", "(?<n>x)", "\\u00e9", "x{"),
    *("\\Qx\\E", "x++", "(x", "[~~x]", "\\C", "(?-i)x", "\\<x", "x\\z"),
]
PATTERNS = [*GOOD, *BAD]
AFTER = ["", "", "", " # all", " offset 1m", " @ 0", "[1m]"]


def texts(seed: int, count: int) -> Iterator[str]:
    """Selectors as people might write them, and as nobody should."""
    pick = random.Random(seed)
    for _ in range(count):
        matchers = [_matcher(pick) for _ in range(pick.randint(0, 3))]
        between = pick.choice([",", ", ", ",", " or ", ",\n"])
        name = pick.choice(NAMES)
        if pick.random() < 0.5:
            yield f"{name}{{{between.join(matchers)}}}" + pick.choice(
                ["", "", "", " # all", " offset 1m", " @ 0", "[1m]"]
            )
        else:
            by_name = [f'__name__="{name}"', f'"{name}"', f'__name__=~"{name}|m"', '__name__="a.b"', '__name__!="m"']
            named = pick.choice(by_name)
            yield "{" + between.join([named, *matchers]) + "}"


def _matcher(pick: random.Random) -> str:
    label = pick.choice(["a", "status", "a", '"a"', '"a.b"', "é", "__x", "le"])
    operator = pick.choice(["=", "!=", "=~", "!~"])
    value = pick.choice(PATTERNS if "~" in operator else VALUES)
    quoted = pick.choice([json.dumps, lambda text: json.dumps(text, ensure_ascii=False), _odd])
    return f"{label}{operator}{quoted(value)}"


def _odd(value: str) -> str:
    """Escapes that Go has too, some of them of single bytes."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in value.encode()) + '"'


def test_every_accepted_selector_selects_the_same_when_printed(tmp_path):
    """In Prometheus itself: what the text selects and what the printed selector selects differ in nothing."""
    accepted = {}
    for text in texts(seed=20, count=3000):
        with suppress(ValueError):
            accepted[text] = Selector.parse(text)
    assert 100 < len(accepted) < 2500
    series = [f"{{__name__={json.dumps(name)},a={_quoted(value)}}}" for name in NAMES for value in VALUES]
    series += [f"{{__name__={json.dumps(name)},status={_quoted(value)}}}" for name in NAMES for value in VALUES]
    checks = [
        {"expr": _difference(text, again), "eval_time": "1m", "exp_samples": []}
        for text, selector in accepted.items()
        for again in dict.fromkeys((str(selector), *selectors_of(str(selector))))
    ]
    (tmp_path / "rules.yml").write_text('{"groups": []}')
    tests = [{"input_series": [{"series": each, "values": "1x9"} for each in series], "promql_expr_test": checks}]
    (tmp_path / "tests.yml").write_text(json.dumps({"rule_files": ["rules.yml"], "tests": tests}))
    sla_truth.promtool("test", "rules", str(tmp_path / "tests.yml"))


def _difference(one: str, other: str) -> str:
    return f"count(({one}\n) unless {other}) or count({other} unless ({one}\n))"


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
