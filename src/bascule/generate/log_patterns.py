"""Log formats as grok patterns that cover the whole line, for Logstash.

A dissect pattern becomes a grok pattern of atomic groups, one for each field with the delimiter behind it: like
dissect it never tries a second way, so a line that does not fit costs one pass. The built-in formats are those of
Bascule's own log reader; a test holds the two together on one corpus.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from bascule.generate.log_fields import USUAL_KINDS
from bascule.spec.model import LogFormat

_DAY, _ZONE = "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])", "[+-][0-9]{2}:?[0-9]{2}"
_SECOND = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_FRACTION, _EPOCH = "(?:[.,][0-9]{1,9})?", r"[0-9]{9,10}(?:\.[0-9]{1,6})?"
_COMMON_DAY = "[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}"  # as access logs write it
# Grok patterns beyond Logstash's stock: its NUMBER knows no exponents, its TIMESTAMP_ISO8601 no epoch.
DEFINITIONS = {
    "EVENT_TIME": (
        f"{_DAY}[T ]{_SECOND}{_FRACTION}(?: ?(?:Z|UTC|{_ZONE}))?"
        f"|{_COMMON_DAY}[: ]{_SECOND}(?: [+-][0-9]{{4}})?|{_EPOCH}"
    ),
    "EVENT_TIME_WORD": f"{_DAY}T{_SECOND}{_FRACTION}(?:Z|UTC|{_ZONE})?|{_COMMON_DAY}:{_SECOND}|{_EPOCH}",
    "ISO_TIME": f"{_DAY}[T ]{_SECOND}{_FRACTION}(?:Z|{_ZONE})?",
    "EVENT_LEVEL": "(?:TRACE|DEBUG|INFO|NOTICE|WARNING|WARN|ERROR|CRITICAL|FATAL)",
    "DECIMAL": r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,17})?(?:[eE][+-]?[0-9]{1,2})?",
    "WHOLE": "[0-9]{1,15}",
    "TOKEN": "[^ ]*",
    "ANYTHING": ".*?",
    "PAIRS": r"(?: [A-Za-z_][A-Za-z0-9_.]*=[^ ]*)*",
    "REQUEST_METHOD": "[A-Z]+",
    "REQUEST_TARGET": '[^ "]+',
    "STATUS_CODE": "[0-9]{3}",
    "CLIENT": r"[0-9A-Fa-f.:\[\]]+",
    "BRACKETED": r"[^\]]+",
    "LOGGER": r"[\p{L}\p{N}_.-]+",  # Ruby's own \w knows ASCII only
    "LOGGER_WORD": "[^ ]+",
    "LOGGER_OR_NONE": "[^: ]*",
}
_START = r"\A"
PAIRS = "pairs"  # the field that holds trailing key=value words
_SYNTAX = {
    "text": "ANYTHING", "word": "TOKEN", "level": "EVENT_LEVEL", "time": "EVENT_TIME",
    "int": "WHOLE", "float": "DECIMAL", "s": "DECIMAL", "ms": "DECIMAL", "us": "DECIMAL",
}  # fmt: skip
_TYPES = {"int": ":int", "float": ":float", "s": ":float", "ms": ":float", "us": ":float"}
_SINGLE_WORDS = ("word", "int", "float", "s", "ms", "us")
_CAPTURE = re.compile(r"(?:%\{\w+:|\(\?<)(\w+)")
_SPECIAL = re.compile(r"([\\.^$*+?()\[\]{}|])")
FACTORS = {"ms": 1e-3, "us": 1e-6}


@dataclass(frozen=True)
class LinePattern:
    """How Logstash reads one format: by grok patterns tried in turn, or as JSON when there are none.

    `renamed`: fields whose names are other ones in the index. `factors`: what turns a field's figure into seconds.
    """

    name: str
    patterns: tuple[str, ...] = ()
    coloured: bool = False  # may hold ANSI codes
    renamed: Mapping[str, str] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)

    @property
    def fields(self) -> list[str]:
        """The fields its patterns capture."""
        return list(dict.fromkeys(name for pattern in self.patterns for name in self._captured(pattern)))

    @property
    def declared(self) -> list[str]:
        """The fields that each of its patterns captures."""
        return [name for name in self.fields if all(name in self._captured(pattern) for pattern in self.patterns)]

    def _captured(self, pattern: str) -> list[str]:
        return [self.renamed.get(name, name) for name in _CAPTURE.findall(pattern)]

    @property
    def takes_pairs(self) -> bool:
        return PAIRS in self.fields


def line_pattern(name: str, declared: Mapping[str, LogFormat]) -> LinePattern:
    """The spec's format of that name, else the built-in one (the spec's check has refused any other)."""
    return _declared(name, declared[name]) if name in declared else BUILT_IN[name]


def _declared(name: str, form: LogFormat) -> LinePattern:
    if form.json_lines:
        return LinePattern(name, factors=_factors(form.units))
    if form.dissect is not None:
        pattern, kinds = from_dissect(form.dissect, form.units)
        return LinePattern(name, (pattern,), factors=_factors(kinds))
    pattern, kinds = from_grok(form.grok or "", form.units)
    return LinePattern(name, (pattern,), renamed=_RENAMED, factors=_factors(kinds))


def _factors(kinds: Mapping[str, str]) -> dict[str, float]:
    return {_RENAMED.get(name, name): FACTORS[kind] for name, kind in kinds.items() if kind in FACTORS}


# ---------------------------------------------------------------- dissect

_MARK = re.compile(r"%\{([?+]?)([\w.@]*)(->)?(?::(\w+))?\}")


def from_dissect(pattern: str, units: Mapping[str, str] | None = None) -> tuple[str, dict[str, str]]:
    """The anchored grok pattern of a dissect pattern, and each field's kind."""
    marks = list(_MARK.finditer(pattern))
    ends = [mark.start() for mark in marks[1:]] + [len(pattern)]
    kinds: dict[str, str] = {}
    groups = [rf"{_START}{escape(pattern[: marks[0].start()])}"]
    at = 0
    while at < len(marks):
        last = at
        while last + 1 < len(marks) and marks[last + 1][1] == "+":  # %{a} %{+a}: one field
            last += 1
        until = pattern[marks[last].end() : ends[last]]
        groups.append(_group(marks[at : last + 1], pattern, until, kinds, units or {}))
        at = last + 1
    return "".join(groups) + r"\Z", kinds


