"""Windows follow the scrape interval: none is shorter than two scrapes, and what cannot work is refused."""

from __future__ import annotations

import math
import re

import pytest
from typer.testing import CliRunner

from bascule.cli.commands import app
from bascule.errors import SpecError
from bascule.generate.alerting.promtool_cases import thinned
from bascule.generate.prometheus.rule_groups import rule_groups
from bascule.spec import Spec, built_in_text, parse
from bascule.spec.quantities import parse_duration


def scraped_every(seconds: float) -> Spec:
    timing = f"{{interval: {seconds:g}s, timeout: 500ms, evaluation: {min(seconds, 15):g}s}}"
    return parse(f"{built_in_text()}\nstack: {{scrape: {timing}}}\n")


@pytest.mark.parametrize("seconds", [1, 5, 15, 30, 60])
def test_no_window_over_scraped_series_is_shorter_than_two_scrapes(seconds: float) -> None:
    """A minute's `increase` has never a sample when there is one a minute, and nobody is told."""
    for group in rule_groups(scraped_every(seconds)):
        for rule in group.rules:
            unquoted = re.sub(r'"[^"]*"', "", rule.expr)
            raw = re.sub(r"[a-z_]\w*:[\w:]+(\{[^}]*\})?\[\w+\]", "", unquoted)  # recorded series have their own pace
            for window in re.findall(r"\[(\w+)(?::\w+)?\]", raw):
                assert parse_duration(window) >= 2 * seconds, f"{rule.name}: {window}"


@pytest.mark.parametrize(("seconds", "least"), [(1, 30), (15, 45), (60, 180)])
def test_a_judge_that_waits_for_the_next_scrape_is_not_stuck(seconds: float, least: float) -> None:
    (stuck,) = (a for group in rule_groups(scraped_every(seconds)) for a in group.alerts if a.name == "JudgeStuck")
    assert float(stuck.expr.rpartition("> ")[2]) == least


def test_a_scrape_interval_that_nothing_can_work_with_is_refused() -> None:
    with pytest.raises(SpecError, match="a rate needs three samples"):
        scraped_every(121)


def test_a_slow_scrape_interval_is_warned_of(tmp_path) -> None:
    (tmp_path / "spec.yaml").write_text(f"{built_in_text()}\nstack: {{scrape: {{interval: 90s}}}}\n")
    said = CliRunner().invoke(app, ["check", str(tmp_path / "spec.yaml")])
    assert (said.exit_code, "at a scrape interval of 1 min 30 s" in said.output) == (0, True), said.output


@pytest.mark.parametrize(
    ("values", "each", "left"),
    [
        ("0+30x4", 1, "0+30x4"),
        ("0+30x4", 2, "0 _ 60 _ 120"),
        ("1x2 _x2 5", 2, "1 _ 1 _ _ _"),
        ("5.184e+06x2", 3, "5184000 _ _"),
        ("3-1x3", 2, "3 _ 1 _"),
    ],
)
def test_generated_tests_hold_the_samples_that_are_scraped(values: str, each: int, left: str) -> None:
    """With samples between the scrapes a test would pass that no real series can."""
    assert thinned(values, each) == left


def test_each_test_has_no_sample_between_two_scrapes() -> None:
    from bascule.generate.alerting.promtool_tests import test_files as files_of_tests

    for test in (test for file in files_of_tests(scraped_every(60)).values() for test in file["tests"]):
        apart = math.ceil(60 / parse_duration(test["interval"]))
        if apart > 1:
            assert all(f"x{40}" not in series["values"] for series in test["input_series"]), test["name"]
