"""What Prometheus scrapes and probes, and whom it alerts: `prometheus/prometheus.yml`, `blackbox/blackbox.yml`.

No target carries a `version` label of its own: a version always comes from the service's own metrics, so that
`honor_labels` stays off and no series is renamed to `exported_version`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from bascule.api.tokens import FOLDER, WEBHOOK
from bascule.conventions import WRITE_PATH, certificate_job, health_job, probe_job
from bascule.generate.certificates import tls_config
from bascule.generate.render import without_empty
from bascule.promql import PROBED, UP
from bascule.spec import Spec
from bascule.spec.addresses import bracketed
from bascule.spec.model import Probe, Service
from bascule.spec.quantities import format_duration

# A probe opens a connection each time: looking at most every 5 s is kind to what is probed.
PROBE_INTERVAL_SECONDS = 5.0
HEALTH_INTERVAL_SECONDS = 2.0  # one's own service is looked at as often as a probe may take
PROBE_TIMEOUT_SECONDS = 2.0
PROBE_GIVES_UP_SECONDS = PROBE_TIMEOUT_SECONDS - 0.5  # the exporter keeps half a second of the scrape's for its answer
ANY_CERTIFICATE = "_any_certificate"  # a module's name that no probe can have
HEALTH = "_health"  # likewise
HTTPS_PORT = 443
ONE_QUEUE = {
    "min_shards": 1,
    "max_shards": 1,
    "capacity": 100_000,
    "max_samples_per_send": 10_000,
    "batch_send_deadline": "100ms",
}


def prometheus_config(spec: Spec) -> dict[str, Any]:
    scrape = spec.stack.scrape
    config = {
        "global": {
            "scrape_interval": format_duration(scrape.interval),
            "scrape_timeout": format_duration(scrape.timeout),
            "evaluation_interval": format_duration(scrape.evaluation),
        },
        "rule_files": ["rules/*.yml"],
        "alerting": without_empty({"alert_relabel_configs": _told_once(spec), "alertmanagers": _alertmanagers(spec)}),
        "scrape_configs": scrape_configs(spec),
        "remote_write": [*({"url": url} for url in scrape.remote_write), *judge_writes(spec, f"../{FOLDER}/{WEBHOOK}")],
    }
    return without_empty(config)


def _told_once(spec: Spec) -> list[dict[str, str]]:
    """The alerts of several replicas are one to Alertmanager."""
    label = spec.prometheus.replica_label
    return [{"action": "labeldrop", "regex": label}] if label is not None else []


def judge_writes(spec: Spec, credential: str) -> list[dict[str, Any]]:
    """For each judge one queue, which keeps the order of the scrapes (judge/pushed/samples.py); what no signal reads is
    left out.

    `credential`: the file of the token.
    """
    wanted = {"source_labels": ["__name__"], "regex": "|".join(_read_by_judge(spec)), "action": "keep"}
    shared = {
        "authorization": {"credentials_file": credential},
        "tls_config": tls_config(spec.stack.credentials("roles")),
        "metadata_config": {"send": False},
        "queue_config": ONE_QUEUE,
        "write_relabel_configs": [wanted],
    }
    judges = spec.stack.urls_for("prometheus", "judge") if spec.judge.push else ()
    return [without_empty({"url": url + WRITE_PATH, **shared}) for url in judges]


def _read_by_judge(spec: Spec) -> list[str]:
    """Names of metrics, or patterns of them."""
    counters = (counter.selector.metric for signal in spec.signals.values() for counter in signal.counters)
    return list(dict.fromkeys([UP, PROBED, *counters]))


def scrape_configs(spec: Spec) -> list[dict[str, Any]]:
    services = [job for name, service in spec.services.items() for job in _service_jobs(spec, name, service)]
    probes = [_probe_job(spec, name, probe) for name, probe in spec.probes.items()]
    probes += [_certificate_job(spec, name, probe) for name, probe in _https_probes(spec).items()]
    stack = spec.stack
    roles = [_own_job(spec, job, stack.urls_for("prometheus", part), "roles") for job, part in spec.role_jobs.items()]
    programs = [_own_job(spec, program, stack.urls(program), program) for program in ("prometheus", "alertmanager")]
    own = [{"job_name": "discovered", "file_sd_configs": [{"files": spec.stack.scrape.discovery}]}]
    return services + probes + roles + programs + (own if spec.stack.scrape.discovery else [])


Place = tuple[str, str]  # the scheme and the path


def _places(urls: Sequence[str]) -> dict[Place, list[str]]:
    """The addresses of all that do the work of a part, by how they are reached."""
    found: dict[Place, list[str]] = {}
    for url in map(urlsplit, urls):
        found.setdefault((url.scheme, url.path), []).append(url.netloc)
    return found


def _alertmanagers(spec: Spec) -> list[dict[str, Any]]:
    return [
        without_empty(
            {
                "scheme": scheme if scheme != "http" else None,
                "path_prefix": path,
                **_entered(spec, "alertmanager"),
                "static_configs": [{"targets": targets}],
            }
        )
        for (scheme, path), targets in _places(spec.stack.urls("alertmanager")).items()
    ]


def _own_job(spec: Spec, job: str, urls: Sequence[str], access: str) -> dict[str, Any]:
    """Where they are reached in different ways, each target says how."""
    (scheme, path), *others = places = _places(urls)
    labelled = [
        {"targets": targets, "labels": {"__scheme__": scheme, "__metrics_path__": f"{path}/metrics"}}
        for (scheme, path), targets in places.items()
    ]
    is_encrypted = any(each == "https" for each, _ in places)
    return without_empty(
        {
            "job_name": job,
            "scheme": scheme if scheme != "http" else None,
            "metrics_path": f"{path}/metrics" if path else None,
            **(_entered(spec, access) if access != "roles" or is_encrypted else {}),
            "static_configs": labelled if others else [{"targets": places[scheme, path]}],
        }
    )


def _entered(spec: Spec, part: str) -> dict[str, Any]:
    """How Prometheus enters a part that asks for credentials; further headers it cannot send."""
    known = spec.stack.credentials(part)
    basic = {"username": known.username, "password_file": known.password_file}
    found: dict[str, dict[str, Any]] = {
        "authorization": {"credentials_file": known.token_file},
        "basic_auth": basic if known.username else {},
        "tls_config": tls_config(known),
    }
    return {key: {name: str(value) for name, value in each.items() if value} for key, each in found.items()}


def _service_jobs(spec: Spec, name: str, service: Service) -> Iterator[dict[str, Any]]:
    """A service without metrics is its health address; one with both has a second job for it."""
    if service.page is not None:
        yield _service_job(spec, name, service)
    if service.health is not None:
        yield _health_job(spec, name if service.page is None else health_job(name), service)


def _health_job(spec: Spec, job: str, service: Service) -> dict[str, Any]:
    scrape = spec.stack.scrape
    targets = [{"targets": [url], "labels": {"instance": instance}} for instance, url in service.health_urls.items()]
    return {
        "job_name": job,
        "metrics_path": "/probe",
        "scrape_interval": format_duration(max(scrape.interval, HEALTH_INTERVAL_SECONDS)),
        "scrape_timeout": format_duration(max(scrape.timeout, PROBE_TIMEOUT_SECONDS)),
        "params": {"module": [HEALTH]},
        "static_configs": targets,
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"target_label": "__address__", "replacement": _exporter(spec, "blackbox_exporter")},
        ],
    }


def _service_job(spec: Spec, name: str, service: Service) -> dict[str, Any]:
    if service.kind == "redis":
        return _redis_job(spec, name, service)
    if service.kind == "nginx":
        return _nginx_job(spec, name, service)
    return without_empty(
        {
            "job_name": name,
            "metrics_path": service.page if service.page != "/metrics" else None,
            "honor_timestamps": False,  # of its own that are old, everything would be stale
            "static_configs": [{"targets": service.targets}],
        }
    )


def _redis_job(spec: Spec, name: str, service: Service) -> dict[str, Any]:
    """Every node of the cluster through the one exporter, each under its own address."""
    return {
        "job_name": name,
        "metrics_path": "/scrape",
        "static_configs": [{"targets": service.targets}],
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "instance"},
            {"source_labels": ["__address__"], "target_label": "__param_target", "replacement": "redis://$1"},
            {"target_label": "__address__", "replacement": _exporter(spec, "redis_exporter")},
        ],
    }


def _nginx_job(spec: Spec, name: str, service: Service) -> dict[str, Any]:
    """The exporter reads one nginx; its series carry that nginx' address, not the exporter's."""
    return {
        "job_name": name,
        "static_configs": [
            {"targets": [_exporter(spec, "nginx_exporter")], "labels": {"instance": service.targets[0]}},
        ],
    }


def _probe_job(spec: Spec, name: str, probe: Probe) -> dict[str, Any]:
    scrape = spec.stack.scrape
    return {
        "job_name": probe_job(name),
        "metrics_path": "/probe",
        "scrape_interval": format_duration(max(scrape.interval, PROBE_INTERVAL_SECONDS)),
        "scrape_timeout": format_duration(max(scrape.timeout, PROBE_TIMEOUT_SECONDS)),
        "params": {"module": [name]},
        "static_configs": [{"targets": [_probe_target(probe)]}],
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"source_labels": ["__param_target"], "target_label": "instance"},
            {"target_label": "__address__", "replacement": _exporter(spec, "blackbox_exporter")},
        ],
    }


def _certificate_job(spec: Spec, name: str, probe: Probe) -> dict[str, Any]:
    """A second look that takes any certificate: the exporter tells nothing of one that it does not trust.

    Its series carry the probe's own `instance`.
    """
    job = _probe_job(spec, name, probe)
    address = f"{bracketed(probe.host)}:{urlsplit(probe.url).port or HTTPS_PORT}"
    return job | {
        "job_name": certificate_job(name),
        "params": {"module": [ANY_CERTIFICATE]},
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "instance"},
            {"target_label": "__param_target", "replacement": address},
            job["relabel_configs"][-1],
        ],
        "metric_relabel_configs": [{"source_labels": ["__name__"], "regex": "probe_ssl_.+", "action": "keep"}],
    }


def _https_probes(spec: Spec) -> dict[str, Probe]:
    return {name: probe for name, probe in spec.probes.items() if probe.kind == "https"}


def _exporter(spec: Spec, name: str) -> str:
    return urlsplit(spec.stack.url(name)).netloc


# ---------------------------------------------------------------- blackbox exporter


def blackbox_config(spec: Spec) -> dict[str, Any]:
    """One module per probe, under the probe's name; and one for certificates, whatever they are."""
    modules = {name: _prober(*_PROBERS[probe.kind](probe)) for name, probe in spec.probes.items()}
    if any(service.health is not None for service in spec.services.values()):
        modules[HEALTH] = _prober("http", {"method": "GET", **_IP})
    if _https_probes(spec):
        modules[ANY_CERTIFICATE] = _prober("tcp", {"tls": True, "tls_config": {"insecure_skip_verify": True}, **_IP})
    return {"modules": modules}


