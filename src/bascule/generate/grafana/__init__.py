"""Dashboards: boards as data, and the panels that Grafana reads."""
