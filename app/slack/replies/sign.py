"""The status beside the bot's name: the first sign of an answer, and its heartbeat."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from app.domain import Turn
from app.errors import RateLimited, SlackError, SlackUnavailable
from app.slack.replies.desk import Desk
from app.slack.replies.message import Message, Method, Priority
from app.slack.replies.standing import Standing

log = logging.getLogger(__name__)

# Slack: a status goes after 2 minutes unless it is set again.
_AGAIN_AFTER = 90.0
# Where Slack limits it a status may wait for minutes; no answer ends later for that.
_GOODBYE = 5.0

# What is refused for the whole workspace; any other refusal is about one thread.
_EVERYWHERE = frozenset(
    {
        "access_denied",
        "feature_not_enabled",
        "method_deprecated",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "not_supported",
        "team_access_not_granted",
        "unknown_method",
    }
)


class Sign:
    """Sets the status of one turn, keeps it alive, and takes it away at the end.

    A workspace that cannot have it is not asked again. After any refusal `on_refused`
    is called: something else must be the first sign.
    """

    def __init__(
        self,
        desk: Desk,
        turn: Turn,
        standing: Standing,
        holds_lease: Callable[[], bool],
        on_refused: Callable[[], None],
    ) -> None:
        self._desk = desk
        self._turn = turn
        self._standing = standing
        self._holds_lease = holds_lease
        self._on_refused = on_refused
        self._shown = ""
        # Nothing is written down of what a former owner has shown.
        self._may_stand = turn.is_prepared or turn.attempt > 0
        team_id = turn.lease.team_id
        self._message = Message(
            team_id, turn.thread.channel_id, self._send, Method.STATUS
        )
        if team_id in desk.status_refused:
            desk.scheduler.load(team_id).has_no_status()
            self._message.close()

    @property
    def is_refused(self) -> bool:
        """Whether people of this workspace see no status."""
        return self._turn.lease.team_id in self._desk.status_refused

    def show(self) -> None:
        """Set the status as soon as possible: nothing is there yet."""
        self._desk.scheduler.mark_dirty(self._message, Priority.DATA)

    def refresh(self) -> None:
        """Set it if it says something new."""
        if self._standing.sign != self._shown:
            self._desk.scheduler.mark_dirty(self._message, Priority.STATUS)

    def posted(self, *, is_new: bool) -> None:
        """Slack takes the status away when we post: set it again.

        A post that was only found may be older than the status, which then stands.
        """
        self._shown, self._may_stand = "", self._may_stand and not is_new
        self.refresh()

    async def clear(self) -> None:
        """Take it away; Slack leaves it there when we only edit.

        At best: left alone, it goes by itself.
        """
        if self._may_stand or self._message.in_flight:
            self._desk.scheduler.mark_dirty(self._message, Priority.FINAL)
            with suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE):
                    await self._message.settled()

    def close(self) -> None:
        """Set nothing more."""
        self._desk.scheduler.close_message(self._message)

    async def _send(self) -> bool:
        words = self._standing.sign
        # Also when no answer comes Slack may have taken it.
        self._may_stand = self._may_stand or bool(words)
        try:
            await self._desk.outbound.set_status(
                self._turn.thread, words, may_send=self._holds_lease
            )
        except (SlackUnavailable, RateLimited):
            if not words:
                return True
            # It may have come after a post that was made meanwhile.
            self._may_stand = True
            raise
        except SlackError as error:
            log.info("no status", extra={"code": error.code})
            if error.code in _EVERYWHERE:
                team_id = self._turn.lease.team_id
                self._desk.status_refused.add(team_id)
                self._desk.scheduler.load(team_id).has_no_status()
            self.close()
            self._on_refused()
            return True
        self._shown, self._may_stand = words, bool(words)
        if words:
            self._desk.scheduler.mark_dirty(
                self._message,
                Priority.STATUS,
                not_before=self._desk.now() + _AGAIN_AFTER,
            )
        return True
