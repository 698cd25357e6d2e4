"""Plays scenarios on testbeds, and gives each run's folder and verdicts."""
