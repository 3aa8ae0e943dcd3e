"""Alerting rules from the catalogue, their promtool tests, their routes and delivery times."""
