#!/usr/bin/env python3
"""Fetch the programs that Bascule uses into a private folder, from Debian's packages.

    python3 tools/fetch_programs.py [--into .bascule/programs] [core] [chromium] [peers] [lines] [bench]

Needs Python 3.11 and apt, but no root and no Python package: apt works on a state of its own inside the folder, asks
the machine's own package sources, and the packages are only unpacked. No maintainer script runs, so no service is
installed, enabled or started. What the machine has already is used as it is. A second run finds its work done.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from bascule.errors import ProgramMissing  # noqa: E402
from bascule.processes import programs  # noqa: E402

FRESH_SECONDS = 3600.0  # package lists younger than this are not fetched again
# A C library of another build than the machine's loader cannot be loaded by it.
NEVER_UNPACKED = {"libc6", "libc-bin", "libc-l10n", "locales", "libgcc-s1"}


@dataclass(frozen=True)
class Set:
    """Programs that are fetched together, and the packages that hold them.

    `apart`: packages that apt refuses to install beside the others, but that may be unpacked beside them.
    """

    name: str
    programs: tuple[str, ...]
    packages: tuple[str, ...]
    apart: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        return hashlib.sha256(" ".join(self.programs + self.packages + self.apart).encode()).hexdigest()[:16]


SETS = {
    chosen.name: chosen
    for chosen in (
        Set(
            "core",
            (
                "prometheus",
                "promtool",
                "prometheus-alertmanager",
                "amtool",
                "prometheus-node-exporter",
                "prometheus-redis-exporter",
                "prometheus-nginx-exporter",
                "prometheus-blackbox-exporter",
                "redis-server",
                "nginx",
            ),
            (
                "prometheus",
                "prometheus-alertmanager",
                "prometheus-node-exporter",
                "prometheus-redis-exporter",
                "prometheus-nginx-exporter",
                "prometheus-blackbox-exporter",
                "redis-server",
                "nginx-light",
            ),
        ),
        Set("chromium", ("chromium",), ("chromium", "fonts-dejavu-core")),
        Set(  # that tests meet
            "peers",
            ("mtail", "prometheus-pushgateway", "ruby"),
            ("mtail", "prometheus-pushgateway", "ruby"),
        ),
        Set(  # of `make real`
            "lines",
            ("haproxy", "apache2", "logrotate", "victoria-metrics", "vmalert"),
            ("haproxy", "apache2-bin", "logrotate", "victoria-metrics"),
        ),
        Set(
            "bench",
            ("mtail", "rsyslogd", "syslog-ng", "victoria-metrics"),
            ("mtail", "rsyslog", "victoria-metrics"),
            apart=("syslog-ng-core",),
        ),
    )
}

FONT_SETTINGS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>{folder}/usr/share/fonts</dir>
  <cachedir>{folder}/var/cache/fontconfig</cachedir>
  <alias><family>sans-serif</family><prefer><family>DejaVu Sans</family></prefer></alias>
  <alias><family>serif</family><prefer><family>DejaVu Serif</family></prefer></alias>
  <alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
</fontconfig>
"""

DATA_BUILT_IN = b"/usr/share/prometheus"
DATA_HERE = b"/proc/self/fd/9"
DATA_SCRIPT = """#!/bin/sh
# Debian's build looks for its data files in one place only; here that place is descriptor 9.
here=${{0%/*}}
exec 9<"$here/../share/prometheus"
exec "$here/../lib/bascule/{name}" "$@"
"""


class CannotFetch(Exception):
    """Why the packages cannot be fetched on this machine."""


def main(argv: list[str]) -> int:
    options = _options(argv)
    folder = options.into.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        for name in options.sets or ["core"]:
            try:
                fetch(SETS[name], folder)
            except CannotFetch as error:
                print(_by_hand(SETS[name], folder, str(error)), file=sys.stderr)
                return 1
    return 0


