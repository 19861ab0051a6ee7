"""Calls that only ask Slack something; its refusals become our errors."""

import asyncio
from collections.abc import Awaitable

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from app.errors import SlackUnavailable
from app.slack.refusals import translated

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


async def ask(method: str, call: Awaitable[AsyncSlackResponse]) -> AsyncSlackResponse:
    """Await one call that changes nothing.

    Raises RateLimited, CredentialsRefused, SlackUnavailable when Slack answered
    nothing usable within ten seconds, SlackError for any other refusal.
    """
    try:
        async with asyncio.timeout(_PATIENCE):
            return await call
    except SlackApiError as error:
        raise translated(method, error) from error
    except NO_ANSWER as error:
        raise SlackUnavailable("no_answer", method) from error
