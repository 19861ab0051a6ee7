"""JSON schemas of tools: kept small, and closed so that strict servers take them."""

from collections.abc import Iterator, Mapping
from typing import Any

_BRANCHES = ("anyOf", "oneOf", "allOf", "prefixItems")
# Azure OpenAI, structured outputs, lists what a strict schema may not hold.
_STRICT_WORDS = frozenset(
    {
        "$defs",
        "$ref",
        "additionalProperties",
        "anyOf",
        "const",
        "description",
        "enum",
        "items",
        "properties",
        "required",
        "type",
    }
)
_SAYS_WHAT = frozenset({"type", "enum", "const", "$ref", *_BRANCHES})


def plain_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return `schema` without titles, which only repeat the names."""
    return {
        key: _plain(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return plain_schema(value)
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value


def schema_faults(schema: Mapping[str, Any], path: str = "arguments") -> Iterator[str]:
    """Name every place where `schema` is open: anything could be sent there.

    OpenAI, structured outputs: each object needs `additionalProperties: false`.
    """
    if not _SAYS_WHAT & schema.keys():
        yield f"{path} may be anything; give it a type"
    if (
        schema.get("type") == "object"
        and schema.get("additionalProperties") is not False
    ):
        yield f"{path} is an open object; give it named fields, forbid others"
    if schema.get("type") == "array" and not {"items", "prefixItems"} & schema.keys():
        yield f"{path} is a list of anything; say of what"
    for where, inner in _inner(schema, path):
        yield from schema_faults(inner, where)


def _inner(
    schema: Mapping[str, Any], path: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for group in ("properties", "$defs"):
        for name, inner in schema.get(group, {}).items():
            yield f"{path}.{name}", inner
    for key in _BRANCHES:
        for number, inner in enumerate(schema.get(key, ())):
            yield f"{path}[{number}]", inner
    if isinstance(schema.get("items"), Mapping):
        yield f"{path}[]", schema["items"]


def is_strict(schema: Mapping[str, Any]) -> bool:
    """Whether a closed `schema` may be declared strict.

    Every property is required, and no word is used that some strict server refuses:
    limits, formats and defaults are checked here in any case.
    """
    required = set(schema.get("required", ()))
    return (
        schema.keys() <= _STRICT_WORDS
        and set(schema.get("properties", {})) <= required
        and all(is_strict(inner) for _, inner in _inner(schema, ""))
    )
