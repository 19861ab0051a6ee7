"""Where tools' own code runs: bounded, and whatever it raises is a ToolError."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from app import telemetry
from app.domain import ToolCall
from app.errors import StorageError, ToolError
from app.tools.tool import Found, Tool, ToolContext

log = logging.getLogger(__name__)

_CHECK_LIMIT = 10.0
_CUT = "… (cut)"


def parsed(tool: Tool, call: ToolCall) -> dict[str, Any]:
    """Return a call's arguments; ToolError when they are not what was declared.

    Validators are the tool's own code, and may break.
    """
    with _as_tool_errors(tool):
        return tool.parse(call.arguments)


async def result_of(tool: Tool, context: ToolContext, values: Mapping[str, Any]) -> str:
    """Run a tool's body within its limits and return what the model will read.

    Raises ToolError for whatever goes wrong in there, and StorageError.
    """
    is_open = tool.is_write and not tool.stored
    doubt = " Whether it took effect is unknown." if is_open else ""
    with _as_tool_errors(tool, context, doubt):
        async with asyncio.timeout(tool.time_limit):
            return _cut(await tool.call(context, values), tool.result_limit)


async def checked(tool: Tool, context: ToolContext) -> Found:
    """Ask a tool's check what became of a call; one that fails or is slow can't tell.

    Raises StorageError.
    """
    if tool.check is None:
        return "unknown"
    try:
        with _as_tool_errors(tool, context):
            async with asyncio.timeout(min(tool.time_limit, _CHECK_LIMIT)):
                values = tool.parse(context.call.arguments)
                return await tool.check(context, **values)
    except ToolError:
        return "unknown"


@contextmanager
def _as_tool_errors(
    tool: Tool, context: ToolContext | None = None, doubt: str = ""
) -> Iterator[None]:
    try:
        yield
    except (ToolError, StorageError):
        raise
    except TimeoutError:
        limit = f"{tool.time_limit:g} s"
        raise ToolError(f"{tool.name} took longer than {limit}.{doubt}") from None
    except Exception as error:
        # Not the error's own words: they may repeat what somebody wrote.
        where = {"turn_id": context.turn.turn_id} if context else {}
        log.error(  # noqa: TRY400
            "tool failed",
            extra={"tool": tool.name, **where, **telemetry.fault(error)},
        )
        raise ToolError(f"{tool.name} failed.{doubt}") from error


def _cut(output: str, limit: int) -> str:
    encoded = output.encode("utf-8", "replace")
    if len(encoded) <= limit:
        return encoded.decode()
    kept = encoded[: max(0, limit - len(_CUT.encode()))].decode("utf-8", "ignore")
    return kept + _CUT
