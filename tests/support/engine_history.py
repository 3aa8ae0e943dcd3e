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
