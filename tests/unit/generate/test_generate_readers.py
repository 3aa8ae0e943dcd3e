"""Every file that a spec can name reaches the containers that read it, read-only, and its content no manifest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel

from bascule.generate import generate
from bascule.generate.deploy.readers import readers_of
from bascule.spec import Spec, parse
from bascule.spec.files import Place, files_of

ROOT = Path(__file__).parents[3]
ANY = "*"
NOBODYS = {("services", ANY, "access_log"), ("stack", "state")}
WITH_FILES = """
probes: {shop: {kind: https, url: "https://shop.example.com/", ca_file: /etc/f/probe-ca}}
notify:
  receivers:
    team:
      slack: {url_file: /etc/f/slack}
      pagerduty: {routing_key_file: /etc/f/pager}
      splunk_oncall: {api_key_file: /etc/f/splunk, routing_key: team}
      apprise: {url_file: /etc/f/apprise}
      email: {to: [a@a.example], smtp: "a:25", username: a, password_file: /etc/f/mail, ca_file: /etc/f/mail-ca}
logs:
  key_file: /etc/f/pseudonyms
  sources:
    - {beats: "127.0.0.1:5044", tls: {certificate: /etc/f/beats, key: /etc/f/beats-key, client_ca: /etc/f/beats-ca}}
  search_engine:
    {url: "https://search.example.com", ca: /etc/f/search-ca, certificate: /etc/f/search, key: /etc/f/search-key,
     token_file: /etc/f/search-token, header_files: {X-Tenant: /etc/f/search-tenant}, password_file: /etc/f/unused}
stack:
  tls: {certificate: /etc/f/server, key: /etc/f/server-key, client_ca: /etc/f/clients-ca}
  sign_in: {proxies: [10.0.0.5], secret_file: /etc/f/proxy}
  external: {prometheus: "https://p.example.com", alertmanager: "https://a.example.com"}
  access:
    prometheus: {token_file: /etc/f/token, header_files: {X-Scope-OrgID: /etc/f/tenant}, ca: /etc/f/ca}
    alertmanager: {username: a, password_file: /etc/f/password, certificate: /etc/f/own, key: /etc/f/own-key}
"""


@pytest.fixture(scope="module")
def spec() -> Spec:
    return parse((ROOT / "tests/fixtures/golden/minimal/spec.yaml").read_text("utf-8") + WITH_FILES)


def places(model: type[BaseModel], above: Place = ()) -> Iterator[Place]:
    """Where a spec can name a file."""
    for name, field in model.model_fields.items():
        yield from _places(field.annotation, (*above, name))


def _places(annotation: Any, place: Place) -> Iterator[Place]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from places(annotation, place)
    elif annotation is Path:
        yield place
    elif place[-1].endswith(("_file", "_files")) and annotation is str:
        raise AssertionError(f"{'.'.join(place)} is a file: declare a Path")
    else:
        inside = (*place, ANY) if get_origin(annotation) in (dict, list, tuple) else place
        for part in get_args(annotation):
            yield from _places(part, inside)


def fits(place: Place, pattern: Place) -> bool:
    return len(place) == len(pattern) and all(b in (a, ANY) for a, b in zip(place, pattern, strict=True))


def test_the_example_names_a_file_wherever_a_spec_can(spec: Spec) -> None:
    """A new key for a file belongs into it: then the other tests look after it."""
    possible = set(places(Spec)) - NOBODYS
    assert {("notify", "receivers", ANY, "slack", "url_file"), ("logs", "key_file")} <= possible
    unnamed = {pattern for pattern in possible if not any(fits(place, pattern) for place in files_of(spec))}
    assert unnamed == set()


def test_somebody_reads_each_file(spec: Spec) -> None:
    assert [place for place in files_of(spec) if not readers_of(place)] == []


def test_in_compose_it_is_mounted_where_the_spec_names_it(spec: Spec) -> None:
    services = yaml.safe_load(generate(spec)["compose.yaml"])["services"]
    for place, path in files_of(spec).items():
        mounted = {name for name, each in services.items() if f"{path}:{path}:ro" in each.get("volumes", ())}
        assert mounted == set(readers_of(place)) & set(services), place


def test_prometheus_and_alertmanager_of_the_stack_have_what_their_own_configuration_names() -> None:
    text = (ROOT / "tests/fixtures/golden/minimal/spec.yaml").read_text("utf-8")
    team = "notify: {receivers: {team: {slack: {url_file: /etc/s}, apprise: {url_file: /etc/a}}}}"
    access = "stack: {external: {alertmanager: 'http://a/'}, access: {alertmanager: {token_file: /etc/t}}}"
    alertmanager = yaml.safe_load(generate(parse(f"{text}\n{team}\n"))["compose.yaml"])["services"]["alertmanager"]
    prometheus = yaml.safe_load(generate(parse(f"{text}\n{access}\n"))["compose.yaml"])["services"]["prometheus"]
    assert "/etc/s:/etc/s:ro" in alertmanager["volumes"]
    assert "/etc/a:/etc/a:ro" not in alertmanager["volumes"]  # it has no such channel
    assert "/etc/t:/etc/t:ro" in prometheus["volumes"]


def test_in_a_cluster_each_role_has_the_files_that_it_reads_from_a_secret(spec: Spec) -> None:
    """The spec in the pod names them there; the manifests say how the Secret is made, and hold nothing of it."""
    files = generate(spec)
    deployment = files["kubernetes/bascule-deployment.yaml"]
    pod = yaml.safe_load(deployment)["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    inside = files_of(parse(yaml.safe_load(files["kubernetes/bascule-config.yaml"])["data"]["spec.yaml"]))
    for container in pod["containers"]:
        found = set()
        for mount in container["volumeMounts"]:
            secret = volumes[mount["name"]].get("secret", {})
            assert mount.get("readOnly") or not secret
            found |= {f"{mount['mountPath']}/{item['path']}" for item in secret.get("items", ())}
        wanted = {str(path) for place, path in inside.items() if container["name"] in readers_of(place)}
        assert found == wanted, container["name"]
    assert "--from-file=notify.receivers.team.slack.url_file=/etc/f/slack" in deployment
