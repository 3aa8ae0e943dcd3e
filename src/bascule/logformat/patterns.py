"""What times, levels and numbers look like in a line, as regular expressions, and the error of a pattern that is wrong.

Grok patterns here are of the dialect that Logstash (Ruby) and RE2 share.
"""

from __future__ import annotations

from bascule.errors import BasculeError
from bascule.logformat.fields import LEFT_FLAGS, LEVELS

DAY = "[0-9]{4}[-/](?:0[1-9]|1[0-2])[-/](?:0[1-9]|[12][0-9]|3[01])"
SECOND = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)"  # 60: a leap second
FRACTION = "(?:[.,][0-9]+)?"
ZONE = "(?:[Zz]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)"
MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
COMMON_DAY = f"[0-9]{{2}}/{MONTH}/[0-9]{{4}}"  # as access logs write it
MAIL_DAY = f"(?:[A-Z][a-z]{{2}}, )?[0-9]{{1,2}} {MONTH} [0-9]{{4}}"  # as HTTP and mail write it
SHORT_DAY = "[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"  # as Tornado writes it: yymmdd
C_DAY = f"[A-Z][a-z]{{2}} {MONTH} [ 0-9][0-9]"  # as C's asctime writes it, the year behind the second
# Seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their magnitude.
EPOCH = r"[0-9]{9,20}(?:\.[0-9]*)?|[0-9](?:\.[0-9]+)?[eE]\+?[0-9]{1,2}"
DECIMAL = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
# A time taken with its units, as Go prints it.
SPAN_PART = r"([0-9]+(?:\.[0-9]+)?)(h|ms|m|s|us|\u00b5s|\u03bcs|ns)"
SPAN = rf"(?:{SPAN_PART})+"
PAIR = r'([A-Za-z_][A-Za-z0-9_.]*)=("[^"]*"(?= |$)|[^ ]*)'  # a name and its value, in quotes where it has blanks
_QUOTED = r'"(?:[^"\\]|\\.)*"'
# A pair of logfmt, whose value may have either quotes.
LOGFMT_PAIR = rf"(?P<name>[A-Za-z_@][\w.@-]*)=(?P<value>{_QUOTED}(?= |$)|'(?:[^'\\]|\\.)*'(?= |$)|[^ ]*)"
# structlog's console: `2026-01-31 12:00:00 [info     ] message     [logger] name=value ...`
_ANY_PAIR = LOGFMT_PAIR.replace("?P<name>", "?:").replace("?P<value>", "?:")
LOGFMT_CONSOLE = (
    rf"(?P<time>{DAY}[Tt ]{SECOND}{FRACTION}{ZONE}?)? *\[(?P<level>[a-z]+) *\] (?P<message>.*?)"
    rf"(?: +\[(?P<logger>[^\] ]+)\])?(?P<pairs>(?> +{_ANY_PAIR})*) *"
)

# Grok patterns beyond Logstash's stock: its NUMBER knows no exponents, its TIMESTAMP_ISO8601 no epoch.
DEFINITIONS = {
    "EVENT_TIME": (
        f"{DAY}[Tt ]{SECOND}{FRACTION}(?: ?{ZONE})?|{COMMON_DAY}[: ]{SECOND}{FRACTION}(?: [+-][0-9]{{4}})?"
        f"|{MAIL_DAY} {SECOND} {ZONE}|{C_DAY} {SECOND}{FRACTION} [0-9]{{4}}|{EPOCH}"
    ),
    "EVENT_TIME_WORD": f"{DAY}[Tt]{SECOND}{FRACTION}{ZONE}?|{COMMON_DAY}:{SECOND}{FRACTION}|{EPOCH}",
    "ISO_TIME": f"{DAY}[Tt ]{SECOND}{FRACTION}(?: ?{ZONE})?",
    "C_TIME": f"{C_DAY} {SECOND}{FRACTION} [0-9]{{4}}",
    "CLOCK": f"[0-9]{{1,2}}:[0-5][0-9]:[0-5][0-9]{FRACTION}(?: ?[AaPp][Mm])?",
    "SHORT_TIME": f"{SHORT_DAY} {SECOND}",
    "SPLIT_TIME": f"{DAY} - {SECOND}",
    "EVENT_LEVEL": f"(?:{'|'.join(LEVELS)})",
    "TOKEN": "[^ ]*",
    "ANYTHING": ".*?",
    "PAIRS": r'(?> [A-Za-z_][A-Za-z0-9_.]*=(?:"[^"]*"(?= |\z)|[^ ]*))* *',
    "TAIL": "(?: .*)?",
    "REQUEST_METHOD": "[A-Z][A-Z-]*",
    "REQUEST_TARGET": ".+?",  # with quotes: not every server escapes them
    "NO_REQUEST": r'(?:\\.|[^"\\])*',
    "STATUS_CODE": "[0-9]{3}",
    "CLIENT": r"[0-9A-Za-z.:%_\[\]-]+",
    "ADDRESS": r"(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[?[0-9A-Fa-f]*:[0-9A-Fa-f:.]+\]?)(?::[0-9]+)?",
    "AGENT": r'(?:\\.|[^"\\])*|.*?',  # the quotes in it are not escaped by every server
    "LEFT_FLAGS": LEFT_FLAGS,  # Envoy's
    "LEFT_STATE": "C[^ ]+",  # HAProxy's: the client aborted
    "QUOTED": r'"(?:\\.|[^"\\])*"',
    "LOGGER": r"[\p{L}\p{Nd}_.-]+",  # Ruby's own \w knows ASCII only
    "LOGGER_WORD": "[^ ]+",
    "LOGGER_OR_NONE": "[^: ]*",
}


LONGEST = 10_000  # characters of a pattern


class PatternError(BasculeError):
    """A pattern that cannot be read; `position` is the 1-based character where the fault is."""

    exit_code = 2

    def __init__(self, what: str, position: int, fix: str) -> None:
        super().__init__(f"{what}, at character {position} of the pattern", fix)
        self.position = position


def check_text(pattern: str) -> None:
    """Raises PatternError for a pattern that takes long to read, and for half of a surrogate pair: no line has it, and
    no engine takes it."""
    if len(pattern) > LONGEST:
        raise PatternError(f"longer than {LONGEST} characters", LONGEST + 1, "split it into several formats")
    try:
        pattern.encode()
    except UnicodeEncodeError as error:
        raise PatternError("half of a surrogate pair", error.start + 1, "write the character itself") from error
