"""What a real Prometheus holds and Bascule does not read is named, with the next step: it is never silently no data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from native_page import family, native_page
from typer.testing import CliRunner

from bascule.cli.commands import app
from bascule.discover import propose, unseen
from bascule.spec import parse

pytestmark = pytest.mark.integration

NATIVE = "http_request_duration_seconds"
REQUESTS = """\
# TYPE http_requests_total counter
http_requests_total{{status="200"}} 100
http_requests_total{{status="500"}} 3
# TYPE order_request_seconds histogram
order_request_seconds_bucket{{le="{bound}"}} 90
order_request_seconds_bucket{{le="+Inf"}} 103
order_request_seconds_sum 9
order_request_seconds_count 103
"""


@pytest.fixture(scope="module")
def server(
    module_programs: Any, module_metrics_page: Callable[..., Any], eventually: Callable[..., Any]
) -> Iterator[Any]:
    """Two versions, of which each has counters, a classic histogram (of which one writes the bound `1`, the other
    `1.0`), and a native one."""
    with ExitStack() as pages:
        scrape = {}
        for version, bound in (("v1", "1"), ("v2", "1.0")):
            native = pages.enter_context(native_page(family(NATIVE, {"route": "/orders"}, 40)))
            scrape[f"shop-{version}"] = [module_metrics_page(REQUESTS.format(bound=bound)).target, native]
        started = module_programs.start_prometheus(scrape=scrape, flags=["--enable-feature=native-histograms"])
        eventually(lambda: started.client.scalar(f"count(histogram_count({NATIVE}))") == 2, 30)
        eventually(lambda: started.client.scalar("count(order_request_seconds_count)") == 2, 30)
        yield started


@pytest.fixture
def with_native(server: Any, tmp_path: Path) -> Path:
    """A spec whose latency is the native histogram."""
    document = yaml.safe_load(propose(server.client))
    document["signals"]["latency"] = {"kind": "histogram", "metric": NATIVE}
    document["signals"]["calls"] = {"kind": "ratio", "bad": f"{NATIVE}_count", "total": NATIVE, "better": "lower"}
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(document))
    return tmp_path / "shop.yaml"


def test_init_takes_the_classic_histogram_and_names_the_native_one(server: Any) -> None:
    text = propose(server.client)
    assert parse(text).signals["latency"].selectors["metric"].metric == "order_request_seconds_bucket", text
    assert f"# warning: not read: {NATIVE} is a native histogram here" in text
    assert "start it without --enable-feature=native-histograms, or update it" in text


@pytest.mark.parametrize("command", ["check", "doctor"])
def test_check_and_doctor_name_a_native_histogram_with_the_next_step(
    command: str, server: Any, with_native: Path
) -> None:
    more = ["--prometheus", server.url] if command == "check" else []
    done = CliRunner().invoke(app, [command, str(with_native), *more])
    assert done.exit_code == 1
    said = " ".join(done.output.split())
    for key in ("latency.metric", "calls.bad", "calls.total"):
        for version in ("v1", "v2"):
            assert f"signals.{key} of {version}: {NATIVE} is a native histogram here" in said, said
    assert "cannot keep both: start it without --enable-feature=native-histograms" in said


def test_what_is_not_seen_yet_names_it_too(server: Any, with_native: Path) -> None:
    spec = parse(with_native.read_text())
    told = {each.key: each.what for each in unseen(spec, server.client)}
    assert "native histogram" in told["signal latency of v1"]


def test_a_bound_is_one_bucket_whether_it_is_written_1_or_1_point_0(
    server: Any, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    """A gate on that bound: both versions have it, and the same share is below it."""
    document = yaml.safe_load(propose(server.client))
    document["signals"]["latency"]["targets"] = {"p95": "1s"}
    document["thresholds"] = {"response_time_p95": "1s"}
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(document))

    def agrees() -> bool:  # on a busy machine the newest scrapes may be late
        done = CliRunner().invoke(app, ["check", str(tmp_path / "shop.yaml"), "--prometheus", server.url])
        assert "has no bucket" not in done.output, done.output
        assert "agrees with the spec" in done.output, done.output
        return True

    eventually(agrees, 30)
