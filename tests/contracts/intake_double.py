"""An inbox that keeps what it is given in a list, and an intake around it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from slack_sdk.web.async_client import AsyncWebClient

from app.domain import (
    DeletedMessage,
    DeletedReply,
    IncomingMessage,
    Person,
    SessionStop,
    SlackThread,
    StopRequest,
)
from app.errors import SlackError
from app.slack.clicks import Clicks
from app.slack.intake import Intake
from app.slack.people import People
from app.storage.doubts import Doubts
from app.storage.inbox import Added, Inbox
from app.storage.late_notes import Answered, Asked, LateNotes
from app.storage.policy import AnswerPolicy
from app.storage.resumptions import Resumed, Resumption, Resumptions


class InboxDouble(Inbox):
    """Stores in memory; fails with `failure`, and waits for `is_open` before it does.

    `outcome` says what becomes of a message; `running` holds the turns that can be
    stopped.
    """

    def __init__(self) -> None:
        self.messages: list[IncomingMessage] = []
        self.deleted: list[DeletedMessage] = []
        self.people: list[Person | None] = []
        self.stops: list[tuple[int, str]] = []
        self.signs: list[SessionStop | DeletedReply] = []
        self.running: set[int] = set()
        self.failure: Exception | None = None
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.outcome: Callable[[IncomingMessage], Added] = lambda message: Added(
            thread=message.thread, stored=True
        )

    @property
    def is_empty(self) -> bool:
        return not (self.messages or self.deleted or self.stops)

    async def add(self, message: IncomingMessage, person: Person | None) -> Added:
        await self._commit()
        self.messages.append(message)
        self.people.append(person)
        return self.outcome(message)

    async def delete(self, message: DeletedMessage) -> Added:
        await self._commit()
        self.deleted.append(message)
        thread = SlackThread(
            team_id=message.team_id,
            channel_id=message.channel_id,
            thread_ts=message.thread_ts or message.ts,
        )
        return Added(thread=thread, stored=True)

    async def request_stop(self, team_id: str, turn_id: int, stopped_by: str) -> bool:
        assert team_id
        await self._commit()
        self.stops.append((turn_id, stopped_by))
        return turn_id in self.running

    async def stop_by_sign(
        self, sign: SessionStop | DeletedReply
    ) -> StopRequest | None:
        await self._commit()
        self.signs.append(sign)
        return None

    async def _commit(self) -> None:
        await self.is_open.wait()
        if self.failure:
            raise self.failure


@dataclass
class Told:
    """What an intake passed on to the rest of the program.

    `here` holds the turns that run in this process.
    """

    here: set[int] = field(default_factory=set)
    woken: list[tuple[int, SlackThread]] = field(default_factory=list)
    counted: list[int] = field(default_factory=list)
    stopped: list[StopRequest] = field(default_factory=list)
    joined: list[SlackThread] = field(default_factory=list)
    notices: list[tuple[SlackThread, str, str]] = field(default_factory=list)
    in_threads: list[bool] = field(default_factory=list)
    failure: SlackError | None = None
    is_open: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self, stop: StopRequest) -> bool:
        if stop.turn_id in self.here:
            self.stopped.append(stop)
        return stop.turn_id in self.here

    async def tell(
        self, thread: SlackThread, user_id: str, text: str, *, in_thread: bool
    ) -> None:
        self.in_threads.append(in_thread)
        await self.is_open.wait()
        if self.failure:
            raise self.failure
        self.notices.append((thread, user_id, text))


class ResumptionsDouble(Resumptions):
    """Notes what is wished for, and answers with `outcome`."""

    def __init__(self) -> None:
        self.wishes: list[tuple[str, int, str]] = []
        self.outcome = Resumed(Resumption.GRANTED, 7)

    async def retry(self, team_id: str, turn_id: int, asked_by: str) -> Resumed:
        self.wishes.append((team_id, turn_id, asked_by))
        return self.outcome

    async def go_on(self, team_id: str, turn_id: int, asked_by: str) -> Resumed:
        self.wishes.append((team_id, turn_id, asked_by))
        return self.outcome


class LateNotesDouble(LateNotes):
    """Notes whose late messages are wanted, and answers with `outcome`."""

    def __init__(self) -> None:
        self.wishes: list[tuple[str, int, str]] = []
        self.outcome: Answered = Asked(7, is_ready=True)

    async def answer(self, team_id: str, note_id: int, asked_by: str) -> Answered:
        self.wishes.append((team_id, note_id, asked_by))
        return self.outcome


class DoubtsDouble(Doubts):
    """Notes what is decided or left, and by whom."""

    def __init__(self) -> None:
        self.decided: list[tuple[str, int, int | None, str]] = []
        self.left: list[tuple[str, int, int | None, str]] = []
        self.outcome = Resumed(Resumption.GRANTED, 7)

    async def decide(
        self, team_id: str, turn_id: int, doubt_no: int | None, decided_by: str
    ) -> Resumed:
        self.decided.append((team_id, turn_id, doubt_no, decided_by))
        return self.outcome

    async def leave(
        self, team_id: str, turn_id: int, doubt_no: int | None, left_by: str
    ) -> Resumed:
        self.left.append((team_id, turn_id, doubt_no, left_by))
        return self.outcome


def clicks_around(intake: Intake) -> Clicks:
    """Return what acts on clicks, where nothing can be resumed."""
    return Clicks(
        intake,
        ResumptionsDouble(),
        DoubtsDouble(),
        late_notes=LateNotesDouble(),
        turn_ready=lambda *_: None,
        late_changed=lambda: None,
    )


def intake_around(
    inbox: Inbox, client: AsyncWebClient, policy: AnswerPolicy | None = None
) -> tuple[Intake, Told]:
    """Return an intake, and where it tells what."""
    told = Told()
    told.is_open.set()
    intake = Intake(
        inbox=inbox,
        people=People(client),
        policy=policy or AnswerPolicy(),
        message_added=lambda conversation_id, thread: told.woken.append(
            (conversation_id, thread)
        ),
        conversation_changed=told.counted.append,
        request_local_stop=told.stop,
        more_people=told.joined.append,
        late_found=lambda: None,
        access_in_doubt=lambda: None,
        tell=told.tell,
    )
    return intake, told
