"""Unpacked packages made to work in a folder of their own, and what is said where they cannot be fetched."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[3] / "tools" / "fetch_programs.py"


@pytest.fixture(scope="module")
def tool():
    specification = importlib.util.spec_from_file_location("fetch_programs", TOOL)
    module = importlib.util.module_from_spec(specification)
    sys.modules["fetch_programs"] = module
    specification.loader.exec_module(module)
    return module


def test_without_apt_each_missing_program_is_told_with_other_ways_to_get_it(tool, machine, capsys):
    assert tool.main(["--into", str(machine.home / "p"), "core"]) == 1
    told = capsys.readouterr().err
    assert "this machine has no apt-get" in told
    assert "brew install" in told


def test_where_apt_fails_the_exact_commands_are_told_and_how_to_keep_services_from_starting(tool, machine, capsys):
    machine.add("apt-get", "apt-config", "dpkg-deb", script="echo 'no network' >&2; exit 100")
    assert tool.main(["--into", str(machine.home / "p"), "chromium"]) == 1
    told = capsys.readouterr().err
    assert "no network" in told
    assert "sudo apt-get install --no-install-recommends chromium fonts-dejavu-core" in told
    assert "policy-rc.d" in told


def test_programs_the_machine_has_are_not_fetched(tool, machine, capsys):
    machine.add(*tool.SETS["core"].programs)
    assert tool.main(["--into", str(machine.home / "p")]) == 0
    assert "The core programs are here." in capsys.readouterr().out


def test_an_unknown_set_is_a_usage_error(tool, capsys):
    with pytest.raises(SystemExit) as exit:
        tool.main(["cores"])
    assert exit.value.code == 2
    assert "no such set: cores; there are core, chromium, peers, lines, bench" in capsys.readouterr().err


def test_a_program_reads_its_data_from_the_folder_it_was_unpacked_into(tool, tmp_path):
    """The script opens descriptor 9 where the patched path leads; a shell script stands in for the binary."""
    program = tmp_path / "usr/bin/alertmanager"
    program.parent.mkdir(parents=True)
    program.write_bytes(b"\x7fELF" + b"/usr/share/prometheus/alertmanager/default.tmpl")
    data = tmp_path / "usr/share/prometheus/alertmanager/default.tmpl"
    data.parent.mkdir(parents=True)
    data.write_text("the template")
    tool._settle(tmp_path)
    moved = tmp_path / "usr/lib/bascule/alertmanager"
    path = moved.read_bytes().removeprefix(b"\x7fELF").decode()
    assert path == "/proc/self/fd/9///////alertmanager/default.tmpl"
    moved.write_text(f"#!/bin/sh\ncat {path}\necho $1\n")
    done = subprocess.run([program, "argument"], capture_output=True, text=True, check=True)
    assert done.stdout == "the template" + "argument\n"


def test_links_between_packages_stay_inside_the_folder(tool, tmp_path):
    target = tmp_path / "usr/share/javascript/jquery.js"
    target.parent.mkdir(parents=True)
    target.touch()
    (tmp_path / "usr/bin").mkdir()
    link, outside = tmp_path / "usr/share/jquery.js", tmp_path / "usr/share/null"
    link.symlink_to("/usr/share/javascript/jquery.js")
    outside.symlink_to("/dev/null")
    tool._settle(tmp_path)
    assert link.resolve() == target
    assert str(outside.readlink()) == "/dev/null"
