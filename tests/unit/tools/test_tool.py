"""A tool is what its signature says; a toolbox takes only tools that are sound."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings, strategies as st
from pydantic import BaseModel, ConfigDict, Field

from app.domain import CallState, LedgerCall, ToolCall
from app.errors import FaultyTools, ToolError
from app.storage.database import Database
from app.storage.rooms import ROOMS, Rooms
from app.storage.tool_calls import ToolLedger
from app.tools.home import home_tools
from app.tools.schema import is_strict
from app.tools.tool import Tool, ToolContext, tool
from app.tools.toolbox import Toolbox, are_trusted

_NOWHERE: Any = Database


def toolbox(*tools: Tool) -> Toolbox:
    return Toolbox(tools, ToolLedger(_NOWHERE))


@pytest.fixture
def home() -> Toolbox:
    return toolbox(*home_tools(Rooms(_NOWHERE)))


@tool(effect="read", label="looking for {what}")
async def look_up(
    context: ToolContext,
    what: Annotated[str, Field(description="What to look for.")],
    most: int = 3,
) -> str:
    """Look something up.

    The newest come first.
    """
    return what * most


def test_the_signature_is_the_schema():
    assert look_up.name == "look_up"
    assert look_up.description == "Look something up. The newest come first."
    assert look_up.parameters == {
        "type": "object",
        "properties": {
            "what": {"type": "string", "description": "What to look for."},
            "most": {"type": "integer", "default": 3},
        },
        "required": ["what"],
        "additionalProperties": False,
    }


def test_only_a_tool_that_requires_all_it_takes_is_strict(home: Toolbox):
    assert not is_strict(look_up.parameters)
    assert all(is_strict(tool.parameters) for tool in home.tools)


def test_the_rooms_are_named_to_the_model(home: Toolbox):
    for each in home.tools:
        assert each.parameters["properties"]["room"]["enum"] == list(ROOMS)


def test_arguments_are_read_with_their_defaults():
    assert look_up.parse('{"what": "rain"}') == {"what": "rain", "most": 3}


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "[]",
        "null",
        "{",
        '{"what": 3}',
        '{"what": "a", "most": "3"}',
        '{"what": "a", "most": true}',
        '{"what": "a", "more": 1}',
        "[" * 10_000,
        '{"what": "\\ud800"}',
    ],
)
def test_other_arguments_are_refused_in_one_line(arguments: str):
    with pytest.raises(ToolError) as refused:
        look_up.parse(arguments)

    assert str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "room"),
    [("Living_Room", "living room"), (" home-office ", "home office")],
)
def test_a_room_may_be_written_as_people_do(home: Toolbox, given: str, room: str):
    read_room = home.tools[0]

    assert read_room.parse(f'{{"room": "{given}"}}') == {"room": room}


@pytest.mark.parametrize("given", ["5", "5.0", "35", "21.5"])
def test_temperatures_at_the_bounds_are_allowed(home: Toolbox, given: str):
    set_room = home.tools[1]

    values = set_room.parse(f'{{"room": "kitchen", "temperature": {given}}}')

    assert values["temperature"] == float(given)


def setting(room: str, temperature: str = "20") -> ToolCall:
    arguments = f'{{"room": "{room}", "temperature": {temperature}}}'
    return ToolCall(call_id=room, name="setRoomTemperature", arguments=arguments)


def reading(room: str) -> ToolCall:
    arguments = f'{{"room": "{room}"}}'
    return ToolCall(call_id=room, name="getRoomTemperature", arguments=arguments)


@pytest.mark.parametrize(
    ("calls", "label"),
    [
        ([setting("kitchen")], "setting kitchen"),
        ([setting("Kitchen"), setting("bedroom")], "setting kitchen, bedroom"),
        ([setting("kitchen"), setting("kitchen", "21")], "setting kitchen"),
        (
            [reading("bathroom"), setting("kitchen")],
            "reading bathroom, setting kitchen",
        ),
        ([setting("kitchen"), setting("moon")], "setting kitchen"),
        ([setting("moon")], "setting"),
        ([ToolCall(call_id="x", name="nope", arguments="{}")], ""),
    ],
)
def test_a_label_says_what_is_being_done(
    home: Toolbox, calls: list[ToolCall], label: str
):
    assert home.label(calls) == label


def test_a_toolbox_says_what_is_wrong_with_its_tools():
    class Open(BaseModel):
        anything: dict[str, str]

    @tool(effect="read", label="doing {thing}", name="bad name", stored=True)
    async def bad(context: ToolContext, nested: Open, items: list[Any]) -> str:
        return ""

    with pytest.raises(FaultyTools, match="bad name") as refused:
        toolbox(bad, look_up, look_up)

    told = str(refused.value)
    for fault in (
        "2 tools are called look_up",
        "a name is 1 to 64 letters",
        "it has no docstring",
        "arguments.Open is an open object",
        "arguments.Open.anything is an open object",
        "arguments.items[] may be anything",
        "its label speaks of unknown arguments: thing",
        "a read has nothing to store",
    ):
        assert fault in told


def test_a_tool_that_is_not_stored_has_no_transaction():
    context = ToolContext(
        turn=_NOWHERE, call=setting("kitchen"), pass_no=1, asked_by="U1"
    )

    with pytest.raises(RuntimeError):
        _ = context.transaction


def test_a_schema_with_words_that_some_strict_servers_refuse_is_not_strict():
    @tool(effect="read", label="rolling")
    async def roll(
        context: ToolContext, dice: Annotated[int, Field(ge=1, le=20)]
    ) -> str:
        """Roll dice."""
        return str(dice)

    assert not is_strict(roll.parameters)


def test_what_people_read_of_an_argument_is_one_short_line(home: Toolbox):
    @tool(effect="write", label="looking for {what}", outcome="{what} was found")
    async def find(context: ToolContext, what: str) -> str:
        """Find something."""
        return what

    arguments = json.dumps({"what": "a\nb\u202e\x00 " * 1_000})
    call = ToolCall(call_id="c", name="find", arguments=arguments)
    ledger_call = LedgerCall(pass_no=1, call=call, state=CallState.STARTED)
    box = toolbox(find)

    for told in (box.label([call]), box.describe([ledger_call])):
        assert "a b a b" in told
        assert told.isprintable()
        assert len(told) < 120


class Side(BaseModel):
    model_config = ConfigDict(extra="forbid")
    height: float
    names: list[str]


@tool(effect="read", label="taking {one} {sides} {day}")
async def take_all(
    context: ToolContext,
    one: Literal["a", "b"],
    sides: list[Side],
    day: date | None = None,
) -> str:
    """Take many kinds of arguments."""
    return f"{one}{sides}{day}"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["one", "sides", "day", "height", "names"]) | st.text(),
            inner,
        )
    ),
    max_leaves=12,
)


@given(st.text() | _JSON.map(json.dumps) | st.binary().map(lambda b: b.decode("latin")))
@settings(deadline=None)
def test_whatever_the_model_writes_is_taken_or_refused_in_one_line(arguments: str):
    told = ""
    values: dict[str, Any] = {}
    try:
        values = take_all.parse(arguments)
    except ToolError as error:
        told = str(error)

    assert told or values.keys() == {"one", "sides", "day"}
    assert told.isprintable()
    assert len(told) <= 500


async def test_a_tool_is_tried_by_hand_as_the_readme_says():
    readme = Path(__file__).parents[3].joinpath("README.md").read_text()
    code = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    line = re.search(r"To test it, call it: `await (.+?)`", readme)
    assert code
    assert line
    known: dict[str, Any] = {"__name__": "clock"}
    exec(code[1], known)  # noqa: S102 - the README's own lines

    said = await eval(line[1], known)  # noqa: S307

    assert re.fullmatch(r"\w+day, \d\d \w+ \d{4}, \d\d:\d\d", said)


def test_a_number_that_is_none_is_refused():
    @tool(effect="read", label="trying")
    async def try_it(context: ToolContext, number: float) -> str:
        """Try."""
        return str(number)

    for number in ("NaN", "Infinity", "-Infinity"):
        with pytest.raises(ToolError, match="number"):
            try_it.parse(f'{{"number": {number}}}')


def test_a_tool_is_trusted_only_if_it_says_so(home: Toolbox):
    assert are_trusted(home.tools)
    assert not are_trusted((*home.tools, look_up))