def fetch(wanted: Set, folder: Path) -> None:
    """Bring a set into the folder: fetch its packages and what they need, unpack them, note that it is done."""
    stamp = folder / ".sets" / f"{wanted.name}-{wanted.digest}"
    if not _missing(wanted, folder) and (stamp.exists() or not _is_private(wanted, folder)):
        print(f"The {wanted.name} programs are here.")
        return
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise CannotFetch("this machine has no apt-get or no dpkg-deb")
    apt = Apt(folder / ".apt")
    apt.update()
    print(f"Fetching the {wanted.name} programs and the libraries they need.", flush=True)
    apt.download(wanted.packages)
    if wanted.apart:
        apt.download(wanted.apart)
    archives = apt.archives()
    for number, archive in enumerate(archives, 1):
        print(f"Unpacking {number} of {len(archives)}: {archive.name.split('_')[0]}", flush=True)
        _run(["dpkg-deb", "-x", str(archive), str(folder)])
        archive.unlink()
    _settle(folder)
    if _missing(wanted, folder):
        raise CannotFetch(f"the packages do not hold {', '.join(_missing(wanted, folder))}")
    stamp.parent.mkdir(exist_ok=True)
    stamp.touch()
    print(f"The {wanted.name} programs are in {folder}.")


class Apt:
    """apt-get with lists and archives of its own, the machine's sources and proxies, and none of its hooks."""

    def __init__(self, home: Path) -> None:
        self.home = home
        for part in ("lists/partial", "archives/partial", "log"):
            (home / part).mkdir(parents=True, exist_ok=True)
        self._settings = home / "apt.conf"

    def update(self) -> None:
        stamp = self.home / "updated"
        if stamp.exists() and time.time() - stamp.stat().st_mtime < FRESH_SECONDS:
            return
        print("Fetching the lists of packages.", flush=True)
        self._get("update")
        stamp.touch()

    def download(self, packages: tuple[str, ...]) -> None:
        """Fetch the packages, and all they need that the machine does not have; apt checks what it fetches."""
        self._get("install", "--yes", "--download-only", "--no-install-recommends", *packages)

    def archives(self) -> list[Path]:
        """What was fetched and is to be unpacked."""
        fetched = sorted((self.home / "archives").glob("*.deb"))
        return [archive for archive in fetched if archive.name.split("_")[0] not in NEVER_UNPACKED]

    def _get(self, *arguments: str) -> None:
        self._write_settings()
        try:
            _run(
                ["apt-get", "-q", *arguments], {"APT_CONFIG": str(self._settings), "DEBIAN_FRONTEND": "noninteractive"}
            )
        finally:
            self._settings.unlink()  # the machine's settings may hold a proxy's password

    def _write_settings(self) -> None:
        """The machine's settings, less hooks that would touch the machine, with our own folders."""
        dumped = _run(["apt-config", "dump"]).splitlines()
        kept = [line for line in dumped if not line.startswith(("APT::Update::", "DPkg::", "Dir::State", "Dir::Cache"))]
        ours = {
            "Dir::State": str(self.home),
            "Dir::State::lists": str(self.home / "lists"),
            "Dir::State::extended_states": str(self.home / "extended_states"),
            "Dir::State::status": "/var/lib/dpkg/status",
            "Dir::Cache": str(self.home),
            "Dir::Cache::archives": str(self.home / "archives"),
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
            "Dir::Log": str(self.home / "log"),
            "Dir::Etc::main": "/dev/null",  # they are in this dump already
            "Dir::Etc::parts": "/dev/null",
            "Debug::NoLocking": "1",
            "APT::Sandbox::User": "root",  # no change of user: the folder is ours alone
            "APT::Keep-Downloaded-Packages": "true",
            "Acquire::Languages": "none",
        }
        text = "\n".join([*kept, "#clear Acquire::Languages;", *(f'{key} "{value}";' for key, value in ours.items())])
        self._settings.touch(mode=0o600)
        self._settings.write_text(text + "\n")


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fetch the programs that Bascule uses into a private folder.")
    parser.add_argument("--into", type=Path, default=ROOT / ".bascule" / "programs", help="the private folder")
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"{', '.join(SETS)}; by default core")
    options = parser.parse_args(argv)
    unknown = set(options.sets) - set(SETS)
    if unknown:
        parser.error(f"no such set: {', '.join(sorted(unknown))}; there are {', '.join(SETS)}")
    return options


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One fetch at a time per folder; a second waits for the first and then finds its work done."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another fetch into the same folder.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _found(program: str, folder: Path) -> Path | None:
    private = [folder / part / program for part in programs.BINARY_FOLDERS]
    here = next((place for place in private if place.is_file()), None)
    if here:
        return here
    try:
        return programs.find(program)
    except ProgramMissing:
        return None


