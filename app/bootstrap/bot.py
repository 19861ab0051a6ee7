"""One bot in one workspace, from its first connection to its last."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from app.bootstrap.answering import Workspace, start_answering
from app.connections import open_database, slack_client
from app.health import add_health_routes, listening
from app.readiness import readiness
from app.settings import Settings
from app.slack.access import Access
from app.slack.bolt import build_bolt
from app.slack.bot import Introduction, introduce
from app.slack.http import add_slack_routes
from app.slack.socket_mode import SocketMode
from app.storage.web_threads import WebThreads
from app.tools.found import own_tools
from app.web.counter import Counter
from app.web.routes import add_web_routes


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningBot:
    """A bot that takes messages; `address` is where its HTTP server listens."""

    introduction: Introduction
    address: str


@asynccontextmanager
async def running_bot(settings: Settings) -> AsyncGenerator[RunningBot]:
    """Serve the workspace of the settings until the block is left.

    On leaving, intake stops first; turns under way are handed over; Slack keeps what
    it has. Raises SettingsError, FaultyTools, CredentialsRefused, SlackError,
    DatabaseUnavailable or OSError, each saying what is wrong, before anything is
    served.
    """
    # Read first, so that their faults are told before anybody is asked for anything.
    own_tools()
    async with AsyncExitStack() as stack:
        database = await open_database(settings, stack)
        client = await slack_client(settings, stack)
        introduction = await introduce(client)
        access = Access(lambda: introduce(client))
        workspace = Workspace(client=client, introduction=introduction, access=access)
        answering = await start_answering(settings, database, workspace, stack)
        worker, intake = answering.worker, answering.intake
        bolt = build_bolt(client, introduction.bot, intake, answering.clicks)
        socket_mode = None
        if settings.slack_app_token:
            token = settings.slack_app_token.get_secret_value()
            socket_mode = SocketMode(bolt, client, token)
            stack.push_async_callback(socket_mode.close)
            await socket_mode.start()
        web_app = web.Application()
        if settings.slack_signing_secret:
            secret = settings.slack_signing_secret.get_secret_value()
            add_slack_routes(web_app, bolt, secret)
        if settings.web_api_token:
            threads = WebThreads(database, introduction.bot.team_id)
            counter = Counter(
                threads=threads, worker=worker, answerer=answering.answerer
            )
            token = settings.web_api_token.get_secret_value()
            add_web_routes(web_app, counter, token)
        add_health_routes(web_app, readiness(database, worker, access, socket_mode))
        address = await stack.enter_async_context(
            listening(web_app, settings.host, settings.port)
        )
        try:
            yield RunningBot(introduction=introduction, address=address)
        finally:
            if socket_mode:
                socket_mode.stop_taking()
            # While requests come to their end here, others go on already.
            worker.hand_over()
