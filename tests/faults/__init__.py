"""Faults on purpose: processes of runs killed, stopped and starved at random moments, by a seed."""
