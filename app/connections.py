"""Connections to the outside: the database, Slack, the model's server."""

from contextlib import AsyncExitStack

import aiohttp
import httpx2
from openai import AsyncOpenAI, DefaultAioHttpClient
from slack_sdk.web.async_client import AsyncWebClient

from app.assistants.bounds import PLAIN, bound
from app.settings import Settings
from app.slack.last_look import LastLook
from app.slack.proxy import proxy_for
from app.storage.database import Database
from app.storage.migrate import migrate, require_schema

# Slack answers edits within a second or so; what takes longer than this is lost.
_SLACK_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)


async def open_database(settings: Settings, stack: AsyncExitStack) -> Database:
    """Connect to the database of the settings, migrated if they say so.

    Raises SchemaUnfit where its schema is of another version than this program.
    """
    if settings.auto_migrate:
        await migrate(past_a_pooler(settings))
    database = await Database.connect(
        settings.database_url.get_secret_value(),
        is_pooled=settings.listen_database_url is not None,
    )
    stack.push_async_callback(database.close)
    await require_schema(database)
    return database


def past_a_pooler(settings: Settings) -> str:
    """Return the address of the database itself, also where a pooler stands before it.

    What belongs to a connection and not to a transaction is kept there alone.
    """
    url = settings.listen_database_url or settings.database_url
    return url.get_secret_value()


async def slack_client(settings: Settings, stack: AsyncExitStack) -> AsyncWebClient:
    """Return a client that keeps its connections and never sends anything twice."""
    session = aiohttp.ClientSession(connector=LastLook(), timeout=_SLACK_TIMEOUT)
    await stack.enter_async_context(session)
    client = AsyncWebClient(
        token=settings.slack_bot_token.get_secret_value(),
        base_url=settings.slack_api_url,
        session=session,
        # A retry inside the client would post twice what Slack took without saying so.
        retry_handlers=[],
    )
    client.proxy = proxy_for(settings.slack_api_url)
    return client


async def model_client_of(settings: Settings, stack: AsyncExitStack) -> AsyncOpenAI:
    """Return a client for the model's server that leaves retries to us."""
    key = settings.openai_api_key
    base_url = settings.openai_base_url
    http_client = model_transport(proxy_for(base_url or "https://api.openai.com"))
    await stack.enter_async_context(http_client)
    return AsyncOpenAI(
        # A server that needs no key still gets the header that the protocol has.
        api_key=key.get_secret_value() if key else "none",
        base_url=base_url,
        http_client=http_client,
        max_retries=0,
    )


def model_transport(proxy: str | None) -> httpx2.AsyncClient:
    """Return what carries the requests to a model's server.

    aiohttp reads a stream at a third of the price of the openai client's own transport.
    Answers that are too large, or packed, raise AssistantRefused.
    """
    # Each running turn holds one connection, and how many run is the worker's to say:
    # for aiohttp 0 is no limit, and none given would be 100.
    limits = httpx2.Limits(max_connections=0)
    return DefaultAioHttpClient(
        proxy=proxy,
        trust_env=False,
        follow_redirects=False,
        limits=limits,
        headers=PLAIN,
        event_hooks={"response": [bound]},
    )
