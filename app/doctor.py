"""What `doctor` looks at: each thing that must work before people are answered."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

import aiohttp
import openai

from app.assistants.assistants_wire import HEADERS
from app.assistants.model_list import ListedModel, Outlook, list_models, outlook
from app.connections import (
    model_client_of,
    open_database,
    past_a_pooler,
    slack_client,
)
from app.errors import (
    DatabaseUnavailable,
    FaultyTools,
    SchemaUnfit,
    SettingsError,
    SlackError,
    SlackUnavailable,
)
from app.settings import Settings
from app.slack.bot import introduce
from app.slack.reads import ask
from app.storage.database import Database
from app.storage.listener import NO_LISTENING, hears_itself
from app.tools.found import own_tools

_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at, in a sentence."""

    is_fine: bool
    says: str


async def examine(settings: Settings) -> list[Finding]:
    """Look at tools, database, Slack and model, each for itself; change nothing else.

    With AUTO_MIGRATE the database's schema is brought up to date, as `serve` would.
    """
    looks: tuple[Look, ...] = (
        _tools,
        _database,
        _slack,
        _socket_mode,
        _model,
        _conversations,
    )
    async with AsyncExitStack() as stack:
        return [finding for look in looks for finding in await look(settings, stack)]


Look = Callable[[Settings, AsyncExitStack], Awaitable[list[Finding]]]


async def _tools(_: Settings, __: AsyncExitStack) -> list[Finding]:
    try:
        names = [tool.name for tool in own_tools()]
    except FaultyTools as error:
        return [Finding(is_fine=False, says=fault) for fault in error.faults]
    return [
        Finding(is_fine=True, says=f"Your own tools: {', '.join(names) or 'none'}.")
    ]


async def _database(settings: Settings, stack: AsyncExitStack) -> list[Finding]:
    try:
        database = await open_database(settings, stack)
    except SettingsError as error:
        return [Finding(is_fine=False, says=fault) for fault in error.faults]
    except SchemaUnfit as error:
        return [Finding(is_fine=False, says=str(error))]
    except DatabaseUnavailable:
        return [Finding(is_fine=False, says="DATABASE_URL: no answer from there.")]
    if database.is_sqlite:
        return [Finding(is_fine=True, says="The database answers (SQLite).")]
    fine = Finding(is_fine=True, says="The database answers (Postgres).")
    return [fine, await _hints(settings, database)]


async def _hints(settings: Settings, database: Database) -> Finding:
    """Look whether processes can tell each other what has happened."""
    try:
        arrive = await hears_itself(past_a_pooler(settings), database)
    except (DatabaseUnavailable, *NO_LISTENING):
        return Finding(is_fine=False, says="LISTEN_DATABASE_URL: no answer from there.")
    if arrive:
        return Finding(is_fine=True, says="Hints between processes arrive.")
    says = (
        "Hints between processes do not arrive, so answers and stops may begin seconds "
        "late: LISTEN_DATABASE_URL must be the same database, without a pooler."
    )
    return Finding(is_fine=False, says=says)


async def _slack(settings: Settings, stack: AsyncExitStack) -> list[Finding]:
    try:
        introduction = await introduce(await slack_client(settings, stack))
    except SlackUnavailable:
        says = f"Slack does not answer at {settings.slack_api_url}."
        return [Finding(is_fine=False, says=says)]
    except SlackError as error:
        says = f"SLACK_BOT_TOKEN is refused: {error.code}."
        return [Finding(is_fine=False, says=says)]
    bot, missing = introduction.bot, introduction.missing_scopes
    findings = [Finding(is_fine=True, says=f"In {bot.team_name} as @{bot.name}.")]
    if missing:
        scopes = ", ".join(missing)
        says = f"Missing scopes, install the app again: {scopes}."
        findings.append(Finding(is_fine=False, says=says))
    return findings


