"""What proves the monitoring, on pages of its own: the checklist, and the drills.

checks.py   the last run of each phase's checklist, kept in the state folder; a new one; sign-offs
drills.py   the results of drills; where the spec is the lab's, a drill started from the page
pages.py    their addresses
"""
