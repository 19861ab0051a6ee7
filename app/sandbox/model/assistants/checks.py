"""What the Assistants API refuses in a request, refused in its words."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.sandbox.model.assistants.threads import ASSISTANT_ID, Run, Thread, not_found
from app.sandbox.model.checks import check_function, check_metadata
from app.sandbox.model.refusals import (
    Refused,
    bad_value,
    check_type,
    missing,
    unknown,
    wrong_type,
)

_LONGEST_TEXT = 256_000
_MOST_TOOLS = 128
_LEAST_TOKENS = 256
_LONGEST_KEY, _LONGEST_VALUE = 64, 512

_ARRAY = ("an array", (list,))
_BOOLEAN = ("a boolean", (bool,))
_INTEGER = ("an integer", (int,))
_NUMBER = ("a number", (int, float))
_OBJECT = ("an object", (dict,))
_STRING = ("a string", (str,))
_CHOICE = ("a string or an object", (str, dict))
_Types = Mapping[str, tuple[str, tuple[type, ...]]]

_THREAD: _Types = {"messages": _ARRAY, "metadata": _OBJECT, "tool_resources": _OBJECT}
_CHANGES: _Types = {"metadata": _OBJECT}
_MESSAGE: _Types = {
    "role": _STRING,
    "content": ("a string or an array", (str, list)),
    "attachments": _ARRAY,
    "metadata": _OBJECT,
}
_EITHER_RUN: _Types = {
    "assistant_id": _STRING,
    "instructions": _STRING,
    "max_completion_tokens": _INTEGER,
    "max_prompt_tokens": _INTEGER,
    "metadata": _OBJECT,
    "model": _STRING,
    "parallel_tool_calls": _BOOLEAN,
    "response_format": _CHOICE,
    "stream": _BOOLEAN,
    "temperature": _NUMBER,
    "tool_choice": _CHOICE,
    "tools": _ARRAY,
    "top_p": _NUMBER,
    "truncation_strategy": _OBJECT,
}
_RUN: _Types = {
    **_EITHER_RUN,
    "additional_instructions": _STRING,
    "additional_messages": _ARRAY,
    "reasoning_effort": _STRING,
}
_THREAD_AND_RUN: _Types = {
    **_EITHER_RUN,
    "thread": _OBJECT,
    "tool_resources": _OBJECT,
}
_OUTPUTS: _Types = {"tool_outputs": _ARRAY, "stream": _BOOLEAN}
_OUTPUT: _Types = {"tool_call_id": _STRING, "output": _STRING}
_TOOL: _Types = {"type": _STRING, "function": _OBJECT}
_FUNCTION: _Types = {
    "name": _STRING,
    "description": _STRING,
    "parameters": _OBJECT,
    "strict": _BOOLEAN,
}
_PART_FIELDS = {"text": "text", "image_url": "image_url", "image_file": "image_file"}


def check_thread(body: object, param: str = "") -> dict[str, Any]:
    """Return what a thread begins with; raise `Refused` else."""
    given = _fields(body, _THREAD, param)
    for number, message in enumerate(given.get("messages") or ()):
        check_message(message, f"{_at(param)}messages[{number}]")
    return given


def check_changes(body: object) -> dict[str, Any]:
    """Return what may be changed of an object: its metadata."""
    return _fields(body, _CHANGES)


def check_message(body: object, param: str = "") -> dict[str, Any]:
    """Return a message; raise `Refused` else."""
    given = _fields(body, _MESSAGE, param, required=("role", "content"))
    if given["role"] not in {"user", "assistant"}:
        raise bad_value(f"{_at(param)}role", given["role"], ("user", "assistant"))
    where, content = f"{_at(param)}content", given["content"]
    if not content:
        raise Refused(400, "Message content must be non-empty.", param=where)
    if isinstance(content, str):
        _check_length(where, content)
        return given
    for number, part in enumerate(content):
        _check_part(part, f"{where}[{number}]")
    return given


def check_run(body: object) -> dict[str, Any]:
    """Return what is asked of a run in a thread; raise `Refused` else."""
    given = _fields(body, _RUN, required=("assistant_id",))
    for number, message in enumerate(given.get("additional_messages") or ()):
        check_message(message, f"additional_messages[{number}]")
    _check_wishes(given)
    return given


def check_thread_and_run(body: object) -> dict[str, Any]:
    """Return what is asked of a run with a thread of its own; raise `Refused` else."""
    given = _fields(body, _THREAD_AND_RUN, required=("assistant_id",))
    check_thread(given.get("thread") or {}, "thread")
    _check_wishes(given)
    return given


def check_outputs(body: object) -> dict[str, Any]:
    """Return the outputs of calls; raise `Refused` else."""
    given = _fields(body, _OUTPUTS, required=("tool_outputs",))
    for number, output in enumerate(given["tool_outputs"]):
        where = f"tool_outputs[{number}]"
        _fields(output, _OUTPUT, where, required=("tool_call_id", "output"))
    return given


def check_free(thread: Thread, *, for_run: bool = False) -> None:
    """Raise `Refused` while a run of the thread is active."""
    run = thread.active()
    if run is None:
        return
    if for_run:
        message = f"Thread {thread.id} already has an active run {run.id}."
    else:
        message = f"Can't add messages to {thread.id} while a run {run.id} is active."
    raise Refused(400, message)


def check_calls(run: Run, outputs: Sequence[Mapping[str, str]]) -> None:
    """Raise `Refused` unless each call that waits has one output, and no other has."""
    if run.status != "requires_action":
        message = f'Runs in status "{run.status}" do not accept tool outputs.'
        raise Refused(400, message)
    action = run.wire["required_action"]["submit_tool_outputs"]
    wanted = [call["id"] for call in action["tool_calls"]]
    got = [output["tool_call_id"] for output in outputs]
    if sorted(wanted) != sorted(got):
        message = f"Expected tool outputs for call_ids {wanted}, got {got}"
        raise Refused(400, message)


def _fields(
    body: object, types: _Types, param: str = "", *, required: Sequence[str] = ()
) -> dict[str, Any]:
    if not isinstance(body, dict):
        if not param:
            message = "We could not parse the JSON body of your request."
            raise Refused(400, message)
        raise wrong_type(param, "an object", body)
    for name in body:
        if name not in types:
            raise unknown(_at(param) + name)
    for name in required:
        if body.get(name) is None:
            raise missing(_at(param) + name)
    for name, (wanted, allowed) in types.items():
        check_type(_at(param) + name, body.get(name), wanted, allowed)
    _check_pairs(body.get("metadata") or {}, f"{_at(param)}metadata")
    return body


def _at(param: str) -> str:
    return f"{param}." if param else ""


def _check_pairs(pairs: Mapping[str, Any], param: str) -> None:
    check_metadata(pairs)
    for key, value in pairs.items():
        if not isinstance(value, str):
            raise wrong_type(f"{param}.{key}", "a string", value)
        if len(key) > _LONGEST_KEY or len(value) > _LONGEST_VALUE:
            raise _too_long(f"{param}.{key[:_LONGEST_KEY]}", _LONGEST_VALUE, len(value))


def _check_part(part: object, param: str) -> None:
    if not isinstance(part, dict):
        raise wrong_type(param, "an object", part)
    kind = part.get("type")
    if kind not in _PART_FIELDS:
        raise bad_value(f"{param}.type", kind, tuple(_PART_FIELDS))
    name = _PART_FIELDS[kind]
    types = {"type": _STRING, name: _STRING if kind == "text" else _OBJECT}
    given = _fields(part, types, param, required=(name,))
    if kind == "text":
        _check_length(f"{param}.text", given["text"])


def _check_wishes(given: Mapping[str, Any]) -> None:
    for name in ("instructions", "additional_instructions"):
        _check_length(name, given.get(name) or "")
    for name in ("max_completion_tokens", "max_prompt_tokens"):
        most = given.get(name)
        if most is not None and most < _LEAST_TOKENS:
            message = (
                f"Invalid '{name}': integer below minimum value. Expected a value >="
                f" {_LEAST_TOKENS}, but got {most} instead."
            )
            raise Refused(400, message, param=name, code="integer_below_min_value")
    tools = given.get("tools") or ()
    if len(tools) > _MOST_TOOLS:
        message = (
            "Invalid 'tools': array too long. Expected an array with maximum length"
            f" {_MOST_TOOLS}, but got an array with length {len(tools)} instead."
        )
        raise Refused(400, message, param="tools", code="array_above_max_length")
    for number, tool in enumerate(tools):
        _check_tool(tool, f"tools[{number}]")
    if given["assistant_id"] != ASSISTANT_ID:
        raise not_found("assistant", given["assistant_id"])


def _check_tool(tool: object, param: str) -> None:
    given = _fields(tool, _TOOL, param, required=("type",))
    if given["type"] != "function":
        raise bad_value(f"{param}.type", given["type"], ("function",))
    if given.get("function") is None:
        raise missing(f"{param}.function")
    _fields(given["function"], _FUNCTION, f"{param}.function")
    check_function(given["function"], f"{param}.function")


def _check_length(param: str, text: str) -> None:
    if len(text) > _LONGEST_TEXT:
        raise _too_long(param, _LONGEST_TEXT, len(text))


def _too_long(param: str, most: int, length: int) -> Refused:
    message = (
        f"Invalid '{param}': string too long. Expected a string with maximum length"
        f" {most}, but got a string with length {length} instead."
    )
    return Refused(400, message, param=param, code="string_above_max_length")
