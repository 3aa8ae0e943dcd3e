"""Compose and Kubernetes: valid against their schemas, complete, and with no more rights than needed."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from compose_spec import PyCompose

from bascule.generate import generate
from bascule.spec import BUILT_IN, Spec, built_in_text, load, parse
from bascule.stack.plan import exporters

ROOT = Path(__file__).parents[3]
SPECS = {
    "built in": load(BUILT_IN),
    "mapped": load(ROOT / "tests/fixtures/golden/mapped/spec.yaml"),
    "minimal": load(ROOT / "tests/fixtures/golden/minimal/spec.yaml"),
}
KUBERNETES_VERSION = "1.31"
every_spec = pytest.mark.parametrize("name", SPECS)

# What the Prometheus operator's definitions ask of the kinds used here, written down from them.
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
DURATION = {"type": "string", "pattern": r"^(0|([0-9]+(ms|[smhdwy]))+)$"}


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


RULE = closed(
    ["expr"], alert={"type": "string"}, record={"type": "string"}, expr={"type": ["string", "integer"]},
    labels=TEXTS, annotations=TEXTS, keep_firing_for=DURATION, **{"for": DURATION},
)  # fmt: skip
GROUP = closed(["name"], name={"type": "string", "minLength": 1}, interval=DURATION, rules={"items": RULE})
ENDPOINT = closed(
    [], port={"type": "string"}, targetPort={"type": ["string", "integer"]}, path={"type": "string"},
    interval=DURATION, scrapeTimeout=DURATION,
    relabelings={"items": closed([], targetLabel={"type": "string"}, replacement={"type": "string"})},
)  # fmt: skip
KEY = closed(["key"], name={"type": "string"}, key={"type": "string"})
WEBHOOK = closed(
    [], url={"type": "string"}, sendResolved={"type": "boolean"},
    httpConfig=closed([], authorization=closed([], type={"type": "string"}, credentials=KEY)),
)  # fmt: skip
RECEIVER = closed(["name"], name={"type": "string"}, webhookConfigs={"items": WEBHOOK})
ROUTE = closed(
    [], receiver={"type": "string"}, groupBy={"items": {"type": "string"}}, groupWait=DURATION, groupInterval=DURATION,
    repeatInterval=DURATION,
)  # fmt: skip
OPERATOR = {
    "PrometheusRule": closed([], groups={"items": GROUP}),
    "ServiceMonitor": closed(
        ["endpoints", "selector"],
        endpoints={"items": ENDPOINT},
        selector=closed([], matchLabels=TEXTS),
        namespaceSelector=closed([], any={"type": "boolean"}),
    ),
    "AlertmanagerConfig": closed([], route=ROUTE, receivers={"items": RECEIVER}),
}


@cache
def files(name: str) -> dict[str, str]:
    return generate(SPECS[name])


def loaded(text: str) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)


@cache
def manifests(name: str) -> dict[str, dict[str, Any]]:
    found = {path: text for path, text in files(name).items() if path.startswith("kubernetes/")}
    return {path: loaded(text) for path, text in found.items() if not path.endswith("kustomization.yaml")}


def compose(name: str) -> dict[str, Any]:
    document: dict[str, Any] = loaded(files(name)["compose.yaml"])
    return document


@every_spec
def test_kubernetes_manifests_are_valid_without_a_cluster(name: str) -> None:
    """Kinds of Kubernetes against its own schemas, kinds of the operator against its definitions; nothing unknown."""
    for path, manifest in manifests(name).items():
        if manifest["kind"] in OPERATOR:
            assert manifest["apiVersion"].startswith("monitoring.coreos.com/"), path
            jsonschema.validate(manifest["spec"], OPERATOR[manifest["kind"]])
        else:
            kubernetes_validate.validate(manifest, KUBERNETES_VERSION, strict=True)


@every_spec
def test_the_kustomization_names_every_manifest(name: str) -> None:
    """`kubectl apply -k` takes them all."""
    named = loaded(files(name)["kubernetes/kustomization.yaml"])["resources"]
    assert {f"kubernetes/{resource}" for resource in named} == set(manifests(name))


@every_spec
def test_the_cluster_gets_the_same_rules_and_dashboards(name: str) -> None:
    """Each rule file as a PrometheusRule, each dashboard as a ConfigMap that Grafana's sidecar looks for."""
    found = manifests(name)
    for path, text in files(name).items():
        short = path.rpartition("/")[2]
        if path.startswith("prometheus/rules/"):
            rule = found[f"kubernetes/rules-{short.removesuffix('.yml')}.yaml"]
            assert rule["spec"] == loaded(text)
        if path.startswith("grafana/dashboards/"):
            board = found[f"kubernetes/dashboard-{short.removesuffix('.json')}.yaml"]
            assert json.loads(board["data"][short]) == json.loads(text)
            assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
            assert len(board["data"][short].encode()) < 1 << 20