def _group(
    marks: list[re.Match[str]], pattern: str, until: str, kinds: dict[str, str], units: Mapping[str, str]
) -> str:
    """One field and its delimiter, as an atomic group; the pattern's last field takes trailing pairs too."""
    first = marks[0]
    name = "" if first[1] == "?" else first[2]
    kind = units.get(name) or _kind(name, first[4])
    if name:
        kinds[name] = kind
    if len(marks) > 1:
        inner = "".join(f".*?{escape(pattern[a.end() : b.start()])}" for a, b in pairwise(marks))
        return f"(?>(?<{name}>{inner}.*?){escape(until)})"
    syntax = "EVENT_TIME_WORD" if kind == "time" and until.startswith(" ") else _SYNTAX[kind]
    reference = f"%{{{syntax}{':' + name if name else ''}{_TYPES.get(kind, '') if name else ''}}}"
    if until:
        return f"(?>{reference}{_delimiter(until, bool(first[3]))})"
    if kind in _SINGLE_WORDS:
        return f"{reference}%{{PAIRS:{PAIRS}}}"
    return reference.replace("ANYTHING", "GREEDYDATA")


def _delimiter(until: str, padded: bool) -> str:
    return f"(?:{escape(until)})+" if padded else escape(until)


def _kind(name: str, declared: str | None) -> str:
    usual = USUAL_KINDS.get(name, "text")
    return usual if declared in (None, "text", "word") and usual != "text" else declared or usual


def escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


# ---------------------------------------------------------------- grok

_REFERENCE = re.compile(r"%\{(\w+):([\w.@\[\]-]+)(?::(\w+))?\}")
# Names of common fields in Logstash's own patterns, and ours.
_RENAMED = {"loglevel": "level", "status_code": "status", "response": "status", "verb": "method", "request": "endpoint"}


