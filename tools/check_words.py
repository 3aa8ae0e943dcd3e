"""Refuse the phrases that docs/glossary.md refuses, in every text of the repository that a person reads.

Usage: check_words.py [FILE...]; without files, every file of the repository that holds such text.
"""

import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GLOSSARY = "docs/glossary.md"
_KINDS = (".py", ".md", ".yaml", ".toml", ".html", ".js", ".css", "Makefile")
# Fixtures are what others write, vendor/ is another project's; the glossary names what it refuses.
_EXEMPT = ("examples/", "tests/", "src/bascule/console/static/vendor/", GLOSSARY)
# A name of code, a metric, a path, a placeholder or anything in backquotes is no prose.
_NAME = re.compile(r"`[^`\n]*`|\{[^{}\n]*\}|\S*[\w)][_/:.=][\w(]\S*|\w+\(")
# Between the words of a phrase: also the end of a line, of a comment, of a string that the next line continues.
_GAP = r"(?:[\s#>]+|\s*[\"']\s+[fr]{0,2}[\"']\s*)"

_JOINT = re.compile(r"[\"']\n\s+[fr]{0,2}[\"']")


@dataclass(frozen=True)
class Refusal:
    phrase: str
    write: str
    allowed: tuple[str, ...]

    @cached_property
    def words(self) -> str:
        return _words(self.phrase)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        gapped = _GAP.join(map(re.escape, self.phrase.split()))
        return re.compile(rf"(?<![\w-]){gapped}(?![\w-])", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    file: str
    line: int
    refusal: Refusal

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: '{self.refusal.phrase}': write {self.refusal.write}"


@cache
def refusals() -> tuple[Refusal, ...]:
    """The rows of the glossary's table of refused phrases."""
    table = (ROOT / GLOSSARY).read_text().partition("## Refused")[2]
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in table.splitlines() if line.startswith("| ")]
    return tuple(
        Refusal(phrase, write, tuple(allowed.split(", ")) if allowed else ())
        for phrases, write, allowed in rows[1:]
        for phrase in phrases.split(" · ")
    )


def findings(file: str, text: str) -> Iterator[Finding]:
    """What is refused in `text`, the content of `file` (a path in the repository)."""
    words = _words(_JOINT.sub(" ", text))
    suspects = [each for each in refusals() if each.words in words and not file.startswith(each.allowed or "-")]
    if not suspects:
        return
    for line, prose in _prose(file, text):
        for each in suspects:
            for found in each.pattern.finditer(prose):
                yield Finding(file, line + prose.count("\n", 0, found.start()), each)


def files() -> list[str]:
    """The files of the repository that hold texts for people."""
    listed = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    return [
        name for name in listed if name.endswith(_KINDS) and not name.startswith(_EXEMPT) and (ROOT / name).exists()
    ]


def _words(text: str) -> str:
    return " " + " ".join(re.findall(r"\w+", text.lower())) + " "


def _prose(file: str, text: str) -> Iterator[tuple[int, str]]:
    """The texts for people in a file, each with its first line; names are blanked."""
    for line, prose in _python(text) if file.endswith(".py") else [(1, text)]:
        yield line, _NAME.sub(lambda found: " ~ " if "\n" not in found[0] else found[0], prose)


def _python(text: str) -> Iterator[tuple[int, str]]:
    """Comments and strings of more than one word; what follows each other directly is one text."""
    start, pieces = 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = tokenize.tok_name[token.type]
        if kind in ("STRING", "COMMENT", "FSTRING_MIDDLE"):
            start = start or token.start[0]
            pieces.append("\n" * (token.start[0] - start - sum(piece.count("\n") for piece in pieces)) + token.string)
        elif kind not in ("NL", "NEWLINE", "INDENT", "DEDENT", "FSTRING_START", "FSTRING_END"):
            if pieces and " " in "".join(pieces).strip():
                yield start, "".join(pieces)
            start, pieces = 0, []
    if pieces:
        yield start, "".join(pieces)


def main(names: list[str]) -> int:
    found = [each for name in names or files() for each in findings(name, (ROOT / name).read_text())]
    for each in found:
        print(each)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
