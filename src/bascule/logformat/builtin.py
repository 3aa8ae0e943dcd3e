"""The formats that every source may name, as data: the log reader and the Logstash pipeline are made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bascule.logformat.fields import LEFT

_ISO, _LEVEL = "%{ISO_TIME:timestamp}", "%{EVENT_LEVEL:level}"
# What a client sent: nothing, or no HTTP at all (a TLS hello on a plain port), leaves method and endpoint absent.
_REQUEST = '"(?:%{REQUEST_METHOD:method} %{REQUEST_TARGET:endpoint}(?: (?:HTTP/)?[0-9.]+)?|%{NO_REQUEST})"'
_STATUS = "%{STATUS_CODE:status:int}"
_FLAGS = f"(?:%{{LEFT_FLAGS:{LEFT}}}|%{{TOKEN}})"  # Envoy's, of how the answer ended
_PLAIN = "%{REQUEST_METHOD:method} %{REQUEST_TARGET:endpoint}"  # a request that no quotes enclose
_HEAD = r'(?:[^"]*?[ :])?'  # whatever a logger writes before a server's own line
_COMBINED = (
    rf"(?:%{{TOKEN}} [^\[]*)?\[%{{EVENT_TIME:timestamp}}\] {_REQUEST} {_STATUS} (?:-|[0-9]+)"
    r'(?: %{QUOTED} "%{AGENT:_agent}")?%{TAIL:pairs}'
)
DOCUMENTED = "%{timestamp} %{level} %{service:word} "  # what is before a message in the source document
_PYTHON = (  # what is before the message in common layouts of Python's logging
    rf"{_ISO} - %{{LOGGER_WORD:service}} - {_LEVEL} - ",
    rf"{_ISO} - {_LEVEL} - ",
    rf"{_ISO} \[?{_LEVEL}\]? (?:- )?\[?%{{LOGGER:service}}\]?:? ",
    rf"\[{_ISO}\] {_LEVEL} in %{{LOGGER:service}}: ",  # Flask's
    rf"{_LEVEL}:%{{LOGGER_OR_NONE:service}}:",
    rf"\[{_ISO}\] \[[0-9]+\] \[{_LEVEL}\] ",  # gunicorn's and hypercorn's
)
# Layouts of one's own: a time, a level and a logger's name, in this order or another, with numbers, brackets and marks
# between them. Words of a sentence are none of these, so an event that a message only quotes is not read as one.
_BETWEEN = r"(?:[ |:,/()<>0-9-]|\[[^\[\]]*\])*"
_WHEN, _HOW_BAD = rf"\[?{_ISO}\]?", rf"\[?{_LEVEL} *\]?"
_WHO = rf"(?:%{{LOGGER:service}}(?::[^ :]*)*(?: [^ :]+:)?\]?{_BETWEEN})?"
_OWN = (
    rf"{_WHEN}{_BETWEEN}{_HOW_BAD}{_BETWEEN}{_WHO}",
    rf"{_WHEN}{_BETWEEN}%{{LOGGER:service}}{_BETWEEN}{_HOW_BAD}{_BETWEEN}",
    rf"{_HOW_BAD}{_BETWEEN}{_WHEN}{_BETWEEN}{_WHO}",
    rf"{_HOW_BAD}{_BETWEEN}{_WHO}",
)
# Times that name no day, or one that is read in two ways: the line has none.
_CLOCK = r"\[?(?:[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{1,4},? )?%{CLOCK}\]?"
_ODD = (
    rf"\[?%{{C_TIME:timestamp}}\]?{_BETWEEN}{_HOW_BAD}{_BETWEEN}{_WHO}",
    rf"{_CLOCK}{_BETWEEN}{_HOW_BAD}{_BETWEEN}{_WHO}",
    rf"{_CLOCK}{_BETWEEN}%{{LOGGER:service}}{_BETWEEN}{_HOW_BAD}{_BETWEEN}",
    r"[IWEF][0-9]{4} %{CLOCK} +[0-9]+ [^ ]+:[0-9]+\] ",  # glog's, absl's, klog's
)
HEADS = (*_PYTHON, rf"(?:{_ISO} )?", *_OWN, *_ODD)  # what may precede an event
# What may precede an object: the heads of events, and zap's, between tabs.
JSON_HEADS = (*HEADS, rf"{_ISO}\t{_LEVEL}\t(?:[^\t]+\t)*")


@dataclass(frozen=True)
class BuiltInFormat:
    """How a format's lines are read; what is not given takes no part.

    `dissect` (a dissect pattern) is tried first, then `layouts` (grok patterns of the whole line), in their order.
    `event` is a dissect pattern of key=value words that may follow any of `HEADS`, or behind `DOCUMENTED`.
    `json`: an object a line. `logfmt`: `name=value` pairs. `coloured`: the lines may hold ANSI codes.
    """

    name: str
    dissect: str = ""
    layouts: tuple[str, ...] = ()
    event: str = ""
    json: bool = False
    logfmt: bool = False
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
            '%{_client:word} - %{?user} [%{timestamp}] "%{method} %{endpoint} HTTP/%{?protocol}" %{status:int}'
            ' %{?bytes} "%{?referrer}" "%{_agent}"',
            (
                # also Apache's common, combined and vhost_combined, gunicorn's, daphne's; behind another head
                # hypercorn's, aiohttp's, Twisted's, syslog's
                rf'{_HEAD}"?%{{ADDRESS:_client}}"? {_COMBINED}',
                rf"(?:%{{TOKEN}} )?%{{CLIENT:_client}} {_COMBINED}",  # of a client by name
            ),
        ),
        BuiltInFormat(
            "traefik",  # its access log in the common format
            layouts=(
                rf"%{{CLIENT:_client}} - %{{TOKEN}} \[%{{EVENT_TIME:timestamp}}\] {_REQUEST} (?:-|{_STATUS})"
                r' (?:-|[0-9]+) %{QUOTED} "%{NO_REQUEST:_agent}" [0-9-]+ %{QUOTED} "(?:[a-z0-9]+://)?(?<upstream_addr>[^"]*)"'
                r" (?:-|%{TOKEN:response_time:ms})ms",
            ),
        ),
        BuiltInFormat("nginx_json", json=True),
        BuiltInFormat("json", json=True),
        BuiltInFormat("logfmt", logfmt=True),  # also structlog's console
        BuiltInFormat(
            "envoy",
            layouts=(
                rf"\[{_ISO}\] {_REQUEST} (?:0|{_STATUS}) {_FLAGS} [0-9]+ [0-9]+ %{{TOKEN:response_time:ms}}"
                r' %{TOKEN} "[^"]*" "%{AGENT:_agent}" "[^"]*" "[^"]*" "%{NO_REQUEST:upstream_addr}"',
            ),
        ),
        BuiltInFormat(
            "haproxy",  # `option httplog`
            layouts=(
                r"(?:.* )?%{CLIENT:_client}:[0-9]+ \[%{EVENT_TIME:timestamp}\] [^ ]+ (?<upstream_addr>[^ ]+)"
                rf" (?:[0-9+-]+/){{4}}\+?%{{TOKEN:response_time:ms}} (?:-1|{_STATUS}) \+?[0-9]+"
                rf" [^ ]+ [^ ]+ (?:%{{LEFT_STATE:{LEFT}}}|[^ ]+) [0-9/+]+ [0-9/]+ (?:\{{[^}}]*\}} )*{_REQUEST}",
            ),
        ),
        BuiltInFormat(
            "werkzeug",
            layouts=(
                rf"(?:{_HEAD}%{{ADDRESS:_client}}|%{{CLIENT:_client}}) - - \[%{{EVENT_TIME:timestamp}}\] {_REQUEST}"
                rf" {_STATUS} (?:-|[0-9]+)",
                rf"(?:{_HEAD})\[%{{EVENT_TIME:timestamp}}\] {_REQUEST} {_STATUS} (?:-|[0-9]+)",  # Django's runserver
            ),
            coloured=True,
        ),
        BuiltInFormat(
            "tornado",
            layouts=tuple(
                rf"{head}{_STATUS} {_PLAIN} \(%{{CLIENT:_client}}\) %{{TOKEN:response_time:ms}}ms"
                for head in (r"(?:\[[A-Z] %{SHORT_TIME:timestamp} [^\]]*\] )?", *_PYTHON)
            ),
            coloured=True,
        ),
        BuiltInFormat(
            "sanic",
            layouts=(
                rf"(?:[^ ]+ +\|)?{_ISO} {_LEVEL}: +%{{CLIENT:_client}} {_PLAIN} {_STATUS} [0-9]+"
                r"(?: +%{TOKEN:response_time})?",
                rf"\[{_ISO}\] - \([^)]*\)\[{_LEVEL}\]\[%{{CLIENT:_client}}\]: {_PLAIN}  {_STATUS} [0-9]+",
            ),
            coloured=True,
        ),
        BuiltInFormat(
            "uwsgi",
            layouts=tuple(
                r"\[pid: [^\]]*\] %{CLIENT:_client} \([^)]*\) \{[^}]*\} \[%{EVENT_TIME:timestamp}\]"
                rf" {_PLAIN} => generated [0-9]+ bytes in %{{TOKEN:response_time:{unit}}} {word}.*"
                rf" \([^ )]* {_STATUS}\).*"
                for unit, word in (("ms", "msecs"), ("us", "micros"))
            ),
        ),
        BuiltInFormat(
            "morgan",  # Express': short, tiny and dev (common and combined are `nginx_combined`); Koa's
            layouts=(
                rf"(?:%{{CLIENT:_client}} [^ ]+ )?{_PLAIN}(?: HTTP/[0-9.]+)? (?:-|{_STATUS}) (?:-|[0-9]+)"
                r" - (?:-|%{TOKEN:response_time:ms}) ms",
                rf"{_PLAIN} (?:-|{_STATUS}) (?:-|%{{TOKEN:response_time:ms}}) ms - (?:-|[0-9]+)",
                rf" *(?:-->|xxx|-x-) {_PLAIN} {_STATUS} %{{TOKEN:response_time}}(?: [^ ]*)?",
            ),
            coloured=True,
        ),
        BuiltInFormat(
            "gin",
            layouts=(
                rf"\[GIN\] %{{SPLIT_TIME:timestamp}} \| *{_STATUS} *\| *%{{TOKEN:response_time}} \|"
                r' *%{CLIENT:_client} \| *%{REQUEST_METHOD:method} +"%{REQUEST_TARGET:endpoint}"',
            ),
            coloured=True,
        ),
        BuiltInFormat(
            "granian",
            layouts=(rf"(?:\[{_LEVEL}\] )?\[{_ISO}\] [^ ]+ - {_REQUEST} {_STATUS} %{{TOKEN:response_time:ms}}",),
        ),
        BuiltInFormat(
            "uvicorn",
            layouts=(
                rf"(?:{_ISO} )?{_LEVEL}: +(?:[^ ]+ )?- {_REQUEST} {_STATUS}(?: [A-Za-z' -]*)?",
                *(rf"{head}(?:[^ ]+ )?- {_REQUEST} {_STATUS}(?: [A-Za-z' -]*)?" for head in _PYTHON),
            ),
            coloured=True,
        ),
        BuiltInFormat(
            "python",
            "%{timestamp} %{level:level} %{service} %{message}",
            (
                *(f"{layout}%{{GREEDYDATA:message}}" for layout in _PYTHON),
                rf"{_LEVEL}: {{2,9}}%{{GREEDYDATA:message}}",  # uvicorn's own lines
                rf"{_WHEN}{_BETWEEN}{_HOW_BAD}[ |:,/-]+%{{GREEDYDATA:message}}",  # the rest is the message
                rf"{_HOW_BAD}{_BETWEEN}{_WHEN}[ |:,/-]+%{{GREEDYDATA:message}}",
            ),
            coloured=True,
        ),
    )
}
