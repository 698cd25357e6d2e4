"""Old names of fields in scenario files, which are read until 1.0 (docs/versions.md). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rst_or_fin.scenario.toml_places import Path

NEW_NAMES = {"gate": "precondition", "before": "remedy_for"}


def with_new_names(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with today's names, at its top level and in its variants.

    Where both names are given, the old one stays: it is an unknown field then.
    """
    named = _renamed(document)
    variants = named.get("variants")
    if isinstance(variants, list):
        named["variants"] = [_renamed(each) if isinstance(each, dict) else each for each in variants]
    return named


def _renamed(table: Mapping[str, Any]) -> dict[str, Any]:
    return {
        new if (new := NEW_NAMES.get(name, name)) not in table else name: value
        for name, value in table.items()
    }


def new_path(path: Path) -> Path:
    """Return the path of a key with today's name in it."""
    at = _at(path)
    return (*path[:at], NEW_NAMES.get(str(path[at]), path[at]), *path[at + 1 :]) if at < len(path) else path


def is_old(path: Path) -> bool:
    """Return whether this is the path of a field under its old name."""
    at = _at(path)
    return len(path) == at + 1 and path[at] in NEW_NAMES


def _at(path: Path) -> int:
    """Return where in a path a field's name stands: behind `variants` and its number, or at the beginning."""
    return 2 if path[:1] == ("variants",) else 0
