"""What OpenAI refuses in a request, refused in its words.

After the published reference of `POST /v1/responses` and its error guide.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from app.sandbox.model.refusals import (
    Refused,
    bad_value,
    check_type,
    missing,
    named,
    unknown,
    wrong_type,
)

_NAMES = """
background context_management conversation include input instructions
max_output_tokens max_tool_calls metadata model moderation parallel_tool_calls
previous_response_id prompt prompt_cache_key prompt_cache_options
prompt_cache_retention reasoning safety_identifier service_tier store stream
stream_options temperature text tool_choice tools top_logprobs top_p truncation user
"""
_KNOWN = frozenset(_NAMES.split())
_NOT_HERE = ("background", "prompt")
_TYPES: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "conversation": ("a string or an object", (str, dict)),
    "include": ("an array", (list,)),
    "instructions": ("a string", (str,)),
    "max_output_tokens": ("an integer", (int,)),
    "metadata": ("an object", (dict,)),
    "parallel_tool_calls": ("a boolean", (bool,)),
    "previous_response_id": ("a string", (str,)),
    "prompt_cache_key": ("a string", (str,)),
    "reasoning": ("an object", (dict,)),
    "safety_identifier": ("a string", (str,)),
    "store": ("a boolean", (bool,)),
    "stream": ("a boolean", (bool,)),
    "stream_options": ("an object", (dict,)),
    "temperature": ("a number", (int, float)),
    "text": ("an object", (dict,)),
    "tool_choice": ("a string or an object", (str, dict)),
    "tools": ("an array", (list,)),
    "truncation": ("a string", (str,)),
}
_MINIMUM_OUTPUT_TOKENS = 16
_LONGEST_IDENTIFIER = 128
_METADATA_PAIRS = 16
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PARTS: Mapping[str, tuple[str, ...]] = {
    "user": ("input_text", "input_image", "input_file"),
    "system": ("input_text", "input_image", "input_file"),
    "developer": ("input_text", "input_image", "input_file"),
    "assistant": ("output_text", "refusal"),
}
_FIELDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "message": (("role", "content"), ("id", "phase", "status", "type")),
    "function_call": (
        ("type", "call_id", "name", "arguments"),
        ("id", "namespace", "status"),
    ),
    "function_call_output": (("type", "call_id", "output"), ("id", "status")),
    "reasoning": (
        ("type", "summary"),
        ("content", "encrypted_content", "id", "status"),
    ),
}
_FIELD_TYPES: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "arguments": ("a string", (str,)),
    "call_id": ("a string", (str,)),
    "encrypted_content": ("a string", (str,)),
    "id": ("a string", (str,)),
    "name": ("a string", (str,)),
    "output": ("a string or an array", (str, list)),
    "role": ("a string", (str,)),
    "summary": ("an array", (list,)),
}


def check(body: object, stored_items: Collection[str] = ()) -> dict[str, Any]:
    """Return the request if OpenAI would take it; raise `Refused` else.

    `stored_items` are the ids of the items that were answered with `store` set.
    """
    if not isinstance(body, dict):
        raise Refused(400, "We could not parse the JSON body of your request.")
    for name in body:
        if name not in _KNOWN:
            raise unknown(name)
    _check_model(body)
    for name, (wanted, types) in _TYPES.items():
        check_type(name, body.get(name), wanted, types)
    _check_limits(body)
    for name in _NOT_HERE:
        if body.get(name) not in (None, False):
            message = f"Unsupported parameter: '{name}' is not known to this server."
            raise Refused(400, message, param=name, code="unsupported_parameter")
    for number, tool in enumerate(body.get("tools") or ()):
        _check_tool(tool, f"tools[{number}]")
    _check_input(body, stored_items)
    return body


def _check_model(body: Mapping[str, Any]) -> None:
    model = body.get("model")
    if model is None:
        raise missing("model")
    if not isinstance(model, str):
        raise wrong_type("model", "a string", model)
    if not model.strip():
        message = f"The requested model '{model}' does not exist."
        raise Refused(400, message, param="model", code="model_not_found")


def _check_limits(body: Mapping[str, Any]) -> None:
    most = body.get("max_output_tokens")
    if most is not None and most < _MINIMUM_OUTPUT_TOKENS:
        message = (
            "Invalid 'max_output_tokens': integer below minimum value. Expected a"
            f" value >= {_MINIMUM_OUTPUT_TOKENS}, but got {most} instead."
        )
        code = "integer_below_min_value"
        raise Refused(400, message, param="max_output_tokens", code=code)
    if len(body.get("safety_identifier") or "") > _LONGEST_IDENTIFIER:
        message = (
            "Invalid 'safety_identifier': string too long. Expected a string with"
            f" maximum length {_LONGEST_IDENTIFIER}."
        )
        code = "string_above_max_length"
        raise Refused(400, message, param="safety_identifier", code=code)
    check_metadata(body.get("metadata") or {})


def check_metadata(pairs: Mapping[str, Any]) -> None:
    """Raise `Refused` for more pairs than may be attached to an object."""
    if len(pairs) > _METADATA_PAIRS:
        message = (
            "Invalid 'metadata': too many properties. Expected an object with at most"
            f" {_METADATA_PAIRS} properties, but got an object with {len(pairs)}."
        )
        code = "object_above_max_properties"
        raise Refused(400, message, param="metadata", code=code)


def _check_tool(tool: object, param: str) -> None:
    if not isinstance(tool, dict):
        raise wrong_type(param, "an object", tool)
    if tool.get("type") != "function":
        raise bad_value(f"{param}.type", tool.get("type"), ("function",))
    check_function(tool, param)


def check_function(tool: Mapping[str, Any], param: str) -> None:
    """Raise `Refused` for a function with a bad name or a bad schema.

    `param` says where it stands in the request.
    """
    name = tool.get("name")
    if name is None:
        raise missing(f"{param}.name")
    if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
        message = (
            f"Invalid '{param}.name': string does not match pattern. Expected a string"
            " that matches the pattern '^[a-zA-Z0-9_-]{1,64}$'."
        )
        raise Refused(400, message, param=f"{param}.name", code="invalid_value")
    check_type(f"{param}.strict", tool.get("strict"), "a boolean", (bool,))
    schema = tool.get("parameters")
    check_type(f"{param}.parameters", schema, "an object", (dict,))
    if schema is None:
        return
    if schema.get("type") != "object":
        reason = "schema must be a JSON Schema of 'type: \"object\"'"
        raise _bad_schema(name, param, f"{reason}, got 'type: {schema.get('type')!r}'.")
    if tool.get("strict"):
        _check_strict(schema, (), lambda reason: _bad_schema(name, param, reason))


def _check_strict(
    schema: object, path: tuple[str, ...], refuse: Callable[[str], Refused]
) -> None:
    """Hold a schema against the rules of strict mode (structured outputs guide)."""
    if not isinstance(schema, dict):
        return
    where = f"In context={path!r},"
    if "default" in schema:
        raise refuse(f"{where} 'default' is not permitted.")
    properties = schema.get("properties")
    if schema.get("type") == "object" or isinstance(properties, dict):
        properties = properties or {}
        if schema.get("additionalProperties") is not False:
            raise refuse(
                f"{where} 'additionalProperties' is required to be supplied and to be"
                " false."
            )
        left_out = [key for key in properties if key not in schema.get("required", ())]
        if left_out:
            raise refuse(
                f"{where} 'required' is required to be supplied and to be an array"
                f" including every key in properties. Missing '{left_out[0]}'."
            )
        for key, value in properties.items():
            _check_strict(value, (*path, "properties", key), refuse)
    _check_strict(schema.get("items"), (*path, "items"), refuse)
    for number, choice in enumerate(schema.get("anyOf") or ()):
        _check_strict(choice, (*path, "anyOf", str(number)), refuse)
    for key, value in (schema.get("$defs") or {}).items():
        _check_strict(value, (*path, "$defs", key), refuse)


def _check_input(body: Mapping[str, Any], stored_items: Collection[str]) -> None:
    given = body.get("input")
    if isinstance(given, str):
        return
    goes_on = body.get("conversation") or body.get("previous_response_id")
    if given is None and goes_on:
        return
    if given is None or (given == [] and not goes_on):
        message = (
            "Missing required parameter: one of 'input', 'previous_response_id',"
            " 'prompt' or 'conversation' must be provided."
        )
        raise Refused(400, message, param="input", code="missing_required_parameter")
    if not isinstance(given, list):
        message = (
            "Invalid type for 'input': expected one of a string or array of input"
            f" items, but got {named(given)} instead."
        )
        raise Refused(400, message, param="input", code="invalid_type")
    check_items(given, "input", stored_items)
    if not goes_on:
        check_pairs(given)


def check_items(
    items: Sequence[object], param: str, stored_items: Collection[str]
) -> None:
    """Raise `Refused` for an item that is none; `param` is where they stand."""
    for number, item in enumerate(items):
        _check_item(item, f"{param}[{number}]", stored_items)


def _check_item(item: object, param: str, stored_items: Collection[str]) -> None:
    if not isinstance(item, dict):
        raise wrong_type(param, "an object", item)
    kind = item.get("type", "message" if "role" in item else None)
    if kind is None:
        raise missing(f"{param}.type")
    if kind not in _FIELDS:
        raise bad_value(param, kind, tuple(_FIELDS))
    _check_fields(item, kind, param)
    if kind == "message":
        _check_message(item, param)
    _check_known(item, stored_items)


def _check_fields(item: Mapping[str, Any], kind: str, param: str) -> None:
    required, optional = _FIELDS[kind]
    for name in required:
        if item.get(name) is None:
            raise missing(f"{param}.{name}")
    for name, value in item.items():
        if name not in required and name not in optional:
            raise unknown(f"{param}.{name}")
        if name in _FIELD_TYPES:
            check_type(f"{param}.{name}", value, *_FIELD_TYPES[name])


def _check_known(item: Mapping[str, Any], stored_items: Collection[str]) -> None:
    item_id = item.get("id")
    is_answer = item.get("role", "assistant") == "assistant"
    if item_id is not None and is_answer and item_id not in stored_items:
        message = (
            f"Item with id '{item_id}' not found. Items are not persisted when `store`"
            " is set to false. Try again with `store` set to true, or remove this item"
            " from your input."
        )
        raise Refused(400, message, param="input")


def _check_message(item: Mapping[str, Any], param: str) -> None:
    role = item["role"]
    if role not in _PARTS:
        raise bad_value(f"{param}.role", role, tuple(_PARTS))
    content = item["content"]
    check_type(f"{param}.content", content, "a string or an array", (str, list))
    if isinstance(content, str):
        return
    for number, part in enumerate(content):
        where = f"{param}.content[{number}]"
        if not isinstance(part, dict):
            raise wrong_type(where, "an object", part)
        if part.get("type") not in _PARTS[role]:
            raise bad_value(where, part.get("type"), _PARTS[role])
        field = "refusal" if part["type"] == "refusal" else "text"
        if part["type"] in {"input_text", "output_text", "refusal"}:
            if part.get(field) is None:
                raise missing(f"{where}.{field}")
            check_type(f"{where}.{field}", part[field], "a string", (str,))


def check_new(
    before: Sequence[Mapping[str, Any]], items: Sequence[Mapping[str, Any]]
) -> None:
    """Raise `Refused` for an item that is given again by its id."""
    known = {item["id"] for item in before}
    for item in items:
        if item.get("id") in known:
            message = (
                f"Duplicate item found with id {item['id']}. Remove duplicate items"
                " from your input and try again."
            )
            raise Refused(400, message, param="input")


def check_pairs(items: Sequence[Mapping[str, Any]]) -> None:
    """Raise `Refused` for an output without a call before it, and the reverse.

    The items are all that a request goes on from, and its own.
    """
    called: dict[str, bool] = {}
    for item in items:
        call_id = item.get("call_id", "")
        if item.get("type") == "function_call":
            called[call_id] = False
        if item.get("type") == "function_call_output":
            if call_id not in called:
                message = (
                    "No tool call found for function call output with call_id"
                    f" {call_id}."
                )
                raise Refused(400, message, param="input")
            called[call_id] = True
    for call_id, is_answered in called.items():
        if not is_answered:
            message = f"No tool output found for function call {call_id}."
            raise Refused(400, message, param="input")


def _bad_schema(name: str, param: str, reason: str) -> Refused:
    message = f"Invalid schema for function '{name}': {reason}"
    code = "invalid_function_parameters"
    return Refused(400, message, param=f"{param}.parameters", code=code)
