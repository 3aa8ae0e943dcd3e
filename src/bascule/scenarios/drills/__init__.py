"""Drills: each fault for real on the lab's stack, timed from its injection to a person's webhook.

fault.py     what a fault is; all of them are in `scenarios/faults`, a file each
once.py      one drill
several.py   many, on one house; the bounds they are held to
shown.py     the table, the JSON and a picture of each
"""
