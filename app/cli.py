"""The command line: parses, calls bootstrap, prints."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.bootstrap import running_bot
from app.doctor import examine, model_warning
from app.errors import (
    DatabaseUnavailable,
    FaultyTools,
    SchemaUnfit,
    SettingsError,
    SlackError,
    SlackUnavailable,
)
from app.loop import new_event_loop
from app.settings import (
    has_slack_settings,
    model_for_sandbox,
    read_database_url,
    read_settings,
)
from app.storage.migrate import migrate
from app.telemetry import configure_logging

if TYPE_CHECKING:
    from app.sandbox.server import Sandbox

_SANDBOX_STATE = Path(".sandbox")
_SANDBOX_PORT = 8300

Command = Callable[[argparse.Namespace], Coroutine[Any, Any, int | None]]


def main() -> None:
    """Run the command named in the arguments; exit 2 when the operator must act."""
    arguments = _parser().parse_args()
    configure_logging()
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            work = _until_told_to_stop(arguments.command(arguments))
            sys.exit(runner.run(work))
    except SettingsError as error:
        _fail("These settings need a look:", *error.faults)
    except FaultyTools as error:
        _fail("These tools need a look:", *error.faults)
    except (SlackError, DatabaseUnavailable, SchemaUnfit, OSError) as error:
        _fail(_said(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m app", description="Threadline, an assistant that lives in Slack"
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    def add(name: str, command: Command, says: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=says, description=says)
        added.set_defaults(command=command)
        return added

    add("run", _run, "serve the workspace in your settings, or else the sandbox")
    add("serve", _serve, "serve the workspace in your settings")
    sandbox = add("sandbox", _sandbox, "a small Slack on this machine")
    sandbox.add_argument("--with-bot", action="store_true", help="with Threadline")
    sandbox.add_argument("--port", type=int, default=_SANDBOX_PORT, help="8300")
    add("migrate", _migrate, "bring the database's schema up to date")
    add("doctor", _doctor, "check the settings, the database, Slack and the model")
    return parser


async def _until_told_to_stop(work: Coroutine[Any, Any, int | None]) -> int | None:
    """End `work` tidily at the first Ctrl-C or SIGTERM, and at once at the second."""
    task = asyncio.create_task(work)

    def told() -> None:
        if task.cancelling():
            os._exit(130)
        task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told)
    await asyncio.wait({task})
    return None if task.cancelled() else task.result()


async def _run(arguments: argparse.Namespace) -> None:
    if has_slack_settings():
        await _serve(arguments)
    else:
        arguments.with_bot, arguments.port = True, _SANDBOX_PORT
        await _sandbox(arguments)


async def _serve(_: argparse.Namespace) -> None:
    settings = read_settings()
    async with running_bot(settings) as running:
        bot = running.introduction.bot
        print(f"In the workspace {bot.team_name} as @{bot.name}.")
        if missing := running.introduction.missing_scopes:
            print("Missing scopes, install the app again:", ", ".join(missing))
        print(f"Health: {running.address}/readyz")
        print(f"In a channel: /invite @{bot.name}", flush=True)
        if warning := await model_warning(settings):
            print(warning, flush=True)
        await asyncio.Event().wait()


async def _sandbox(arguments: argparse.Namespace) -> None:
    # Who serves a workspace doesn't wait for what only this command loads.
    from app.bootstrap.sandbox import running_sandbox  # noqa: PLC0415

    async with running_sandbox(
        _SANDBOX_STATE,
        arguments.port,
        with_bot=arguments.with_bot,
        model=model_for_sandbox(),
    ) as running:
        sandbox = running.sandbox
        if running.bot:
            print("A small Slack with Threadline in it, on this machine only.")
            print("The same without Slack, line by line:")
            print(f"  {_request(running.bot.address, running.web_api_token)}")
        else:
            print("A small Slack on this machine. For a bot beside it:")
            for line in _environment(sandbox):
                print(f"  export {line}")
        sentence = "@threadline set the kitchen to 23 and the bedroom to 19"
        print(f"{sandbox.url}  Write in #general: {sentence}", flush=True)
        await asyncio.Event().wait()


def _request(address: str, token: str) -> str:
    question = '{"threadId": null, "message": "set the kitchen to 23"}'
    return (
        f"curl -N {address}/api/assistant -H 'Authorization: Bearer {token}' "
        f"-d '{question}'"
    )


def _environment(sandbox: "Sandbox") -> list[str]:
    return [
        f"SLACK_API_URL={sandbox.api_url}",
        f"SLACK_BOT_TOKEN={sandbox.bot_token}",
        f"SLACK_APP_TOKEN={sandbox.app_token}",
        f"OPENAI_BASE_URL={sandbox.model_url}",
        "OPENAI_API_KEY=sandbox",
    ]


async def _migrate(_: argparse.Namespace) -> None:
    await migrate(read_database_url())
    print("The database's schema is up to date.")


async def _doctor(_: argparse.Namespace) -> int:
    findings = await examine(read_settings())
    for finding in findings:
        print(("ok     " if finding.is_fine else "amiss  ") + finding.says)
    if not all(finding.is_fine for finding in findings):
        return 2
    return 0


def _said(error: Exception) -> str:
    match error:
        case SlackUnavailable(method=method):
            return f"Slack does not answer {method}: is SLACK_API_URL right?"
        case SlackError(method=method, code=code) if method:
            return f"Slack refused {method}: {code}"
        case OSError(strerror=str(strerror)):
            return strerror
    return str(error)


def _fail(*lines: str) -> None:
    print(*lines, sep="\n  ", file=sys.stderr)
    sys.exit(2)
