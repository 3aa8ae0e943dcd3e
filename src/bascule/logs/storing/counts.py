"""How many rows a search matches: over time, and by the values of each facet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bascule.api.models.logs import FACETS
from bascule.logformat.levels import ERRORS
from bascule.logs.storing.query import LogReader, asked_rows, narrowed

BUCKETS = 60  # at most
TOP = 50  # values of a facet
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400, 7 * 86_400)  # seconds
_AT = "coalesce(timestamp, arrived)"
_BAD = f"(status >= 500 or regexp_matches(level, '(?i)^({ERRORS})$'))"


def counts(
    reader: LogReader,
    text: str = "",
    since: datetime | None = None,
    where: Sequence[str] = (),
    until: datetime | None = None,
) -> dict[str, Any]:
    """As `LogCounts` has it. The span is the asked one; without its ends, from the first row that matches to now."""
    end = until or datetime.now(UTC)
    clauses, parameters = narrowed(text, since, where, until)
    found = f"select * from logs where {clauses}"
    start = since or _first(reader, found, parameters) or end
    step = step_for((end - start).total_seconds())
    rows = asked_rows(reader, _sql(found, step), parameters, since)
    facets: dict[str, list[dict[str, Any]]] = {name: [] for name in FACETS}
    buckets = []
    for row in rows:
        if row["facet"] == "at":
            buckets.append({"at": float(row["value"]), "lines": row["lines"], "bad": row["bad"]})
        else:
            facets[row["facet"]].append({"value": row["value"], "lines": row["lines"], "bad": row["bad"]})
    return {
        "start": start.timestamp(),
        "end": end.timestamp(),
        "step": float(step),
        "total": sum(each["lines"] for each in buckets),
        "buckets": sorted(buckets, key=lambda each: each["at"]),
        "facets": facets,
    }


def _first(reader: LogReader, found: str, parameters: Sequence[Any]) -> datetime | None:
    first: datetime | None = asked_rows(reader, f"select min({_AT}) as first from ({found})", parameters, None)[0][
        "first"
    ]
    return first


def step_for(seconds: float) -> int:
    """The shortest step of which the span has at most BUCKETS."""
    return next((step for step in STEPS if seconds / step <= BUCKETS), max(STEPS[-1], round(seconds / BUCKETS)))


def _sql(found: str, step: int) -> str:
    counted = f"count(*) as lines, count(*) filter ({_BAD}) as bad"
    over_time = f"floor(epoch({_AT}) / {step}) * {step}"
    parts = [f"select 'at' as facet, ({over_time})::varchar as value, {counted} from found group by 2"]
    for name in FACETS:
        value = "status::bigint::varchar" if name == "status" else name
        parts.append(
            f"select * from (select '{name}' as facet, {value} as value, {counted} from found"
            f" where {name} is not null group by 2 order by lines desc, value limit {TOP})"
        )
    return f"with found as materialized ({found}) {' union all '.join(parts)}"
