"""What the model server refuses, and in which words."""

from typing import Any

import pytest

from app.sandbox.model.checks import check
from app.sandbox.model.refusals import Refused

Body = dict[str, Any]

CALL: Body = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
OUTPUT: Body = {"type": "function_call_output", "call_id": "c1", "output": "done"}
SCHEMA: Body = {
    "type": "object",
    "properties": {"room": {"type": "string"}},
    "required": ["room"],
    "additionalProperties": False,
}


def tool(**changes: object) -> Body:
    return {"type": "function", "name": "f", "parameters": SCHEMA} | changes


def refused(**body: object) -> Body:
    with pytest.raises(Refused) as caught:
        check({"model": "m", "input": "hi"} | body)
    assert caught.value.status == 400
    error: Body = caught.value.body["error"]
    return error


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"model": None}, "model", "missing_required_parameter"),
        ({"model": ""}, "model", "model_not_found"),
        ({"model": 4}, "model", "invalid_type"),
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": []}, "input", "missing_required_parameter"),
        ({"input": 7}, "input", "invalid_type"),
        ({"input": ["hi"]}, "input[0]", "invalid_type"),
        ({"messages": []}, "messages", "unknown_parameter"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"max_output_tokens": 4}, "max_output_tokens", "integer_below_min_value"),
        ({"background": True}, "background", "unsupported_parameter"),
        ({"conversation": 3}, "conversation", "invalid_type"),
        (
            {"safety_identifier": "x" * 129},
            "safety_identifier",
            "string_above_max_length",
        ),
        (
            {"input": [{"role": "user"}]},
            "input[0].content",
            "missing_required_parameter",
        ),
        (
            {"input": [{"role": "tool", "content": ""}]},
            "input[0].role",
            "invalid_value",
        ),
        ({"input": [{"type": "odd"}]}, "input[0]", "invalid_value"),
        ({"input": [OUTPUT | {"output": 5}]}, "input[0].output", "invalid_type"),
        (
            {"input": [{"role": "user", "name": "ana", "content": "hi"}]},
            "input[0].name",
            "unknown_parameter",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]},
            "input[0].content[0]",
            "invalid_value",
        ),
        ({"tools": [tool(name="a b")]}, "tools[0].name", "invalid_value"),
        (
            {"tools": [{"type": "function", "function": {}}]},
            "tools[0].name",
            "missing_required_parameter",
        ),
        (
            {"tools": [tool(parameters={"type": "string"})]},
            "tools[0].parameters",
            "invalid_function_parameters",
        ),
        (
            {"tools": [tool(strict=True, parameters=SCHEMA | {"required": []})]},
            "tools[0].parameters",
            "invalid_function_parameters",
        ),
        (
            {
                "tools": [
                    tool(
                        strict=True, parameters=SCHEMA | {"additionalProperties": True}
                    )
                ]
            },
            "tools[0].parameters",
            "invalid_function_parameters",
        ),
    ],
)
def test_a_wrong_request_is_told_which_parameter_is_wrong(
    body: Body, param: str, code: str
) -> None:
    error = refused(**body)
    assert (error["param"], error["code"]) == (param, code)
    assert error["type"] == "invalid_request_error"


def test_an_output_needs_its_call_and_a_call_its_output() -> None:
    assert refused(input=[OUTPUT])["message"] == (
        "No tool call found for function call output with call_id c1."
    )
    assert refused(input=[CALL])["message"] == (
        "No tool output found for function call c1."
    )
    assert check({"model": "m", "input": [CALL, OUTPUT]})


def test_an_item_that_was_not_stored_cannot_be_named_by_its_id() -> None:
    item = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "hi"}],
    }
    assert refused(input=[item])["message"].startswith("Item with id 'msg_1' not found")
    assert check({"model": "m", "input": [item]}, {"msg_1"})


def test_what_openai_takes_is_taken() -> None:
    body = {
        "model": "gpt-6-luna",
        "input": [
            {"role": "user", "content": "Ana: hi"},
            {"type": "reasoning", "summary": [], "encrypted_content": "x"},
            CALL,
            OUTPUT,
        ],
        "instructions": "Be kind.",
        "tools": [tool(strict=True), tool(name="g", strict=False, parameters=None)],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "low"},
        "store": False,
        "stream": True,
        "prompt_cache_key": "thread",
        "safety_identifier": "hash",
        "max_output_tokens": 1000,
    }
    assert check(body) == body
