"""The JSON schema of scenario files, for editors that know TOML: made of the model and the peers' options.

Draft 7, which such editors read. What no schema can say (lines of a session, a script's grammar, parameters)
is `rst-or-fin check`'s alone. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from rst_or_fin.agents.kinds import OPTIONS, Option, ends
from rst_or_fin.scenario import axes
from rst_or_fin.scenario.applications import APPLICATIONS
from rst_or_fin.scenario.fields import FIELDS
from rst_or_fin.scenario.model import Scenario, Server
from rst_or_fin.scenario.peers import KINDS
from rst_or_fin.scenario.renamed import NEW_NAMES
from rst_or_fin.scenario.sysctls import PINNED_SYSCTLS
from rst_or_fin.tcp.zeek_conn_state import MEANING

Schema = dict[str, Any]

_NOT_IN_FILES = ("given", "chance")
_REFERENCE = {
    "title": "a parameter",
    "type": "object",
    "properties": {
        "parameter": {"type": "string", "description": "the name of one of this file's parameters"}
    },
    "required": ["parameter"],
    "additionalProperties": False,
}
_COMPARISONS = {"type": "array", "items": {"type": "string", "pattern": axes.COMPARISONS}}


def schema() -> Schema:
    """Return the schema of a scenario file."""
    _, found = msgspec.json.schema_components((Scenario,), ref_template="#/definitions/{name}")
    definitions = {name: _without_null(each) for name, each in found.items()}
    for kind, fields in FIELDS.items():
        _describe(definitions[kind.__name__], fields)
    for name in ("Scenario", "Variant"):
        _add_old_names(definitions[name]["properties"])
    scenario = definitions.pop("Scenario")
    _narrow(scenario, definitions)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A scenario of RST or FIN",
        **{key: value for key, value in scenario.items() if key not in ("title", "description")},
        "allOf": list(_by_kind()),
        "definitions": {**definitions, **{_options_of(kind): _options(kind) for kind in KINDS}},
    }


def _without_null(node: Any) -> Any:
    """Make fields that may be null optional, without a default: TOML has no null."""
    if isinstance(node, list):
        return [_without_null(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _without_null(value) for key, value in node.items() if not _is_null_default(key, value)}
    options = [each for each in kept.get("anyOf", ()) if each != {"type": "null"}]
    if len(options) == 1:
        return {**{key: value for key, value in kept.items() if key != "anyOf"}, **options[0]}
    return {**kept, "anyOf": options} if options else kept


def _is_null_default(key: str, value: Any) -> bool:
    return key == "default" and (value is None or isinstance(value, dict))


def _describe(definition: Schema, fields: dict[str, str]) -> None:
    properties = definition["properties"]
    for name in _NOT_IN_FILES:
        properties.pop(name, None)
    for name, meaning in fields.items():
        if "$ref" in properties[name]:  # draft 7 ignores what stands beside a reference
            properties[name] = {"allOf": [properties[name]]}
        properties[name]["description"] = meaning
    definition["description"] = definition["description"].partition("\n")[0]


def _add_old_names(properties: Schema) -> None:
    for old, new in NEW_NAMES.items():
        if new in properties:
            properties[old] = {
                **properties[new],
                "deprecated": True,
                "description": f"`{new}`, as it was called",
            }


def _narrow(scenario: Schema, definitions: dict[str, Schema]) -> None:
    """Narrow the values beyond their types."""
    for definition in (scenario, *definitions.values()):
        for name in definition.get("required", ()):
            field = definition["properties"][name]
            if "type" in field:  # nothing that has to be there is blank
                field.update({"pattern": r"\S"} if field["type"] == "string" else {"minItems": 1})
    scenario["properties"]["parameters"]["propertyNames"] = {"pattern": "^[A-Z][A-Za-z0-9_]*$"}
    definitions["Expectation"]["properties"]["conn_state"]["enum"] = list(MEANING)
    definitions["Node"]["properties"]["applications"]["items"] = {"enum": list(APPLICATIONS)}
    definitions["Node"]["properties"]["sysctls"].update(
        properties={name: _numbers(len(value.split())) for name, value in PINNED_SYSCTLS.items()},
        additionalProperties=False,
    )
    server = definitions["Server"]["properties"]
    server["kind"]["enum"] = list(KINDS)
    server["options"].pop("additionalProperties")  # see _by_kind
    for name in ("unread", "received"):
        field = definitions["Precondition"]["properties"][name]
        one = {key: field.pop(key) for key in ("anyOf", "type", "minimum", "maximum") if key in field}
        field["anyOf"] = [*one.get("anyOf", [one]), _REFERENCE]
    when = definitions["When"]["properties"]
    for axis, words in (("runtime", axes.RUNTIMES), ("backend", axes.BACKENDS), ("family", axes.FAMILIES)):
        when[axis]["items"] = {"enum": list(words)}
    for axis in ("otp", "kernel"):
        when[axis]["items"] = _COMPARISONS["items"]


def _numbers(count: int) -> Schema:
    """Return what holds of a sysctl with so many numbers."""
    pattern = r"^\s*\d{1,10}" + r"\s+\d{1,10}" * (count - 1) + r"\s*$"
    text: Schema = {"type": "string", "pattern": pattern}
    return {"anyOf": [{"type": "integer", "minimum": 0}, text]} if count == 1 else text


def _by_kind() -> Iterator[Schema]:
    """Yield what holds of a file whose server is of one kind; without a kind it is an origin."""
    for kind in KINDS:
        chosen: Schema = {"properties": {"server": {"properties": {"kind": {"const": kind}}}}}
        if kind != Server().kind:
            chosen["properties"]["server"]["required"] = ["kind"]
            chosen["required"] = ["server"]
        yield {"if": chosen, "then": {"properties": {"server": _server(kind), "expect": _expect(kind)}}}


def _server(kind: str) -> Schema:
    required = ["start_after_line"] if KINDS[kind].connects else []
    if any(option.required for option in OPTIONS[kind].values()):
        required.append("options")
    after = {"minimum": 1} if KINDS[kind].connects else {"const": 0}
    properties = {
        "options": {"$ref": f"#/definitions/{_options_of(kind)}"},
        "start_after_line": after,
    }
    return {"properties": properties, "required": required}


def _expect(kind: str) -> Schema:
    return {"properties": {"peer_sees": {"enum": list(ends(kind))}}}


def _options_of(kind: str) -> str:
    return f"options-{kind}"


def _options(kind: str) -> Schema:
    options = OPTIONS[kind]
    pairs = {tuple(sorted((name, other))) for name, option in options.items() for other in option.excludes}
    return {
        "type": "object",
        "properties": {name: _option(option) for name, option in options.items()},
        "required": [name for name, option in options.items() if option.required],
        "additionalProperties": False,
        **({"allOf": [{"not": {"required": list(pair)}} for pair in sorted(pairs)]} if pairs else {}),
    }


def _option(option: Option) -> Schema:
    said: Schema = {"description": option.meaning}
    if option.default is not None:
        said["default"] = option.default
    if option.type is bool:
        return {**said, "type": "boolean"}
    if option.choices:
        return {**said, "enum": list(option.choices)}
    if option.type is str:
        return {**said, "type": "string", "maxLength": option.most}
    number = {"type": "integer", "minimum": option.least, "maximum": option.most}
    return {**said, "anyOf": [number, _REFERENCE]}
