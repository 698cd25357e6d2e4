"""The axes along which an outcome may legitimately differ, and the conditions a scenario states on them.

What is not an axis here (addresses, ports, times, raw windows) must never change a verdict.
"""

from __future__ import annotations

import re

import msgspec

_VERSION = re.compile(r"\d+(?:\.\d+)*")
_COMPARISON = re.compile(r"(<=|>=|<|>|==)\s*(\d+(?:\.\d+)*)")
COMPARISONS = r"^\s*((<=|>=|<|>|==)\s*\d+(\.\d+)*\s*)+$"  # the same, for a JSON schema

# What there can be on the axes that have few values.
RUNTIMES = ("docker", "local")
BACKENDS = ("inet", "socket")
FAMILIES = (4, 6)


class Axes(msgspec.Struct, frozen=True, kw_only=True):
    """The values of a replay on every axis; "" stands for a value that is not known (yet).

    `kernel` is the closing host's upstream release (rst_or_fin.scenario.kernel_release.running_release).
    """

    runtime: str = ""
    otp: str = ""
    backend: str = "inet"
    family: int = 4
    kernel: str = ""


class When(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A condition: every axis that is named must match one of its values; an axis left out always does.

    `kernel` and `otp` hold comparisons such as ">=6.12.57 <6.13", a blank standing for "and".
    """

    runtime: tuple[str, ...] = ()
    otp: tuple[str, ...] = ()
    backend: tuple[str, ...] = ()
    family: tuple[int, ...] = ()
    kernel: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for condition in (*self.otp, *self.kernel):
            if not is_comparison(condition):
                raise ValueError(f"{condition!r} is not a comparison of versions, such as '>=6.12.57 <6.13'")

    def holds(self, axes: Axes) -> bool:
        """Return whether the condition holds on these axes."""
        return (
            (not self.runtime or axes.runtime in self.runtime)
            and (not self.backend or axes.backend in self.backend)
            and (not self.family or axes.family in self.family)
            and (not self.otp or _satisfies_any(axes.otp, self.otp))
            and (not self.kernel or _satisfies_any(axes.kernel, self.kernel))
        )


def is_comparison(condition: str) -> bool:
    """Return whether a condition is made of comparisons of versions, such as ">=6.12.57 <6.13"."""
    return bool(_COMPARISON.search(condition)) and not _COMPARISON.sub("", condition).strip()


def version(text: str) -> tuple[int, ...]:
    """Return a release's leading numbers: (6, 12, 43) for "6.12.43+deb12-amd64"; () if there are none."""
    found = _VERSION.match(text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def _satisfies_any(release: str, conditions: tuple[str, ...]) -> bool:
    """Return whether a release satisfies a condition; one that is unknown or has no numbers never does."""
    return bool(version(release)) and any(_satisfies(release, condition) for condition in conditions)


def _satisfies(release: str, condition: str) -> bool:
    return all(_compare(version(release), op, version(bound)) for op, bound in _COMPARISON.findall(condition))


def _compare(release: tuple[int, ...], operator: str, bound: tuple[int, ...]) -> bool:
    wide = max(len(release), len(bound))
    left, right = (v + (0,) * (wide - len(v)) for v in (release, bound))
    return {
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
        "==": release[: len(bound)] == bound,  # "==6.12" is every 6.12.x
    }[operator]
