"""GET /control/stream: everything that happens, as Server-Sent Events.

The event's name is the kind, its data one JSON object:

posted        {message}            a message or reply is new
changed       {message, why}       why: edit, stream, unfurl, reply (its
                                   root), tombstone
deleted       {channel, ts}
ephemeral     {for, message}       seen by one person alone
status        {channel, thread_ts, status}    an empty status is cleared
notification  {for, why, text, channel, ts, thread_ts}
view          {for, view}          a modal or Home tab
workspace     {}                   people, members, reactions: fetch them again
call          {call: {seq, at, method, arguments, response, status, fault, left}}
delivery      {delivery: {seq, at, kind, name, event_id, attempt, status, reason, via}}
"""

import contextlib
import json

from aiohttp import web

from app.sandbox.feed import Feed
from app.sandbox.records import Json


class Stream:
    """Sends the feed to each page that listens."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one page until it leaves or the sandbox closes."""
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        with self._feed.watch() as happenings:
            await response.prepare(request)
            # A page that has left is noticed when there is something to tell it.
            with contextlib.suppress(ConnectionError):
                await response.write(b": open\n\n")
                async for happening in happenings:
                    await response.write(_event(happening))
        return response


def _event(happening: Json) -> bytes:
    data = json.dumps(happening, separators=(",", ":"))
    return f"event: {happening['kind']}\ndata: {data}\n\n".encode()
