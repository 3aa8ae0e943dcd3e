"""Beside the Prometheus and the Alertmanager that a user has: their configuration with Bascule's entries in it.

Theirs stay as they are, and what is theirs is never told differently: Bascule's routes are before their own and hand
on, so that an alert that they routed before still takes the way that it took.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from bascule.api.tokens import FOLDER, WEBHOOK
from bascule.conventions import Alert
from bascule.generate.alerting.alertmanager_config import MACHINE, alertmanager_config
from bascule.generate.insertion import Inserted
from bascule.generate.prometheus.prometheus_config import judge_writes, prometheus_config, scrape_configs
from bascule.generate.prometheus.rule_groups import rule_files
from bascule.spec import Spec
from bascule.spec.clashes import OWN_JOBS


def merged_prometheus(spec: Spec, theirs: str, config: Path) -> str:
    """Their prometheus.yml with the jobs that it lacks, the rules below `config`, the judge as a receiver of samples
    (`judge.push`), and an Alertmanager if it has none.

    `config`: the folder, absolute, into which `bascule up` writes what it generates.
    """
    file = Inserted(theirs, spec.metadata.name)
    data = file.data
    jobs = {job.get("job_name") for job in data.get("scrape_configs") or []}
    file.put_first(["scrape_configs"], [job for job in scrape_configs(spec) if job["job_name"] not in jobs])
    file.put_first(["rule_files"], [str(config / "prometheus" / "rules" / "*.yml")])
    urls = {each.get("url") for each in data.get("remote_write") or []}
    writes = judge_writes(spec, str(config / FOLDER / WEBHOOK))
    file.put_first(["remote_write"], [each for each in writes if each["url"] not in urls])
    if not (data.get("alerting") or {}).get("alertmanagers"):
        file.put_first(["alerting", "alertmanagers"], prometheus_config(spec)["alerting"]["alertmanagers"])
    return file.text


def merged_alertmanager(spec: Spec, theirs: str, config: Path) -> str:
    """Their alertmanager.yml with a way for Bascule's alerts to the incident journal, and on to their own routes.

    Alerts of their own may have the names of Bascule's: whatever took a way before still takes it.
    """
    file = Inserted(theirs, spec.metadata.name)
    data, own = file.data, _named_apart(spec, _placed(alertmanager_config(spec), config))
    if not data.get("route"):
        file.put_keys(own)
        return file.text
    theirs_first, default = bool(data["route"].get("routes")), _default(spec, data["route"]["receiver"])
    file.put_first(["route", "routes"], [*_routes(spec, own["route"]), *([] if theirs_first else [default])])
    if theirs_first:
        file.put_last(["route", "routes"], [default])
    names = {each.get("name") for each in data.get("receivers") or []}
    file.put_first(["receivers"], [each for each in own["receivers"] if each["name"] not in names])
    file.put_first(["inhibit_rules"], own.get("inhibit_rules", []))
    file.put_first(["time_intervals"], own.get("time_intervals", []))
    return file.text


def missing_jobs(spec: Spec, scraped: Collection[str]) -> dict[str, str]:
    """The jobs that a Prometheus lacks which scrapes these, each with the line to add to its `scrape_configs`."""
    ours = {job["job_name"]: job for job in scrape_configs(spec)}
    return {name: _line(job) for name, job in ours.items() if name not in (*scraped, *OWN_JOBS)}


def _line(job: dict[str, Any]) -> str:
    return "- " + yaml.safe_dump(job, default_flow_style=True, sort_keys=False, width=math.inf).strip()


def alert_names(spec: Spec) -> list[str]:
    """Every alert that the rules, or the judge itself, may raise."""
    groups = [group.as_yaml() for files in rule_files(spec).values() for group in files]
    named = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    return sorted(named | {spec.alert_prefix + Alert.CANDIDATE_WORSE})


def _routes(spec: Spec, own: dict[str, Any]) -> list[dict[str, Any]]:
    """The switch to the service that monitors it alone; all others to the journal, and on."""
    switch, others = own["routes"][:2], own["routes"][2:]
    timing = {key: value for key, value in own.items() if key not in ("receiver", "routes")}
    ours = {"receiver": _machine(spec), "matchers": [_ours(spec)], **timing, "routes": others, "continue": True}
    return [*switch, ours]


def _default(spec: Spec, receiver: str) -> dict[str, Any]:
    """The way that an alert takes which none of their routes takes: a route that it took before ends it."""
    return {"receiver": receiver, "matchers": [_ours(spec)]}


def _ours(spec: Spec) -> str:
    names = [name for name in alert_names(spec) if name != spec.alert_prefix + Alert.DEAD_MANS_SWITCH]
    return f'alertname=~"{"|".join(names)}"'


def _placed(own: dict[str, Any], config: Path) -> dict[str, Any]:
    """With the journal's credential where it lies, wherever their configuration is."""
    credential = {"authorization": {"credentials_file": str(config / FOLDER / WEBHOOK)}}
    machine, *others = own["receivers"]
    hooks = [hook | {"http_config": credential} for hook in machine["webhook_configs"]]
    return own | {"receivers": [machine | {"webhook_configs": hooks}, *others]}


def _named_apart(spec: Spec, part: Any) -> Any:
    """The journal's receiver under a name that another migration's does not have."""
    if isinstance(part, dict):
        return {key: _named_apart(spec, value) for key, value in part.items()}
    if isinstance(part, list):
        return [_named_apart(spec, each) for each in part]
    return _machine(spec) if part == MACHINE else part


def _machine(spec: Spec) -> str:
    return f"{MACHINE}-{spec.metadata.name}"