async def _socket_mode(settings: Settings, stack: AsyncExitStack) -> list[Finding]:
    if settings.slack_app_token is None:
        return [Finding(is_fine=True, says="Events come by HTTP only.")]
    client = await slack_client(settings, stack)
    token = settings.slack_app_token.get_secret_value()
    try:
        await ask(
            "apps.connections.open", client.apps_connections_open(app_token=token)
        )
    except SlackUnavailable:
        return [Finding(is_fine=False, says="Socket Mode: Slack does not answer.")]
    except SlackError as error:
        says = f"SLACK_APP_TOKEN is refused: {error.code}."
        return [Finding(is_fine=False, says=says)]
    return [Finding(is_fine=True, says="Socket Mode can be opened.")]


async def _model(settings: Settings, stack: AsyncExitStack) -> list[Finding]:
    client = await model_client_of(settings, stack)
    model = settings.openai_model
    try:
        if settings.assistant_api == "assistants":
            return await _assistant(client, str(settings.assistant_id))
        listed = await list_models(client)
    except openai.AuthenticationError:
        return [Finding(is_fine=False, says="OPENAI_API_KEY is refused.")]
    except openai.APIStatusError as error:
        # Small servers list no models; that they answer is what counts.
        says = f"The model's server answers ({error.status_code} to a list of models)."
        return [Finding(is_fine=True, says=says)]
    except (openai.APIConnectionError, aiohttp.ClientError):
        return [Finding(is_fine=False, says="The model's server does not answer.")]
    if found := _outlook(settings, listed):
        return [Finding(is_fine=not found.is_gone, says=found.says)]
    untold = "The model's server answers; which models it has it does not tell."
    says = f"The model {model} can be asked." if listed else untold
    return [Finding(is_fine=True, says=says)]


async def model_warning(settings: Settings) -> str | None:
    """Return what the operator should know about the model, if the server tells.

    A server that is away or slow, or lists no models with the days on which they end,
    is no reason to say anything.
    """
    if settings.assistant_api == "assistants":
        return None
    async with AsyncExitStack() as stack:
        client = await model_client_of(settings, stack)
        try:
            async with asyncio.timeout(_PATIENCE):
                listed = await list_models(client)
        except (openai.OpenAIError, aiohttp.ClientError, TimeoutError):
            return None
    # Servers without dates may list other names than those they take.
    if not any(each.shutdown_date for each in listed):
        return None
    found = _outlook(settings, listed)
    return found.says if found else None


def _outlook(settings: Settings, listed: Sequence[ListedModel]) -> Outlook | None:
    today = datetime.now(UTC).date()
    is_openai = settings.openai_base_url is None
    return outlook(settings.openai_model, listed, today, is_openai=is_openai)


async def _conversations(settings: Settings, stack: AsyncExitStack) -> list[Finding]:
    if settings.assistant_state != "conversation":
        return []
    client = await model_client_of(settings, stack)
    try:
        await client.conversations.retrieve("conv_none")
    except openai.NotFoundError as error:
        # A server that keeps conversations says which one it lacks.
        if "conv_none" not in error.message:
            says = "ASSISTANT_STATE: the model's server keeps no conversations."
            return [Finding(is_fine=False, says=says)]
    except (openai.APIError, aiohttp.ClientError):
        # What else is wrong with the server was told before.
        return []
    return [Finding(is_fine=True, says="The model's server keeps conversations.")]


async def _assistant(client: openai.AsyncOpenAI, assistant_id: str) -> list[Finding]:
    path = f"/assistants/{quote(assistant_id, safe='')}"
    try:
        await client.get(path, cast_to=object, options={"headers": HEADERS})
    except openai.NotFoundError:
        says = f"ASSISTANT_ID: no {assistant_id} there, or no Assistants API."
        return [Finding(is_fine=False, says=says)]
    return [Finding(is_fine=True, says=f"The assistant {assistant_id} can be asked.")]