@every_spec
def test_the_roles_run_without_rights_and_are_asked_how_they_are(name: str) -> None:
    """Not as root, read-only, limited, probed; one pod, because two would write one state."""
    deployment = manifests(name)["kubernetes/bascule-deployment.yaml"]["spec"]
    pod = deployment["template"]["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert [container["name"] for container in pod["containers"]] == list(SPECS[name].roles)
    for container in pod["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"limits", "requests"} <= container["resources"].keys()
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()


@every_spec
def test_the_jobs_of_a_cluster_have_the_names_that_the_rules_know(name: str) -> None:
    """Every application and every role is scraped under its own job."""
    monitors = [manifest for manifest in manifests(name).values() if manifest["kind"] == "ServiceMonitor"]
    jobs = {endpoint["relabelings"][0]["replacement"] for each in monitors for endpoint in each["spec"]["endpoints"]}
    assert jobs == {*SPECS[name].services_of("application"), *(f"bascule-{role}" for role in SPECS[name].roles)}


@every_spec
def test_the_compose_file_is_valid(name: str) -> None:
    """By the compose specification."""
    text = files(name)["compose.yaml"]
    assert set(PyCompose.from_yaml(text).to_dict()["services"]) == set(compose(name)["services"])


@every_spec
def test_alertmanager_and_the_journal_share_a_secret_in_containers(name: str) -> None:
    """Compose mounts one file for both; in a cluster both name one Secret; no token stands in a file."""
    services = compose(name)["services"]
    (given,), (taken,) = services["alertmanager"]["secrets"], services["incidents"]["secrets"]
    assert given["source"] == taken
    config = loaded(files(name)["alertmanager/alertmanager.yml"])
    credential = config["receivers"][0]["webhook_configs"][0]["http_config"]["authorization"]["credentials_file"]
    assert given["target"] == f"/etc/{credential.removeprefix('../')}"
    assert services["incidents"]["environment"] == {"BASCULE_WEBHOOK_TOKEN_FILE": f"/run/secrets/{taken}"}

    pod = manifests(name)["kubernetes/bascule-deployment.yaml"]["spec"]["template"]["spec"]
    (mounted,) = [volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume]
    receiver = manifests(name)["kubernetes/alertmanager-config.yaml"]["spec"]["receivers"][0]
    assert receiver["webhookConfigs"][0]["httpConfig"]["authorization"]["credentials"]["name"] == mounted


def test_an_ipv6_address_stands_in_brackets_before_a_port() -> None:
    """`::1:9090` is an address without a port."""
    text = built_in_text().replace("127.0.0.1:9100", "[::1]:9100") + '\nstack: {listen: "::1"}\n'
    services = loaded(generate(parse(text))["compose.yaml"])["services"]
    assert "--web.listen-address=[::1]:9090" in services["prometheus"]["command"]
    assert "--web.listen-address=[::1]:9100" in services["node-exporter"]["command"]
    assert services["grafana"]["healthcheck"]["test"][-1] == "http://[::1]:3000/api/health"
    assert services["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "::1"


@every_spec
def test_compose_starts_what_the_stack_starts(name: str) -> None:
    """The same exporters and roles, and Grafana; ELK only when asked for, and only where there are logs."""
    spec, services = SPECS[name], compose(name)["services"]
    wanted = {"prometheus", "alertmanager", "grafana", *spec.roles}
    wanted |= {exporter.replace("_", "-") for exporter in exporters(spec)}
    assert {service for service, body in services.items() if "profiles" not in body} == wanted
    elk = {service for service, body in services.items() if body.get("profiles") == ["elk"]}
    assert bool(elk) == bool(spec.logs.sources)


@every_spec
def test_images_are_pinned_and_services_limited_and_asked_how_they_are(name: str) -> None:
    """No `latest`; the exporter whose image holds no program to ask with, and what ends by itself, excepted."""
    for service, body in compose(name)["services"].items():
        tag = body["image"].rpartition(":")[2]
        assert tag[0].isdigit() or (tag[0] == "v" and tag[1].isdigit()), service
        assert body["mem_limit"]
        assert body["cap_drop"] == ["ALL"]
        assert "healthcheck" in body or service in ("nginx-exporter", "elasticsearch-setup")


@every_spec
def test_every_file_that_compose_mounts_is_generated(name: str) -> None:
    """Relative mounts lead to generated files; named volumes are declared."""
    document = compose(name)
    mounts = [
        mount
        for body in document["services"].values()
        for mount in body.get("volumes", [])
        if isinstance(mount, str)
    ]  # fmt: skip
    for source in {mount.partition(":")[0] for mount in mounts}:
        if source.startswith("./"):
            assert any(path == source[2:] or path.startswith(source[2:] + "/") for path in files(name)), source
        elif not source.startswith("/"):
            assert source in document["volumes"]


@every_spec
def test_the_containers_read_the_same_migration(name: str) -> None:
    """The spec they are given is accepted, and differs in where it listens and keeps its state alone."""
    inside = parse(files(name)["compose/spec.yaml"])
    in_a_pod = parse(manifests(name)["kubernetes/bascule-config.yaml"]["data"]["spec.yaml"])
    for moved in (inside, in_a_pod):
        assert without_place(moved) == without_place(SPECS[name])
    assert in_a_pod.stack.listen == "0.0.0.0"


def without_place(spec: Spec) -> dict[str, Any]:
    document = spec.model_dump(mode="json", by_alias=True)
    for name in ("state", "listen", "tls"):  # in a pod, the cluster's network encrypts
        document["stack"].pop(name)
    return document


def test_prometheus_in_a_container_does_not_look_for_the_launcher() -> None:
    """`bascule up` is not there: its job would be down for ever."""
    jobs = {job["job_name"] for job in loaded(files("built in")["compose/prometheus.yml"])["scrape_configs"]}
    assert "bascule-supervisor" not in jobs
    assert {"supersmartmatch-v1", "bascule-judge"} <= jobs


def test_parts_that_run_elsewhere_are_not_started() -> None:
    """A declared external Prometheus is used."""
    text = (ROOT / "tests/fixtures/golden/minimal/spec.yaml").read_text("utf-8")
    spec = parse(text + "\nstack: {external: {prometheus: 'http://prometheus.example.com:9090'}}\n")
    services = loaded(generate(spec)["compose.yaml"])["services"]
    assert "prometheus" not in services
    assert services["grafana"]["environment"]["BASCULE_PROMETHEUS_URL"] == "http://prometheus.example.com:9090"
    assert "prometheus" not in services["judge"].get("depends_on", {})


def test_the_users_own_target_files_are_mounted_for_prometheus() -> None:
    """Where the spec names them, which is where Prometheus looks."""
    text = (ROOT / "tests/fixtures/golden/minimal/spec.yaml").read_text("utf-8")
    spec = parse(text + "\nstack: {scrape: {discovery: ['/etc/targets/*.json']}}\n")
    mounts = loaded(generate(spec)["compose.yaml"])["services"]["prometheus"]["volumes"]
    assert "/etc/targets:/etc/targets:ro" in mounts
