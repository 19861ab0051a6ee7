"""Buttons under our messages."""

import re
from dataclasses import dataclass

from slack_bolt.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from app import telemetry
from app.domain import SlackThread
from app.slack.blocks import STOP_ACTION
from app.slack.bot import Bot
from app.slack.incoming import valid_ts
from app.slack.intake import Intake
from app.slack.payloads import Payload, objects_at, text_at

_TURN_ID = re.compile(r"[0-9]{1,18}")
_ID = re.compile(r"[A-Z][A-Z0-9]{1,31}")


@dataclass(frozen=True, slots=True)
class StopClick:
    """Somebody pressed Stop under the answer of one turn."""

    thread: SlackThread
    turn_id: int
    user_id: str
    user_team_id: str | None


def listen(bolt: AsyncApp, bot: Bot, intake: Intake) -> None:
    """Let the Stop button end the turn that it was made for, and no newer one."""

    async def on_stop(ack: AsyncAck, body: Payload) -> None:
        await ack()
        click = read_stop(body, bot)
        if click is None:
            telemetry.count("slack.action.unreadable")
            return
        await intake.stop_clicked(
            click.turn_id, click.user_id, click.user_team_id, click.thread
        )

    bolt.action(STOP_ACTION)(on_stop)


def read_stop(body: Payload, bot: Bot) -> StopClick | None:
    """Return what a click on Stop says, None when it is not one of ours."""
    values = [text_at(action, "value") for action in objects_at(body, "actions")]
    turn_id = values[0] if values else None
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
    return StopClick(thread, int(turn_id), user_id, text_at(body, "user", "team_id"))
