"""Writes the steps of a script as its lines."""

from __future__ import annotations

from rst_or_fin.agents.script import Expect, Step, Wait, notation


def written(step: Step) -> str:
    """Write the step as a line of a script, in full."""
    if isinstance(step, Wait):
        return f"wait {_duration(step.duration_s)}"
    text = notation(step.flags, step.range, step.ack)
    if isinstance(step, Expect):
        unless = f" unless {step.unless}" if step.unless else ""
        return f"expect {text}{unless} within {_duration(step.within_s)}"
    window = "" if step.window is None else f" win {step.window}"
    mss = "" if step.mss is None else f" mss {step.mss}"
    return f"send {text}{window}{mss}"


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
