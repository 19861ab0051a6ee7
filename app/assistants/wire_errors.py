"""How servers put an error into a stream, in either protocol."""

from typing import Annotated

import msgspec

from app.assistants import failures
from app.errors import AssistantError

# What decoding raises: no JSON, no UTF-8, not what was promised, or nested too deeply.
UNREADABLE = (ValueError, RecursionError)


# What a server names things by stands in addresses and in the database's keys.
Id = Annotated[str, msgspec.Meta(pattern="^[!-~]{1,200}$")]


class ErrorBody(msgspec.Struct):
    """What went wrong; servers put strings, numbers or nothing in `code`."""

    code: str | int | None = None
    type: str | None = None
    message: str | None = None


class ErrorHappened(msgspec.Struct):
    """Something went wrong; flat, or nested as some servers have it."""

    error: ErrorBody | str | None = None
    code: str | int | None = None
    message: str | None = None


def happened(event: ErrorHappened) -> AssistantError:
    """Return our error for an error event."""
    if event.error is not None:
        return failure_of(event.error)
    return failure_of(ErrorBody(code=event.code, message=event.message))


def failure_of(error: ErrorBody | str | None) -> AssistantError:
    """Return our error for what a server said went wrong."""
    if not isinstance(error, ErrorBody):
        error = ErrorBody(message=error)
    code = error.code
    return failures.failure(
        code=failures.word(code),
        kind=failures.word(error.type),
        status=code if isinstance(code, int) else None,
        words=error.message or "",
    )
