"""Drills: each fault for real on the lab's stack, timed from its injection to a person's webhook.

fault.py          what a fault is; all of them are in `scenarios/faults`, a file each
once.py           one drill
several.py        many, on one house; the bounds they are held to
side_by_side.py   which of them are tried at the same time
shown.py          the table, the JSON and a picture of each
"""
