"""A secret is a file: its text is in no artifact, no command line, no message and no log."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from bascule.errors import BasculeError
from bascule.generate import generate
from bascule.processes import programs
from bascule.spec import Spec, parse
from bascule.spec.files import files_of
from bascule.stack.plan import plan
from bascule.transport import Credentials, Http

ROOT = Path(__file__).parents[2]
SECRET = "kUb3-canary"
WITH_SECRETS = """
notify:
  receivers:
    team:
      slack: {url_file: FOLDER/slack}
      pagerduty: {routing_key_file: FOLDER/pager}
      splunk_oncall: {api_key_file: FOLDER/splunk, routing_key: team}
      apprise: {url_file: FOLDER/apprise}
      email: {to: [a@a.example], smtp: "a:25", username: a, password_file: FOLDER/mail}
logs:
  key_file: FOLDER/pseudonyms
  search_engine: {url: "https://search.example.com", token_file: FOLDER/search, header_files: {X-Tenant: FOLDER/tenant}}
stack:
  state: FOLDER/state
  listen: 10.11.12.13
  tls: {certificate: FOLDER/server, key: FOLDER/server-key}
  sign_in: {proxies: [10.0.0.5], secret_file: FOLDER/proxy}
  external: {prometheus: "https://p.example.com"}
  access:
    prometheus: {token_file: FOLDER/token, header_files: {X-Scope-OrgID: FOLDER/scope}}
    alertmanager: {username: a, password_file: FOLDER/password}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """Every file that it names holds a secret."""
    text = (ROOT / "tests/fixtures/golden/minimal/spec.yaml").read_text("utf-8")
    found = parse(text + WITH_SECRETS.replace("FOLDER", str(tmp_path)))
    for path in files_of(found).values():
        path.write_text(f"{SECRET}\n")
    return found


def test_no_artifact_holds_a_secret(spec: Spec) -> None:
    """Neither a file of Prometheus, Alertmanager, Grafana and Compose, nor a Secret of Kubernetes."""
    assert [path for path, text in generate(spec).items() if SECRET in text] == []


def test_no_command_line_holds_a_secret(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ps` shows it to everyone on the machine."""
    monkeypatch.setattr(programs, "find", lambda name: Path("/usr/bin") / name)
    started = [program for stage in plan(spec, "spec.yaml") for program in stage]
    assert started
    assert [program.name for program in started if SECRET in " ".join(program.argv)] == []


def test_no_error_and_no_log_of_a_server_that_is_asked_holds_a_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "token").write_text(f"{SECRET}\n")
    (tmp_path / "broken").write_text(f"{SECRET}\nline two\n")
    for file in ("token", "broken"):
        credentials = Credentials(token_file=tmp_path / file)
        http = Http("a server", "http://127.0.0.1:9", seconds=2, credentials=credentials)
        with pytest.raises(BasculeError) as told:
            http.ask("GET", "/")
        http.close()
        assert SECRET not in str(told.value)
    assert SECRET not in caplog.text
