"""What the toolbox lets no tool and no model exceed, on both databases."""

from typing import Annotated

import pytest
from pydantic import AfterValidator

from app.domain import CallState, DataMessage
from app.errors import ToolError
from app.storage.database import Database
from app.tools.tool import ToolContext, tool

from .toolbox_stage import Home, at_home, calling


@pytest.fixture
async def home(database: Database) -> Home:
    return await at_home(database)


async def test_a_result_is_cut_where_its_tool_says(home: Home):
    @tool(effect="read", label="reading", result_limit=40)
    async def read(context: ToolContext) -> str:
        """Read."""
        return "a" * 41

    home.equip(read)

    (told,) = await home.run(calling("read"))

    assert told.endswith("a… (cut)")
    assert len(told.encode()) == 40


def _never_checked(value: str) -> str:
    raise KeyError(value)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ('{"what": "a"}', "Error: look failed."),
        (
            f'{{"what": "{"a" * 1_000_000}"}}',
            "Error: the arguments are longer than 64000 characters",
        ),
        ('{"what": "\ud800"}', "Error: Input should be a valid string"),
    ],
)
async def test_arguments_that_nothing_can_be_made_of_are_told_to_the_model(
    home: Home, arguments: str, told: str
):
    @tool(effect="write", label="looking for {what}")
    async def look(
        context: ToolContext, what: Annotated[str, AfterValidator(_never_checked)]
    ) -> str:
        """Look for something."""
        return what

    home.equip(look)

    (output,) = await home.run(calling("look", arguments=arguments))

    assert output.startswith(told)
    assert len(output) < 600
    assert await home.states() == [CallState.DONE]


async def test_what_a_tool_says_in_an_error_is_one_short_line(home: Home):
    @tool(effect="read", label="reading")
    async def read(context: ToolContext) -> str:
        """Read."""
        raise ToolError("no\nsuch\tbook " * 1_000)

    home.equip(read)

    (told,) = await home.run(calling("read"))

    assert told.startswith("Error: no such book no such book")
    assert len(told) <= 520


@pytest.mark.parametrize(
    "data", [{"secret": object()}, {"much": "a" * 9_000}, {"half": "\ud800"}]
)
async def test_data_that_nobody_can_be_shown_are_a_failure_of_the_tool(
    home: Home, data: dict[str, object]
):
    @tool(effect="read", label="showing")
    async def show(context: ToolContext) -> str:
        """Show something."""
        context.send_data_message(DataMessage(type="thing", data=data))
        return "shown"

    home.equip(show)

    assert await home.run(calling("show")) == ["Error: show failed."]
    assert home.shown == []
