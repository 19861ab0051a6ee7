"""From a cleaned message to the durable inbox, and what follows its commit."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from app import telemetry
from app.crash import crash
from app.domain import (
    DeletedMessage,
    DeletedReply,
    IncomingMessage,
    Refusal,
    SessionStop,
    SlackThread,
    StopRequest,
)
from app.errors import SlackError
from app.slack.people import People
from app.storage.inbox import Added, Inbox
from app.storage.policy import AnswerPolicy

log = logging.getLogger(__name__)

_MOST_TELLINGS = 100

_FINISHED = "This answer is already finished, so there is nothing left to stop."
_DECIDE_FIRST = (
    "There is something to decide in this thread first: please look at my question "
    "above. I'll answer you after that."
)
_REFUSALS = {
    Refusal.GUEST: (
        "I can only answer full members of this workspace. "
        "Please ask one of them to put your question to me."
    ),
    Refusal.STRANGER: (
        "I can only answer people of the organisation that runs me. "
        "Please ask one of them to put your question to me."
    ),
    Refusal.TOO_MANY_TURNS: (
        "That was a lot of questions for one hour. Please ask me again a bit later."
    ),
}


class Tell(Protocol):
    """Says something to one person alone, in a thread or in its channel."""

    async def __call__(
        self, thread: SlackThread, user_id: str, text: str, /, *, in_thread: bool
    ) -> None:
        """Raises SlackError."""


class Intake:
    """Takes in what the listeners read; every method returns after its commit.

    Whatever must be told to people is told in a task of its own, so that Slack's
    acknowledgement never waits for it.
    """

    def __init__(
        self,
        *,
        inbox: Inbox,
        people: People,
        policy: AnswerPolicy,
        message_added: Callable[[int, SlackThread], None],
        conversation_changed: Callable[[int], None],
        request_local_stop: Callable[[StopRequest], bool],
        more_people: Callable[[SlackThread], None],
        late_found: Callable[[], None],
        tell: Tell,
        access_in_doubt: Callable[[], None],
    ) -> None:
        self._inbox = inbox
        self._people = people
        self._policy = policy
        self._message_added = message_added
        self._conversation_changed = conversation_changed
        self._request_local_stop = request_local_stop
        self._more_people = more_people
        self._late_found = late_found
        self._tell = tell
        self._access_in_doubt = access_in_doubt
        self._telling: set[asyncio.Task[None]] = set()

    async def message(self, message: IncomingMessage) -> None:
        """Store a message or a newer version of one.

        Raises StorageError when it is not stored; then it must not be acknowledged.
        """
        person = self._people.cached(message.thread.team_id, message.author_id)
        added = await self._inbox.add(message, person)
        crash("C1")
        telemetry.count("intake.stored" if added.stored else "intake.left_alone")
        self._follow_up(added)
        if added.refused:
            await self.tell_refusal(
                message.thread,
                message.author_id,
                added.refused,
                in_thread=message.in_thread,
            )
        if added.is_held_up:
            self.tell_later(message.thread, message.author_id, _DECIDE_FIRST)

    async def deleted(self, deleted: DeletedMessage) -> None:
        """Forget the text of a removed message; raises StorageError as `message`."""
        self._follow_up(await self._inbox.delete(deleted))

    def turns_away(
        self, thread: SlackThread, user_id: str, user_team_id: str | None
    ) -> bool:
        """Whether a person has no say here, who is told so alone."""
        is_external = user_team_id not in (None, thread.team_id)
        if not is_external or self._policy.allow_external:
            return False
        self.tell_later(thread, user_id, _REFUSALS[Refusal.STRANGER])
        return True

    async def stop_clicked(
        self, turn_id: int, user_id: str, thread: SlackThread
    ) -> None:
        """End the turn that the button was made for; an old button ends nothing."""
        stop = StopRequest(turn_id=turn_id, stopped_by=user_id)
        # At once where it runs here: the database may be held by what is to be stopped.
        is_here = self._request_local_stop(stop)
        is_known = await self._inbox.request_stop(thread.team_id, turn_id, user_id)
        if not (is_here or is_known):
            self.tell_later(thread, user_id, _FINISHED)

    def access_revoked(self) -> None:
        """Slack says that the app was removed, or its token; or was, a while ago."""
        self._access_in_doubt()

    async def session_stopped(self, stop: SessionStop) -> None:
        """End the turn that Slack's own Stop was pressed for, if it still goes on."""
        person = self._people.cached(stop.thread.team_id, stop.user_id)
        if person and person.is_stranger and not self._policy.allow_external:
            self.tell_later(stop.thread, stop.user_id, _REFUSALS[Refusal.STRANGER])
            return
        await self._stop_by_sign(stop)

    async def reply_deleted(self, deleted: DeletedReply) -> None:
        """End the turn whose answer somebody removed, if it still goes on."""
        await self._stop_by_sign(deleted)

    async def tell_refusal(
        self, thread: SlackThread, user_id: str, refusal: Refusal, *, in_thread: bool
    ) -> None:
        """Tell one person, who alone sees it, why there is no answer.

        Bots are told nothing: they might answer.
        """
        text = _REFUSALS.get(refusal)
        if text is not None:
            self.tell_later(thread, user_id, text, in_thread=in_thread)

    async def close(self, patience: float = 1.0) -> None:
        """Wait `patience` seconds for what is still being told, then give it up."""
        if self._telling:
            _, late = await asyncio.wait(self._telling, timeout=patience)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def _stop_by_sign(self, sign: SessionStop | DeletedReply) -> None:
        stop = await self._inbox.stop_by_sign(sign)
        if stop:
            self._request_local_stop(stop)
        telemetry.count("intake.signs_heeded" if stop else "intake.signs_too_late")

    def _follow_up(self, added: Added) -> None:
        if added.needs_mentions and not added.wanted:
            self._more_people(added.thread)
        if added.ready_conversation_id is not None:
            self._message_added(added.ready_conversation_id, added.thread)
        if added.running_conversation_id is not None and added.stored:
            self._conversation_changed(added.running_conversation_id)
        if added.late:
            self._late_found()
        if added.stop:
            self._request_local_stop(added.stop)

    def tell_later(
        self, thread: SlackThread, user_id: str, text: str, *, in_thread: bool = True
    ) -> None:
        """Tell one person something, in a task of its own; at best."""
        if len(self._telling) >= _MOST_TELLINGS:
            telemetry.count("intake.not_told")
            return
        task = asyncio.create_task(
            self._tell_now(thread, user_id, text, in_thread=in_thread)
        )
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell_now(
        self, thread: SlackThread, user_id: str, text: str, *, in_thread: bool
    ) -> None:
        try:
            await self._tell(thread, user_id, text, in_thread=in_thread)
        except SlackError as error:
            telemetry.count("intake.not_told")
            log.info("notice not delivered", extra={"error": error.code})