def _prober(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    return {"prober": name, "timeout": format_duration(PROBE_TIMEOUT_SECONDS), name: settings}


def _http(_: Probe) -> tuple[str, dict[str, Any]]:
    return "http", {"method": "GET", **_IP}


def _https(probe: Probe) -> tuple[str, dict[str, Any]]:
    trusted = {"tls_config": {"ca_file": str(probe.ca_file)}} if probe.ca_file else {}
    return "http", {"method": "GET", "fail_if_not_ssl": True, **trusted, **_IP}


def _tcp(_: Probe) -> tuple[str, dict[str, Any]]:
    return "tcp", dict(_IP)


def _icmp(_: Probe) -> tuple[str, dict[str, Any]]:
    return "icmp", dict(_IP)


def _dns(probe: Probe) -> tuple[str, dict[str, Any]]:
    return "dns", {"query_name": _dns_parts(probe)[1], "query_type": "A", **_IP}


_IP = {"preferred_ip_protocol": "ip4", "ip_protocol_fallback": True}
_PROBERS = {"http": _http, "https": _https, "tcp": _tcp, "icmp": _icmp, "dns": _dns}


def _probe_target(probe: Probe) -> str:
    if probe.kind == "dns":
        return _dns_parts(probe)[0]
    if probe.kind in ("tcp", "icmp"):
        return probe.url.rpartition("//")[2]
    return probe.url


def _dns_parts(probe: Probe) -> tuple[str, str]:
    """The server and the name to ask it for, of `dns://server:53/name` (a server alone is asked for itself)."""
    server, _, name = probe.url.rpartition("//")[2].partition("/")
    return server, name or server.partition(":")[0]
