"""Tests that start processes: programs of ours, worker processes, the documentation's own."""
