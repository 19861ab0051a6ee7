"""Bolt, set up so that what Slack sends is committed before it is acknowledged."""

import logging
from collections.abc import Awaitable, Callable

from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.middleware.async_middleware import AsyncMiddleware
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from app import telemetry
from app.slack.bot import Bot
from app.slack.clicks import Clicks
from app.slack.intake import Intake
from app.slack.listeners import actions, catch_all, lifecycle, messages, sessions
from app.slack.payloads import Kind, Payload, installed_team, kind_of

log = logging.getLogger(__name__)


def build_bolt(
    client: AsyncWebClient, bot: Bot, intake: Intake, clicks: Clicks
) -> AsyncApp:
    """Return a Bolt app whose listeners finish before Slack gets its answer.

    A listener that fails is not acknowledged, so Slack sends the event again. Requests
    must have been verified before they come here.
    """
    # Bolt logs whole payloads below this level.
    quiet = logging.getLogger("slack_bolt")
    quiet.setLevel(logging.ERROR)
    bolt = AsyncApp(
        logger=quiet,
        name="threadline",
        client=client,
        authorize=_authorize_as(bot, client.token),
        process_before_response=True,
        request_verification_enabled=False,
        ssl_check_enabled=False,
        ignoring_self_events_enabled=False,
        attaching_function_token_enabled=False,
        attaching_conversation_kwargs_enabled=False,
    )
    bolt.error(_leave_unacknowledged)
    bolt.use(_OnlyFor(bot.team_id))
    messages.listen(bolt, bot, intake)
    actions.listen(bolt, bot, clicks)
    sessions.listen(bolt, bot, intake)
    lifecycle.listen(bolt, intake)
    catch_all.listen(bolt)
    return bolt


async def dispatch(bolt: AsyncApp, payload: Payload) -> BoltResponse:
    """Return the answer to a verified payload: 200, or 500 when it was not stored.

    What nobody has a use for is counted and acknowledged: Slack would send it again.
    """
    kind = kind_of(payload)
    if kind is None:
        telemetry.count("slack.nonsense")
        return BoltResponse(status=200)
    if kind is Kind.SSL_CHECK:
        return BoltResponse(status=200)
    # Bolt's word for "an object already, verified already".
    request = AsyncBoltRequest(body=dict(payload), mode="socket_mode")
    return await bolt.async_dispatch(request)


def _authorize_as(
    bot: Bot, token: str | None
) -> Callable[[], Awaitable[AuthorizeResult]]:
    """Without this Bolt asks `auth.test` again."""
    result = AuthorizeResult(
        enterprise_id=None,
        team_id=bot.team_id,
        bot_user_id=bot.user_id,
        bot_id=bot.bot_id,
        bot_token=token,
    )

    async def authorize() -> AuthorizeResult:
        return result

    return authorize


class _OnlyFor(AsyncMiddleware):
    """Acknowledges what is meant for another workspace, and stores nothing of it."""

    def __init__(self, team_id: str) -> None:
        self._team_id = team_id

    async def async_process(
        self,
        *,
        req: AsyncBoltRequest,
        resp: BoltResponse,  # noqa: ARG002 - there is none yet
        next: Callable[[], Awaitable[BoltResponse]],  # noqa: A002 - Bolt's word
    ) -> BoltResponse | None:
        if installed_team(req.body) == self._team_id:
            return await next()
        telemetry.count("slack.other_team")
        return BoltResponse(status=200)


async def _leave_unacknowledged(error: Exception) -> BoltResponse:
    telemetry.count("slack.not_acknowledged")
    log.error("event not acknowledged", extra=telemetry.fault(error))
    return BoltResponse(status=500)
