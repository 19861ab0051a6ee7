"""How a turn stands, as its reply tells it."""

from dataclasses import dataclass

from app.domain import Ending, Run
from app.slack.status_line import final_line, running_line


@dataclass(slots=True, kw_only=True)
class Standing:
    """What the run does now, and how it has ended once it has."""

    run: Run | None = None
    step: str | None = None
    waiting: int = 0
    ending: Ending | None = None

    @property
    def line(self) -> str:
        """The line under the text."""
        if self.ending:
            return final_line(self.ending)
        return running_line(self.run, self.step, self.waiting)

    @property
    def sign(self) -> str:
        """What stands beside the bot's name: nothing once the turn has ended."""
        if self.ending:
            return ""
        return f"is {self.step}" if self.step else "is working on it"
