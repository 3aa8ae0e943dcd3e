"""Whole-house runs: the demo and the measured faults. Everything real, on this machine, on loopback."""
