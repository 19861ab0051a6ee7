"""What all replies of the process share."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

from app.slack.outbound import Outbound
from app.slack.replies.scheduler import EditScheduler
from app.slack.replies.streams import Streams
from app.storage.data_messages import DataMessages
from app.storage.reply_parts import ReplyParts


class FirstPaint(StrEnum):
    """When the first text is shown, if Slack is not busy.

    A tenth of a second after the first words; or with the first sentence, else 0.7 s.
    """

    SNAPPY = "snappy"
    STEADY = "steady"


async def nobody(_team_id: str, _user_id: str) -> bool:
    """Nobody is that."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The outside of every reply; `status_refused` holds the teams without a status.

    An answer that took more than `notify_after` seconds is told, unless that is 0.
    """

    outbound: Outbound
    parts: ReplyParts
    data_messages: DataMessages
    scheduler: EditScheduler
    streams: Streams
    name_of: Callable[[str, str], Awaitable[str]]
    now: Callable[[], float]
    is_bot: Callable[[str, str], Awaitable[bool]] = nobody
    notify_after: float = 0.0
    first_paint: FirstPaint = FirstPaint.SNAPPY
    status_refused: set[str] = field(default_factory=set)
