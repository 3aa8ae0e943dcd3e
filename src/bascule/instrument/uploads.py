"""A WSGI request's body, watched for its early end: the client left while it was sending."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Upload:
    """`wsgi.input` of a request that announced `length` bytes; `is_cut` once fewer came than were asked for."""

    __slots__ = ("_file", "_is_short", "_missing")

    def __init__(self, file: Any, length: int) -> None:
        self._file = file
        self._missing = length  # bytes that the application has not read
        self._is_short = False

    @property
    def is_cut(self) -> bool:
        return self._is_short and self._missing > 0

    def read(self, *size: Any) -> bytes:
        data = self._asked(self._file.read, *size)
        return self._took(data, len(data) < self._wanted(*size))

    def readline(self, *size: Any) -> bytes:
        line = self._asked(self._file.readline, *size)
        return self._took(line, not line.endswith(b"\n") and len(line) < self._wanted(*size))

    def readlines(self, *hint: Any) -> list[bytes]:
        lines: list[bytes] = self._asked(self._file.readlines, *hint)
        self._took(b"".join(lines), is_short=not hint)
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def __getattr__(self, name: str) -> Any:
        """Whatever else the server offers, but no `readinto`: it would not be watched, and nobody needs it."""
        if name == "readinto":
            raise AttributeError(name)
        return getattr(self._file, name)

    def _asked(self, method: Any, *arguments: Any) -> Any:
        try:
            return method(*arguments)
        except OSError:
            self._is_short = True
            raise

    def _wanted(self, size: int | None = -1) -> int:
        return self._missing if size is None or size < 0 else min(size, self._missing)

    def _took(self, data: bytes, is_short: bool) -> bytes:
        self._missing -= len(data)
        self._is_short = is_short
        return data


def watched(environ: dict[str, Any], length: str) -> Upload | None:
    """The request's body, from here on watched; None where it announced none. `length` is its CONTENT_LENGTH."""
    if not length.isdecimal():
        return None
    environ["wsgi.input"] = upload = Upload(environ["wsgi.input"], int(length))
    return upload
