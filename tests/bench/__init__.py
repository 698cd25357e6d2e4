"""Measurements, each a program of its own: `python -m tests.bench.captures`."""
