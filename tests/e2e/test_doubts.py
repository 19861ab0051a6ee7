"""A process dies while a tool changes something elsewhere: people are asked."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.sandbox.records import Message, visible_text
from app.sandbox.server import Sandbox
from tests.e2e.program import ROOT, running, settings_for

GENERAL = "#general"
DOUBT = "I can't tell whether milk was ordered."
ORDER = '''
from pathlib import Path

from app.tools.tool import ToolContext, tool


@tool(effect="write", label="ordering {what}", outcome="{what} was ordered")
async def order(context: ToolContext, what: str) -> str:
    """Order something from outside."""
    with Path("orders").open("a") as orders:
        orders.write(f"{what} by {context.asked_by}")
    return f"{what} is ordered."
'''


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = await Sandbox.start(token_rate=2_000)
    yield sandbox
    await sandbox.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a fresh copy of the program that can order something."""
    for folder in ("app", "migrations"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "app" / "tools" / "own" / "order.py").write_text(ORDER)
    return tmp_path


def by_bot(sandbox: Sandbox, root: str) -> list[Message]:
    return [
        each
        for each in sandbox.messages(GENERAL, root)
        if each.user_id == sandbox.bot_user_id
    ]


def seen(message: Message) -> str:
    return "\n".join(map(visible_text, message.blocks))


@pytest.mark.parametrize(
    ("action", "decided", "ended"),
    [
        ("threadline_check", f"{DOUBT} Ben: check and go on.", "completed · "),
        ("threadline_leave", DOUBT, "cancelled · stopped by Ben after "),
    ],
)
async def test_a_write_that_was_broken_off_is_put_to_people_and_never_repeated(
    sandbox: Sandbox, home: Path, action: str, decided: str, ended: str
):
    settings = settings_for(sandbox, PYTHONPATH=str(home))
    dying = {**settings, "THREADLINE_CRASH_AT": "C10"}
    async with running("serve", folder=home, settings=dying) as program:
        await program.says("/invite")
        asked = '@threadline call exactly: order {"what":"milk"}'
        root = await sandbox.say("ana", GENERAL, asked)
        assert (await program.ends()).code < 0

    async with running("serve", folder=home, settings=settings):
        question = await sandbox.until(
            lambda: next((m for m in by_bot(sandbox, root) if DOUBT in seen(m)), None),
            20,
        )
        assert list(question.buttons.values()) == ["Check and go on", "Leave it"]
        assert f"<@{sandbox.people['ana'].user_id}>" in question.text
        answer = by_bot(sandbox, root)[0]
        assert "requires action · please decide below" in seen(answer)

        await sandbox.click("ben", GENERAL, question.ts, action)

        def is_over() -> bool:
            texts = [seen(each) for each in by_bot(sandbox, root)]
            return any(ended in each for each in texts) and any(
                each.endswith(decided) for each in texts
            )

        await sandbox.until(is_over, 20)
        [question] = [each for each in by_bot(sandbox, root) if DOUBT in seen(each)]
        assert question.buttons == {}
    assert (home / "orders").read_text().count("milk") == 1
