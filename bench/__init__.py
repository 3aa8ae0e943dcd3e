"""Slow proof: each module is a benchmark with a `run() -> Result`; `make bench NAME=MODULE`."""
