"""Text from outside as people may see it: what would move a cursor, colour a terminal or turn the direction of reading
is shown by its number."""

from __future__ import annotations

import logging
import re
from typing import Any

__all__ = ["LogText", "finished", "in_markdown", "is_hidden", "one_line", "visible"]

_END_OF_LINE = re.compile("\r\n?")
# Controls but tab and line feed; ends of lines and paragraphs; marks and overrides of direction; halves of pairs.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_MARKDOWN = re.compile(r"([\\`*\[\]|])")


def visible(text: str) -> str:
    """The text in which every control character is `\\x1b` or `\\u202e`; tabs and line feeds stay."""
    if text.isascii() and text.isprintable():
        return text
    return _HIDDEN.sub(_number, _END_OF_LINE.sub("\n", text))


def one_line(text: str) -> str:
    """The same, with a space for any space, tab or end of a line."""
    return " ".join(visible(text).split())


def is_hidden(text: str) -> bool:
    """Whether it holds a character that nobody sees."""
    return bool(_HIDDEN.search(text))


def in_markdown(text: str) -> str:
    """One line that Markdown shows as it is: no link, no image, no cell, no tag."""
    return _MARKDOWN.sub(r"\\\1", one_line(text)).replace("<", "&lt;")


def finished(value: Any) -> Any:
    """What a template shows of a value: Jinja's `finalize`. What is markup already is left alone."""
    return visible(value) if type(value) is str else value


class LogText(logging.Formatter):
    """Log messages for a terminal: what a message quotes begins no line of its own."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record)).replace("\n", "\n    ")


def _number(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
