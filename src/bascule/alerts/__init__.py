"""Every alert as data: expression, texts, severity, runbook, and the cases that prove it.

One file of `catalogue/` is one alert; rules and posted alerts are both made from it.
"""

from bascule.alerts.entry import AlertCase, AlertEntry
from bascule.alerts.loading import catalogue, entries_of, read_folder
from bascule.alerts.parts import PARTS
from bascule.alerts.rendering import Alerting, alerting, alerts_of, posted, slug

__all__ = [
    "PARTS",
    "Alerting",
    "AlertCase",
    "AlertEntry",
    "alerting",
    "alerts_of",
    "catalogue",
    "entries_of",
    "posted",
    "read_folder",
    "slug",
]
