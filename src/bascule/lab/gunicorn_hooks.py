"""Gunicorn's configuration for the sample services: the hooks that multiprocess metrics need."""

from bascule.instrument.multiprocess import child_exit, on_starting

__all__ = ["child_exit", "on_starting"]
