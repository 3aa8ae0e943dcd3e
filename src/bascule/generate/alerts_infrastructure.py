"""Alerts on what the services stand on: Redis, nginx, hosts, containers, certificates, the network."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.conventions import Alert, probe_job
from bascule.generate.alerts import CRITICAL, WARNING, alerting
from bascule.generate.rules import Alerting
from bascule.generate.texts import COUNT, DURATION, PERCENT
from bascule.promql.expressions import among
from bascule.spec import Spec

DAY = 86400
EXPIRY = f"{{{{ if lt $value 0.0 }}}}has expired{{{{ else }}}}expires in {DURATION}{{{{ end }}}}"


def infrastructure_alerts(spec: Spec) -> Iterator[Alerting]:
    parts = {"redis": _redis, "nginx": _nginx, "node": _host, "container": _container}
    for kind, alerts in parts.items():
        jobs = list(spec.services_of(kind))
        if jobs:
            yield from alerts(spec, "{" + among("job", jobs) + "}")
    yield from _probes(spec)


def _alert(
    spec: Spec,
    name: str,
    expr: str,
    hold: float,
    severity: str,
    what: str,
    description: str,
    action: str,
    runbook: str,
    **labels: str,
) -> Alerting:
    return alerting(
        spec, name, expr, hold=hold, severity=severity, summary=what, description=description, action=action,
        runbook=runbook, labels=labels,
    )  # fmt: skip


def _redis(spec: Spec, where: str) -> Iterator[Alerting]:
    yield _alert(
        spec, Alert.REDIS_MEMORY_HIGH,
        f"redis_memory_used_bytes{where}\n/ on (job, instance)\n(redis_memory_max_bytes{where} > 0) > 0.9",
        300, WARNING, "Redis {{ $labels.instance }} is nearly full",
        f"{{{{ $labels.instance }}}} uses {PERCENT} of its memory.",
        "Raise maxmemory, or find the keys that grow.", "redis",
    )  # fmt: skip
    yield _alert(
        spec, Alert.REDIS_EVICTIONS, f"increase(redis_evicted_keys_total{where}[5m]) > 0",
        600, WARNING, "Redis {{ $labels.instance }} evicts keys",
        f"{{{{ $labels.instance }}}} evicted {COUNT} keys within five minutes: sessions may be among them.",
        "Give it memory, or move sessions to a Redis of their own.", "redis",
    )  # fmt: skip
    yield _alert(
        spec, Alert.REDIS_REPLICATION_BROKEN, f"redis_master_link_up{where} == 0",
        60, CRITICAL, "Redis replica {{ $labels.instance }} has lost its master",
        "{{ $labels.instance }} has no link to its master.",
        "Check the master and the network between them; do not fail over to this replica.", "redis",
    )  # fmt: skip


def _nginx(spec: Spec, where: str) -> Iterator[Alerting]:
    accepted, handled = (f"increase(nginx_connections_{which}{where}[5m])" for which in ("accepted", "handled"))
    yield _alert(
        spec, Alert.NGINX_CONNECTIONS_DROPPED, f"{accepted} - {handled} > 0",
        120, CRITICAL, "nginx {{ $labels.instance }} drops connections",
        f"{{{{ $labels.instance }}}} dropped {COUNT} connections within five minutes.",
        "Raise worker_connections and the limit of open files.", "nginx",
    )  # fmt: skip


def _host(spec: Spec, where: str) -> Iterator[Alerting]:
    idle = where.replace("}", ',mode="idle"}')
    disks = where.replace("}", ',fstype!~"tmpfs|ramfs|overlay|squashfs|iso9660"}')
    yield _alert(
        spec, Alert.HOST_CPU_HIGH, f"1 - avg by (job, instance) (rate(node_cpu_seconds_total{idle}[5m])) > 0.95",
        1800, WARNING, "Host {{ $labels.instance }} has no CPU to spare",
        f"{{{{ $labels.instance }}}} has been busy for half an hour: {PERCENT} of its CPU time within five minutes.",
        "Slow answers on this host say nothing about a version; move something away.", "hosts",
    )  # fmt: skip
    yield _alert(
        spec, Alert.HOST_MEMORY_LOW,
        f"node_memory_MemAvailable_bytes{where}\n/ on (job, instance)\nnode_memory_MemTotal_bytes{where} < 0.05",
        600, CRITICAL, "Host {{ $labels.instance }} is short of memory",
        f"{{{{ $labels.instance }}}} has {PERCENT} of its memory left.",
        "Find what grows before the kernel ends something.", "hosts",
    )  # fmt: skip
    yield _alert(
        spec, Alert.HOST_DISK_LOW,
        f"node_filesystem_avail_bytes{disks}\n/ on (job, instance, mountpoint, device)\n"
        f"node_filesystem_size_bytes{disks} < 0.05",
        600, CRITICAL, "Disk {{ $labels.mountpoint }} of {{ $labels.instance }} is nearly full",
        f"{{{{ $labels.mountpoint }}}} on {{{{ $labels.instance }}}} has {PERCENT} of its space left.",
        "Free space; Prometheus and the logs stop when it is gone.", "hosts",
    )  # fmt: skip
    yield _alert(
        spec, Alert.HOST_DISK_FILLING,
        f"predict_linear(node_filesystem_avail_bytes{disks}[6h], {DAY}) < 0\n"
        f"and on (job, instance, mountpoint, device)\n"
        f"node_filesystem_avail_bytes{disks}\n/ on (job, instance, mountpoint, device)\n"
        f"node_filesystem_size_bytes{disks} < 0.4",
        3600, WARNING, "Disk {{ $labels.mountpoint }} of {{ $labels.instance }} will be full within a day",
        "{{ $labels.mountpoint }} on {{ $labels.instance }} will be full within 24 hours at the present pace.",
        "Shorten a retention, or add space.", "hosts",
    )  # fmt: skip


def _container(spec: Spec, where: str) -> Iterator[Alerting]:
    named = where.replace("}", ',name!=""}')
    yield _alert(
        spec, Alert.CONTAINER_MEMORY_HIGH,
        f"container_memory_working_set_bytes{named}\n/ on (job, instance, name)\n"
        f"(container_spec_memory_limit_bytes{named} > 0) > 0.9",
        300, WARNING, "Container {{ $labels.name }} is near its memory limit",
        f"{{{{ $labels.name }}}} uses {PERCENT} of its memory limit.",
        "Raise the limit or find the leak: beyond it the container is killed.", "containers",
    )  # fmt: skip
    yield _alert(
        spec, Alert.CONTAINER_THROTTLED,
        f"rate(container_cpu_cfs_throttled_periods_total{named}[5m])\n/ on (job, instance, name)\n"
        f"(rate(container_cpu_cfs_periods_total{named}[5m]) > 0) > 0.25",
        600, WARNING, "Container {{ $labels.name }} is throttled",
        f"{{{{ $labels.name }}}} is throttled in {PERCENT} of its CPU periods: it answers slowly.",
        "Raise its CPU limit before comparing latencies.", "containers",
    )  # fmt: skip


# ---------------------------------------------------------------- probes


def _probes(spec: Spec) -> Iterator[Alerting]:
    by_kind: dict[str, list[str]] = {}
    for name, probe in spec.probes.items():
        by_kind.setdefault(probe.kind, []).append(probe_job(name))
        if probe.kind == "https":
            yield from _certificate(spec, probe_job(name), probe.certificate_warning)
    if spec.probes:
        where = "{" + among("job", [probe_job(name) for name in spec.probes]) + "}"
        yield from _network(spec, where)
    if "dns" in by_kind:
        where = "{" + among("job", by_kind["dns"]) + "}"
        yield _alert(
            spec, Alert.DNS_SLOW, f"avg_over_time(probe_dns_lookup_time_seconds{where}[5m]) > 0.5",
            300, WARNING, "Names are resolved slowly by {{ $labels.instance }}",
            f"{{{{ $labels.instance }}}} takes {DURATION} to answer.", "Check the resolver.", "network",
        )  # fmt: skip


def _certificate(spec: Spec, job: str, warning: float) -> Iterator[Alerting]:
    """Three steps that exclude each other: the declared warning, a week, a day."""
    left = f'probe_ssl_earliest_cert_expiry{{job="{job}"}} - time()'
    steps = ((warning, 7 * DAY, "info"), (7 * DAY, DAY, WARNING), (DAY, 0, CRITICAL))
    for upper, lower, severity in (step for step in steps if step[0] > step[1]):
        bound = f"({left}) < {upper:g}" + (f" >= {lower:g}" if lower else "")
        yield _alert(
            spec, Alert.CERTIFICATE_EXPIRES, bound,
            60, severity, "The certificate of {{ $labels.instance }} expires soon",
            f"The certificate of {{{{ $labels.instance }}}} {EXPIRY}.",
            "Renew it, and reload what serves it.", "certificates", within=f"{upper / DAY:g}d", job=job,
        )  # fmt: skip


def _network(spec: Spec, where: str) -> Iterator[Alerting]:
    yield _alert(
        spec, Alert.PROBE_SLOW, f"avg_over_time(probe_duration_seconds{where}[5m]) > 1",
        300, WARNING, "{{ $labels.instance }} is slow from outside",
        f"{{{{ $labels.instance }}}} takes {DURATION} to answer a probe.",
        "Compare with the services' own response time: the rest is the network or TLS.", "network",
    )  # fmt: skip
    yield _alert(
        spec, Alert.PROBE_LOSS, f"avg_over_time(probe_success{where}[10m]) < 0.95 > 0",
        120, WARNING, "Probes of {{ $labels.instance }} are lost",
        f"Only {PERCENT} of the probes of {{{{ $labels.instance }}}} within ten minutes succeeded.",
        "Look for packet loss or a node that fails now and then behind the balancer.", "network",
    )  # fmt: skip
