"""Options and arguments that several commands take, and what their texts mean."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bascule.errors import UsageError
from bascule.spec.addresses import check_url
from bascule.spec.moments import moment
from bascule.spec.quantities import parse_duration

AsJson = Annotated[bool, typer.Option("--json", metavar="", help="Print JSON.")]
Folder = Annotated[Path, typer.Option("--out", help="Folder to write to.")]
From = Annotated[str, typer.Option("--from", help="Start: RFC 3339, now, now-7d or now+30m.")]
To = Annotated[str, typer.Option("--to", help="End: RFC 3339, now, now-7d or now+30m.")]
PrometheusUrl = Annotated[
    str | None, typer.Option("--prometheus", metavar="URL", help="Address of a running Prometheus.")
]
Who = Annotated[str, typer.Option("--who", help="Who is doing this.")]
Why = Annotated[str, typer.Option("--why", help="Why.")]


def parse_time(text: str, now: datetime | None = None) -> float:
    """Unix seconds of a moment as people write it. Raises UsageError."""
    return moment(text, now).timestamp()


def checked_url(text: str) -> str:
    """The URL of a server. Raises UsageError when the text is not a URL."""
    try:
        return check_url(text)
    except ValueError as error:
        raise UsageError(str(error)) from error


def parse_wait(text: str) -> float:
    """Seconds of a time to wait, such as `10m`."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(str(error)) from error


def parse_span(start: str, end: str) -> tuple[float, float]:
    """Unix seconds of both; UsageError when the end is not after the start."""
    now = datetime.now(UTC)
    first, last = parse_time(start, now), parse_time(end, now)
    if last <= first:
        raise UsageError(f"--to {end} is not after --from {start}", "swap them, or widen the span")
    return first, last
