"""Work that a stop cuts short."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


async def until_stopped(
    work: Coroutine[Any, Any, _T], stop: asyncio.Event
) -> _T | None:
    """Run `work` to its end, or cancel it as soon as `stop` is set: then None.

    An error that comes just as it is stopped is nobody's any more.
    """
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        stopping.cancel()
        working.cancel()
        await asyncio.wait((working, stopping))
        if not working.cancelled():
            working.exception()
