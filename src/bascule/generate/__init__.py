"""From one spec to everything a Prometheus shop runs: pure functions to text, and one place that writes files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from bascule.conventions import Engine
from bascule.generate.alerting.alertmanager_config import alertmanager_config
from bascule.generate.alerting.promtool_tests import test_files
from bascule.generate.deploy.surroundings import surroundings
from bascule.generate.files import drift, foreign_files, write_files
from bascule.generate.grafana.dashboards import grafana_files
from bascule.generate.merge import merged_alertmanager, merged_prometheus, missing_jobs
from bascule.generate.prometheus.instrument_config import instrument_config
from bascule.generate.prometheus.openslo import backfill_script, openslo_text
from bascule.generate.prometheus.prometheus_config import blackbox_config, prometheus_config
from bascule.generate.prometheus.rule_groups import rule_files
from bascule.generate.render import to_json, to_yaml
from bascule.generate.victoriametrics import victoriametrics_files
from bascule.spec import Spec

__all__ = ["check", "foreign", "generate", "merged_alertmanager", "merged_prometheus", "missing_jobs", "write"]


FOR_ENGINE: Mapping[Engine, Callable[[Spec], dict[str, str]]] = {Engine.VICTORIAMETRICS: victoriametrics_files}


def generate(spec: Spec, engine: Engine = Engine.PROMETHEUS) -> dict[str, str]:
    """Every artifact of a spec: relative path to text. The same spec always gives the same text.

    Those for Prometheus are always among them: its rules are what tests and deployments hold.
    """
    files = {
        "prometheus/prometheus.yml": to_yaml(prometheus_config(spec)),
        "alertmanager/alertmanager.yml": to_yaml(alertmanager_config(spec)),
        "blackbox/blackbox.yml": to_yaml(blackbox_config(spec)),
        "instrument.json": to_json(instrument_config(spec)),
        **_rules(spec),
        **grafana_files(spec),
        "prometheus/backfill.sh": backfill_script(spec),
        "openslo/slos.yml": openslo_text(spec),
    }
    own = FOR_ENGINE[engine](spec) if engine in FOR_ENGINE else {}
    return files | surroundings(spec, files) | own


def _rules(spec: Spec) -> dict[str, str]:
    rules = {
        f"prometheus/rules/{name}.yml": to_yaml({"groups": [group.as_yaml() for group in groups]})
        for name, groups in rule_files(spec).items()
    }
    tests = {f"prometheus/tests/{name}.yml": to_yaml(tests) for name, tests in test_files(spec).items()}
    return rules | tests


def write(spec: Spec, out: Path, engine: Engine = Engine.PROMETHEUS) -> list[Path]:
    """Write every artifact under `out`, all or none; files that are not ours are left alone."""
    return write_files(generate(spec, engine), out)


def check(spec: Spec, out: Path, engine: Engine = Engine.PROMETHEUS) -> list[str]:
    """What in `out` differs from what the spec gives, one sentence each."""
    return drift(generate(spec, engine), out)


def foreign(spec: Spec, out: Path, engine: Engine = Engine.PROMETHEUS) -> list[Path]:
    """Files under `out` that are not ours and that `write` leaves alone."""
    return foreign_files(generate(spec, engine), out)
