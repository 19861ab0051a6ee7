"""What a turn's messages mean in words, and what was said before them."""

import asyncio
import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient

from app.domain import ItemKind, Person, ThreadItem, Turn
from app.errors import SlackError
from app.slack.bot import Bot
from app.slack.incoming import (
    is_from_bot,
    is_message,
    is_own,
    shared_files,
    storable,
    valid_ts,
)
from app.slack.payloads import Payload, objects_at, text_at
from app.slack.people import People, clean_name
from app.slack.reads import ask
from app.slack.text import plain_text
from app.turns.prepare import Gathered

MAX_EARLIER = 50
MAX_OTHERS = 20

_MAX_EARLIER_TEXT = 8_000
_PAGE = 200
_MAX_PAGES = 5
_MENTIONED = re.compile(r"<@([UW][A-Z0-9]{1,31})(?:\|[^<>]*)?>")


@dataclass(frozen=True, slots=True)
class _Said:
    """A message from before the bot was called."""

    ts: str
    author_id: str
    bot_name: str
    text: str
    files: list[str]


class ThreadContext:
    """Makes history items of a claimed turn's messages."""

    def __init__(self, client: AsyncWebClient, bot: Bot, people: People) -> None:
        self._client = client
        self._bot = bot
        self._people = people

    async def gather(self, turn: Turn) -> Gathered:
        """Return the turn's messages in plain words, oldest first, by named people.

        When the bot is called into a thread that existed before, up to fifty earlier
        messages come first, marked as overheard.
        """
        earlier: Sequence[_Said] = ()
        refused = None
        if _was_called_into(turn):
            try:
                earlier = await self._read_earlier(turn)
            except SlackError as error:
                refused = error.code
        people = await self._resolve(turn, earlier)
        names = {user_id: person.name for user_id, person in people.items()}
        names[self._bot.user_id] = clean_name(self._bot.name)
        items = [_earlier_item(said, names) for said in earlier]
        items += _turn_items(turn, names)
        return Gathered(
            items=tuple(sorted(items, key=lambda item: float(item.ts or 0))),
            people=people,
            history_refused=refused,
        )

    async def _read_earlier(self, turn: Turn) -> Sequence[_Said]:
        """Slack pages a thread from its oldest message on, so the end is read for."""
        known = {message.ts for message in turn.messages}
        newest: deque[_Said] = deque(maxlen=MAX_EARLIER)
        cursor = ""
        for page in range(_MAX_PAGES):
            try:
                answer = await self._page(turn, cursor)
            except SlackError:
                if page == 0:
                    raise
                break
            newest.extend(
                said
                for message in objects_at(answer, "messages")
                if (said := self._said(message)) and said.ts not in known
            )
            cursor = text_at(answer, "response_metadata", "next_cursor") or ""
            if not cursor:
                break
        return newest

    async def _page(self, turn: Turn, cursor: str) -> object:
        answer = await ask(
            "conversations.replies",
            self._client.conversations_replies(
                channel=turn.thread.channel_id,
                ts=turn.thread.thread_ts,
                latest=_called_at(turn),
                inclusive=False,
                limit=_PAGE,
                cursor=cursor or None,
            ),
        )
        return answer.data

    def _said(self, message: Payload) -> _Said | None:
        ts = valid_ts(text_at(message, "ts"))
        author_id = text_at(message, "user") or text_at(message, "bot_id")
        if not (ts and author_id and is_message(message)):
            return None
        if is_own(message, self._bot):
            return None
        bot_name = text_at(message, "bot_profile", "name") or text_at(
            message, "username"
        )
        return _Said(
            ts=ts,
            author_id=author_id,
            bot_name=clean_name(bot_name) if is_from_bot(message) else "",
            text=storable(text_at(message, "text") or "")[:_MAX_EARLIER_TEXT],
            files=[file.name for file in shared_files(message)],
        )

    async def _resolve(
        self, turn: Turn, earlier: Sequence[_Said]
    ) -> Mapping[str, Person]:
        authors = dict.fromkeys(message.author_id for message in turn.messages)
        others = dict.fromkeys(
            user_id
            for user_id in (
                *_mentioned(message.text for message in turn.messages),
                *(said.author_id for said in reversed(earlier) if not said.bot_name),
                *_mentioned(said.text for said in earlier),
            )
            if user_id not in authors and user_id != self._bot.user_id
        )
        wanted = [*authors, *list(others)[:MAX_OTHERS]]
        people = await asyncio.gather(
            *(self._people.resolve(turn.thread.team_id, each) for each in wanted)
        )
        return dict(zip(wanted, people, strict=True))


def _was_called_into(turn: Turn) -> bool:
    root = turn.thread.thread_ts
    return (
        turn.is_first_turn
        and bool(turn.messages)
        and all(message.ts != root for message in turn.messages)
    )


def _called_at(turn: Turn) -> str:
    return (turn.wanted or turn.messages)[0].ts


def _mentioned(texts: Iterable[str]) -> Iterable[str]:
    for text in texts:
        yield from _MENTIONED.findall(text)


def _earlier_item(said: _Said, names: Mapping[str, str]) -> ThreadItem:
    return ThreadItem(
        kind=ItemKind.OVERHEARD,
        item={
            "author": said.bot_name or names.get(said.author_id, said.author_id),
            "text": plain_text(said.text, names),
            "files": said.files,
        },
        author_id=said.author_id,
        ts=said.ts,
    )


def _turn_items(turn: Turn, names: Mapping[str, str]) -> Iterable[ThreadItem]:
    for message in turn.messages:
        yield ThreadItem(
            kind=ItemKind.WANTED if message.wanted else ItemKind.OVERHEARD,
            item={
                "author": names.get(message.author_id, message.author_id),
                "text": plain_text(message.text, names),
                "files": [file.name for file in message.files],
            },
            author_id=message.author_id,
            ts=message.ts,
        )
