"""`preset:` on a service: what it exposes need not be declared."""

from __future__ import annotations

import re

import pytest

from bascule.errors import SpecError
from bascule.spec import parse
from bascule.spec.presets import NO_USERS, presets

SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {{name: shop}}
versions: {{baseline: v1, candidate: v2}}
services:
  shop-v1: {{targets: ["127.0.0.1:8001"], version: v1, preset: {v1}}}
  shop-v2: {{targets: ["127.0.0.1:8002"], version: v2, preset: {v2}}}
phases: [{{share: 100%, hold: 1d}}]
"""


@pytest.mark.parametrize("preset", [preset for preset in presets() if preset.requests], ids=lambda preset: preset.name)
def test_a_preset_gives_valid_signals_of_its_roles(preset) -> None:
    spec = parse(SPEC.format(v1=preset.name, v2=preset.name))
    assert spec.errors is not None
    assert spec.errors.signal.numerator.metric == preset.requests
    assert (spec.latency is not None) == bool(preset.latency)
    assert spec.versions.label == (preset.version or "version")


def test_what_the_spec_declares_stands() -> None:
    own = "signals: {errors: {kind: ratio, bad: 'x_total{a=\"b\"}', total: x_total, better: lower}}\n"
    spec = parse(SPEC.format(v1="express-prom-bundle", v2="express-prom-bundle") + own)
    assert spec.errors is not None
    assert spec.errors.signal.all_events.metric == "x_total"
    assert spec.latency is not None


def test_an_unknown_preset_is_refused_with_those_there_are() -> None:
    with pytest.raises(SpecError, match=r"(?s)is not a preset.*envoy"):
        parse(SPEC.format(v1="expres", v2="expres"))


def test_services_of_two_vocabularies_must_declare_their_signals() -> None:
    with pytest.raises(SpecError, match="signals"):
        parse(SPEC.format(v1="express-prom-bundle", v2="envoy"))


@pytest.mark.parametrize(
    "route", ["/health", "/healthz", "/api/live", "/metrics", "prometheus-django-metrics", "ready"]
)
def test_health_checks_and_scrapes_are_no_users(route: str) -> None:
    assert re.fullmatch(NO_USERS, route)


@pytest.mark.parametrize("route", ["/orders", "/health-insurance", "/metrics/1", "/delivery", ""])
def test_other_routes_are(route: str) -> None:
    assert not re.fullmatch(NO_USERS, route)
