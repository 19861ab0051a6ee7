"""The one table of what can go wrong at a model's server, and what people read then."""

import email.utils
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import openai

from app.errors import (
    AssistantError,
    AssistantRefused,
    AssistantUnavailable,
    BudgetUsedUp,
    StreamEndedEarly,
)

# Codes that a request can be changed for.
CONTEXT_FULL = "context_length_exceeded"
THOUGHTS_UNREADABLE = "invalid_encrypted_content"

_OPERATOR = "Please tell whoever runs me."
_LATER = "Please try again in a minute."

_AWAY = f"I can't reach the model right now. {_LATER}"
_BUSY = f"The model is too busy right now. {_LATER}"
_TROUBLE = f"The model has trouble answering right now. {_LATER}"
_BUDGET = f"The budget for the model is used up. {_OPERATOR}"
_TOO_LONG = "This thread has grown too long for the model. Please start a new one."
_NOT_THIS = "The model refused this request. Please put it differently."
_NO_MODEL = f"The model I am set to use is not available. {_OPERATOR}"
_NO_KEY = f"The model's server refused my key. {_OPERATOR}"
_NOT_ALLOWED = f"I am not allowed to use this model. {_OPERATOR}"
_BAD_REQUEST = f"The model's server did not take my request. {_OPERATOR}"
_BROKE_OFF = "The connection to the model broke off. Please ask again."
_SILENT = "The model stopped answering. Please ask again."
_UNREADABLE = f"The model's server answered in a way I can't read. {_OPERATOR}"
_TOO_LARGE = "The model's answer was too large to be read."
_NO_CONVERSATIONS = f"The model's server keeps no conversations. {_OPERATOR}"
_NO_ANSWER = "The model could not answer this. Please try again or put it differently."


@dataclass(frozen=True, slots=True)
class _Row:
    """One way to fail; only what may pass by itself is worth a retry."""

    sentence: str
    may_pass: bool = False


_EMPTY_PURSE = _Row(_BUDGET)

# A code is the server's word; where it gives none, its `type` stands in.
_BY_CODE: Mapping[str, _Row] = {
    "invalid_api_key": _Row(_NO_KEY),
    "model_not_found": _Row(_NO_MODEL),
    CONTEXT_FULL: _Row(_TOO_LONG),
    "insufficient_quota": _EMPTY_PURSE,
    "billing_hard_limit_reached": _EMPTY_PURSE,
    "billing_not_active": _EMPTY_PURSE,
    "credit_balance_exhausted": _EMPTY_PURSE,
    "organization_spend_limit_exceeded": _EMPTY_PURSE,
    "project_spend_limit_exceeded": _EMPTY_PURSE,
    "organization_usage_limit_exceeded": _EMPTY_PURSE,
    "rate_limit_exceeded": _Row(_BUSY, may_pass=True),
    "conversation_locked": _Row(_BUSY, may_pass=True),
    "slow_down": _Row(_BUSY, may_pass=True),
    "overloaded_error": _Row(_BUSY, may_pass=True),
    "server_error": _Row(_TROUBLE, may_pass=True),
    "invalid_prompt": _Row(_NOT_THIS),
    "content_filter": _Row(_NOT_THIS),
    "content_policy_violation": _Row(_NOT_THIS),
    "bio_policy": _Row(_NOT_THIS),
    "misalignment_policy_violation": _Row(_NOT_THIS),
    "data_residency_mismatch": _Row(_NOT_ALLOWED),
}
_BY_STATUS: Mapping[int, _Row] = {
    400: _Row(_BAD_REQUEST),
    401: _Row(_NO_KEY),
    402: _EMPTY_PURSE,
    403: _Row(_NOT_ALLOWED),
    404: _Row(_NO_MODEL),
    408: _Row(_TROUBLE, may_pass=True),
    413: _Row(_TOO_LONG),
    429: _Row(_BUSY, may_pass=True),
    500: _Row(_TROUBLE, may_pass=True),
}
_FIRST_SERVER_FAULT = 500
_CONTEXT_FULL = re.compile(
    r"context (?:length|window|size)|max_model_len", re.IGNORECASE
)
_UNREADABLE_THOUGHTS = re.compile(
    r"encrypted content\b.*\bcould not be", re.IGNORECASE | re.DOTALL
)
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")
_QUOTA = re.compile(r"exceeded your current quota", re.IGNORECASE)


