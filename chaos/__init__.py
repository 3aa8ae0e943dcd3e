"""Worlds in which every part is lost at some time, and what must hold all the same: `make chaos NAME=notices`."""
