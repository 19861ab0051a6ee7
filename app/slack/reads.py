"""Calls that only ask Slack something; its refusals become our errors."""

import asyncio
from collections.abc import Awaitable

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from app.errors import CredentialsRefused, RateLimited, SlackError, SlackUnavailable

_PATIENCE = 10.0
# Beside what a network does: slack_sdk trips over bodies that are no JSON object, in
# several ways.
NO_ANSWER = (
    aiohttp.ClientError,
    SlackClientError,
    OSError,
    ValueError,
    AttributeError,
)
_CREDENTIALS = frozenset(
    {
        "account_inactive",
        "invalid_auth",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "not_authed",
        "token_expired",
        "token_revoked",
    }
)


async def ask(method: str, call: Awaitable[AsyncSlackResponse]) -> AsyncSlackResponse:
    """Await one call that changes nothing.

    Raises RateLimited, CredentialsRefused, SlackUnavailable when Slack answered
    nothing usable within ten seconds, SlackError for any other refusal.
    """
    try:
        async with asyncio.timeout(_PATIENCE):
            return await call
    except SlackApiError as error:
        raise _translated(method, error) from error
    except NO_ANSWER as error:
        raise SlackUnavailable("no_answer", method) from error


def _translated(method: str, error: SlackApiError) -> SlackError:
    # Not every body that arrives is an object: a proxy's page comes as text.
    data = getattr(error.response, "data", None)
    code = data.get("error") if isinstance(data, dict) else None
    if not isinstance(code, str):
        return SlackUnavailable("no_answer", method)
    if code == "ratelimited":
        return RateLimited(method, _retry_after(error))
    if code in _CREDENTIALS:
        return CredentialsRefused(code, method)
    return SlackError(code, method)


def _retry_after(error: SlackApiError) -> float:
    seconds = str(error.response.headers.get("Retry-After", ""))
    return float(seconds) if seconds.isdecimal() else 30.0
