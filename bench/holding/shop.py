"""The migration that is watched: three applications in two versions, and two services beside them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bascule.processes import ports
from bench.holding.pages import HOST

SERVICES = ("orders-v1", "orders-v2", "search-v1", "search-v2", "payments-v1", "payments-v2", "gateway", "accounts")
WAITS = "gateway"  # the service whose queue can be long
JOBS_WAITING = "JobsWaiting"
RULES = f"""
groups:
  - name: jobs
    rules:
      - alert: {JOBS_WAITING}
        expr: jobs_waiting > 0
        for: 2s
        labels: {{severity: critical}}
        annotations: {{summary: "Jobs wait", description: "Jobs of {{{{ $labels.job }}}} wait."}}
"""
# A step is kept for less than an hour: what remains of it is then told to the second, and dates what viewers see.
SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {{name: held}}
versions: {{baseline: v1, candidate: v2}}
services: {{{services}}}
signals:
  errors:
    kind: ratio
    bad: 'http_requests_total{{status=~"5.."}}'
    total: http_requests_total
    better: lower
    harmful_increase: 1pt
  latency: {{kind: histogram, metric: http_request_duration_seconds, targets: {{p95: 500ms}}}}
segments: {{retail: {{}}, business: {{}}, partners: {{}}}}
phases: [{{share: 10%, hold: 59m}}, {{share: 25%, hold: 59m}}, {{share: 50%, hold: 59m}}, {{share: 100%, hold: 59m}}]
slas: {{availability: {{objective: 99%, window: 1d}}, error_rate: {{objective: "< 1%", window: 1d}}}}
notify:
  receivers: {{on-call: {{webhook: {{url: "http://{host}:{hook}/hook"}}}}}}
  escalation: {{technical: [{{after: 0m, to: on-call}}], business: [{{after: 0m, to: on-call}}]}}
  reports: [{reports}]
logs:
  sources: [{{name: balancer, files: "{log}", formats: [nginx_json]}}]
  pseudonymise: [user_id]
stack: {{state: {state}, ports: {{{ports}}}}}
"""


def write_spec(folder: Path, at: Mapping[str, int], reports: Sequence[float]) -> Path:
    """`at`: the port of each service; `reports`: when SLA reports are due (Unix seconds, whole minutes of this day)."""
    services = ", ".join(
        f'{name}: {{targets: ["{HOST}:{port}"]' + (f", version: {name[-2:]}}}" if "-v" in name else "}")
        for name, port in at.items()
    )
    names = ("prometheus", "alertmanager", "supervisor", "judge", "logs", "incidents", "sla", "console")
    clocks = [time.strftime("%H:%M", time.gmtime(due)) for due in reports]
    text = SPEC.format(
        services=services,
        host=HOST,
        hook=at[WAITS],
        reports=", ".join(f'{{sla: [html], every: day, at: "{each}", to: [on-call]}}' for each in clocks),
        log=folder / "access.json",
        state=folder / "state",
        ports=", ".join(f"{name}: {ports.free()}" for name in names),
    )
    path = folder / "spec.yaml"
    path.write_text(text)
    return path
