"""Buttons under our messages."""

import re

from slack_bolt.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from app import telemetry
from app.domain import SlackThread
from app.slack.blocks import Action
from app.slack.bot import Bot
from app.slack.clicks import Click, Clicks
from app.slack.incoming import valid_ts
from app.slack.notes import DOUBT_BLOCK
from app.slack.payloads import Payload, objects_at, text_at

_TURN_ID = re.compile(r"[0-9]{1,18}")
_DOUBT = re.compile(re.escape(DOUBT_BLOCK) + r"([0-9]{1,9})")
_ID = re.compile(r"[A-Z][A-Z0-9]{1,31}")


def listen(bolt: AsyncApp, bot: Bot, clicks: Clicks) -> None:
    """Let each button act on the turn that it was made for, and on no newer one."""
    for action in Action:
        _listen_to(bolt, bot, clicks, action)


def _listen_to(bolt: AsyncApp, bot: Bot, clicks: Clicks, action: Action) -> None:
    async def on_click(ack: AsyncAck, body: Payload) -> None:
        await ack()
        click = read_click(body, bot)
        if click is None:
            telemetry.count("slack.action.unreadable")
            return
        await clicks.clicked(action, click)

    bolt.action(action.value)(on_click)


def read_click(body: Payload, bot: Bot) -> Click | None:
    """Return what a click on a button says, None when it is not one of ours."""
    action = next(iter(objects_at(body, "actions")), {})
    turn_id = text_at(action, "value")
    doubt = _DOUBT.fullmatch(text_at(action, "block_id") or "")
    channel_id = text_at(body, "channel", "id") or text_at(
        body, "container", "channel_id"
    )
    thread_ts = (
        text_at(body, "message", "thread_ts")
        or text_at(body, "container", "thread_ts")
        or text_at(body, "message", "ts")
    )
    user_id = text_at(body, "user", "id")
    if not (turn_id and channel_id and user_id and valid_ts(thread_ts) and thread_ts):
        return None
    if not (_TURN_ID.fullmatch(turn_id) and _ID.fullmatch(user_id)):
        return None
    thread = SlackThread(
        team_id=bot.team_id, channel_id=channel_id, thread_ts=thread_ts
    )
    user_team_id = text_at(body, "user", "team_id")
    return Click(
        thread=thread,
        turn_id=int(turn_id),
        user_id=user_id,
        user_team_id=user_team_id,
        doubt_no=int(doubt[1]) if doubt else None,
    )
