"""What is wrong with the numbers of a text for people: no Unix seconds, at most three significant digits, units."""

import re
from collections.abc import Iterator

UNIX_SECONDS = re.compile(r"(?<![\w.:/#-])1(?:,[5-9]\d\d(?:,\d{3}){2}|[5-9]\d{8}(?:\.\d+)?)(?![\w/-])")
# A decimal fraction with what follows it; versions (1.2.3), addresses, names and paths are no figures.
DECIMAL = re.compile(
    r"(?<![\w.:/<>='-])[-+]?(?P<figure>\d{1,3}(?:,\d{3})*\.\d+|\d+\.\d+)(?!\.?\d)(?P<unit>[\s\u202f\u00a0]?[^\s\d,;)\]|]*)"
)
_SHORT = "%|pt|ms|us|µs|ns|s|min|h|d|B|[KMG]i?B|stars|EUR|times|events|requests/s|points|to|x|×"
# Of an interval the unit follows the second bound; evidence has none, and says its threshold instead.
UNITS = re.compile(rf"^/[smh]\b|^[\s\u202f\u00a0]?(?:…|\(alert)|^[\s\u202f\u00a0]?(?:{_SHORT})(?!\w)")
HUMANIZED = re.compile(r"(?:%|ms|us|ns|s|m|h|d)(?!\w)")
EVIDENCE_COLUMN = "evidence (threshold)"  # neither has a unit: the heading says what they are
EVIDENCE = re.compile(r"(?<=  )[\d.,]+ \(\d+\.\d\)(?=  )")
PLAIN = re.compile(r"(?:evidence|threshold|phi|burn rate|accuracy|score|rate)\W*(?:[\w.]+\W+)?$", re.IGNORECASE)


def problems(text: str) -> Iterator[str]:
    """One sentence for each number that people cannot read at once."""
    if EVIDENCE_COLUMN in text:
        text = EVIDENCE.sub("", text)
    for line in text.splitlines():
        for found in UNIX_SECONDS.finditer(line):
            yield f"Unix seconds {found[0]}: {line.strip()}"
        for found in DECIMAL.finditer(line):
            if significant(found["figure"]) > _most(found) and not _is_nearly_all(found):
                yield f"more than three significant digits {found[0].strip()}: {line.strip()}"
            before = line[: found.start()]
            if not (UNITS.match(found["unit"]) or before.endswith("×") or PLAIN.search(before)):
                yield f"no unit {found[0].strip()}: {line.strip()}"


def _most(found: re.Match[str]) -> int:
    """Prometheus writes alert texts itself, to four digits, with the unit directly behind: `57.26ms`."""
    return 4 if HUMANIZED.match(found["unit"]) else 3


def significant(figure: str) -> int:
    """`0.0120` has three, as written."""
    return len(figure.replace(",", "").replace(".", "").lstrip("0"))


def _is_nearly_all(found: re.Match[str]) -> bool:
    """Of 99.95 % the digits of what is missing count."""
    value = float(found["figure"].replace(",", ""))
    return "%" in found["unit"] and 90 < value < 100 and significant(f"{100 - value:.6g}") <= 3
