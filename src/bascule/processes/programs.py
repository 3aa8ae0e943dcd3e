"""Finding programs of the operating system, such as prometheus or nginx.

They are looked for in a private folder of unpacked Debian packages (`tools/fetch_programs.py` fills it, without root
and without starting a service), then on the machine itself:

    $BASCULE_PROGRAMS, ./.bascule/programs, .bascule/programs of the clone that Bascule is installed from,
    ~/.local/share/bascule/programs, $PATH, /usr/sbin, ...

A private folder keeps the shape of the packages (usr/bin, usr/sbin, usr/lib/<triplet>), so its programs need
its libraries: start them with `environment(program)`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bascule.errors import ProgramMissing

__all__ = ["KNOWN", "KnownProgram", "environment", "find", "folder_of", "folders", "how_to_get"]

# Debian's own /usr/bin/chromium is a script that insists on /usr/lib/chromium: the binary itself comes first.
BINARY_FOLDERS = ("usr/lib/chromium", "usr/bin", "usr/sbin", "bin", "sbin")
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/opt/homebrew/bin")
CLONE = Path(__file__).resolve().parents[3]  # of an editable install, as `make setup` does it
BROWSER = "make browser"
PEERS = "python3 tools/fetch_programs.py peers"
RIVALS = "python3 tools/fetch_programs.py bench"
LIBRARIES_APART = ("usr/lib/syslog-ng",)  # of programs that keep their own beside the triplet's
FONTS = "etc/fonts/bascule.conf"  # written by tools/fetch_programs.py: Chromium draws no letter without fonts


@dataclass(frozen=True)
class KnownProgram:
    """A program Bascule can use: its Debian package, Homebrew formula, and what needs it."""

    name: str
    debian: str
    homebrew: str
    needed_for: str
    home: str  # where its makers give it to everyone else
    fetched_by: str = "make setup"


KNOWN = {
    known.name: known
    for known in (
        KnownProgram("prometheus", "prometheus", "prometheus", "the stack: it keeps every metric", "prometheus.io"),
        KnownProgram("promtool", "prometheus", "prometheus", "the tests of generated rules", "prometheus.io"),
        KnownProgram(
            "prometheus-alertmanager",
            "prometheus-alertmanager",
            "alertmanager",
            "the stack: it delivers alerts",
            "prometheus.io",
        ),
        KnownProgram("amtool", "prometheus-alertmanager", "alertmanager", "the tests of alert routes", "prometheus.io"),
        KnownProgram(
            "prometheus-node-exporter",
            "prometheus-node-exporter",
            "node_exporter",
            "the figures of this host",
            "prometheus.io",
        ),
        KnownProgram(
            "prometheus-redis-exporter",
            "prometheus-redis-exporter",
            "redis_exporter",
            "the figures of Redis services",
            "github.com/oliver006/redis_exporter",
        ),
        KnownProgram(
            "prometheus-nginx-exporter",
            "prometheus-nginx-exporter",
            "nginx-prometheus-exporter",
            "the figures of nginx services",
            "github.com/nginx/nginx-prometheus-exporter",
        ),
        KnownProgram(
            "prometheus-blackbox-exporter",
            "prometheus-blackbox-exporter",
            "blackbox_exporter",
            "probes of addresses from outside",
            "prometheus.io",
        ),
        KnownProgram("redis-server", "redis-server", "redis", "the sample services of the demo", "redis.io"),
        KnownProgram("nginx", "nginx-light", "nginx", "the traffic split of the demo", "nginx.org"),
        KnownProgram("chromium", "chromium", "chromium", "screenshots and browser tests", "www.chromium.org", BROWSER),
        KnownProgram("mtail", "mtail", "mtail", "the benchmark of logs", "github.com/google/mtail", PEERS),
        KnownProgram("rsyslogd", "rsyslog", "rsyslog", "the benchmark of logs", "www.rsyslog.com", RIVALS),
        KnownProgram("syslog-ng", "syslog-ng-core", "syslog-ng", "the benchmark of logs", "www.syslog-ng.com", RIVALS),
        KnownProgram(
            "victoria-metrics",
            "victoria-metrics",
            "victoriametrics",
            "the benchmarks",
            "victoriametrics.com",
            RIVALS,
        ),
        KnownProgram(
            "prometheus-pushgateway",
            "prometheus-pushgateway",
            "pushgateway",
            "the tests of the generated Logstash output",
            "prometheus.io",
            PEERS,
        ),
        KnownProgram("ruby", "ruby", "ruby", "the tests of the generated Logstash filters", "ruby-lang.org", PEERS),
    )
}

# What a program is called when it does not come from Debian.
ALIASES = {
    "prometheus-alertmanager": ("alertmanager",),
    "prometheus-node-exporter": ("node_exporter",),
    "prometheus-redis-exporter": ("redis_exporter",),
    "prometheus-nginx-exporter": ("nginx-prometheus-exporter",),
    "prometheus-blackbox-exporter": ("blackbox_exporter",),
    "chromium": ("chromium-browser", "google-chrome"),
}


def folders() -> list[Path]:
    """The private folders that exist, first choice first."""
    named = os.environ.get("BASCULE_PROGRAMS")
    places = [Path(named)] if named else []
    places += [Path(".bascule/programs"), CLONE / ".bascule/programs", Path.home() / ".local/share/bascule/programs"]
    return list(dict.fromkeys(place.resolve() for place in places if place.is_dir()))


def find(name: str) -> Path:
    """Where a program is. Raises ProgramMissing, which names what needs it and how to get it."""
    for place in _places((name, *ALIASES.get(name, ()))):
        if place.is_file() and os.access(place, os.X_OK):
            return place
    needed_for = f" (needed for {KNOWN[name].needed_for})" if name in KNOWN else ""
    raise ProgramMissing(f"the program {name} is not on this machine{needed_for}", how_to_get(name))


def folder_of(program: Path) -> Path | None:
    """The private folder a program comes from, or None when it is the machine's own."""
    return next((folder for folder in folders() if program.is_relative_to(folder)), None)


