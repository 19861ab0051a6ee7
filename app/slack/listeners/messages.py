"""Messages: written, mentioned in, edited, removed."""

from slack_bolt.async_app import AsyncApp

from app import telemetry
from app.domain import DeletedMessage, DeletedReply, IncomingMessage
from app.slack.bot import Bot
from app.slack.incoming import Dropped, read_event
from app.slack.intake import Intake
from app.slack.payloads import Payload

EVENTS = ("app_mention", "message")


def listen(bolt: AsyncApp, bot: Bot, intake: Intake) -> None:
    """Store every message that may be for us before Slack is answered."""

    async def on_message(body: Payload) -> None:
        match read_event(body, bot):
            case IncomingMessage() as message:
                await intake.message(message)
            case DeletedMessage() as deleted:
                await intake.deleted(deleted)
            case DeletedReply() as deleted:
                await intake.reply_deleted(deleted)
            case Dropped(reason):
                telemetry.count(f"slack.dropped.{reason}")

    for event_type in EVENTS:
        bolt.event(event_type)(on_message)
