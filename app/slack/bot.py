"""Who we are in a workspace, and what we are allowed to do there."""

from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient

from app.errors import CredentialsRefused
from app.slack.payloads import text_at
from app.slack.reads import ask

NEEDED_SCOPES = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "mpim:history",
    "mpim:read",
    "reactions:read",
    "reactions:write",
    "users:read",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """Our own identity in the workspace where the app is installed."""

    team_id: str
    team_name: str
    user_id: str
    bot_id: str
    name: str = "bot"
    app_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduction:
    """What `auth.test` told; `missing_scopes` are those that were not granted."""

    bot: Bot
    missing_scopes: tuple[str, ...]


async def introduce(client: AsyncWebClient) -> Introduction:
    """Ask Slack who the client's token belongs to.

    Raises CredentialsRefused when the token is not taken or no bot's, SlackError
    otherwise.
    """
    answer = await ask("auth.test", client.auth_test())
    told = answer.data
    team_id, user_id = text_at(told, "team_id"), text_at(told, "user_id")
    bot_id = text_at(told, "bot_id")
    # A bot that does not know itself would answer itself.
    if not (team_id and user_id and bot_id):
        raise CredentialsRefused("not_a_bot_token", "auth.test")
    bot = Bot(
        team_id=team_id,
        team_name=text_at(told, "team") or team_id,
        user_id=user_id,
        bot_id=bot_id,
        name=text_at(told, "user") or "bot",
        app_id=text_at(told, "app_id"),
    )
    scopes = answer.headers.get("x-oauth-scopes")
    return Introduction(bot=bot, missing_scopes=_missing(scopes))


def _missing(granted: str | None) -> tuple[str, ...]:
    if granted is None:
        return ()
    scopes = {scope.strip() for scope in granted.split(",")}
    return tuple(scope for scope in NEEDED_SCOPES if scope not in scopes)