def from_grok(pattern: str, units: Mapping[str, str] | None = None) -> tuple[str, dict[str, str]]:
    """The same pattern, anchored at both ends, with the types that Logstash knows; and each field's kind."""
    kinds: dict[str, str] = {}

    def reference(mark: re.Match[str]) -> str:
        syntax, name, declared = mark[1], mark[2], mark[3]
        kinds[name] = (units or {}).get(name) or _kind(_RENAMED.get(name, name), declared)
        return f"%{{{syntax}:{name}{_TYPES.get(kinds[name], '')}}}"

    return rf"\A(?:{_REFERENCE.sub(reference, pattern)})\Z", kinds


# ---------------------------------------------------------------- the built-in formats

_API_CALL = "API_CALL user_id=%{user_id} endpoint=%{endpoint} response_time=%{response_time:float} status=%{status:int}"
_MATCH_RESULT = (
    "MATCH_RESULT candidate_id=%{candidate_id} job_id=%{job_id} accuracy=%{accuracy:float} algorithm=%{algorithm:word}"
)
_REQUEST = r'"%{REQUEST_METHOD:method} %{REQUEST_TARGET:endpoint}(?: HTTP/[0-9.]+)?"'
_ISO, _LEVEL = "%{ISO_TIME:timestamp}", "%{EVENT_LEVEL:level}"
_PYTHON = (  # what stands before the message in common layouts of Python's logging
    rf"{_ISO} - %{{LOGGER_WORD:service}} - {_LEVEL} - ",
    rf"{_ISO} - {_LEVEL} - ",
    rf"{_ISO} \[?{_LEVEL}\]? (?:- )?\[?%{{LOGGER:service}}\]?:? ",
    rf"\[{_ISO}\] {_LEVEL} in %{{LOGGER:service}}: ",  # Flask's
    rf"{_LEVEL}:%{{LOGGER_OR_NONE:service}}:",
)
_LAYOUTS = (*_PYTHON, rf"(?:{_ISO} )?")


def _of_dissect(name: str, pattern: str) -> LinePattern:
    return LinePattern(name, (from_dissect(pattern)[0],))


def _event(name: str, event: str) -> LinePattern:
    """A message of `key=value` fields behind the source document's layout, or behind one of Python's logging."""
    whole, alone = from_dissect("%{timestamp} %{level} %{service} " + event)[0], from_dissect(event)[0]
    behind = (rf"\A{layout}{alone.removeprefix(_START)}" for layout in _LAYOUTS)
    return LinePattern(name, (whole, *behind))


BUILT_IN = {
    built_in.name: built_in
    for built_in in (
        _event("api_call", _API_CALL),
        _event("match_result", _MATCH_RESULT),
        _of_dissect(
            "nginx_combined",
            '%{?address} - %{?user} [%{timestamp}] "%{method} %{endpoint} %{?protocol}" %{status:int} %{?bytes}'
            ' "%{?referrer}" "%{?rest}',
        ),
        LinePattern("nginx_json"),
        LinePattern("json"),
        LinePattern(
            "werkzeug",
            (
                rf'\A(?:[^"\[]*[ :])?%{{CLIENT}} - - \[%{{BRACKETED:timestamp}}\] {_REQUEST}'
                r" %{STATUS_CODE:status:int} (?:-|[0-9]+)\Z",
            ),
            coloured=True,
        ),
        LinePattern(
            "uvicorn",
            (
                rf"\A(?:{_ISO} )?{_LEVEL}: +%{{CLIENT}} - {_REQUEST}"
                r" %{STATUS_CODE:status:int}(?: [A-Za-z' -]+)?\Z",
            ),
            coloured=True,
        ),
        LinePattern(
            "python",
            (
                from_dissect("%{timestamp} %{level:level} %{service} %{message}")[0],  # the source document's layout
                *(rf"\A{layout}%{{GREEDYDATA:message}}\Z" for layout in _PYTHON),
            ),
            coloured=True,
        ),
    )
}
