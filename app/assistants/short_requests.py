"""Requests that are answered at once, and what their refusals are about."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import openai
from openai import AsyncOpenAI

from app.assistants import failures
from app.assistants.patience import Limits
from app.assistants.streaming import ask
from app.assistants.wire_errors import UNREADABLE
from app.errors import AssistantError

_Body = TypeVar("_Body")


class ShortRequests:
    """Asks one server for one thing at a time, with the same headers.

    Raises AssistantError, and TimeoutError once the deadline, in the loop's time, has
    passed.
    """

    def __init__(
        self, client: AsyncOpenAI, limits: Limits, headers: Mapping[str, str]
    ) -> None:
        self._client = client
        self._limits = limits
        self._headers = headers

    async def post(
        self, path: str, body: Mapping[str, Any], *, deadline: float
    ) -> bytes:
        """Return the answer to a POST, which is sent once."""
        return await self._ask(path, body, deadline)

    async def get(
        self, path: str, decoder: msgspec.json.Decoder[_Body], *, deadline: float
    ) -> _Body:
        """Return what the decoder makes of the answer to a GET."""
        return read(decoder, await self._ask(path, None, deadline))

    async def _ask(
        self, path: str, body: Mapping[str, Any] | None, deadline: float
    ) -> bytes:
        return await ask(
            self._client,
            path,
            body,
            headers=self._headers,
            limits=self._limits,
            deadline=deadline,
        )


def read(decoder: msgspec.json.Decoder[_Body], answer: bytes) -> _Body:
    """Return what the decoder makes of an answer; raises AssistantError."""
    try:
        return decoder.decode(answer)
    except UNREADABLE as error:
        raise failures.unreadable() from error


def status_of(error: AssistantError) -> int | None:
    """Return the status with which a request was refused, if that is what happened."""
    cause = error.__cause__
    return cause.status_code if isinstance(cause, openai.APIStatusError) else None


def was_refused(error: AssistantError, status: int, words: re.Pattern[str]) -> bool:
    """Whether a request was refused with this status, and in such words."""
    cause = error.__cause__
    return (
        isinstance(cause, openai.APIStatusError)
        and cause.status_code == status
        and words.search(cause.message) is not None
    )
