"""The two servers of `bench ingest`: ours, and a bare one that keeps one row."""

import asyncio
import hashlib
import hmac
import sys

from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy import Column, MetaData, String, Table, Text, insert

from app.health import listening
from app.slack.bolt import build_bolt
from app.slack.bot import Bot
from app.slack.clicks import Clicks
from app.slack.http import add_slack_routes
from app.slack.intake import Intake
from app.slack.people import People
from app.storage.database import Database
from app.storage.doubts import Doubts
from app.storage.inbox import Inbox
from app.storage.late_notes import LateNotes
from app.storage.migrate import migrate
from app.storage.policy import AnswerPolicy
from app.storage.resumptions import Resumptions
from app.telemetry import configure_logging

SECRET = "bench-secret"  # noqa: S105 - signs requests of this bench only
BOT = Bot(team_id="T0BENCH", team_name="Bench", user_id="U0BOT", bot_id="B0BOT")

bare = Table(
    "bare",
    MetaData(),
    Column("ts", String, primary_key=True),
    Column("body", Text, nullable=False),
)
_KEEP = insert(bare)


def bare_routes(web_app: web.Application, database: Database) -> None:
    """Verify, commit one row, answer: the least that any durable server does."""

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        stamp = request.headers["X-Slack-Request-Timestamp"]
        signed = b"v0:" + stamp.encode() + b":" + body
        digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(
            f"v0={digest}", request.headers["X-Slack-Signature"]
        ):
            return web.Response(status=401)
        async with database.write() as transaction:
            await transaction.execute(
                _KEEP,
                {"ts": request.headers["X-Bench-Number"], "body": body.decode()},
            )
        return web.Response()

    web_app.router.add_post("/slack/events", receive)


def our_routes(web_app: web.Application, database: Database) -> None:
    """The whole way from the socket to the inbox, as `serve` puts it together."""
    client = AsyncWebClient(token="xoxb-bench")  # noqa: S106 - never sent
    policy = AnswerPolicy()

    async def tell(*_: object, in_thread: bool) -> None:
        raise AssertionError(f"nobody is told anything here: {in_thread}")

    intake = Intake(
        inbox=Inbox(database, policy),
        people=People(client),
        policy=policy,
        message_added=lambda *_: None,
        conversation_changed=lambda _: None,
        request_local_stop=lambda _: False,
        more_people=lambda *_: None,
        late_found=lambda: None,
        access_in_doubt=lambda: None,
        tell=tell,
    )
    clicks = Clicks(
        intake,
        Resumptions(database),
        Doubts(database),
        late_notes=LateNotes(database),
        turn_ready=lambda *_: None,
        late_changed=lambda: None,
    )
    add_slack_routes(web_app, build_bolt(client, BOT, intake, clicks), SECRET)


async def _serve(which: str, url: str) -> None:
    configure_logging()
    await migrate(url)
    database = await Database.connect(url)
    async with database.write() as transaction:
        await transaction.run_sync(bare.metadata.create_all)
    web_app = web.Application()
    (our_routes if which == "ours" else bare_routes)(web_app, database)
    async with listening(web_app, "127.0.0.1", 0) as address:
        print(address, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
