"""Bascule weighs two versions of a service against each other while traffic moves from one to the other."""

__version__ = "0.1.0"
