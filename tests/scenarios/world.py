"""The app in one process with the sandbox, over real HTTP and websockets."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from app.bootstrap import RunningBot, running_bot
from app.sandbox.records import Message, visible_text
from app.sandbox.server import Sandbox
from app.settings import Settings, read_settings

T = TypeVar("T")

MODES = {
    "socket mode, sqlite": (False, "sqlite"),
    "http, postgres": (True, "postgres"),
}
CROSSED = {
    "socket mode, postgres": (False, "postgres"),
    "http, sqlite": (True, "sqlite"),
}
ALL = MODES | CROSSED

in_every_setting = pytest.mark.parametrize("setting", list(ALL), indirect=True)
# For what depends on neither, and has other kinds beside it that are tried in both.
in_one_setting = pytest.mark.parametrize(
    "setting", ["socket mode, sqlite"], indirect=True
)
in_the_other_setting = pytest.mark.parametrize(
    "setting", ["http, postgres"], indirect=True
)
over_http_alone = pytest.mark.parametrize(
    "setting", ["http, postgres", "http, sqlite"], indirect=True
)
over_sockets_alone = pytest.mark.parametrize(
    "setting", ["socket mode, sqlite", "socket mode, postgres"], indirect=True
)

FINAL = ("completed", "incomplete", "expired", "cancelled", "⚠️ failed")


@dataclass(frozen=True, kw_only=True)
class World:
    """A workspace with people, a model, and Threadline among them."""

    sandbox: Sandbox
    running: RunningBot
    settings: Settings

    async def ask(
        self,
        text: str,
        *,
        user: str = "ana",
        channel: str = "#general",
        thread_ts: str | None = None,
    ) -> str:
        """Write a message; return the ts of the thread that it stands in."""
        ts = await self.sandbox.say(user, channel, text, thread_ts=thread_ts)
        return thread_ts or ts

    async def remark(
        self,
        text: str,
        *,
        user: str = "ana",
        channel: str = "#general",
        thread_ts: str | None = None,
    ) -> str:
        """Write what need not be answered; return its ts once Threadline has it."""
        ts = await self.sandbox.say(user, channel, text, thread_ts=thread_ts)
        await self.acknowledged(ts)
        return ts

    def said(self, thread_ts: str, channel: str = "#general") -> list[Message]:
        """The bot's messages in a thread, as they stand now."""
        return [
            message
            for message in self.sandbox.messages(channel, thread_ts)
            if message.user_id == self.sandbox.bot_user_id
        ]

    async def answered(
        self,
        thread_ts: str,
        channel: str = "#general",
        *,
        times: int = 1,
        patience: float = 20.0,
    ) -> str:
        """Wait until the thread holds so many finished answers.

        Return the text of the newest, over all its parts, without its line.
        """

        def newest() -> str | None:
            messages = self.said(thread_ts, channel)
            ends = [place for place, each in enumerate(messages) if is_finished(each)]
            if len(ends) < times:
                return None
            start = ends[times - 2] + 1 if times > 1 else 0
            parts = messages[start : ends[times - 1] + 1]
            return "\n\n".join(text for text in map(text_of, parts) if text) or " "

        return (await self.until(newest, patience)).strip()

    async def acknowledged(self, ts: str, *, times: int = 1) -> None:
        """Wait until Threadline has taken so many events of this message."""
        await self.until(
            lambda: (
                sum(
                    delivery.status == 200 and is_about(delivery.body, ts)
                    for delivery in self.sandbox.deliveries()
                )
                >= times
            )
        )

    @property
    def heard(self) -> list[str]:
        """What people have said, as the model was given it the last time."""
        asked = self.sandbox.model.requests[-1].body
        assert isinstance(asked, dict)
        return [
            item["content"] for item in asked["input"] if item.get("role") == "user"
        ]

    def told(self, user: str) -> list[str]:
        """What one person was told alone."""
        return [one.text for one in self.sandbox.ephemerals(user)]

    async def until(
        self, condition: Callable[[], T | None], patience: float = 20.0
    ) -> T:
        return await self.sandbox.until(condition, patience)


def is_about(body: Mapping[str, Any], ts: str) -> bool:
    """Whether an event tells of the message at `ts`, in whatever way."""
    event = body.get("event", {})
    message = event.get("message", event)
    return ts in (message.get("ts"), event.get("deleted_ts"))


def text_of(message: Message) -> str:
    """The answer's own words in one message."""
    return "\n".join(
        block["text"] for block in message.blocks if block["type"] == "markdown"
    )


def line_of(message: Message) -> str:
    """The quiet line under an answer, or what stands for it without a text."""
    lines = [
        visible_text(block)
        for block in message.blocks
        if block["type"] in ("context", "section")
    ]
    return lines[-1] if lines else ""


def is_finished(message: Message) -> bool:
    return line_of(message).startswith(FINAL)


def cards_of(message: Message) -> list[str]:
    """What the coloured attachments of a message say."""
    return [visible_text(attachment) for attachment in message.attachments]


def settings_for(
    sandbox: Sandbox, database_url: str, *, over_http: bool, more: Mapping[str, str]
) -> Settings:
    given = {
        "SLACK_BOT_TOKEN": sandbox.bot_token,
        "SLACK_API_URL": sandbox.api_url,
        "OPENAI_BASE_URL": sandbox.model_url,
        "OPENAI_API_KEY": "for-the-sandbox",
        "DATABASE_URL": database_url,
        "AUTO_MIGRATE": "false",
        **more,
    }
    if over_http:
        given["SLACK_SIGNING_SECRET"] = sandbox.signing_secret
    else:
        given["SLACK_APP_TOKEN"] = sandbox.app_token
    return read_settings(given, env_file=None).model_copy(update={"port": 0})


@asynccontextmanager
async def living(
    sandbox: Sandbox,
    database_url: str,
    *,
    over_http: bool,
    more: Mapping[str, str] | None = None,
) -> AsyncGenerator[World]:
    """Let Threadline live in the sandbox until the block is left."""
    settings = settings_for(sandbox, database_url, over_http=over_http, more=more or {})
    async with running_bot(settings) as running:
        if over_http:
            sandbox.deliver_to(f"{running.address}/slack/events")
        else:
            await sandbox.until(lambda: sandbox.connections > 0)
        yield World(sandbox=sandbox, running=running, settings=settings)


def payload_of(call: Any) -> Mapping[str, Any]:  # noqa: ANN401 - the journal's own
    """The arguments of one call to the Web API."""
    return dict(call.arguments)
