"""The lab's load balancer: a real nginx that gives each segment's users to V1 or V2 by share.

Users are split by their id (`split_clients`), so that a user meets one version only, and those who had V2 at 10 %
have it at 25 % too.
"""

from __future__ import annotations

import os
import pwd
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from bascule.errors import ProcessFailed, UsageError
from bascule.lab.files import replace_text

RELOAD_SECONDS = 15.0
GENERATION = "/lab/generation"  # which configuration answers

# What the log says of each request; upstream_addr alone tells for certain which version served it.
_LOG_FIELDS = {
    "msec": "$msec",  # first: of two times readers take the first, and the other has whole seconds only
    "time": '"$time_iso8601"',
    "remote_addr": '"$remote_addr"',
    "request_id": '"$request_id"',
    "request_method": '"$request_method"',
    "uri": '"$uri"',
    "status": "$status",
    "request_time": "$request_time",
    "body_bytes_sent": "$body_bytes_sent",
    "upstream_addr": '"$tried"',
    "upstream_status": '"$upstream_status"',
    "upstream_response_time": '"$upstream_response_time"',
    "version": '"$version"',
    "user_id": '"$http_x_user_id"',
    "user_segment": '"$http_x_user_segment"',
    "partner": '"$http_x_partner"',
}


@dataclass(frozen=True)
class Front:
    """Everything nginx is told. `upstreams`: the address of each version; `shares`: the candidate's, by segment."""

    folder: Path
    listen: str
    access_log: Path
    upstreams: Mapping[str, str]
    baseline: str
    candidate: str
    status_path: str = "/nginx_status"
    shares: Mapping[str, float] = field(default_factory=dict)
    backups: Mapping[str, str] = field(default_factory=dict)  # by version, where a failed request is tried again
    known_as: Mapping[str, str] = field(default_factory=dict)  # what the log says in place of an upstream's address
    generation: int = 0

    @property
    def config_path(self) -> Path:
        return self.folder / "nginx.conf"

    def argv(self, program: Path) -> list[str]:
        # -e: the error log that counts before the configuration is read would be the system's.
        return [str(program), "-p", str(self.folder), "-e", str(self.folder / "error.log"), "-c", str(self.config_path)]

    def with_shares(self, shares: Mapping[str, float]) -> Front:
        """The next generation; segments that are not named keep their share."""
        for segment, share in shares.items():
            if not 0 <= share <= 1:
                raise UsageError(f"{share} is not a share of {segment}", "give a ratio from 0 to 1")
            if not re.fullmatch(r"[A-Za-z][\w.-]*", segment):
                raise UsageError(f"{segment!r} is not a segment's name", "use letters, digits, _, . and -")
        return replace(self, shares={**self.shares, **shares}, generation=self.generation + 1)

    def with_routes(
        self, upstreams: Mapping[str, str], backups: Mapping[str, str], known_as: Mapping[str, str]
    ) -> Front:
        """The next generation, which asks the versions at these addresses."""
        following = self.generation + 1
        return replace(self, upstreams=upstreams, backups=backups, known_as=known_as, generation=following)

    def write(self) -> None:
        self.access_log.parent.mkdir(parents=True, exist_ok=True)
        replace_text(self.config_path, self.config())

    def config(self) -> str:
        """The text of nginx.conf; every path is inside the folder, so that no right of root's is needed."""
        return _TEMPLATE.format(
            user=_user_line(),
            folder=self.folder,
            temporary="\n".join(f"    {kind}_temp_path {self.folder}/tmp-{kind};" for kind in _TEMPORARY),
            log_format=_log_format(),
            access_log=self.access_log,
            splits="\n".join(self._split(segment, share) for segment, share in self.shares.items()),
            choices="\n".join(f"        {segment} $split_{_variable(segment)};" for segment in self.shares),
            baseline=self.baseline,
            upstreams="\n".join(
                _upstream(version, address, self.backups.get(version)) for version, address in self.upstreams.items()
            ),
            known_as="\n".join(f'        "{address}" "{known}";' for address, known in self.known_as.items()),
            again="error timeout http_500 non_idempotent" if self.backups else "off",
            listen=self.listen,
            status_path=self.status_path,
            generation=self.generation,
            generation_path=GENERATION,
        )

    def _split(self, segment: str, share: float) -> str:
        percent = f"{share * 100:.2f}"  # nginx counts in hundredths of a percent, and refuses 0 %
        rest = self.candidate if percent == "100.00" else self.baseline
        part = "" if percent in ("0.00", "100.00") else f"{percent}% {self.candidate}; "
        return f'    split_clients "$http_x_user_id" $split_{_variable(segment)} {{ {part}* {rest}; }}'


