"""What is wrong with a tool is told with its file, and what to do."""

from collections.abc import Callable
from typing import Any

import pytest

from app.errors import FaultyTools
from app.tools.lint import lint
from app.tools.tool import Found, Tool, ToolContext, tool

FILE = "tests/unit/tools/test_lint.py: "


def offered(**more: Any) -> Callable[[Any], Tool]:  # noqa: ANN401 - whatever people give
    return tool(**{"effect": "read", "label": "trying", "name": "tried"} | more)


def faults(*tools: Tool) -> list[str]:
    try:
        lint(tools)
    except FaultyTools as error:
        return [fault.removeprefix(f"{FILE}tried: ") for fault in error.faults]
    return []


async def sound(context: ToolContext, room: str = "kitchen") -> str:
    """Try something."""
    return room


def sync(context: ToolContext) -> str:
    """Try something."""
    return str(context)


async def without_anything() -> str:
    """Try something."""
    return ""


async def without_context(room: str) -> str:
    """Try something."""
    return room


async def untyped(context: ToolContext, room, *, lamp: int) -> str:  # noqa: ANN001
    """Try something."""
    return f"{room}{lamp}"


async def starred(context: ToolContext, *rooms: str) -> str:
    """Try something."""
    return str(rooms)


async def misnamed(context: ToolContext, copy: str, _room: str) -> str:
    """Try something."""
    return copy


async def wrong_default(context: ToolContext, most: int = "3") -> str:  # type: ignore[assignment]
    """Try something."""
    return str(most)


async def no_schema(context: ToolContext, how: Callable[[], None], most: int) -> str:
    """Try something."""
    return str(how)


async def nowhere(context: ToolContext, room: "NoSuchRoom") -> str:  # type: ignore[name-defined]  # noqa: F821
    """Try something."""
    return str(room)


async def long_winded(context: ToolContext) -> str:
    return str(context)


long_winded.__doc__ = "word " * 300


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (sound, []),
        (sync, ["it is not async; begin it with `async def`"]),
        (without_anything, ["its first argument must be `context: ToolContext`"]),
        (without_context, ["its first argument must be `context: ToolContext`"]),
        (untyped, ["the argument room has no annotation; say of which type it is"]),
        (starred, ["the argument rooms cannot be given by name; no *, ** or / here"]),
        (
            misnamed,
            [
                "the argument copy has a name that pydantic keeps; rename it",
                "the argument _room has a name that pydantic keeps; rename it",
            ],
        ),
        (wrong_default, ["the default of most does not fit its annotation"]),
        (no_schema, ["the annotation of how has no JSON schema; use plain types"]),
        (nowhere, ["its annotations cannot be read (NameError)"]),
        (long_winded, ["its docstring is longer than 1024 characters"]),
    ],
)
def test_what_a_signature_lacks_is_told(body: Any, told: list[str]):  # noqa: ANN401
    assert faults(offered()(body)) == told


async def looks(context: ToolContext, room: str) -> Found:
    return "done"


def looks_at_once(context: ToolContext, room: str) -> Found:
    return "done"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"name": "to try"},
            ["a name is 1 to 64 letters, digits, _ or -; give one with name="],
        ),
        ({"effect": "both"}, ["effect must be read or write"]),
        ({"time_limit": 0}, ["time_limit must be a number of seconds above 0"]),
        (
            {"time_limit": float("nan")},
            ["time_limit must be a number of seconds above 0"],
        ),
        ({"result_limit": 0}, ["result_limit must be a number of bytes above 0"]),
        ({"stored": True}, ["a read has nothing to store; leave stored out"]),
        (
            {"effect": "write", "stored": True},
            ["it keeps others waiting; give it a time_limit of 5 s"],
        ),
        ({"effect": "write", "stored": True, "time_limit": 5}, []),
        (
            {"check": looks},
            ["only a write with effects elsewhere needs a check; leave it out"],
        ),
        ({"effect": "write", "check": looks}, []),
        (
            {"effect": "write", "check": looks_at_once},
            ["its check is not async; begin it with `async def`"],
        ),
        ({"label": " "}, ["its label is empty; say in a few words what it does"]),
        ({"label": "in {room}"}, []),
        ({"label": "{room} of {{x}}"}, []),
        ({"label": "in {lamp}"}, ["its label speaks of unknown arguments: lamp"]),
        ({"label": "in {}"}, ["its label speaks of unknown arguments: {}"]),
        (
            {"label": "in {room.secret}"},
            ["its label speaks of unknown arguments: room.secret"],
        ),
        (
            {"outcome": "{room:d}"},
            ["its outcome may hold {argument} and nothing more in the braces"],
        ),
        (
            {"outcome": "in {room"},
            ["its outcome has a single brace; write {argument}, or two"],
        ),
    ],
)
def test_what_is_said_of_a_tool_is_looked_at(given: dict[str, Any], told: list[str]):
    found = faults(offered(**given)(sound))

    assert [fault.rpartition(f"{FILE}to try: ")[2] for fault in found] == told


def test_tools_of_one_name_are_told_with_their_files():
    one = offered()(sound)

    assert faults(one, one) == [
        "tests/unit/tools/test_lint.py: 2 tools are called tried; rename all but one"
    ]


def test_more_tools_than_a_model_takes_are_refused():
    many = [offered(name=f"tool{number}")(sound) for number in range(129)]

    assert faults(*many) == ["129 tools are too many; a model takes 128"]
