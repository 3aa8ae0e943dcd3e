"""The formats that every source may name, as data: the log reader and the Logstash pipeline are made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_ISO, _LEVEL = "%{ISO_TIME:timestamp}", "%{EVENT_LEVEL:level}"
_REQUEST = r'"%{REQUEST_METHOD:method} %{REQUEST_TARGET:endpoint}(?: HTTP/[0-9.]+)?"'
DOCUMENTED = "%{timestamp} %{level} %{service} "  # what stands before a message in the source document
_PYTHON = (  # what stands before the message in common layouts of Python's logging
    rf"{_ISO} - %{{LOGGER_WORD:service}} - {_LEVEL} - ",
    rf"{_ISO} - {_LEVEL} - ",
    rf"{_ISO} \[?{_LEVEL}\]? (?:- )?\[?%{{LOGGER:service}}\]?:? ",
    rf"\[{_ISO}\] {_LEVEL} in %{{LOGGER:service}}: ",  # Flask's
    rf"{_LEVEL}:%{{LOGGER_OR_NONE:service}}:",
)
HEADS = (*_PYTHON, rf"(?:{_ISO} )?")  # what may stand before an event


@dataclass(frozen=True)
class BuiltInFormat:
    """How a format's lines are read; what is not given takes no part.

    `dissect` (a dissect pattern) is tried first, then `layouts` (grok patterns of the whole line), in their order.
    `event` is a dissect pattern of key=value words that may stand behind any of `HEADS`, or behind `DOCUMENTED`.
    `json`: an object a line. `coloured`: the lines may hold ANSI codes.
    """

    name: str
    dissect: str = ""
    layouts: tuple[str, ...] = ()
    event: str = ""
    json: bool = False
    coloured: bool = False


BUILT_IN: Mapping[str, BuiltInFormat] = {
    built_in.name: built_in
    for built_in in (
        BuiltInFormat(
            "api_call",
            event="API_CALL user_id=%{user_id} endpoint=%{endpoint}"
            " response_time=%{response_time:float} status=%{status:int}",
        ),
        BuiltInFormat(
            "match_result",
            event="MATCH_RESULT candidate_id=%{candidate_id} job_id=%{job_id}"
            " accuracy=%{accuracy:float} algorithm=%{algorithm:word}",
        ),
        BuiltInFormat(
            "nginx_combined",
            '%{?address} - %{?user} [%{timestamp}] "%{method} %{endpoint} %{?protocol}" %{status:int} %{?bytes}'
            ' "%{?referrer}" "%{?rest}',
        ),
        BuiltInFormat("nginx_json", json=True),
        BuiltInFormat("json", json=True),
        BuiltInFormat(
            "werkzeug",
            layouts=(
                rf'(?:[^"\[]*[ :])?%{{CLIENT}} - - \[%{{BRACKETED:timestamp}}\] {_REQUEST}'
                r" %{STATUS_CODE:status:int} (?:-|[0-9]+)",
            ),
            coloured=True,
        ),
        BuiltInFormat(
            "uvicorn",
            layouts=(
                rf"(?:{_ISO} )?{_LEVEL}: +%{{CLIENT}} - {_REQUEST} %{{STATUS_CODE:status:int}}(?: [A-Za-z' -]+)?",
            ),
            coloured=True,
        ),
        BuiltInFormat(
            "python",
            "%{timestamp} %{level:level} %{service} %{message}",
            tuple(f"{layout}%{{GREEDYDATA:message}}" for layout in _PYTHON),
            coloured=True,
        ),
    )
}
