"""Describes what can be wrong with a file: not a capture, or one that breaks off."""

from __future__ import annotations

from dataclasses import dataclass

from rst_or_fin.errors import UsageError


class CaptureError(UsageError):
    """The bytes are not a readable capture: foreign, or cut off inside their header."""


class DamageError(Exception):
    """The bytes end or make no sense from here on; `str()` says what is wrong. Never leaves the package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Why a file could not be read on, at byte `at` of the uncompressed capture.

    `cut_short`: it ends in the middle of something, as the file of a killed capture does.
    """

    what: str
    at: int
    cut_short: bool = False

    def __str__(self) -> str:
        return f"{self.what}, at byte {self.at}"


def the_end(at: int, left: int, broken: str) -> Damage | None:
    """Return what is wrong with an end that leaves `left` bytes over; None if it leaves none.

    `broken` is why the source of the bytes ended early, or "".
    """
    if broken:
        return Damage(what=broken, at=at + left, cut_short=True)
    if left:
        return Damage(what=f"{count(left, 'byte')} after the last whole record", at=at, cut_short=True)
    return None


def lying_lengths(at: int, captured_len: int, wire_len: int) -> Damage:
    """Say that a record's lengths are impossible: more captured than there was, or than can be."""
    return Damage(what=f"damaged: a record of {captured_len} bytes for a frame of {wire_len}", at=at)


def count(number: int, what: str) -> str:
    """Write `1 byte`, `2 bytes`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