def environment(program: Path | str | None = None) -> dict[str, str]:
    """The variables to start `program` with; without one, those that suit programs of every private folder.

    The private libraries are given to private programs only: the machine's own must keep the machine's own.
    """
    chosen = folders() if program is None else [folder for folder in [folder_of(Path(program))] if folder]
    variables = dict(os.environ)
    if not chosen:
        return variables
    binaries = [str(folder / part) for folder in chosen for part in BINARY_FOLDERS if (folder / part).is_dir()]
    variables["PATH"] = _joined(binaries, variables.get("PATH", os.defpath))
    libraries = [str(library) for folder in chosen for library in _libraries(folder)]
    variables["LD_LIBRARY_PATH"] = _joined(libraries, variables.get("LD_LIBRARY_PATH", ""))
    fonts = next((folder / FONTS for folder in chosen if (folder / FONTS).is_file()), None)
    return variables | ({"FONTCONFIG_FILE": str(fonts)} if fonts else {})


def how_to_get(*names: str) -> str:
    """How to get programs on Debian, macOS and elsewhere, in one or more lines."""
    known = [KNOWN[name] for name in names if name in KNOWN]
    if not known:
        return f"install it, or put the folder that holds it on PATH: {' '.join(names)}"
    commands = " && ".join(dict.fromkeys(each.fetched_by for each in known))
    packages = " ".join(dict.fromkeys(each.debian for each in known))
    formulas = " ".join(dict.fromkeys(each.homebrew for each in known))
    homes = ", ".join(dict.fromkeys(each.home for each in known))
    return (
        f"in Bascule's repository: {commands}"
        " (Debian packages into .bascule/programs; no root, starts no service)\n"
        f"  Debian, Ubuntu: sudo apt-get install --no-install-recommends {packages}"
        " (this also starts a system service where a package has one)\n"
        f"  macOS: brew install {formulas}\n"
        f"  elsewhere: from {homes}, then put the folder on PATH or name it in BASCULE_PROGRAMS"
    )


def _places(names: Sequence[str]) -> Iterator[Path]:
    """Where one of the names may be. A folder that comes first counts under whichever name it has the program."""
    for folder in folders():
        yield from (folder / name for name in names)
        yield from (folder / part / name for part in BINARY_FOLDERS for name in names)
    yield from (Path(found) for found in map(shutil.which, names) if found)
    yield from (Path(folder) / name for folder in SYSTEM_FOLDERS for name in names)


def _libraries(folder: Path) -> Iterator[Path]:
    """The library folders of a private folder: usr/lib/<triplet>, those below that hold libraries, those apart."""
    for triplet in sorted([*folder.glob("usr/lib/*-linux-*"), *folder.glob("lib/*-linux-*")]):
        yield triplet
        yield from sorted(below for below in triplet.iterdir() if below.is_dir() and any(below.glob("lib*.so*")))
    yield from (folder / apart for apart in LIBRARIES_APART if (folder / apart).is_dir())


def _joined(first: list[str], rest: str) -> str:
    return os.pathsep.join([*first, *([rest] if rest else [])])
