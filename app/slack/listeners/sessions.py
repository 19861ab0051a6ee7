"""Slack's own Stop, which it shows beside an assistant that is at work."""

import re

from slack_bolt.async_app import AsyncApp

from app import telemetry
from app.domain import SessionStop, SlackThread
from app.slack.bot import Bot
from app.slack.incoming import valid_ts
from app.slack.intake import Intake
from app.slack.payloads import Payload, object_at, text_at

EVENT = "agent_session_stopped"

_ID = re.compile(r"[A-Z][A-Z0-9]{1,31}")


def listen(bolt: AsyncApp, bot: Bot, intake: Intake) -> None:
    """Let Slack's own Stop do what the button does."""

    async def on_stopped(body: Payload) -> None:
        stop = read_stopped(body, bot)
        if stop is None:
            telemetry.count("slack.event.unreadable")
            return
        await intake.session_stopped(stop)

    bolt.event(EVENT)(on_stopped)


def read_stopped(body: Payload, bot: Bot) -> SessionStop | None:
    """Return who stopped what; None when the event is not as Slack describes it.

    Source: docs.slack.dev/reference/events/agent_session_stopped.
    """
    event = object_at(body, "event")
    channel_id, user_id = text_at(event, "channel"), text_at(event, "user")
    thread_ts = valid_ts(text_at(event, "thread_ts"))
    pressed_at = valid_ts(text_at(event, "event_ts"))
    if not (channel_id and user_id and thread_ts and pressed_at):
        return None
    if not (_ID.fullmatch(channel_id) and _ID.fullmatch(user_id)):
        return None
    named = event.get("streaming_message_ts")
    return SessionStop(
        thread=SlackThread(
            team_id=bot.team_id, channel_id=channel_id, thread_ts=thread_ts
        ),
        user_id=user_id,
        pressed_at=pressed_at,
        message_ts=tuple(filter(valid_ts, named)) if isinstance(named, list) else (),
    )
