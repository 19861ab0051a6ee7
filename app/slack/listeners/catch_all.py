"""What is acknowledged and counted, because Slack resends what it is not."""

import re
from collections.abc import Awaitable, Callable

from slack_bolt.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from app import telemetry
from app.slack.payloads import Payload, text_at

# Subscribed to, so that Slack need not ask for another installation later on.
COUNTED_EVENTS = (
    "app_context_changed",
    "app_home_opened",
    "member_joined_channel",
    "member_left_channel",
    "reaction_added",
    "reaction_removed",
)

_ANYTHING = re.compile("")
_UNKNOWN_COMMAND = "I don't know that command. Mention me in a message instead."


def listen(bolt: AsyncApp) -> None:
    """Take whatever no other listener took; register this last.

    Bolt answers 404 to what has no listener, and enough of those make Slack switch
    the subscription off.
    """
    bolt.event(_ANYTHING)(_count_event)
    bolt.action(_ANYTHING)(_acknowledger("action"))
    bolt.shortcut(_ANYTHING)(_acknowledger("shortcut"))
    bolt.view_submission(_ANYTHING)(_acknowledger("view_submission"))
    bolt.view_closed(_ANYTHING)(_acknowledger("view_closed"))
    bolt.command(_ANYTHING)(_refuse_command)
    bolt.options(_ANYTHING)(_offer_nothing)


async def _count_event(body: Payload) -> None:
    event_type = text_at(body, "event", "type")
    known = event_type if event_type in COUNTED_EVENTS else "unknown"
    telemetry.count(f"slack.event.{known}")


def _acknowledger(kind: str) -> Callable[[AsyncAck], Awaitable[None]]:
    async def acknowledge(ack: AsyncAck) -> None:
        telemetry.count(f"slack.{kind}.unknown")
        await ack()

    return acknowledge


async def _refuse_command(ack: AsyncAck) -> None:
    telemetry.count("slack.command.unknown")
    await ack(_UNKNOWN_COMMAND)


async def _offer_nothing(ack: AsyncAck) -> None:
    telemetry.count("slack.options.unknown")
    await ack(options=[])
