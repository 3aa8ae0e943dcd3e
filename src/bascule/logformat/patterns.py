"""What times, levels and numbers look like in a line, as regular expressions, and the error of a pattern that is wrong.

Grok patterns here are of the dialect that Logstash (Ruby) and RE2 share.
"""

from __future__ import annotations

from bascule.errors import BasculeError
from bascule.logformat.fields import LEVELS

DAY = "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
SECOND = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
ZONE = "[+-][0-9]{2}:?[0-9]{2}"
COMMON_DAY = "[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}"  # as access logs write it
EPOCH = r"[0-9]{9,10}(?:\.[0-9]{1,6})?"
FRACTION = "(?:[.,][0-9]{1,9})?"
WHOLE = "[0-9]{1,15}"
DECIMAL = r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,17})?(?:[eE][+-]?[0-9]{1,2})?"
PAIRS = r"(?: [A-Za-z_][A-Za-z0-9_.]*=[^ ]*)*"

# Grok patterns beyond Logstash's stock: its NUMBER knows no exponents, its TIMESTAMP_ISO8601 no epoch.
DEFINITIONS = {
    "EVENT_TIME": (
        f"{DAY}[T ]{SECOND}{FRACTION}(?: ?(?:Z|UTC|{ZONE}))?|{COMMON_DAY}[: ]{SECOND}(?: [+-][0-9]{{4}})?|{EPOCH}"
    ),
    "EVENT_TIME_WORD": f"{DAY}T{SECOND}{FRACTION}(?:Z|UTC|{ZONE})?|{COMMON_DAY}:{SECOND}|{EPOCH}",
    "ISO_TIME": f"{DAY}[T ]{SECOND}{FRACTION}(?:Z|{ZONE})?",
    "EVENT_LEVEL": f"(?:{'|'.join(LEVELS)})",
    "DECIMAL": DECIMAL,
    "WHOLE": WHOLE,
    "TOKEN": "[^ ]*",
    "ANYTHING": ".*?",
    "PAIRS": PAIRS,
    "REQUEST_METHOD": "[A-Z]+",
    "REQUEST_TARGET": '[^ "]+',
    "STATUS_CODE": "[0-9]{3}",
    "CLIENT": r"[0-9A-Fa-f.:\[\]]+",
    "BRACKETED": r"[^\]]+",
    "LOGGER": r"[\p{L}\p{N}_.-]+",  # Ruby's own \w knows ASCII only
    "LOGGER_WORD": "[^ ]+",
    "LOGGER_OR_NONE": "[^: ]*",
}


class PatternError(BasculeError):
    """A pattern that cannot be read; `position` is the 1-based character where the fault is."""

    exit_code = 2

    def __init__(self, what: str, position: int, mend: str) -> None:
        super().__init__(f"{what}, at character {position} of the pattern", mend)
        self.position = position
