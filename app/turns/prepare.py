"""What must be known before a turn can run: who asks, and what was said."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from app.domain import (
    ChannelKind,
    DataMessage,
    Follow,
    ItemKind,
    Person,
    Refusal,
    SlackThread,
    ThreadItem,
    Turn,
    TurnMessage,
)
from app.storage.policy import AnswerPolicy, follow_word, refusal_of
from app.storage.turns import TurnStore

HINT = (
    "Hello! Ask me something after the mention, for example: "
    "“set the kitchen to 23”. In this thread I remember what was said."
)
_FOLLOWING = {
    Follow.ALWAYS: "I'll answer everything in this thread now, also without a mention. "
    "To change that: mention me with “only when mentioned”.",
    Follow.MENTIONS: "I'll answer in this thread only when I'm mentioned now. "
    "To change that: mention me with “follow”.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """A turn's messages as history items, oldest first, and who is behind them.

    `history_refused` is Slack's word for why earlier messages could not be read.
    """

    items: tuple[ThreadItem, ...]
    people: Mapping[str, Person]
    history_refused: str | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """The assistant is to answer; `notice` is shown to the people first.

    `turn` holds only those messages whose authors are answered.
    """

    turn: Turn
    notice: DataMessage | None = None


@dataclass(frozen=True, slots=True)
class Say:
    """The answer is known without the assistant."""

    text: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nobody is left to be answered."""


Prepared = Ask | Say | Nothing

Gather = Callable[[Turn], Awaitable[Gathered]]


class TellRefusal(Protocol):
    """Tells one person alone why there is no answer."""

    async def __call__(
        self,
        thread: SlackThread,
        user_id: str,
        refusal: Refusal,
        /,
        *,
        in_thread: bool,
    ) -> None:
        """Not `in_thread`: where nobody has replied yet, Slack would not show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """Writes a claimed turn's messages into the history, once, and says what to do.

    `turns_per_hour` bounds what one person may ask; 0 is no bound.
    """

    store: TurnStore
    gather: Gather
    tell_refusal: TellRefusal
    policy: AnswerPolicy
    turns_per_hour: int

    async def prepare(self, turn: Turn) -> Prepared:
        """Return what the turn needs; a turn taken over is not gathered again."""
        refused: dict[str, Refusal] = {}
        notice = None
        if not turn.is_prepared:
            gathered = await self.gather(turn)
            refused = await self._refusals(turn, gathered.people)
            items = [item for item in gathered.items if item.ts not in refused]
            if turn.is_first_turn and len(refused) == len(turn.wanted):
                # Nobody there was ever answered, so what is said there is not ours.
                items = []
            await self.store.prepare(turn.lease, items, refused)
            await self._tell(turn, refused)
            notice = _notice(gathered.history_refused)
        return await self._choose(turn, refused, notice)

    async def _refusals(
        self, turn: Turn, people: Mapping[str, Person]
    ) -> dict[str, Refusal]:
        by_author: dict[str, Refusal | None] = {}
        for author_id in {message.author_id for message in turn.wanted}:
            person = people.get(author_id)
            by_author[author_id] = (
                refusal_of(person, self.policy) if person else None
            ) or await self._too_many(turn, author_id)
        return {
            message.ts: refusal
            for message in turn.wanted
            if (refusal := by_author[message.author_id])
        }

    async def _too_many(self, turn: Turn, author_id: str) -> Refusal | None:
        if not self.turns_per_hour:
            return None
        asked = await self.store.wanted_in_last_hour(turn.lease.team_id, author_id)
        return Refusal.TOO_MANY_TURNS if asked > self.turns_per_hour else None

    async def _tell(self, turn: Turn, refused: Mapping[str, Refusal]) -> None:
        # One word to each person, whatever they asked, about what they asked last.
        told = {each.author_id: each for each in turn.wanted if each.ts in refused}
        for message in told.values():
            await self.tell_refusal(
                turn.thread,
                message.author_id,
                refused[message.ts],
                in_thread=message.ts != turn.thread.thread_ts,
            )

    async def _choose(
        self, turn: Turn, refused: Mapping[str, Refusal], notice: DataMessage | None
    ) -> Prepared:
        wanted = [message for message in turn.wanted if message.ts not in refused]
        if not wanted:
            return Nothing()
        words = [_followed(turn, message) for message in wanted]
        if all(words) and words[-1]:
            return Say(_FOLLOWING[words[-1]])
        asks = any(message.text.strip() or message.files for message in wanted)
        if asks or await self._was_anything_said(turn):
            messages = tuple(each for each in turn.messages if each.ts not in refused)
            return Ask(replace(turn, messages=messages), notice)
        return Say(HINT)

    async def _was_anything_said(self, turn: Turn) -> bool:
        said = (ItemKind.WANTED, ItemKind.OVERHEARD)
        return any(
            item.kind not in said or item.item.get("text") or item.item.get("files")
            for item in await self.store.history(turn)
        )


def _followed(turn: Turn, message: TurnMessage) -> Follow | None:
    """What was set by this message when it came in: only where that can be set."""
    if not message.mentioned or turn.channel_kind is ChannelKind.IM:
        return None
    return follow_word(message.text)


def _notice(history_refused: str | None) -> DataMessage | None:
    if history_refused is None:
        return None
    return DataMessage(
        type="notice",
        data={
            "text": "I can't read what was said earlier in this thread. "
            "Tell me what matters and I'll go on from there."
        },
    )
