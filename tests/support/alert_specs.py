"""Specs that have every part an alert can be for, and a small one to add to."""

from __future__ import annotations

from bascule.spec import built_in_text

EVERYTHING = (
    built_in_text()
    .replace(
        "  hosts: ",
        '  boxes: {kind: container, targets: ["127.0.0.1:8080"]}\n'
        '  db: {kind: postgres, targets: ["127.0.0.1:9187"]}\n  hosts: ',
    )
    .replace("\nprobes:", '\nprobes:\n  names: {kind: dns, url: "dns://127.0.0.1/example.com"}')
    .replace("  freemium: ", "  beta: {errors: 1%}\n  freemium: ")
    .replace("\nsegments:", "\n  load: {kind: gauge, metric: app_load, better: lower, target: 3}\n\nsegments:")
)
HEAD = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
services: {shop: {targets: ["127.0.0.1:8001"]}}
phases: [{share: 10%, hold: 1h}]
signals:
  errors: {kind: ratio, bad: 'hits_total{code=~"5.."}', total: hits_total, better: lower, strata: [tier]}
"""
