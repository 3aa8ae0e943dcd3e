"""The generated service: closed to everything but its own state, and its text cannot be led astray by a title."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bascule.generate.deploy.systemd import systemd_files
from bascule.spec import Spec, built_in_text, load, parse

MOST_EXPOSED = 3.0  # of ten, by systemd's own measure


def unit_of(spec: Spec) -> str:
    (text,) = systemd_files(spec).values()
    return text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_finds_it_closed(tmp_path: Path) -> None:
    unit = tmp_path / "bascule.service"
    unit.write_text(unit_of(load("supersmartmatch")))
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if "unrecognized option" in told.stderr:
        pytest.skip("this systemd looks at no file")
    exposed = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told.stdout)
    assert exposed is not None, told.stderr
    assert float(exposed[1]) <= MOST_EXPOSED


def test_it_writes_its_state_alone() -> None:
    text = built_in_text()
    assert "ReadWritePaths" not in unit_of(parse(text))  # below its own folder
    own = unit_of(parse(f"{text}\nstack: {{state: /srv/bascule state}}\n"))
    assert 'ReadWritePaths="/srv/bascule state"\n' in own
    assert "ProtectSystem=strict\n" in own


def test_a_title_sets_no_key_and_no_specifier() -> None:
    title = "50%h off\\nExecStart=/bin/false"
    named = parse(re.sub(r"(?m)^  title:.*$", f'  title: "{title}"', built_in_text(), count=1))
    text = unit_of(named)
    assert "Description=Bascule: 50%%h off ExecStart=/bin/false\n" in text
    assert len(re.findall(r"(?m)^ExecStart=", text)) == 1


def test_the_files_that_the_spec_names_are_listed_for_who_installs_it() -> None:
    access = "access: {prometheus: {token_file: /etc/b/token, ca: /etc/b/ca.pem}}"
    spec = parse(f"{built_in_text()}\nstack: {{external: {{prometheus: 'https://p.example'}}, {access}}}\n")
    assert re.search(r"(?m)^#   .*/etc/b/ca\.pem /etc/b/token", unit_of(spec))
