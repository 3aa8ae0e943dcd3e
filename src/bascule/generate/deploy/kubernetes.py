"""Manifests for a cluster that runs the Prometheus operator and Grafana's sidecar.

Bascule's roles are the containers of one pod: they speak to each other over the pod's own loopback, keep one state
between them, and there is never more than one of each. Prometheus and Alertmanager are the cluster's.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from bascule.api.tokens import WEBHOOK, WEBHOOK_ELSEWHERE
from bascule.documents import read_yaml
from bascule.generate.deploy.readers import delivered_to, read_by
from bascule.generate.deploy.roles import IMAGE, STATE, USER, arguments, spec_text
from bascule.generate.render import HEADER, to_yaml
from bascule.spec import Spec
from bascule.spec.files import Place
from bascule.spec.quantities import format_duration

# What the kube-prometheus-stack chart selects rules and monitors by; another release needs its own.
RELEASE = {"release": "kube-prometheus-stack"}
PROMETHEUS_URL = "http://prometheus-operated.monitoring.svc:9090"
ALERTMANAGER_URL = "http://alertmanager-operated.monitoring.svc:9093"
EVERYWHERE = "0.0.0.0"  # inside the pod: the kubelet asks at the pod's address
STATE_SIZE = "20Gi"
SECRETS = "/run/secrets/bascule"
FILES = "bascule-files"  # the Secret with the files that the spec names
FILES_FOLDER = f"/run/secrets/{FILES}"
READABLE = 0o440  # for the pod's own group

Manifest = dict[str, Any]


def kubernetes_files(spec: Spec, files: Mapping[str, str]) -> dict[str, str]:
    """Manifests by file, and a kustomization of them. `files` are the generated rules and dashboards."""
    spec = _in_a_pod(spec)
    manifests = {
        **{f"rules-{name}": rule for name, rule in _rules(spec, files)},
        **{f"dashboard-{name}": board for name, board in _dashboards(spec, files)},
        **{f"service-monitor-{name}": monitor for name, monitor in _service_monitors(spec)},
        "bascule-config": _manifest("v1", "ConfigMap", "bascule-config", {"data": {"spec.yaml": _spec_in_a_pod(spec)}}),
        "bascule-state": _state(),
        "bascule-deployment": _deployment(spec),
        "bascule-service": _service(spec),
        "bascule-service-monitor": _role_monitor(spec),
        "alertmanager-config": _alertmanager_config(spec),
    }
    texts = {f"kubernetes/{name}.yaml": to_yaml(manifest) for name, manifest in manifests.items()}
    deployment = "kubernetes/bascule-deployment.yaml"
    texts[deployment] = texts[deployment].replace(HEADER, HEADER + _notes(spec), 1)
    return texts | {"kubernetes/kustomization.yaml": to_yaml(_kustomization(list(manifests)))}


def _notes(spec: Spec) -> str:
    """How the Secret with the spec's files is made."""
    files = {_key(place): path for role in spec.roles for place, path in read_by(spec, role).items()}
    if not files:
        return ""
    given = [f"#     --from-file={key}={shlex.quote(str(path))}" for key, path in files.items()]
    return " \\\n".join([f"#\n#   kubectl create secret generic {FILES}", *given]) + "\n"


def _kustomization(names: list[str]) -> Manifest:
    image, _, tag = IMAGE.partition(":")
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{name}.yaml" for name in sorted(names)],
        "images": [{"name": image, "newTag": tag}],
    }


def _manifest(api: str, kind: str, name: str, body: Manifest, labels: Mapping[str, str] | None = None) -> Manifest:
    known = {"app.kubernetes.io/part-of": "bascule", **(labels or {})}
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "labels": known}, **body}


def _name(*parts: str) -> str:
    """A name as Kubernetes takes it: lower case letters, digits, dots and dashes."""
    return "-".join(parts).lower().replace("_", "-")


# ---------------------------------------------------------------- rules, dashboards, monitors


