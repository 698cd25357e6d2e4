"""Campaigns with made-up inputs, bounded by a count: `python -m tests.fuzz.captures --count 200000`."""
