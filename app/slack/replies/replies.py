"""Opens a reply in Slack for each turn."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.domain import REPLY_DELETED, Lease, SlackThread, StopRequest, Turn, TurnMessage
from app.errors import DatabaseUnavailable
from app.slack.links import LinkPolicy, links_in
from app.slack.outbound import Outbound
from app.slack.replies.desk import Desk, FirstPaint, nobody
from app.slack.replies.edited import EditedReply
from app.slack.replies.message import Message, Method, Priority, Send
from app.slack.replies.scheduler import EditScheduler
from app.slack.replies.streams import Streams
from app.slack.replies.workspaces import BucketOf
from app.slack.text import plain_text
from app.storage.data_messages import DataMessages
from app.storage.reply_parts import ReplyParts
from app.turns.side_tasks import SideTasks

T = TypeVar("T")

TakeCompany = Callable[[Lease], Awaitable[bool]]

# Threads whose last answer is kept at hand, in case that its line must be changed.
_MANY_THREADS = 500
# Seconds that a database may take to answer the last questions.
_GOODBYE = 1.0

log = logging.getLogger(__name__)


async def _sleep_until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))


async def _no_company(_: Lease) -> bool:
    return False


def _unheard(_: StopRequest) -> None:
    pass


class Replies:
    """All replies of this process; they share Slack's budgets.

    `name_of` gives the name of a user id, `is_bot` says whose is a program's;
    `allowed_link_hosts` are always live. Who asked is told of an answer that took more
    than `notify_after` seconds, unless that is 0. With `native_streams` answers in
    direct messages are Slack's own streams, as far as calls for that are left.
    `trusts_tools` says that no tool's result can hold what outsiders wrote. `now` and
    `sleep_until` are one monotonic clock in seconds, `bucket_of` is the scheduler's.
    """

    def __init__(
        self,
        *,
        outbound: Outbound,
        parts: ReplyParts,
        data_messages: DataMessages,
        take_company: TakeCompany = _no_company,
        name_of: Callable[[str, str], Awaitable[str]],
        is_bot: Callable[[str, str], Awaitable[bool]] = nobody,
        notify_after: float = 0.0,
        first_paint: str = FirstPaint.SNAPPY,
        native_streams: bool = False,
        allowed_link_hosts: frozenset[str] = frozenset(),
        trusts_tools: bool = True,
        bucket_of: BucketOf | None = None,
        now: Callable[[], float] = time.monotonic,
        sleep_until: Callable[[float], Awaitable[None]] = _sleep_until,
    ) -> None:
        self._scheduler = EditScheduler(
            now=now, sleep_until=sleep_until, bucket_of=bucket_of
        )
        self._allowed_link_hosts = allowed_link_hosts
        self._trusts_tools = trusts_tools
        self._latest: OrderedDict[SlackThread, EditedReply] = OrderedDict()
        self._take_company = take_company
        self._tasks = SideTasks()
        self._desk = Desk(
            outbound=outbound,
            parts=parts,
            data_messages=data_messages,
            scheduler=self._scheduler,
            streams=Streams(self._scheduler, is_wanted=native_streams),
            name_of=name_of,
            is_bot=is_bot,
            now=now,
            notify_after=notify_after,
            first_paint=FirstPaint(first_paint),
        )

    async def open(
        self,
        turn: Turn,
        *,
        holds_lease: Callable[[], bool],
        request_stop: Callable[[StopRequest], object] = _unheard,
    ) -> EditedReply:
        """Give the first sign of an answer, or go on in what the turn shows already.

        Nothing is sent to Slack once `holds_lease` is false. Where a message turns out
        to be removed while the answer grows, `request_stop` is called. Raises
        DatabaseUnavailable.
        """
        stop = StopRequest(turn_id=turn.turn_id, stopped_by=REPLY_DELETED)
        links = link_policy(
            turn, self._allowed_link_hosts, trusts_tools=self._trusts_tools
        )
        reply = EditedReply(
            self._desk, turn, links, holds_lease, lambda: request_stop(stop)
        )
        _keep(self._latest, turn.thread, reply)
        if turn.has_company:
            reply.show_more_people()
        await reply.open()
        return reply

    def more_people(self, thread: SlackThread) -> None:
        """Say in the last answer here that from now on a mention is needed.

        Once, whichever process has that answer; else it is for the next to say.
        """
        if reply := self._latest.get(thread):
            self._tasks.start(self._say_more_people(reply))

    def more_people_in(self, conversation_id: int) -> None:
        """Do the same where another process has heard of it."""
        for reply in self._latest.values():
            if reply.lease.conversation_id == conversation_id:
                self._tasks.start(self._say_more_people(reply))

    async def _say_more_people(self, reply: EditedReply) -> None:
        try:
            if reply.may_show_more_people and await self._take_company(reply.lease):
                reply.show_more_people()
        except DatabaseUnavailable:
            log.info("it is not said that more people are here")

    async def send_aside(self, thread: SlackThread, method: Method, send: Send) -> None:
        """Send what is no part of a reply, when the budgets allow it and it is quiet.

        Cancelled, it is not sent any more. Raises what `send` has raised.
        """
        message = Message(thread.team_id, thread.channel_id, send, method)
        self._scheduler.mark_dirty(message, Priority.STATUS)
        try:
            await message.settled()
        finally:
            self._scheduler.close_message(message)
        if message.error:
            raise message.error

    async def show_queued(
        self, thread: SlackThread, is_queued: Callable[[], Awaitable[bool]]
    ) -> None:
        """Show that a message waits for a place, if it still does; best effort."""

        async def send() -> bool:
            if not await is_queued():
                return False
            words = "is queued, starts when a place is free"
            await self._desk.outbound.set_status(thread, words)
            return True

        message = Message(thread.team_id, thread.channel_id, send, Method.STATUS)
        self._scheduler.mark_dirty(message, Priority.STATUS)
        await message.settled()
        if message.error:
            log.info("queued not shown", extra={"error": type(message.error).__name__})

    async def quiet(self) -> None:
        """Wait a moment for the calls to Slack that are under way."""
        await self._scheduler.quiet()

    async def close(self) -> None:
        """Send nothing more; calls under way have a moment to end."""
        await self._tasks.cancel(_GOODBYE)
        await self._scheduler.close()


def _keep(kept: OrderedDict[SlackThread, T], thread: SlackThread, value: T) -> None:
    kept[thread] = value
    kept.move_to_end(thread)
    while len(kept) > _MANY_THREADS:
        kept.popitem(last=False)


def link_policy(
    turn: Turn, allowed_hosts: frozenset[str], *, trusts_tools: bool = True
) -> LinkPolicy:
    """What may be a live link in the answer to `turn`.

    Addresses that members of the workspace wrote are trusted. Files, outsiders, what
    was said before the bot came, and results of tools unless all are trusted are not.
    """
    members = [each for each in turn.messages if not _is_outsider(each, turn)]
    trusted = frozenset[str]().union(
        *(links_in(plain_text(each.text, {})) for each in members)
    )
    return LinkPolicy(
        trusted=trusted,
        allowed_hosts=allowed_hosts,
        read_untrusted=turn.has_read_untrusted or not trusts_tools,
    )


def _is_outsider(message: TurnMessage, turn: Turn) -> bool:
    return message.author_team_id not in (None, turn.lease.team_id)