def refused_request(error: openai.APIStatusError) -> AssistantError:
    """Return our error for a request that was answered with a 4xx or 5xx status."""
    failed = failure(
        code=word(error.code),
        kind=word(error.type),
        status=error.status_code,
        words=error.message,
        retry_after=retry_after(error.response.headers),
    )
    failed.request_id = error.request_id
    return failed


def failure(
    *,
    code: str | None,
    kind: str | None = None,
    status: int | None = None,
    words: str = "",
    retry_after: float | None = None,
) -> AssistantError:
    """Return our error for what a server said: by code, else by type, else by status.

    AssistantUnavailable is worth a retry, AssistantRefused is not.
    """
    code = _meant(code, status, words)
    name = code or kind or (f"http_{status}" if status else "unknown_error")
    row = _BY_CODE.get(code or "") or _BY_CODE.get(kind or "") or _by_status(status)
    if row.may_pass:
        return AssistantUnavailable(name, row.sentence, retry_after)
    if row is _EMPTY_PURSE:
        return BudgetUsedUp(name, row.sentence)
    return AssistantRefused(name, row.sentence)


def word(given: object) -> str | None:
    """Return a server's word for what happened, None where it gave none.

    Some put numbers there; a whole sentence may repeat what somebody wrote.
    """
    return given if isinstance(given, str) and _WORD.fullmatch(given) else None


def _meant(code: str | None, status: int | None, words: str) -> str | None:
    """Return the code that a server would have given, were it not for its words."""
    # Azure gives none for thoughts that it can't read, compatible servers none for a
    # full context.
    if status in (None, 400) and _UNREADABLE_THOUGHTS.search(words):
        return THOUGHTS_UNREADABLE
    if status in (None, 400) and code not in _BY_CODE and _CONTEXT_FULL.search(words):
        return CONTEXT_FULL
    # Runs of the Assistants API have one code for a full minute and an empty purse.
    is_vague = code in (None, "rate_limit_exceeded") and status in (None, 429)
    if is_vague and _QUOTA.search(words):
        return "insufficient_quota"
    return code


def _by_status(status: int | None) -> _Row:
    if status is None:
        return _Row(_NO_ANSWER)
    default = _BY_STATUS[500 if status >= _FIRST_SERVER_FAULT else 400]
    return _BY_STATUS.get(status, default)


def unreachable() -> AssistantError:
    """Return our error for a server that could not be connected to."""
    return AssistantUnavailable("unreachable", _AWAY)


def busy(code: str) -> AssistantError:
    """Return our error for a server that has work of ours to end first."""
    return AssistantUnavailable(code, _BUSY, 0.0)


def broke_off(code: str = "stream_ended_early") -> AssistantError:
    """Return our error for a stream that stopped without its terminal event."""
    return StreamEndedEarly(code, _BROKE_OFF)


def fell_silent() -> AssistantError:
    """Return our error for a server that sent nothing for too long."""
    return StreamEndedEarly("timeout", _SILENT)


def no_conversations() -> AssistantError:
    """Return our error for a server that keeps no conversations."""
    return AssistantRefused("no_conversations", _NO_CONVERSATIONS)


def unreadable(request_id: str | None = None) -> AssistantError:
    """Return our error for an answer that is no stream of events."""
    failed = AssistantRefused("unreadable_answer", _UNREADABLE)
    failed.request_id = request_id
    return failed


def too_large(request_id: str | None = None) -> AssistantError:
    """Return our error for an answer that is more than can be held."""
    failed = AssistantRefused("answer_too_large", _TOO_LARGE)
    failed.request_id = request_id
    return failed


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds a server asks to wait (RFC 9110, section 10.2.3)."""
    asked = headers.get("retry-after", "")
    try:
        if in_ms := headers.get("retry-after-ms"):
            return max(0.0, float(in_ms) / 1000)
        return max(0.0, float(asked))
    except ValueError:
        pass
    try:
        until = email.utils.parsedate_to_datetime(asked).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, until - time.time())


def log_facts(error: AssistantError) -> dict[str, Any]:
    """Return what a log may hold of `error`.

    Not the server's words: it may quote the request, and so what people wrote.
    """
    facts: dict[str, Any] = {"code": error.code}
    match error.__cause__:
        case openai.APIStatusError() as cause:
            facts["status"] = cause.status_code
            facts["request_id"] = cause.request_id
        case BaseException() as cause:
            facts["cause"] = type(cause.__cause__ or cause).__name__
    return facts
