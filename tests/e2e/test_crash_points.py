"""A process dies by SIGKILL at every named place, and another one goes on."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.crash import POINTS
from app.sandbox.model.assistants.threads import ASSISTANT_ID
from app.sandbox.records import Message
from app.sandbox.server import Sandbox
from tests.e2e.program import Program, free_port, running
from tests.invariants.world import see_that_all_holds
from tests.postgres import NewDatabase, empty
from tests.scenarios.database import rows
from tests.scenarios.world import is_finished, text_of

PATIENCE = 60.0
QUESTION = "@threadline set the kitchen to 23 and the bedroom to 19"
# What a dead process has not acknowledged, Slack sends again after a while.
RESTS_WITHIN = 40.0
pytestmark = pytest.mark.timeout(180)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where a process dies, and how it is reached and keeps what it knows."""

    point: str
    over_http: bool
    on_postgres: bool
    more: tuple[tuple[str, str], ...] = ()


def settings_all() -> list[Setting]:
    """Each point once; delivery and database change from one to the next."""
    return [
        Setting(point=point, over_http=bool(turn & 1), on_postgres=bool(turn & 2))
        for turn, point in enumerate(POINTS)
    ] + [
        # What only a server with runs and threads of its own passes.
        Setting(
            point=point,
            over_http=False,
            on_postgres=True,
            more=(("ASSISTANT_API", "assistants"), ("ASSISTANT_ID", ASSISTANT_ID)),
        )
        for point in ("C6", "C11")
    ]


SETTINGS = settings_all()
AT_ONCE = 4
GROUPS = [
    SETTINGS[start : start + AT_ONCE] for start in range(0, len(SETTINGS), AT_ONCE)
]


def environment(
    sandbox: Sandbox, setting: Setting, database_url: str
) -> dict[str, str]:
    """The settings of both processes, which follow each other at one address."""
    way_in = (
        {"SLACK_SIGNING_SECRET": sandbox.signing_secret}
        if setting.over_http
        else {"SLACK_APP_TOKEN": sandbox.app_token}
    )
    return {
        "SLACK_BOT_TOKEN": sandbox.bot_token,
        "SLACK_API_URL": sandbox.api_url,
        "OPENAI_BASE_URL": sandbox.model_url,
        "DATABASE_URL": database_url,
        "PORT": str(free_port()),
        **way_in,
        **dict(setting.more),
    }


def said(sandbox: Sandbox) -> list[Message]:
    return [
        message
        for message in sandbox.messages("#general")
        if message.user_id == sandbox.bot_user_id
    ]


async def died(sandbox: Sandbox, program: Program, point: str) -> None:
    """Ask, unless it dies before it can be asked, and see it die."""
    if point != "C17":
        await program.says("/invite")
        await sandbox.say("ana", "#general", QUESTION)
    if point == "C15":
        sandbox.model.rate = 20
        await sandbox.until(lambda: said(sandbox), PATIENCE)
        program.process.send_signal(signal.SIGTERM)
    ended = await program.ends()
    assert ended.code == -signal.SIGKILL, ended


async def dies_and_is_followed(
    setting: Setting, folder: Path, database_url: str
) -> None:
    """See one process die at its point, and the next one end what it began."""
    sandbox = await Sandbox.start(token_rate=400, retry_scale=0.05)
    given = environment(sandbox, setting, database_url)
    armed = {"THREADLINE_CRASH_AT": setting.point}
    if setting.over_http:
        sandbox.deliver_to(f"http://127.0.0.1:{given['PORT']}/slack/events")
    try:
        async with running("serve", folder=folder, settings=given | armed) as first:
            await died(sandbox, first, setting.point)
        async with running("serve", folder=folder, settings=given) as second:
            await second.says("/invite")
            if setting.point == "C17":
                await sandbox.say("ana", "#general", QUESTION)
            await sandbox.until(
                lambda: any(is_finished(each) for each in said(sandbox)), PATIENCE
            )
            assert await see_that_all_holds(
                sandbox, database_url, patience=RESTS_WITHIN
            )
        await seen_by_people(sandbox, database_url)
    finally:
        await sandbox.close()


async def seen_by_people(sandbox: Sandbox, database_url: str) -> None:
    """One card and one answer, and each room was set once."""
    texts = [text_of(each) for each in said(sandbox) if text_of(each)]
    assert len(texts) == 1
    assert "kitchen" in texts[0].lower()
    assert len([each for each in said(sandbox) if each.attachments]) == 1
    changes = "SELECT room, new FROM room_changes ORDER BY room"
    assert await rows(database_url, changes) == [("bedroom", 19.0), ("kitchen", 23.0)]


@pytest.fixture
def new_database(
    new_postgres: NewDatabase,
    migrated_postgres: str,
    migrated_sqlite: Path,
    tmp_path: Path,
) -> Callable[[Setting], str]:
    """Make a database for one setting: with all tables, unless they are to be made."""
    empty(migrated_postgres)

    def new(setting: Setting) -> str:
        is_bare = setting.point == "C17"
        if setting.on_postgres:
            return new_postgres(None if is_bare else migrated_postgres)
        path = tmp_path / f"{setting.point}.db"
        if not is_bare:
            path.write_bytes(migrated_sqlite.read_bytes())
        return f"sqlite:///{path}"

    return new


@pytest.mark.parametrize(
    "group", GROUPS, ids=lambda group: " ".join(each.point for each in group)
)
async def test_the_answer_ends_in_one_message_whenever_its_process_dies(
    group: Sequence[Setting], new_database: Callable[[Setting], str], tmp_path: Path
):
    databases = [new_database(setting) for setting in group]

    # Side by side: most of the time is the lease's.
    async with asyncio.TaskGroup() as together:
        for setting, database_url in zip(group, databases, strict=True):
            folder = tmp_path / f"{setting.point}-folder"
            folder.mkdir()
            together.create_task(dies_and_is_followed(setting, folder, database_url))
