"""`bascule doctor --engine` measures what a server does where engines differ, and names each difference."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from altering_proxy import (
    AddsAReplica,
    Alteration,
    AnswersThePast,
    Deduplicates,
    DropsTheNewest,
    Interpolates,
    Limits,
    LosesASeries,
    altered,
)
from engine_history import history
from typer.testing import CliRunner

from bascule.cli.commands import app
from bascule.discover import EngineFinding, measure
from bascule.prometheus import Prometheus
from bascule.spec import starter_text

pytestmark = pytest.mark.real

PAGE = "process_cpu_seconds_total {cpu}\nprocess_start_time_seconds 1\n"
Findings = dict[str, EngineFinding]


@pytest.fixture(scope="module")
def server(module_programs: Any, module_metrics_page: Callable[..., Any], eventually: Callable[..., Any]) -> Any:
    """A Prometheus that scrapes three services each second, for two minutes so far; of one, scrapes fail by now."""
    pages = {f"shop-{name}": module_metrics_page(PAGE.format(cpu=500)) for name in ("v1", "v2", "gone")}
    scrape = {name: [page.target] for name, page in pages.items()}
    started = module_programs.start_prometheus(scrape=scrape, openmetrics=history(scrape, time.time() - 2.0))
    ended = 'count_over_time(process_start_time_seconds{job="shop-gone"}[1m])'
    eventually(lambda: (started.client.scalar(ended) or 0) > 3, 30)
    pages["shop-gone"].up = False
    failed = 'sum_over_time((up{job="shop-gone"} == bool 0)[10s:1s])'
    eventually(lambda: (started.client.scalar(failed) or 0) > 4, 30)
    return started


def measured(url: str) -> Findings:
    return {finding.subject: finding for finding in measure(Prometheus(url))}


def test_a_prometheus_lacks_nothing(server: Any) -> None:
    found = measured(server.url)
    assert {name: str(each) for name, each in found.items() if each.state not in ("ok", "differs")} == {}
    assert [name for name, each in found.items() if each.state == "differs"] == ["rules"]  # it has none


@pytest.mark.parametrize(
    ("alteration", "subject", "said"),
    [
        (DropsTheNewest(30), "newest sample", "are not returned"),
        (DropsTheNewest(30), "complete answers", "than the"),
        (AnswersThePast(30), "newest sample", "are not returned"),
        (Deduplicates(10), "one sample per scrape", "of one each 1 s, one each 10 s is left"),
        (Deduplicates(10), "complete answers", "that count_over_time counts"),
        (Limits(300), "samples in an answer", "are returned, without an error"),
        (Limits(300, 422), "samples in an answer", "are refused"),
        (Limits(300, 503), "samples in an answer", "are refused"),
        (Interpolates(), "raw samples", "moved to other times"),
        (LosesASeries(), "complete series", "count() counts 3"),
        (AddsAReplica(), "replicas", "told apart by the label replica"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Alteration) else None,
)
def test_what_an_engine_does_to_samples_is_named(alteration: Alteration, subject: str, said: str, server: Any) -> None:
    with altered(server.url, alteration) as url:
        found = measured(url)[subject]
    assert (found.state, said in found.found) == ("lacks", True), found


def test_the_command_needs_no_spec_and_its_exit_code_says_whether_anything_lacks(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BASCULE_SPEC", raising=False)
    fine = CliRunner().invoke(app, ["doctor", "--engine", server.url])
    assert (fine.exit_code, "All that Bascule needs works here." in fine.output) == (0, True), fine.output
    with altered(server.url, DropsTheNewest(30)) as url:
        told = CliRunner().invoke(app, ["doctor", "--engine", url, "--json"])
    assert told.exit_code == 1
    assert {each["subject"] for each in json.loads(told.output) if not each["ok"]} >= {"newest sample"}


@pytest.mark.parametrize("command", ["check", "doctor"])
def test_check_and_doctor_name_what_the_engine_of_a_spec_lacks(command: str, server: Any, tmp_path: Path) -> None:
    with altered(server.url, Limits(300, 422)) as url:
        document = yaml.safe_load(starter_text()) | {"stack": {"external": {"prometheus": url}}}
        (tmp_path / "shop.yaml").write_text(yaml.safe_dump(document))
        more = ["--prometheus", url] if command == "check" else []
        told = CliRunner().invoke(app, [command, str(tmp_path / "shop.yaml"), *more])
    assert told.exit_code == 1
    assert "engine: samples in an answer" in told.output, told.output
    assert "raise the limit" in told.output