def _rules(spec: Spec, files: Mapping[str, str]) -> Iterator[tuple[str, Manifest]]:
    for path, text in files.items():
        if path.startswith("prometheus/rules/"):
            name = path.rpartition("/")[2].removesuffix(".yml")
            body = {"spec": read_yaml(text, path)}
            full = _name(spec.metadata.name, name)
            yield name, _manifest("monitoring.coreos.com/v1", "PrometheusRule", full, body, RELEASE)


def _dashboards(spec: Spec, files: Mapping[str, str]) -> Iterator[tuple[str, Manifest]]:
    """One ConfigMap for each: together they would pass the 1 MiB that one may hold."""
    for path, text in files.items():
        if path.startswith("grafana/dashboards/"):
            file = path.rpartition("/")[2]
            name = file.removesuffix(".json")
            small = json.dumps(json.loads(text), ensure_ascii=False)
            manifest = _manifest("v1", "ConfigMap", _name("dashboard", name), {"data": {file: small}})
            manifest["metadata"]["labels"]["grafana_dashboard"] = "1"
            manifest["metadata"]["annotations"] = {"grafana_folder": spec.title}
            yield name, manifest


def _service_monitors(spec: Spec) -> Iterator[tuple[str, Manifest]]:
    """For each application whose Kubernetes Service carries its name in `app.kubernetes.io/name`."""
    for name, service in spec.services_of("application").items():
        ports = sorted({int(target.rpartition(":")[2]) for target in service.targets})
        endpoints = [_endpoint(spec, {"targetPort": port}, name, service.page or "") for port in ports]
        body = {
            "spec": {
                "namespaceSelector": {"any": True},
                "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
                "endpoints": endpoints,
            }
        }
        yield name, _manifest("monitoring.coreos.com/v1", "ServiceMonitor", _name(name), body, RELEASE)


def _endpoint(spec: Spec, port: Manifest, job: str, path: str = "/metrics") -> Manifest:
    """The rules know a service by its job: it is the spec's name, whatever the cluster calls it."""
    return {
        **port,
        "path": path,
        "interval": format_duration(spec.stack.scrape.interval),
        "scrapeTimeout": format_duration(spec.stack.scrape.timeout),
        "relabelings": [{"targetLabel": "job", "replacement": job}],
    }


# ---------------------------------------------------------------- Bascule's roles

_SELECTOR = {"app.kubernetes.io/name": "bascule"}


def _in_a_pod(spec: Spec) -> Spec:
    """The cluster's network, or its mesh, encrypts: the kubelet has no certificate to show."""
    return spec.model_copy(update={"stack": spec.stack.model_copy(update={"listen": EVERYWHERE, "tls": "elsewhere"})})


def _spec_in_a_pod(spec: Spec) -> str:
    """Its files are where the Secret is mounted: a rotated one is seen there, and no folder of the image is hidden."""
    read = {place for role in spec.roles for place in read_by(spec, role)}
    return spec_text(spec, spec.stack.listen, {place: f"{FILES_FOLDER}/{_key(place)}" for place in sorted(read)})


def _key(place: Place) -> str:
    """As a Secret takes it."""
    return ".".join(place)


def _files_of(spec: Spec, role: str) -> Manifest | None:
    """The volume with the files that a role reads."""
    items = [{"key": _key(place), "path": _key(place)} for place in read_by(spec, role)]
    secret = {"secretName": FILES, "defaultMode": READABLE, "items": items}
    return {"name": f"files-{role}", "secret": secret} if items else None


def _state() -> Manifest:
    body = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": STATE_SIZE}}}}
    return _manifest("v1", "PersistentVolumeClaim", "bascule-state", body)


