"""How a turn stands, as its reply tells it."""

from dataclasses import dataclass

from app.domain import Ending, Run, RunStatus
from app.slack.blocks import Action
from app.slack.status_line import (
    SUSPENDED,
    beside,
    final_line,
    running_line,
    with_more_people,
)


@dataclass(slots=True, kw_only=True)
class Standing:
    """What the run does now, and how it has ended once it has."""

    run: Run | None = None
    step: str | None = None
    waiting: int = 0
    ending: Ending | None = None
    has_more_people: bool = False
    is_suspended: bool = False
    is_streamed: bool = False

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is said until somebody does something."""
        return self.ending is not None or self.is_suspended

    @property
    def line(self) -> str:
        """The line under the text."""
        line = (
            final_line(self.ending)
            if self.ending
            else SUSPENDED
            if self.is_suspended
            else running_line(self.run, self.step, self.waiting)
        )
        return with_more_people(line) if self.has_more_people else line

    @property
    def action(self) -> Action | None:
        """What the button under the text does."""
        ending = self.ending
        if ending is None:
            return Action.STOP
        is_unwanted = ending.question_deleted or ending.reply_deleted
        if ending.status.may_be_retried and not is_unwanted:
            return Action.RETRY
        was_cut = ending.status is RunStatus.INCOMPLETE
        # What a provider has filtered it would filter again.
        may_go_on = was_cut and ending.incomplete_reason != "content_filter"
        return Action.CONTINUE if may_go_on else None

    @property
    def sign(self) -> str:
        """What stands beside the bot's name: nothing once the turn has ended."""
        if self.is_at_rest:
            return ""
        words = f"is {self.step}" if self.step else "is working on it"
        # A message that is streamed has no line yet.
        more = beside(self.run, self.waiting) if self.is_streamed else []
        return " · ".join([words, *more])
