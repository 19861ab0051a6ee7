"""The command line as processes: what it prints, and how it begins and ends."""

import signal
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from app.sandbox.server import Sandbox
from tests.e2e.program import Program, free_port, run, running, settings_for
from tests.postgres import NewDatabase
from tests.scenarios.world import text_of

ENDS = [signal.SIGTERM, signal.SIGINT]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = await Sandbox.start(token_rate=2_000, retry_scale=0.01)
    yield sandbox
    await sandbox.close()


async def ready(program: Program) -> None:
    """Wait for the last line that `serve` prints."""
    await program.says("/invite @threadline")


async def test_serve_tells_all_faults_of_the_settings_at_once(tmp_path: Path) -> None:
    faulty = {
        "SLACK_BOT_TOKEN": "xapp-1-of-another-kind",
        "SLACK_API_URL": "https://slack.example.com/",
        "DATABASE_URL": "mysql://somewhere",
        "PORT": "http",
        "ALLOW_GUESTS": "perhaps",
    }
    ended = await run("serve", folder=tmp_path, settings=faulty)

    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("These settings need a look:\n")
    for name in (*faulty, "SLACK_APP_TOKEN or SLACK_SIGNING_SECRET", "OPENAI_API_KEY"):
        assert f"\n  {name} " in ended.err
    assert "Traceback" not in ended.err
    assert "of-another-kind" not in ended.err


