"""What a click on a button under an answer does."""

from collections.abc import Callable
from dataclasses import dataclass

from app import telemetry
from app.domain import Refusal, SlackThread
from app.slack.blocks import Action
from app.slack.intake import Intake
from app.storage.doubts import Doubts
from app.storage.late_notes import Asked, LateNotes, NothingLeft
from app.storage.resumptions import Resumed, Resumption, Resumptions

_TOLD = {
    Resumption.BUSY: "I'm busy in this thread at the moment. "
    "Please ask me again when that is done.",
    Resumption.OVERTAKEN: "This thread has moved on since then. "
    "Please ask me again in a new message.",
    Resumption.OUTDATED: "This question is settled already. "
    "Whatever is still to be decided stands further down.",
    Resumption.POINTLESS: "There is nothing left to do about this answer. "
    "Please ask me again in a new message.",
}
_GONE = (
    "What was asked here is gone, so there is nothing left to answer. "
    "Please ask me again in a new message."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Click:
    """Somebody pressed a button that was made for one turn.

    Of Answer now, `turn_id` is the note under which it stands. `doubt_no` is the doubt
    that the button decides, None where an earlier version has made it.
    """

    thread: SlackThread
    turn_id: int
    user_id: str
    user_team_id: str | None
    doubt_no: int | None = None


class Clicks:
    """Acts on clicks; every method returns after its commit.

    Raises StorageError when nothing was committed; then a click is not acknowledged.
    """

    def __init__(
        self,
        intake: Intake,
        resumptions: Resumptions,
        doubts: Doubts,
        *,
        late_notes: LateNotes,
        turn_ready: Callable[[int, SlackThread], None],
        late_changed: Callable[[], None],
    ) -> None:
        self._intake = intake
        self._resumptions = resumptions
        self._doubts = doubts
        self._late_notes = late_notes
        self._turn_ready = turn_ready
        self._late_changed = late_changed

    async def clicked(self, action: Action, click: Click) -> None:
        """Do what the button says; whoever can't have that is told why, alone."""
        if self._intake.turns_away(click.thread, click.user_id, click.user_team_id):
            return
        team_id, turn_id, by = click.thread.team_id, click.turn_id, click.user_id
        match action:
            case Action.STOP:
                await self._intake.stop_clicked(turn_id, by, click.thread)
            case Action.RETRY:
                resumed = await self._resumptions.retry(team_id, turn_id, by)
                await self._follow_up(click, resumed)
            case Action.CONTINUE:
                resumed = await self._resumptions.go_on(team_id, turn_id, by)
                await self._follow_up(click, resumed)
            case Action.CHECK:
                resumed = await self._doubts.decide(
                    team_id, turn_id, click.doubt_no, by
                )
                await self._follow_up(click, resumed)
            case Action.LEAVE:
                resumed = await self._doubts.leave(team_id, turn_id, click.doubt_no, by)
                await self._follow_up(click, resumed)
            case Action.ANSWER_NOW:
                await self._answer_now(click)

    async def _answer_now(self, click: Click) -> None:
        answered = await self._late_notes.answer(
            click.thread.team_id, click.turn_id, click.user_id
        )
        self._late_changed()
        match answered:
            case Asked(conversation_id, is_ready=True):
                self._turn_ready(conversation_id, click.thread)
            case NothingLeft():
                self._intake.tell_later(click.thread, click.user_id, _GONE)
            case _:
                telemetry.count("late.asked")

    async def _follow_up(self, click: Click, resumed: Resumed) -> None:
        telemetry.count(f"resumptions.{resumed.resumption}")
        if resumed.resumption is Resumption.GRANTED:
            self._turn_ready(resumed.conversation_id, click.thread)
        elif resumed.resumption is Resumption.TOO_OFTEN:
            await self._intake.tell_refusal(
                click.thread, click.user_id, Refusal.TOO_MANY_TURNS, in_thread=True
            )
        elif told := _TOLD.get(resumed.resumption):
            self._intake.tell_later(click.thread, click.user_id, told)
