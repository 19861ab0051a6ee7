"""The last look before a call to Slack leaves: when its connection is there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from aiohttp import ClientRequest, ClientTimeout, TCPConnector
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from app.errors import LeaseLost


def _always() -> bool:
    return True


_may_send: ContextVar[Callable[[], bool]] = ContextVar("may_send", default=_always)


@contextmanager
def looking(may_send: Callable[[], bool]) -> Iterator[None]:
    """Have the calls of this block asked about by `may_send` before they leave."""
    token = _may_send.set(may_send)
    try:
        yield
    finally:
        _may_send.reset(token)


class LastLook(TCPConnector):
    """Gets connections as any other, and then asks whether the call may still be made.

    To get one may take seconds, and the process may have been paused meanwhile. Raises
    LeaseLost with nothing sent.
    """

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: ClientTimeout,  # noqa: ASYNC109 - as aiohttp has it
    ) -> Connection:
        """Return a connection on which the request is sent at once."""
        connection = await super().connect(req, traces, timeout)
        if not _may_send.get()():
            connection.release()
            raise LeaseLost
        return connection
