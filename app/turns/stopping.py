"""Work that a stop cuts short."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


async def until_stopped(
    work: Coroutine[Any, Any, _T], stop: asyncio.Event, *, grace: float = 0.0
) -> _T | None:
    """Run `work` to its end, or cancel it `grace` seconds after `stop`: then None.

    An error that comes just as it is stopped is nobody's any more.
    """
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if grace and not working.done():
            await asyncio.wait((working,), timeout=grace)
        return working.result() if working.done() else None
    finally:
        stopping.cancel()
        working.cancel()
        await asyncio.wait((working, stopping))
        if not working.cancelled():
            working.exception()