def _missing(wanted: Set, folder: Path) -> list[str]:
    return [program for program in wanted.programs if _found(program, folder) is None]


def _is_private(wanted: Set, folder: Path) -> bool:
    """Whether any of the programs is in the folder: without the set's stamp, its unpacking was cut short."""
    return any(place.is_relative_to(folder) for name in wanted.programs if (place := _found(name, folder)))


def _settle(folder: Path) -> None:
    """What maintainer scripts and the packages' own place would have given: links, data files, fonts."""
    for link in (path for path in folder.rglob("*") if path.is_symlink()):
        _keep_inside(link, folder)
    for program in sorted((folder / "usr/bin").iterdir()):
        if program.is_file() and not program.is_symlink():
            _give_data(program, folder)
    if (folder / "usr/share/fonts").is_dir():
        settings = folder / programs.FONTS
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(FONT_SETTINGS.format(folder=folder))


def _keep_inside(link: Path, folder: Path) -> None:
    """An absolute link to another package's file, such as /usr/share/javascript/..., is made to lead there."""
    target = link.readlink()
    inside = folder / str(target).lstrip("/")
    if target.is_absolute() and not target.is_relative_to(folder) and inside.exists():
        link.unlink()
        link.symlink_to(os.path.relpath(inside, link.parent))


def _give_data(program: Path, folder: Path) -> None:
    """Let a program read its data files (templates, pages) from the folder instead of /usr/share/prometheus.

    That path is built into Debian's binaries. A path of the same length takes its place, and a small script opens the
    folder's own data folder there.
    """
    binary = program.read_bytes()
    if not binary.startswith(b"\x7fELF") or DATA_BUILT_IN not in binary:
        return
    moved = folder / "usr/lib/bascule" / program.name
    moved.parent.mkdir(parents=True, exist_ok=True)
    _put(moved, binary.replace(DATA_BUILT_IN, DATA_HERE.ljust(len(DATA_BUILT_IN), b"/")))
    _put(program, DATA_SCRIPT.format(name=program.name).encode())


def _put(program: Path, content: bytes) -> None:
    """Write a program beside its place and move it there: one that is running cannot be written to."""
    fresh = program.with_name(f".{program.name}.new")
    fresh.write_bytes(content)
    fresh.chmod(0o755)
    fresh.replace(program)


def _by_hand(wanted: Set, folder: Path, reason: str) -> str:
    missing = _missing(wanted, folder)
    lines = [f"The {wanted.name} programs could not be fetched: {reason}"]
    if shutil.which("apt-get"):
        lines += [
            "Install them with these commands; those around it keep services from being started:",
            "  printf '#!/bin/sh\\nexit 101\\n' | sudo tee /usr/sbin/policy-rc.d",
            "  sudo chmod +x /usr/sbin/policy-rc.d",
            f"  sudo apt-get update && sudo apt-get install --no-install-recommends {' '.join(wanted.packages)}",
            "  sudo rm /usr/sbin/policy-rc.d",
        ]
        return "\n".join(lines)
    return "\n".join([*lines, f"Missing are {', '.join(missing)}.", programs.how_to_get(*missing)])


def _run(argv: list[str], more: dict[str, str] | None = None) -> str:
    """The output of a command. Raises CannotFetch with the end of what it said when it fails."""
    done = subprocess.run(argv, env=dict(os.environ) | {"LC_ALL": "C"} | (more or {}), capture_output=True, text=True)
    if done.returncode != 0:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise CannotFetch(f"{argv[0]} failed:\n{said}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
