"""Finding programs in private folders and on the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bascule.errors import ProgramMissing
from bascule.processes import programs


@pytest.fixture
def private(machine, monkeypatch) -> Path:
    """A private folder with a program and a library folder, as unpacked Debian packages have them."""
    folder = machine.home / "programs"
    add(folder / "usr/bin/promtool")
    (folder / "usr/lib/x86_64-linux-gnu/nss").mkdir(parents=True)
    (folder / "usr/lib/x86_64-linux-gnu/nss/libnssckbi.so").touch()
    (folder / "usr/lib/x86_64-linux-gnu/perl").mkdir()
    monkeypatch.setenv("BASCULE_PROGRAMS", str(folder))
    return folder


def add(program: Path) -> Path:
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


def test_a_private_program_comes_before_the_machines_own(private, machine):
    machine.add("promtool")
    assert programs.find("promtool") == private / "usr/bin/promtool"


def test_the_machines_own_program_is_found_on_path_or_where_systems_keep_them(private, machine, monkeypatch):
    machine.add("amtool")
    assert programs.find("amtool") == machine.binaries / "amtool"
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(programs, "SYSTEM_FOLDERS", (str(machine.binaries),))
    assert programs.find("amtool") == machine.binaries / "amtool"


def test_a_file_that_may_not_be_executed_is_not_a_program(private):
    (private / "usr/bin/promtool").chmod(0o644)
    with pytest.raises(ProgramMissing):
        programs.find("promtool")


def test_folders_are_searched_in_their_order(private, tmp_path):
    here = add(tmp_path / ".bascule/programs/usr/bin/amtool")
    at_home = add(tmp_path / ".local/share/bascule/programs/usr/sbin/amtool")
    assert programs.find("amtool") == here
    here.unlink()
    assert programs.find("amtool") == at_home


def test_programs_that_make_setup_fetched_are_found_from_any_folder(private, tmp_path):
    """The clone's programs, for a user who works in a folder of his own."""
    fetched = add(tmp_path / "clone/.bascule/programs/usr/bin/amtool")
    assert programs.find("amtool") == fetched


def test_several_programs_are_got_with_one_command():
    told = programs.how_to_get("prometheus", "promtool", "nginx", "chromium")
    assert "--no-install-recommends prometheus nginx-light chromium (" in told
    assert "make setup && make browser (" in told
    assert "tools/fetch_programs.py bench (" in programs.how_to_get("syslog-ng")


def test_chromiums_binary_comes_before_debians_script(private):
    add(private / "usr/bin/chromium")
    binary = add(private / "usr/lib/chromium/chromium")
    assert programs.find("chromium") == binary


def test_a_program_is_found_under_the_name_its_makers_give_it(machine):
    machine.add("alertmanager")
    assert programs.find("prometheus-alertmanager") == machine.binaries / "alertmanager"


def test_a_missing_program_is_told_with_what_needs_it_and_how_to_get_it(machine):
    with pytest.raises(ProgramMissing) as missing:
        programs.find("prometheus")
    assert "the program prometheus is not on this machine (needed for the stack" in missing.value.what
    for way in ("make setup", "apt-get install --no-install-recommends prometheus", "brew install", "elsewhere"):
        assert way in missing.value.fix


def test_only_private_programs_get_the_private_libraries(private, monkeypatch):
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    libraries = private / "usr/lib/x86_64-linux-gnu"
    variables = programs.environment(private / "usr/bin/promtool")
    assert variables["LD_LIBRARY_PATH"] == f"{libraries}{os.pathsep}{libraries / 'nss'}"
    assert variables["PATH"].startswith(str(private / "usr/bin"))
    assert "LD_LIBRARY_PATH" not in programs.environment("/bin/sh")


def test_libraries_that_a_package_keeps_apart_are_found(private):
    """As syslog-ng does."""
    (private / "usr/lib/syslog-ng").mkdir()
    variables = programs.environment(private / "usr/bin/promtool")
    assert str(private / "usr/lib/syslog-ng") in variables["LD_LIBRARY_PATH"].split(os.pathsep)


def test_private_fonts_are_told_to_private_programs(private):
    (private / "etc/fonts").mkdir(parents=True)
    (private / programs.FONTS).touch()
    assert programs.environment()["FONTCONFIG_FILE"] == str(private / programs.FONTS)


def test_every_known_program_says_how_to_get_it():
    for name, known in programs.KNOWN.items():
        assert known.debian in programs.how_to_get(name)
    assert "no-such-thing" in programs.how_to_get("no-such-thing")


def test_a_program_under_its_makers_name_in_the_named_folder_comes_before_debians(private, tmp_path):
    add(tmp_path / ".bascule/programs/usr/bin/prometheus-alertmanager")
    theirs = add(private / "alertmanager")
    assert programs.find("prometheus-alertmanager") == theirs