async def test_a_refused_bot_token_is_told_in_one_line(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    settings = settings_for(sandbox, SLACK_BOT_TOKEN="xoxb-sandbox-wrong")
    ended = await run("serve", folder=tmp_path, settings=settings)

    assert ended.code == 2
    assert ended.err == "Slack refused auth.test: invalid_auth\n"


async def test_a_refused_app_token_is_told_in_one_line(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    settings = settings_for(sandbox, SLACK_APP_TOKEN="xapp-sandbox-wrong")
    ended = await run("serve", folder=tmp_path, settings=settings)

    assert ended.code == 2
    assert ended.err == "Slack refused apps.connections.open: invalid_auth\n"


async def test_an_address_where_no_slack_is_is_told_in_one_line(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}/api/"
    settings = settings_for(sandbox, SLACK_API_URL=nowhere)
    ended = await run("serve", folder=tmp_path, settings=settings)

    assert ended.code == 2
    assert ended.err == "Slack does not answer auth.test: is SLACK_API_URL right?\n"


async def test_a_taken_port_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        settings = settings_for(sandbox, PORT=port)
        ended = await run("serve", folder=tmp_path, settings=settings)

    assert ended.code == 2
    assert port in ended.err
    assert len(ended.err.splitlines()) == 1


async def test_serve_says_where_it_is_and_what_is_missing_and_answers(
    sandbox: Sandbox, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    sandbox.scopes.discard("reactions:read")
    began = time.monotonic()
    settings = settings_for(sandbox, OPENAI_MODEL="gpt-3-gone")
    async with running("serve", folder=tmp_path, settings=settings) as program:
        await ready(program)
        record_property("seconds to ready", time.monotonic() - began)
        root = await sandbox.say("ana", "#general", "@threadline say exactly: hello")
        await sandbox.until(
            lambda: (
                [text_of(each) for each in sandbox.messages("#general", root)][1:]
                == ["hello"]
            ),
            20,
        )
        health = next(line for line in program.said if line.startswith("Health: "))
        async with aiohttp.ClientSession() as session:
            answer = await session.get(health.removeprefix("Health: ").strip())
            assert answer.status == 200
        await program.says("OPENAI_MODEL: no gpt-3-gone there.")

    assert "".join(program.said).startswith(
        "In the workspace Sandbox as @threadline.\n"
        "Missing scopes, install the app again: reactions:read\n"
    )


@pytest.mark.parametrize("number", ENDS)
async def test_a_signal_ends_it_soon_and_without_a_traceback(
    number: signal.Signals, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with running(
        "serve", folder=tmp_path, settings=settings_for(sandbox)
    ) as program:
        await ready(program)
        began = time.monotonic()
        ended = await program.ends(number)

    assert ended.code == 0
    assert ended.err == ""
    assert time.monotonic() - began < 8


async def test_migrate_makes_the_database_and_may_be_run_again(tmp_path: Path) -> None:
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path / 'new.db'}"}
    first = await run("migrate", folder=tmp_path, settings=settings)
    second = await run("migrate", folder=tmp_path, settings=settings)

    assert first.out == second.out == "The database's schema is up to date.\n"
    assert (first.code, first.err) == (second.code, second.err) == (0, "")
    with closing(sqlite3.connect(tmp_path / "new.db")) as database:
        assert database.execute("SELECT count(*) FROM inbox").fetchone() == (0,)


async def test_serve_without_a_schema_and_without_leave_to_make_one_says_so(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    settings = settings_for(sandbox, AUTO_MIGRATE="false")
    ended = await run("serve", folder=tmp_path, settings=settings)

    assert ended.code == 2
    assert "migrate" in ended.err
    assert "Traceback" not in ended.err


async def test_the_doctor_finds_everything_fine(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    ended = await run("doctor", folder=tmp_path, settings=settings_for(sandbox))

    assert ended.code == 0
    assert ended.err == ""
    lines = ended.out.splitlines()
    assert all(line.startswith("ok ") for line in lines)
    assert "ok     Your own tools: none." in lines
    assert "ok     The database answers (SQLite)." in lines
    assert "ok     In Sandbox as @threadline." in lines
    assert "ok     Socket Mode can be opened." in lines


async def test_the_doctor_names_each_thing_that_is_amiss(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    settings = settings_for(
        sandbox,
        SLACK_BOT_TOKEN="xoxb-sandbox-wrong",
        SLACK_APP_TOKEN="xapp-sandbox-wrong",
        OPENAI_BASE_URL=f"http://127.0.0.1:{free_port()}/v1",
        DATABASE_URL=f"sqlite:///{tmp_path}",
    )
    ended = await run("doctor", folder=tmp_path, settings=settings)

    assert ended.code == 2
    amiss = [line for line in ended.out.splitlines() if line.startswith("amiss ")]
    assert len(amiss) == 4
    assert any(line.startswith("amiss  SLACK_BOT_TOKEN") for line in amiss)
    assert any(line.startswith("amiss  SLACK_APP_TOKEN") for line in amiss)
    assert "Traceback" not in ended.err


async def test_the_doctor_hears_whether_replicas_would_hear_each_other(
    sandbox: Sandbox,
    tmp_path: Path,
    migrated_postgres: str,
    new_postgres: NewDatabase,
) -> None:
    settings = settings_for(sandbox, DATABASE_URL=migrated_postgres)
    hearing = await run("doctor", folder=tmp_path, settings=settings)
    elsewhere = settings | {"LISTEN_DATABASE_URL": new_postgres(migrated_postgres)}
    deaf = await run("doctor", folder=tmp_path, settings=elsewhere)

    assert "ok     Hints between processes arrive.\n" in hearing.out
    assert "amiss  Hints between processes do not arrive" in deaf.out
    assert (hearing.code, deaf.code) == (0, 2)


async def test_the_sandbox_alone_prints_what_a_bot_beside_it_needs(
    tmp_path: Path,
) -> None:
    port = str(free_port())
    async with running(
        "sandbox", "--port", port, folder=tmp_path, settings={}
    ) as program:
        last = await program.says("Write in #general")
        async with aiohttp.ClientSession() as session:
            page = await session.get(last.split()[0])
            assert page.status == 200
        ended = await program.ends(signal.SIGINT)

    assert last.startswith(f"http://127.0.0.1:{port}/ ")
    for name in ("SLACK_API_URL", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"):
        assert f"  export {name}=" in ended.out
    assert (ended.code, ended.err) == (0, "")


async def test_the_sandbox_with_the_bot_takes_the_next_free_port(
    tmp_path: Path,
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with running(
            "sandbox",
            "--with-bot",
            "--port",
            str(port),
            folder=tmp_path,
            settings={},
        ) as program:
            last = await program.says("Write in #general")
            ended = await program.ends(signal.SIGINT)

    assert f"http://127.0.0.1:{port}/" not in last
    assert "set the kitchen to 23" in last
    assert (ended.code, ended.err) == (0, "")
