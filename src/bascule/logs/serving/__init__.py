"""The logs role, and what the command line calls."""
