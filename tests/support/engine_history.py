"""Samples of the past of scraped targets, as OpenMetrics text: what an engine holds before a test begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SECONDS = 120


def history(scrape: Mapping[str, Sequence[str]], until: float) -> str:
    """A sample each second of `up` and of a growing counter, by job and target; `until`: Unix seconds."""
    targets = [(job, target) for job, of_job in scrape.items() for target in of_job]
    lines = []
    for name, kind in (("up", "gauge"), ("process_cpu_seconds", "counter")):
        lines.append(f"# TYPE {name} {kind}")
        for job, target in targets:
            series = f'{name}{"_total" if kind == "counter" else ""}{{job="{job}",instance="{target}"}}'
            for number in range(SECONDS):
                value = 1 if kind == "gauge" else number
                lines.append(f"{series} {value} {until - SECONDS + number:.3f}")
    return "\n".join([*lines, "# EOF", ""])


def scraped_twice(text: str, later: float = 0.0, lost: tuple[float, float] = (0.0, 0.0)) -> str:
    """Every sample as of two Prometheus, the second's so many seconds later; the first has none of the time `lost`."""
    lines = []
    for line in text.splitlines():
        if line.startswith("#"):
            lines += [] if line == "# EOF" else [line]
            continue
        series, value, time = line.rsplit(" ", 2)
        name, inside = series.rstrip("}").split("{")
        both = [("a", float(time)), ("b", float(time) + later)]
        lines += [
            f'{name}{{{inside},replica="{replica}"}} {value} {at:.3f}'
            for replica, at in both
            if replica == "b" or not lost[0] < at <= lost[1]
        ]
    return "\n".join([*lines, "# EOF", ""])
