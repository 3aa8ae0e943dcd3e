"""`compose.yaml`: the whole production stack in containers of pinned official images.

Every container shares the host's network, so that the addresses of the spec hold inside as outside, and nothing
listens anywhere but where the spec says. Elasticsearch and its like start with `--profile elk`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from bascule.api.tokens import FOLDER, WEBHOOK, WEBHOOK_ELSEWHERE
from bascule.generate.deploy.readers import delivered_to, read_by
from bascule.generate.deploy.roles import DOCKERFILE, IMAGE, STATE, arguments, spec_text
from bascule.generate.prometheus.prometheus_config import prometheus_config
from bascule.generate.render import HEADER, to_yaml, without_empty
from bascule.spec import Spec
from bascule.spec.addresses import bracketed
from bascule.spec.quantities import format_duration

NOTES = """\
#
#   docker compose up -d --build                    Prometheus, Alertmanager, exporters, Grafana, Bascule's roles
#   docker compose --profile elk up -d --build      and Filebeat, Logstash, Elasticsearch, Kibana
#
# For Linux: the containers share the host's network. Wanted beside this file: secrets/grafana-admin-password,
# secrets/alertmanager-webhook-token (a long random text, readable by the containers' users) and, for elk,
# secrets/logstash.env with BASCULE_PSEUDONYM_KEY=... The nginx exporter's image holds no program that could ask it
# how it is: Prometheus does (ServiceDown).
"""
TOKEN = {"source": WEBHOOK, "target": f"/etc/{FOLDER}/{WEBHOOK}"}  # beside the configuration that names it
PROMETHEUS = "prom/prometheus:v2.53.3"
ALERTMANAGER = "prom/alertmanager:v0.27.0"
NODE_EXPORTER = "prom/node-exporter:v1.8.2"
BLACKBOX_EXPORTER = "prom/blackbox-exporter:v0.25.0"
REDIS_EXPORTER = "oliver006/redis_exporter:v1.66.0-alpine"
NGINX_EXPORTER = "nginx/nginx-prometheus-exporter:1.4.0"
GRAFANA = "grafana/grafana:11.6.0"
CURL = "curlimages/curl:8.10.1"
ELASTIC = "8.15.5"  # of Filebeat, Logstash, Elasticsearch and Kibana alike
GRAFANA_PORT, ELASTICSEARCH_PORT, KIBANA_PORT = 3000, 9200, 5601
ELASTICSEARCH_URL = f"http://127.0.0.1:{ELASTICSEARCH_PORT}"

Service = dict[str, Any]


def compose_files(spec: Spec) -> dict[str, str]:
    """`compose.yaml`, and what it alone needs."""
    return {
        "compose.yaml": to_yaml(compose(spec)).replace(HEADER, HEADER + NOTES, 1),
        "compose/prometheus.yml": to_yaml(_prometheus_without_supervisor(spec)),
        "compose/spec.yaml": spec_text(spec, spec.stack.listen),
        "compose/Dockerfile": DOCKERFILE,
    }


def compose(spec: Spec) -> dict[str, Any]:
    roles = {role: _role(spec, role) for role in spec.roles}
    services = _stores(spec) | _exporters(spec) | roles | {"grafana": _grafana(spec)}
    if spec.logs.sources:
        services |= {name: service | {"profiles": ["elk"]} for name, service in _elk(spec)}
    volumes = dict.fromkeys(sorted(_named_volumes(services)))
    secrets = {name: {"file": f"./secrets/{name}"} for name in ("grafana-admin-password", WEBHOOK)}
    return {
        "name": spec.metadata.name.lower().replace(".", "-"),
        "services": services,
        "volumes": volumes,
        "secrets": secrets,
    }


def _prometheus_without_supervisor(spec: Spec) -> dict[str, Any]:
    """The container engine starts what crashed again; the supervisor of `bascule up` is not there to be scraped."""
    config = prometheus_config(spec)
    jobs = [job for job in config["scrape_configs"] if job["job_name"] != "bascule-supervisor"]
    return config | {"scrape_configs": jobs}


def _named_volumes(services: dict[str, Service]) -> set[str]:
    mounts = [mount for service in services.values() for mount in service.get("volumes", []) if isinstance(mount, str)]
    return {source for mount in mounts if not (source := mount.partition(":")[0]).startswith((".", "/"))}


def _service(image: str, memory: str, health: list[str] | None, **more: Any) -> Service:
    """What all have in common: the host's network, no more rights than needed, a ceiling, and health if it can tell."""
    check = {"test": ["CMD", *(health or [])], "interval": "10s", "timeout": "5s", "retries": 5, "start_period": "30s"}
    return without_empty(
        {
            "image": image,
            "network_mode": "host",
            "restart": "unless-stopped",
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "mem_limit": memory,
            "healthcheck": check if health else None,
            **more,
        }
    )


