"""The end of an installation, as Slack tells it; both may come, in any order."""

from slack_bolt.async_app import AsyncApp

from app import telemetry
from app.slack.intake import Intake

EVENTS = ("app_uninstalled", "tokens_revoked")


def listen(bolt: AsyncApp, intake: Intake) -> None:
    """Have it seen whether our own token is still taken.

    `tokens_revoked` may be about people's tokens alone, and either may come late.
    """

    async def on_revoked() -> None:
        telemetry.count("slack.event.revoked")
        intake.access_revoked()

    for event_type in EVENTS:
        bolt.event(event_type)(on_revoked)
