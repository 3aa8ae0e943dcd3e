"""Which version a line speaks of, and how that is known."""

from __future__ import annotations

import json

import pytest

from bascule.logs import Parser, VersionFinder, built_in
from bascule.spec import load

SPEC = load("supersmartmatch")
TIME = "2026-01-31T12:00:00.123Z INFO"
CALL = "API_CALL user_id=u endpoint={} response_time=0.1 status=200"


def version_of(line: str, of_source: str | None = None, name: str = "api_call") -> tuple[str, str]:
    (rows,) = Parser((built_in(name),)).parse((line + "\n").encode())
    columns = VersionFinder.of(SPEC, of_source).add(rows).columns
    return tuple(columns[key].texts()[columns[key].codes[0]] for key in ("version", "version_from"))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"{TIME} shop {CALL.format('/api/v2/match')} version=v1", ("v1", "field")),
        (f"{TIME} supersmartmatch-v2 {CALL.format('/api/v1/match')}", ("v2", "service")),
        (f"{TIME} shop {CALL.format('/api/v2/match')}", ("v2", "path")),
        (f"{TIME} shop {CALL.format('/api/match?next=/v2/')}", ("unknown", "unknown")),
    ],
)
def test_the_applications_field_goes_before_its_name_before_the_path(line, expected):
    """A path that tells nothing leaves the version unknown: never V1 by default."""
    assert version_of(line) == expected


def test_what_the_spec_declares_for_a_source_goes_before_all():
    """One file, one version."""
    line = f"{TIME} supersmartmatch-v2 {CALL.format('/api/v2/match')} version=v2"
    assert version_of(line, "v1") == ("v1", "source")


@pytest.mark.parametrize(
    ("upstream", "expected"),
    [
        ("127.0.0.1:5070", ("v2", "upstream")),
        ("127.0.0.1:5062, 127.0.0.1:5070", ("v2", "upstream")),  # retried: the last one answered
        ("127.0.0.1:9999", ("v1", "path")),
    ],
)
def test_nginx_upstream_goes_before_the_path(upstream, expected):
    """The source document counts what nginx sends to V2 under a V1 path as V1."""
    line = json.dumps({"time": "2026-01-31T12:00:00Z", "uri": "/api/v1/match", "upstream_addr": upstream})
    assert version_of(line, name="nginx_json") == expected
