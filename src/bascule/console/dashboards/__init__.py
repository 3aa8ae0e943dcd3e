"""Every generated Grafana dashboard on a page of the console, drawn from its JSON by the same queries.

shape.py    what the JSON may hold: the panel types and options that the generator emits, and nothing else
asking.py   a dashboard's queries with its variables filled in, asked of Prometheus several at once
drawing.py  from answers to what a template or a chart lays out
units.py    Grafana's units as people read them
boards.py   the dashboards of a spec, and their answers, kept for a moment for everybody who looks
pages.py    their addresses
"""