def _wget(url: str) -> list[str]:
    return ["wget", "-qO", "/dev/null", url]


def _flags(flags: Mapping[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]


def _after(*names: str) -> dict[str, Any]:
    return {name: {"condition": "service_healthy"} for name in names}


# ---------------------------------------------------------------- Prometheus and Alertmanager


def _stores(spec: Spec) -> dict[str, Service]:
    makers = {"prometheus": _prometheus, "alertmanager": _alertmanager}
    return {name: make(spec) for name, make in makers.items() if name not in spec.stack.external}


def _prometheus(spec: Spec) -> Service:
    scrape, url = spec.stack.scrape, spec.stack.url("prometheus")
    flags = {
        "config.file": "/etc/prometheus/prometheus.yml",
        "storage.tsdb.path": "/prometheus",
        "storage.tsdb.retention.time": format_duration(scrape.retention),
        "rules.alert.resend-delay": format_duration(scrape.resend_delay),
        "web.listen-address": spec.stack.address("prometheus"),
        "web.external-url": f"{url}/",
    }
    mounts = [
        "./compose/prometheus.yml:/etc/prometheus/prometheus.yml:ro",
        "./prometheus/rules:/etc/prometheus/rules:ro",
        "prometheus:/prometheus",
        *_folder_mounts([pattern for pattern in scrape.discovery if pattern.startswith("/")]),
        *_file_mounts(spec, "prometheus"),
    ]
    more: dict[str, Any] = {"depends_on": _after("alertmanager")} if "alertmanager" not in spec.stack.external else {}
    more |= {"secrets": [TOKEN]} if spec.judge.push else {}
    return _service(PROMETHEUS, "4g", _wget(f"{url}/-/healthy"), command=_flags(flags), volumes=mounts, **more)


def _alertmanager(spec: Spec) -> Service:
    url = spec.stack.url("alertmanager")
    flags = {
        "config.file": "/etc/alertmanager/alertmanager.yml",
        "storage.path": "/alertmanager",
        "cluster.listen-address": "",
        "web.listen-address": spec.stack.address("alertmanager"),
        "web.external-url": f"{url}/",
    }
    mounts = [
        "./alertmanager:/etc/alertmanager:ro",
        "alertmanager:/alertmanager",
        *_file_mounts(spec, "alertmanager"),
    ]
    health = _wget(f"{url}/-/healthy")
    return _service(ALERTMANAGER, "512m", health, command=_flags(flags), volumes=mounts, secrets=[TOKEN])


def _file_mounts(spec: Spec, container: str) -> list[str]:
    """The files that a container reads, where the spec names them."""
    return [f"{path}:{path}:ro" for path in dict.fromkeys(map(str, read_by(spec, container).values()))]


# ---------------------------------------------------------------- exporters


def _exporters(spec: Spec) -> dict[str, Service]:
    found: dict[str, Service] = {}
    here = spec.stack.address("node_exporter")
    if any(here in service.targets for service in spec.services_of("node").values()):
        found["node-exporter"] = _node_exporter(spec)
    if spec.services_of("redis"):
        found["redis-exporter"] = _redis_exporter(spec)
    if spec.services_of("nginx"):
        found["nginx-exporter"] = _nginx_exporter(spec)
    if spec.is_probed:
        found["blackbox-exporter"] = _blackbox_exporter(spec)
    return found


def _node_exporter(spec: Spec) -> Service:
    flags = {"path.rootfs": "/host", "web.listen-address": spec.stack.address("node_exporter")}
    health = _wget(spec.stack.url("node_exporter"))
    host = {"type": "bind", "source": "/", "target": "/host", "read_only": True, "bind": {"propagation": "rslave"}}
    return _service(NODE_EXPORTER, "128m", health, command=_flags(flags), pid="host", volumes=[host])


def _redis_exporter(spec: Spec) -> Service:
    first = next(iter(spec.services_of("redis").values())).targets[0]
    flags = {"redis.addr": f"redis://{first}", "web.listen-address": spec.stack.address("redis_exporter")}
    return _service(REDIS_EXPORTER, "128m", _wget(f"{spec.stack.url('redis_exporter')}/health"), command=_flags(flags))


def _nginx_exporter(spec: Spec) -> Service:
    service = next(iter(spec.services_of("nginx").values()))
    flags = {
        "nginx.scrape-uri": f"http://{service.targets[0]}{service.status_path}",
        "web.listen-address": spec.stack.address("nginx_exporter"),
    }
    return _service(NGINX_EXPORTER, "128m", None, command=_flags(flags))


def _blackbox_exporter(spec: Spec) -> Service:
    flags = {"config.file": "/etc/blackbox/blackbox.yml", "web.listen-address": spec.stack.address("blackbox_exporter")}
    needs = ["NET_RAW"] if any(probe.kind == "icmp" for probe in spec.probes.values()) else []
    return _service(
        BLACKBOX_EXPORTER,
        "128m",
        _wget(f"{spec.stack.url('blackbox_exporter')}/-/healthy"),
        command=_flags(flags),
        volumes=["./blackbox:/etc/blackbox:ro", *_file_mounts(spec, "blackbox-exporter")],
        cap_add=needs,
    )


# ---------------------------------------------------------------- Bascule and Grafana


def _role(spec: Spec, role: str) -> Service:
    ask = f"import urllib.request as r; r.urlopen('{spec.stack.url(role)}/health', timeout=4)"
    mounts = ["./compose/spec.yaml:/etc/bascule/spec.yaml:ro", f"bascule:{STATE}"]
    mounts += _log_mounts(spec) if role == "logs" else []
    mounts += _file_mounts(spec, role)
    stores = [name for name in ("prometheus", "alertmanager") if name not in spec.stack.external]
    return _service(
        IMAGE,
        "1g",
        ["python", "-c", ask],
        build={"context": "./compose"},
        command=arguments(role),
        read_only=True,
        tmpfs=["/tmp"],
        volumes=mounts,
        **_delivered(spec, role),
        depends_on=_after(*stores),
    )


def _delivered(spec: Spec, role: str) -> dict[str, Any]:
    """By what a role knows who delivers to it."""
    path = {WEBHOOK_ELSEWHERE: f"/run/secrets/{WEBHOOK}"}
    return {"secrets": [WEBHOOK], "environment": path} if role in delivered_to(spec) else {}


def _log_mounts(spec: Spec) -> list[str]:
    return _folder_mounts([source.files for source in spec.logs.sources if source.files])


def _folder_mounts(patterns: list[str]) -> list[str]:
    """The folders of the files that a spec names, where it names them."""
    return [f"{folder}:{folder}:ro" for folder in dict.fromkeys(map(_plain_folder, patterns))]


def _plain_folder(pattern: str) -> str:
    """The deepest folder above a pattern that holds no wildcard."""
    folder = PurePosixPath(pattern).parent
    while set(str(folder)) & set("*?["):
        folder = folder.parent
    return str(folder)


def _grafana(spec: Spec) -> Service:
    environment = {
        "GF_SERVER_HTTP_ADDR": spec.stack.inside,
        "GF_SERVER_HTTP_PORT": str(GRAFANA_PORT),
        "GF_SECURITY_ADMIN_PASSWORD__FILE": "/run/secrets/grafana-admin-password",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "BASCULE_PROMETHEUS_URL": spec.stack.url("prometheus"),
        "BASCULE_ELASTICSEARCH_URL": ELASTICSEARCH_URL,
    }
    mounts = [
        "./grafana/provisioning:/etc/grafana/provisioning:ro",
        "./grafana/dashboards:/var/lib/grafana/dashboards:ro",
        "grafana:/var/lib/grafana",
    ]
    health = _wget(f"http://{bracketed(spec.stack.inside)}:{GRAFANA_PORT}/api/health")
    return _service(
        GRAFANA, "512m", health, environment=environment, volumes=mounts, secrets=["grafana-admin-password"]
    )


# ---------------------------------------------------------------- ELK


def _elk(spec: Spec) -> Iterator[tuple[str, Service]]:
    image = "docker.elastic.co/{}:" + ELASTIC
    ask = ["curl", "-fsS", "-o", "/dev/null"]
    yield (
        "elasticsearch",
        _service(
            image.format("elasticsearch/elasticsearch"),
            "2g",
            [*ask, f"{ELASTICSEARCH_URL}/_cluster/health?wait_for_status=yellow&timeout=3s"],
            environment={
                "discovery.type": "single-node",
                "network.host": "127.0.0.1",
                "http.port": str(ELASTICSEARCH_PORT),
                "xpack.security.enabled": "false",  # it listens on the loopback alone
                "ES_JAVA_OPTS": "-Xms1g -Xmx1g",
            },
            volumes=["elasticsearch:/usr/share/elasticsearch/data"],
        ),
    )
    yield (
        "elasticsearch-setup",
        _service(
            CURL,
            "64m",
            None,
            restart="on-failure",
            entrypoint=["sh", "/setup/elasticsearch/setup.sh"],
            environment={"ELASTICSEARCH_URL": ELASTICSEARCH_URL, "KIBANA_URL": f"http://127.0.0.1:{KIBANA_PORT}"},
            volumes=["./elasticsearch:/setup/elasticsearch:ro", "./kibana:/setup/kibana:ro"],
            depends_on=_after("elasticsearch", "kibana"),
        ),
    )
    yield (
        "kibana",
        _service(
            image.format("kibana/kibana"),
            "1g",
            [*ask, f"http://127.0.0.1:{KIBANA_PORT}/api/status"],
            environment={"ELASTICSEARCH_HOSTS": ELASTICSEARCH_URL, "SERVER_HOST": "127.0.0.1"},
            depends_on=_after("elasticsearch"),
        ),
    )
    yield (
        "logstash",
        _service(
            image.format("logstash/logstash"),
            "1g",
            [*ask, "http://127.0.0.1:9600/?pretty"],
            environment={"ELASTICSEARCH_URL": ELASTICSEARCH_URL, "API_HTTP_HOST": "127.0.0.1"},
            env_file=["./secrets/logstash.env"],
            volumes=["./logstash/pipeline.conf:/usr/share/logstash/pipeline/logstash.conf:ro"],
            depends_on={
                "elasticsearch": {"condition": "service_healthy"},
                "elasticsearch-setup": {"condition": "service_completed_successfully"},
            },
        ),
    )
    yield (
        "filebeat",
        _service(
            image.format("beats/filebeat"),
            "256m",
            ["filebeat", "test", "output"],
            user="root",
            cap_add=["DAC_READ_SEARCH"],
            environment={"LOGSTASH": "127.0.0.1:5044"},
            command=["filebeat", "-e", "--strict.perms=false"],
            volumes=[
                "./filebeat/filebeat.yml:/usr/share/filebeat/filebeat.yml:ro",
                "filebeat:/usr/share/filebeat/data",
                *_log_mounts(spec),
            ],
            depends_on=_after("logstash"),
        ),
    )