def _deployment(spec: Spec) -> Manifest:
    pod = {
        "metadata": {"labels": _SELECTOR},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 30,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [_container(spec, role) for role in spec.roles],
            "volumes": [
                {"name": "config", "configMap": {"name": "bascule-config"}},
                {"name": "state", "persistentVolumeClaim": {"claimName": "bascule-state"}},
                {"name": WEBHOOK, "secret": {"secretName": WEBHOOK}},
                {"name": "tmp", "emptyDir": {}},
                *filter(None, (_files_of(spec, role) for role in spec.roles)),
            ],
        },
    }
    # Recreate: two pods at once would write one state, and judge twice.
    body = {
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": _SELECTOR},
            "template": pod,
        }
    }
    return _manifest("apps/v1", "Deployment", "bascule", body, _SELECTOR)


def _container(spec: Spec, role: str) -> Manifest:
    external = spec.stack.external
    known = {
        "PROMETHEUS_URL": external.get("prometheus", PROMETHEUS_URL),
        "ALERTMANAGER_URL": external.get("alertmanager", ALERTMANAGER_URL),
    }
    urls = ["--prometheus", "$(PROMETHEUS_URL)", "--alertmanager", "$(ALERTMANAGER_URL)"]
    ask = {"httpGet": {"path": "/health", "port": role}}
    return {
        "name": role,
        "image": IMAGE,
        "args": [*arguments(role), *urls],
        "env": [{"name": name, "value": value} for name, value in {**known, **_delivered(spec, role)}.items()],
        "ports": [{"name": role, "containerPort": getattr(spec.stack.ports, role)}],
        "startupProbe": {**ask, "periodSeconds": 2, "failureThreshold": 60},
        "readinessProbe": {**ask, "periodSeconds": 5, "timeoutSeconds": 3},
        "livenessProbe": {**ask, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/bascule", "readOnly": True},
            {"name": "state", "mountPath": STATE},
            *([{"name": WEBHOOK, "mountPath": SECRETS, "readOnly": True}] if role in delivered_to(spec) else []),
            {"name": "tmp", "mountPath": "/tmp"},
            *([{"name": f"files-{role}", "mountPath": FILES_FOLDER, "readOnly": True}] if read_by(spec, role) else []),
        ],
    }


def _delivered(spec: Spec, role: str) -> dict[str, str]:
    """By what a role knows who delivers to it: a Secret of the operator's own, with the key `token`."""
    return {WEBHOOK_ELSEWHERE: f"{SECRETS}/token"} if role in delivered_to(spec) else {}


def _service(spec: Spec) -> Manifest:
    ports = [{"name": role, "port": getattr(spec.stack.ports, role), "targetPort": role} for role in spec.roles]
    return _manifest("v1", "Service", "bascule", {"spec": {"selector": _SELECTOR, "ports": ports}}, _SELECTOR)


def _role_monitor(spec: Spec) -> Manifest:
    endpoints = [_endpoint(spec, {"port": role}, f"bascule-{role}") for role in spec.roles]
    body = {"spec": {"selector": {"matchLabels": _SELECTOR}, "endpoints": endpoints}}
    return _manifest("monitoring.coreos.com/v1", "ServiceMonitor", "bascule", body, RELEASE)


def _alertmanager_config(spec: Spec) -> Manifest:
    """The machine route to the incident journal: everything, at once. People's routes stay the cluster's."""
    url = f"http://bascule:{spec.stack.ports.incidents}/api/webhook"
    route = {
        "receiver": "bascule-incidents",
        "groupBy": ["..."],
        "groupWait": "0s",
        "groupInterval": "1s",
        "repeatInterval": "5m",
    }
    credential = {"authorization": {"credentials": {"name": WEBHOOK, "key": "token"}}}
    webhook = {"url": url, "sendResolved": True, "httpConfig": credential}
    receiver = {"name": "bascule-incidents", "webhookConfigs": [webhook]}
    body = {"spec": {"route": route, "receivers": [receiver]}}
    return _manifest("monitoring.coreos.com/v1alpha1", "AlertmanagerConfig", "bascule", body, RELEASE)
