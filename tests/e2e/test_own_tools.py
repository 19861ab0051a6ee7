"""Tools that whoever runs Threadline adds, as the README says."""

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.sandbox.records import visible_text
from app.sandbox.server import Sandbox
from tests.e2e.program import ROOT, Ended, run, running, settings_for

LAMP = """
from app.domain import DataMessage
from app.tools.tool import ToolContext, tool


@tool(effect="write", label="lighting {room}")
async def light(context: ToolContext, room: str) -> str:
    '''Light a lamp.'''
    data = {"room": room, "light": "on"}
    context.send_data_message(DataMessage(type="lamp_lit", data=data))
    return "Lit."
"""
README = (ROOT / "README.md").read_text()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = await Sandbox.start(token_rate=2_000)
    yield sandbox
    await sandbox.close()


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Return the folder for one's own tools in a fresh copy of the program."""
    for folder in ("app", "migrations"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path / "app" / "tools" / "own"


def example() -> tuple[str, str]:
    """Return the file's name and the lines that the README shows."""
    section = README.partition("## Add a tool")[2]
    name = re.search(r"`app/tools/own/(\w+\.py)`", section)
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert name
    assert code
    return name[1], code[1]


async def faults_of(own: Path, sandbox: Sandbox) -> Ended:
    folder = own.parents[2]
    settings = settings_for(sandbox, PYTHONPATH=str(folder))
    return await run("serve", folder=folder, settings=settings)


async def test_the_ten_lines_of_the_readme_are_a_tool_that_people_can_use(
    own: Path, sandbox: Sandbox
):
    name, lines = example()
    (own / name).write_text(lines)
    folder = own.parents[2]
    settings = settings_for(sandbox, PYTHONPATH=str(folder))
    (own / "lamp.py").write_text(LAMP)
    async with running("serve", folder=folder, settings=settings) as program:
        await program.says("/invite")
        root = await sandbox.say(
            "ana",
            "#general",
            '@threadline call exactly: getLocalTime {"zone":"UTC"}',
        )
        said = await sandbox.until(
            lambda: [
                each.text
                for each in sandbox.messages("#general", root)
                if re.search(r"\w+day, \d\d \w+ \d{4}, \d\d:\d\d", each.text)
            ],
            20,
        )
        root = await sandbox.say(
            "ana",
            "#general",
            '@threadline call exactly: light {"room":"the <!here> hall"}',
        )
        card = await sandbox.until(
            lambda: [
                each.attachments[0]
                for each in sandbox.messages("#general", root)
                if each.attachments
            ],
            20,
        )

    assert said
    assert visible_text(card[0]).split("\n") == [
        "*room*",
        "the &lt;!here&gt; hall",
        "*light*",
        "on",
    ]
    assert sandbox.live_tokens() == []
    assert len([line for line in lines.splitlines() if line]) <= 10


async def test_files_that_can_not_be_used_are_all_told_at_the_start(
    own: Path, sandbox: Sandbox
):
    (own / "amiss.py").write_text("import os\n\nprint(os.nothing_of_the_kind)\n")
    (own / "broken.py").write_text("def f(:\n")
    ended = await faults_of(own, sandbox)

    assert ended.code == 2
    first, second, third = ended.err.splitlines()
    assert first == "These tools need a look:"
    assert second.startswith("  app/tools/own/amiss.py, line 3: AttributeError: ")
    assert third.startswith("  app/tools/own/broken.py, line 1: SyntaxError: ")


async def test_a_tool_that_can_not_be_offered_is_named_with_what_it_lacks(
    own: Path, sandbox: Sandbox
):
    (own / "lamp.py").write_text(
        "from typing import Any\n"
        "from app.tools.tool import ToolContext, tool\n"
        '@tool(effect="write", label="lighting {lamp}")\n'
        "async def light(context: ToolContext, room: Any) -> str:\n"
        "    return room\n"
    )
    (own / "empty.py").write_text("")
    (own / "heater.py").write_text(
        "from app.tools.tool import ToolContext, tool\n"
        '@tool(effect="read", label="reading {room}")\n'
        "async def getRoomTemperature(context: ToolContext, room: str) -> str:\n"
        '    """Read it."""\n'
        "    return room\n"
    )
    (own / "_shared.py").write_text("1 / 0")
    ended = await faults_of(own, sandbox)

    assert ended.code == 2
    assert ended.err == (
        "These tools need a look:\n"
        "  app/tools/own/empty.py: no tool in it; write @tool(…) above a function\n"
        "  app/tools/own/heater.py: getRoomTemperature: the name is taken; choose "
        "another one\n"
        "  app/tools/own/lamp.py: light: it has no docstring; say there what it does, "
        "for the model to read\n"
        "  app/tools/own/lamp.py: light: arguments.room may be anything; "
        "give it a type\n"
        "  app/tools/own/lamp.py: light: its label speaks of unknown arguments: lamp\n"
    )
