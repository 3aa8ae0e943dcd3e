"""instrument.json: what it declares, and what is said when it is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bascule.errors import UsageError
from bascule.instrument import Config, load_config


def test_every_key_is_optional(declare: Callable[..., Path]) -> None:
    assert load_config(declare()) == Config()


def test_an_endpoint_with_a_method_exists_for_that_method_alone(declare: Callable[..., Path]) -> None:
    config = load_config(declare(endpoints=["/jobs", "POST /match"], methods=["GET", "PUT"]))
    assert list(config.routes()) == [("/jobs", "GET"), ("/jobs", "PUT"), ("/match", "POST")]


def test_a_segment_without_partners_has_the_partner_none(declare: Callable[..., Path]) -> None:
    config = load_config(declare(segments=["freemium", "api_partners"], partners={"api_partners": ["acme", "globex"]}))
    assert list(config.clients()) == [("freemium", "none"), ("api_partners", "acme"), ("api_partners", "globex")]


@pytest.mark.parametrize(
    ("declared", "named"),
    [
        ({"segment": ["a"]}, "segment is not valid"),
        ({"segments": "enterprise"}, "segments"),
        ({"segments": [""]}, "segments"),
        ({"segments": [1]}, "segments"),
        ({"partners": ["acme"]}, "partners"),
        ({"partners": {"api": "acme"}}, "partners.api"),
        ({"buckets": {"http_request_duration": [1]}}, "buckets"),
        ({"buckets": {"http_requests_total": [1]}}, "buckets"),
        ({"buckets": {"http_request_duration_seconds": [0.2, 0.1]}}, "buckets.http_request_duration_seconds"),
        ({"buckets": {"http_request_duration_seconds": []}}, "buckets.http_request_duration_seconds"),
        ({"buckets": {"http_request_duration_seconds": [0.1, True]}}, "buckets.http_request_duration_seconds"),
        ({"buckets": {"http_request_duration_seconds": [float("nan")]}}, "buckets.http_request_duration_seconds"),
        ({"label_limit": -1}, "label_limit"),
        ({"label_limit": "100"}, "label_limit"),
        ({"patience": 0}, "patience"),
        ({"patience": -1.5}, "patience"),
        ({"patience": "10s"}, "patience"),
        ({"patience": True}, "patience"),
        ({"patience": float("inf")}, "patience"),
    ],
)
def test_what_is_wrong_is_named_with_its_file_and_key(
    declare: Callable[..., Path], declared: dict[str, Any], named: str
) -> None:
    path = declare(**declared)
    with pytest.raises(UsageError, match="expected") as raised:
        load_config(path)
    assert named in raised.value.what
    assert str(path) in raised.value.what


def test_a_missing_or_broken_file_is_said_at_start(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_config(tmp_path / "absent.json")
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(UsageError, match="is not JSON"):
        load_config(broken)
    broken.write_text("[]")
    with pytest.raises(UsageError, match="an object"):
        load_config(broken)