_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_TEMPLATE = """\
# Written by Bascule's lab; generation {generation}.
daemon off;
{user}worker_processes 1;
worker_shutdown_timeout 10s;
pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
{temporary}
    log_format bascule escape=json
        {log_format};
    access_log {access_log} bascule;

{splits}
    map $http_x_user_segment $version {{
        default {baseline};
{choices}
    }}
    map $upstream_addr $tried {{
        default $upstream_addr;
{known_as}
    }}
{upstreams}
    server {{
        listen {listen};
        location / {{
            proxy_pass http://app_$version;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_connect_timeout 2s;
            proxy_read_timeout 5s;
            proxy_next_upstream {again};
            add_header X-Served-By $version always;
        }}
        location = /health {{ access_log off; return 200 "ok\\n"; }}
        location = {generation_path} {{ access_log off; return 200 "{generation}"; }}
        location = {status_path} {{ access_log off; stub_status; }}
    }}
}}
"""


def _log_format() -> str:
    """One JSON object per line; nginx joins the quoted pieces."""
    pairs = [f'"{name}":{value}' for name, value in _LOG_FIELDS.items()]
    return "\n        ".join(f"'{piece}'" for piece in ["{" + pairs[0], *(f",{pair}" for pair in pairs[1:]), "}"])


def _variable(segment: str) -> str:
    return re.sub(r"\W", "_", segment)


def _upstream(version: str, address: str, backup: str | None) -> str:
    servers = f"server {address} max_fails=0;" + (f" server {backup} backup;" if backup else "")
    return f"    upstream app_{version} {{ {servers} keepalive 32; keepalive_timeout 20s; }}"


def _user_line() -> str:
    """Only a master that runs as root may choose its workers' user, and only it must: they write into our folder."""
    if os.geteuid() != 0:
        return ""
    return f"user {pwd.getpwuid(0).pw_name};\n"


def reload(front: Front, pid: int) -> float:
    """Put a new configuration in force; returns the moment (Unix seconds) from which no old worker takes a request.

    A kept-alive connection to the old worker is watched: the worker closes it when it stops accepting, not before.
    """
    old = HTTPConnection(front.listen, timeout=RELOAD_SECONDS)
    try:
        _ask_generation(old)
        front.write()
        os.kill(pid, signal.SIGHUP)
        if not _closes(old):
            raise _refused(front)
    finally:
        old.close()
    _check_generation(front)
    return time.time()


def _ask_generation(connection: HTTPConnection) -> str:
    try:
        connection.request("GET", GENERATION)
        return connection.getresponse().read().decode()
    except (OSError, HTTPException) as error:
        raise ProcessFailed(
            f"the lab's nginx at {connection.host}:{connection.port} does not answer: {error}", "see its error log"
        ) from error


def _closes(connection: HTTPConnection) -> bool:
    """Wait for the server's end of an idle connection."""
    try:
        return connection.sock.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def _check_generation(front: Front) -> None:
    fresh = HTTPConnection(front.listen, timeout=RELOAD_SECONDS)
    try:
        if _ask_generation(fresh) != str(front.generation):
            raise _refused(front)
    finally:
        fresh.close()


def _refused(front: Front) -> ProcessFailed:
    log = front.folder / "error.log"
    lines = log.read_text("utf-8", errors="replace").splitlines()[-5:] if log.exists() else []
    said = "".join(f"\n    {line}" for line in lines) or " nothing"
    return ProcessFailed(f"nginx did not accept its new configuration; it said:{said}", f"look at {front.config_path}")
