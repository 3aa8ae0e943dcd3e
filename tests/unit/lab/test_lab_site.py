"""The lab's own spec: moved to free ports and to a folder, and written so that it reads back to the same."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import bascule.lab
from bascule.errors import UsageError
from bascule.lab.parts import LabParts
from bascule.lab.plan import PARTNERS
from bascule.lab.site import front_url, lab_spec, write_spec
from bascule.spec import BUILT_IN, load, parse
from bascule.spec.model import Ports

MINIMAL = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {label: version, baseline: v1, candidate: v2}
services: {shop: {targets: ["127.0.0.1:8001"]}}
signals: SIGNALS
phases: [{share: 10%, hold: 1h}]
"""


@pytest.fixture
def base():
    return load(BUILT_IN)


@pytest.fixture
def spec(base, tmp_path):
    return lab_spec(base, tmp_path)


def test_the_built_in_spec_round_trips(base, tmp_path):
    assert load(write_spec(base, tmp_path / "spec.yaml")) == base


def test_the_labs_spec_round_trips(spec, tmp_path):
    assert load(write_spec(spec, tmp_path / "deep" / "spec.yaml")) == spec


def test_an_amount_of_another_unit_than_the_signals_round_trips(tmp_path):
    """50ms is 50 of a signal in milliseconds, and stays it."""
    took = "{kind: histogram, metric: took, unit: milliseconds, targets: {p95: 50ms}}"
    gain = "{kind: ratio, good: ok_total, total: all_total, better: higher, target_gain: 13pt, alert_below_gain: 13%}"
    spec = parse(MINIMAL.replace("SIGNALS", f"{{took: {took}, success: {gain}}}"))
    assert load(write_spec(spec, tmp_path / "spec.yaml")) == spec


def test_every_port_is_unprivileged_and_its_own(spec):
    stack = [getattr(spec.stack.ports, part) for part in Ports.model_fields]
    services = [
        int(service.targets[0].rpartition(":")[2]) for service in spec.services.values() if service.kind != "node"
    ]
    used = stack + services
    assert len(set(used)) == len(used)
    assert min(used) > 1023


def test_no_port_can_be_taken_by_an_outgoing_connection(spec):
    """A crashed service's port must be free when it starts again."""
    first = 32_768  # of the range that Linux takes for them, unless it is told otherwise
    assert all(getattr(spec.stack.ports, part) < first for part in Ports.model_fields)


def test_everything_listens_on_loopback(spec):
    assert all(target.startswith("127.0.0.1:") for service in spec.services.values() for target in service.targets)
    assert spec.stack.listen == "127.0.0.1"


def test_the_host_is_seen_by_the_stacks_own_exporter(spec):
    assert spec.services["hosts"].targets == [f"127.0.0.1:{spec.stack.ports.node_exporter}"]


def test_state_and_logs_are_in_the_folder(spec, tmp_path):
    assert spec.stack.state.is_relative_to(tmp_path)
    assert spec.services["nginx"].access_log.is_relative_to(tmp_path)
    assert all(Path(source.files).is_relative_to(tmp_path) for source in spec.logs.sources)


def test_each_services_log_names_its_version(spec):
    versions = {Path(source.files).stem: source.version for source in spec.logs.sources}
    assert versions == {"supersmartmatch-v1": "v1", "supersmartmatch-v2": "v2", "nexten-matcher": None, "access": None}


def test_probes_go_to_the_labs_front_door_and_none_needs_a_certificate(spec):
    assert {name: probe.url for name, probe in spec.probes.items()} == {"front-door": f"{front_url(spec)}/health"}


def test_what_is_judged_stays(base, spec):
    for part in ("signals", "phases", "rollback", "slas", "thresholds", "judge", "versions", "metadata", "notify"):
        assert getattr(spec, part) == getattr(base, part), part
    assert spec.segments.named["freemium"] == base.segments.named["freemium"]


def test_the_labs_partners_are_declared_with_the_default_quota(base, spec):
    quotas = spec.segments.named["api_partners"].quotas
    assert set(quotas) == {"default", *PARTNERS}
    assert set(quotas.values()) == {base.segments.named["api_partners"].quotas["default"]}


def test_each_service_plays_its_part(spec, tmp_path):
    roles = LabParts(spec, tmp_path).roles
    assert roles == {"supersmartmatch-v1": "baseline", "supersmartmatch-v2": "candidate", "nexten-matcher": "backend"}


def test_a_spec_the_lab_cannot_play_is_refused(spec, tmp_path):
    services = {name: service for name, service in spec.services.items() if name != "supersmartmatch-v2"}
    with pytest.raises(UsageError, match="each version"):
        LabParts(spec.model_copy(update={"services": services}), tmp_path).roles  # noqa: B018


def test_every_public_name_is_there():
    assert all(hasattr(bascule.lab, name) for name in bascule.lab.__all__)
    with pytest.raises(AttributeError):
        bascule.lab.no_such_name  # noqa: B018


def test_a_services_worker_imports_nothing_of_the_specs_libraries():
    """Six workers start at once: pydantic and its like would cost each of them."""
    source = Path(bascule.lab.__file__).parent
    seen, wanted = set(), ["services", "gunicorn_hooks", "traffic"]
    while wanted:
        module = wanted.pop()
        seen.add(module)
        tree = ast.parse((source / f"{module}.py").read_text())
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        assert not {name for name in imported if name.startswith(("bascule.spec", "bascule.processes", "pydantic"))}
        own = {name.rpartition(".")[2] for name in imported if name.startswith("bascule.lab.")}
        wanted += own - seen
