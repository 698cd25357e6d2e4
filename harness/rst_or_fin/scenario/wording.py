"""Words for what a check says: of values, of their places in a file, of unknown names. Pure."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from itertools import islice

_WIDEST = 60  # characters of a value that are shown
_LONGEST = 60  # a longer word is not meant for a known one, and comparing takes its square
_MOST_COMPARED = 200
_MOST_BITS = 64


def dotted(path: Sequence[str | int]) -> str:
    """Write a place in a document as TOML writes keys, positions in brackets: `variants[0].when.otp`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = part.replace("_", "").replace("-", "").isalnum() and len(part) <= _LONGEST
            text += ("." if text else "") + (part if bare else shown(part))
    return text


def shown(value: object) -> str:
    """Write a value as TOML does, on one line, cut where it is long."""
    if isinstance(value, str):
        text = json.dumps(value[:_WIDEST], ensure_ascii=not value[:_WIDEST].isprintable())
        return text if len(value) <= _WIDEST else f"{text[:-1]}…"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def named(value: object) -> str:
    """Say what a value is: `the string "yes"`, `the number 5`, `an array`."""
    if isinstance(value, str):
        return f"the string {shown(value)}"
    if isinstance(value, bool):
        return f"the Boolean {shown(value)}"
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:  # Python writes none of 4300 digits
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, int | float):
        return f"the number {shown(value)}"
    if isinstance(value, dict):
        return "a reference to a parameter" if value.keys() == {"parameter"} else "a table"
    return "an array" if isinstance(value, list) else "a date or a time"


def whole_number(least: int | None, most: int | None, unit: str = "") -> str:
    """Say which whole numbers are wanted."""
    kind = f"a whole number of {unit}" if unit else "a whole number"
    if least is not None and most is not None:
        return f"{kind} from {least} to {most}"
    return kind if least is None else f"{kind}, {least} or more"


def not_wanted(wanted: str, value: object) -> str:
    """Make the sentence about a value that is not what is wanted."""
    return f"expected {wanted}, got {named(value)}"


def not_known(value: object, known: Iterable[object]) -> str:
    """Make the sentence about a value that is not among the known ones."""
    words = [str(each) for each in known]
    return f"{named(value)} is not one of: {', '.join(words)}{did_you_mean(value, words)}"


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return ` (did you mean X?)` for the nearest known word; "" if none is near."""
    near = nearest(word, known)
    return f" (did you mean `{near}`?)" if near else ""


def nearest(word: object, known: Iterable[str]) -> str:
    """Return the known word that begins with that one, or else looks most like it; "" if none does."""
    if not isinstance(word, str) or not 0 < len(word) <= _LONGEST:
        return ""
    by_plain = {_plain(each): each for each in islice(known, _MOST_COMPARED)}
    plain = _plain(word)
    near = [each for each in by_plain if each.startswith(plain)] or difflib.get_close_matches(plain, by_plain)
    return by_plain[near[0]] if near else ""


def _plain(word: str) -> str:
    return word.lower().replace("-", "_").replace(" ", "_")
