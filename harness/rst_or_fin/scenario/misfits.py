"""Checks a document against the types it is to be read as, and tells all that does not fit.

msgspec reads a document into structs; it stops at the first thing that is wrong, and speaks of it in its own
words. This walks a document along the same types and tells everything in a reader's. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from msgspec import inspect

from rst_or_fin.scenario.toml_places import Path
from rst_or_fin.scenario.wording import did_you_mean, dotted, nearest, not_known, not_wanted, whole_number

_MOST_MEANT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """One thing that is wrong. `line`, from 1, is that of the string at `path` whose text is wrong."""

    path: Path
    why: str
    line: int = 0


def at(path: Path, why: str) -> Misfit:
    """Return the misfit of what stands at a path."""
    return Misfit(path=path, why=f"{dotted(path)}: {why}" if path else why)


# Is told the value, its path, and the table that it stands in.
Rule = Callable[[Any, Path, Mapping[str, Any]], Iterator[Misfit]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """How to walk. A rule for a struct and a field replaces the field's type.

    A rule for a struct and "" is added to all its fields. `meanings` are those of fields, for when one is
    missing; `hidden` are fields of the model that no document has.
    """

    rules: Mapping[tuple[type, str], Rule]
    meanings: Mapping[type, Mapping[str, str]]
    hidden: Collection[str] = ()

    def misfits(self, document: Any, kind: type) -> Iterator[Misfit]:
        """Yield everything in the document that does not fit that type."""
        return self._value(document, _described(kind), ())

    def _value(self, value: Any, kind: inspect.Type, path: Path) -> Iterator[Misfit]:
        match kind:
            case inspect.UnionType():
                yield from self._union(value, kind, path)
            case inspect.StructType() if isinstance(value, dict):
                yield from self._struct(value, kind, path)
            case inspect.VarTupleType() if isinstance(value, list):
                for index, each in enumerate(value):
                    yield from self._value(each, kind.item_type, (*path, index))
            case inspect.DictType() if isinstance(value, dict):
                for key, each in value.items():
                    yield from self._value(each, kind.value_type, (*path, key))
            case inspect.EnumType() | inspect.LiteralType() if isinstance(value, str):
                if value not in _values(kind):
                    yield at(path, not_known(value, _values(kind)))
            case _:
                if not _fits(value, kind):
                    yield at(path, not_wanted(wanted(kind), value))

    def _union(self, value: Any, kind: inspect.UnionType, path: Path) -> Iterator[Misfit]:
        """Yield the misfits with the type that the value is meant to be, else with all of them named."""
        tried = [list(self._value(value, each, path)) for each in kind.types]
        if all(tried):
            meant = [each for each in kind.types if _is_akin(value, each)]
            if len(meant) == 1:
                yield from self._value(value, meant[0], path)
            else:
                yield at(path, not_wanted(wanted(kind), value))

    def _struct(self, table: dict[str, Any], kind: inspect.StructType, path: Path) -> Iterator[Misfit]:
        fields = {field.encode_name: field for field in kind.fields if field.name not in self.hidden}
        unknown = [key for key in table if key not in fields]
        meant = {nearest(key, fields) for key in unknown[:_MOST_MEANT]}  # told where the key is
        for key in unknown:
            known = f"{did_you_mean(key, fields)}; known: {', '.join(fields)}"
            yield at((*path, key), f"unknown field{known}")
        for name, field in fields.items():
            place = (*path, name)
            if name in table:
                rule = self.rules.get((kind.cls, name))
                yield from (
                    rule(table[name], place, table) if rule else self._value(table[name], field.type, place)
                )
                if field.required and _is_blank(table[name]):
                    yield at(place, "is empty")
            elif field.required and name not in meant:
                meaning = self.meanings.get(kind.cls, {}).get(name, name)
                yield at(path, f"`{name}` is missing: {meaning} ({wanted(field.type)})")
        rule = self.rules.get((kind.cls, ""))
        if rule is not None:
            yield from rule(table, path, table)


@cache  # 3 ms for a scenario, as long as all that is done with one of them
def _described(kind: type) -> inspect.Type:
    return inspect.type_info(kind)


def wanted(kind: inspect.Type) -> str:
    """Describe the values that a type accepts, for an error's text."""
    match kind:
        case inspect.UnionType():
            return " or ".join(wanted(each) for each in kind.types if not isinstance(each, inspect.NoneType))
        case inspect.StructType() | inspect.DictType():
            return "a table"
        case inspect.VarTupleType(item_type=inspect.StructType()):
            return "an array of tables, each with double brackets"
        case inspect.VarTupleType():
            return f"an array ({wanted(kind.item_type)} each)"
        case inspect.EnumType() | inspect.LiteralType():
            return f"one of {', '.join(_values(kind))}"
        case inspect.IntType():
            return whole_number(*bounds(kind))
        case inspect.FloatType():
            return f"a number from {kind.ge} to {kind.le}"
        case inspect.BoolType():
            return "a Boolean (true or false)"
        case _:
            return "a string"


def bounds(kind: inspect.IntType) -> tuple[int | None, int | None]:
    """Return the least and the most that it takes; None for no bound."""
    least = kind.ge if kind.gt is None else kind.gt + 1
    most = kind.le if kind.lt is None else kind.lt - 1
    return least, most


def _fits(value: Any, kind: inspect.Type) -> bool:
    match kind:
        case inspect.IntType():
            least, most = bounds(kind)
            return (
                type(value) is int and (least is None or value >= least) and (most is None or value <= most)
            )
        case inspect.FloatType():
            return type(value) in (int, float) and (kind.ge or 0) <= value <= (kind.le or 0)
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.StrType():
            return isinstance(value, str)
        case inspect.NoneType() | inspect.StructType() | inspect.DictType() | inspect.VarTupleType():
            return False  # what is one of them has been walked into, and TOML has no null
        case inspect.EnumType() | inspect.LiteralType():
            return False
        case _:
            return True  # msgspec says


def _is_akin(value: Any, kind: inspect.Type) -> bool:
    """Return whether the value is of that kind in TOML's terms: a number, a table, an array, a string."""
    match value:
        case bool():
            return isinstance(kind, inspect.BoolType)
        case int():
            return isinstance(kind, inspect.IntType)
        case str():
            return isinstance(kind, inspect.StrType | inspect.EnumType | inspect.LiteralType)
        case dict():
            return isinstance(kind, inspect.StructType | inspect.DictType)
        case _:
            return isinstance(kind, inspect.VarTupleType) and isinstance(value, list)


def _values(kind: inspect.EnumType | inspect.LiteralType) -> list[str]:
    return (
        [str(each.value) for each in kind.cls]
        if isinstance(kind, inspect.EnumType)
        else list(map(str, kind.values))
    )


def _is_blank(value: Any) -> bool:
    return value == [] or (isinstance(value, str) and not value.strip())
