"""Worlds in which every part is lost at some time, and what must hold anyway: `make chaos NAME=notices`."""
