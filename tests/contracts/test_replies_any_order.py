"""Replies of a busy workspace, whatever is written and whatever fails, in any order."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hypothesis import given, settings, strategies as st

from app.domain import (
    Ending,
    Lease,
    ReplyPart,
    RunStatus,
    SlackThread,
    StoredDataMessage,
    Turn,
)
from app.errors import DatabaseUnavailable, PlaceClosed, RateLimited, SlackUnavailable
from app.sandbox.limits import PER_CHANNEL, Limiter
from app.slack.blocks import Payload
from app.slack.replies.budget import RATES
from app.slack.replies.edited import EditedReply
from app.slack.replies.message import Method
from app.slack.replies.replies import Replies
from bench.virtual import Clock, VirtualLoop, virtually
from tests.contracts.reply_stage import a_change, a_run, a_turn
from tests.unit.slack.outward.board import WatchedBucket
from tests.unit.slack.outward.slack_in_memory import (
    Call,
    DataInMemory,
    Fault,
    PartsInMemory,
    SlackInMemory,
)

# One more than the workspace has places for at first.
COUNT = 7
STOPPED = Ending(status=RunStatus.CANCELLED, seconds=4, stopped_by="Ben")
DONE = Ending(status=RunStatus.COMPLETED, seconds=9)
LOST = SlackUnavailable("timeout")

EVENTS = st.lists(
    st.tuples(
        st.integers(0, COUNT - 1),
        st.sampled_from(
            ["write"] * 6
            + ["anew", "shorter", "next", "pass", "card", "stop", "takeover"]
            + ["step", "sleep"]
            + ["429", "lost", "refused", "rows", "closed", "slow"]
        ),
        st.floats(0, 3),
    ),
    max_size=60,
)


@dataclass
class LimitedSlack(SlackInMemory):
    """Refuses by the sandbox's limits, too; a lost place stays lost."""

    limiter: Limiter = field(default_factory=lambda: Limiter(lambda: 0.0))
    closed: set[str] = field(default_factory=set)
    taken: list[Call] = field(default_factory=list)

    async def _meet(
        self,
        method: str,
        thread: SlackThread,
        may_send: Callable[[], bool],
        ts: str = "",
        payload: Payload | None = None,
    ) -> Fault | None:
        fault = await super()._meet(method, thread, may_send, ts, payload)
        wait = self.limiter.take("T1", method)
        if not wait and method == Method.POST:
            wait = self.limiter.take("T1", PER_CHANNEL, thread.channel_id)
        if wait:
            return Fault(method, RateLimited(method, wait))
        if thread.channel_id in self.closed:
            return Fault(method, PlaceClosed("is_archived"))
        if (fault is None or fault.is_taken) and payload is not None:
            self.taken.append(Call(method, self.clock.now(), thread, ts, payload))
        return fault


@dataclass
class Rows(PartsInMemory):
    """The rows of many turns; now and then the database is away."""

    texts: dict[int, str] = field(default_factory=dict)
    faults: int = 0

    async def text_so_far(self, lease: Lease) -> str | None:
        return self.texts.get(lease.turn_id)

    async def checkpoint(self, lease: Lease, text: str) -> None:
        self._meet()
        self.texts[lease.turn_id] = text

    async def intend(
        self, lease: Lease, part: ReplyPart, text: str | None = None
    ) -> None:
        self._meet()
        if text is not None:
            self.texts[lease.turn_id] = text
        await super().intend(lease, part)

    async def posted(self, lease: Lease, part_no: int, ts: str) -> None:
        self._meet()
        await super().posted(lease, part_no, ts)

    def _meet(self) -> None:
        if self.faults:
            self.faults -= 1
            raise DatabaseUnavailable


@dataclass
class Cards(DataInMemory):
    """The data messages of many turns, numbered through."""

    async def of_turn(self, lease: Lease) -> list[StoredDataMessage]:
        every = await super().of_turn(lease)
        return [each for each in every if each.seq // 100 == lease.turn_id]


@dataclass
class Author:
    """Writes one answer; knows every text of it that could ever be seen."""

    number: int
    reply: EditedReply | None = None
    cards: int = 0
    words: int = 0
    could_be_seen: list[str] = field(default_factory=lambda: [""])
    ending: Ending = DONE

    @property
    def turn(self) -> Turn:
        place = SlackThread(
            team_id="T1", channel_id=f"C{self.number % 3}", thread_ts=f"{self.number}.5"
        )
        return replace(a_turn(turn_id=self.number), thread=place)

    def write(self, count: int = 1) -> None:
        for _ in range(count):
            self.words += 1
            self._reply.append(f"a{self.number}w{self.words} ")
        self._note()

    def replace(self, count: int) -> None:
        self.words += 1
        text = "".join(f"b{self.words}w{each} " for each in range(count))
        self._reply.replace(text)
        self._note()

    def show_card(self, cards: Cards) -> None:
        card = a_change(100 * self.number + self.cards)
        self.cards += 1
        cards.stored.append(card)
        self._reply.attach(card)
        self._note()

    def go_on(self, reply: EditedReply, cards: Cards) -> None:
        self.reply = reply
        for card in cards.stored:
            if card.seq // 100 == self.number:
                reply.attach(card)
        self._note()

    def begin_next(self) -> None:
        self._reply.show_status(a_run(RunStatus.IN_PROGRESS))
        self._reply.start_message("next")

    def pass_done(self) -> None:
        self._reply.show_status(a_run(RunStatus.REQUIRES_ACTION))
        self._note()

    @property
    def final(self) -> str:
        return _plain(self._reply.text)

    async def finish(self) -> str | None:
        self.could_be_seen.append(self.final)
        try:
            return await self._reply.finish(self.ending)
        except DatabaseUnavailable:
            # The turn is given back, and its end told once more.
            return await self._reply.finish(self.ending)

    @property
    def length(self) -> int:
        return len(self._reply.text.split())

    def _note(self) -> None:
        self.could_be_seen.append(_plain(self._reply._story.draft.visible))

    @property
    def _reply(self) -> EditedReply:
        assert self.reply
        return self.reply


def _plain(text: str) -> str:
    """The written words alone: where there are none a status takes their place."""
    return " ".join(re.findall(r"[ab]\d+w\d+", text))


def _text(payload: Payload) -> str:
    blocks = [each["text"] for each in payload.blocks if each["type"] == "markdown"]
    return _plain(" ".join(blocks))


@dataclass
class Office:
    """A workspace in which several answers are written at once."""

    clock: Clock
    slack: LimitedSlack
    rows: Rows = field(default_factory=Rows)
    authors: list[Author] = field(
        default_factory=lambda: [Author(number) for number in range(COUNT)]
    )
    cards: Cards = field(default_factory=Cards)
    owner: int = 0
    replies: Replies | None = None

    async def open_all(self) -> None:
        """Begin, or go on after the process has died."""
        self.owner += 1
        owner = self.owner
        self.replies = Replies(
            outbound=self.slack,
            parts=self.rows,
            data_messages=self.cards,
            name_of=_name_of,
            bucket_of=self._bucket,
            now=self.clock.now,
            sleep_until=self.clock.sleep_until,
        )
        for author in self.authors:
            reply = await self.replies.open(
                author.turn, holds_lease=lambda: self.owner == owner
            )
            author.go_on(reply, self.cards)

    async def take_over(self) -> None:
        """Calls on their way land; then another process begins all passes anew."""
        assert self.replies
        self.owner += 1
        await self.replies.close()
        await self.open_all()

    def _bucket(self, _team_id: str, method: Method) -> WatchedBucket:
        return WatchedBucket(RATES[method], self.clock.now())

    async def happens(self, author: Author, event: str, wait: float) -> None:
        match event:
            case "takeover":
                await self.take_over()
            case "sleep":
                await asyncio.sleep(wait * 20)
            case "step":
                loop = asyncio.get_running_loop()
                assert isinstance(loop, VirtualLoop)
                loop._virtual.now += wait * 20
            case "slow":
                self.slack.latency = wait / 3
            case "closed":
                self.slack.closed.add(author.turn.thread.channel_id)
            case "rows" | "429" | "lost" | "refused":
                self._fails(event)
            case _:
                self._is_written(author, event, wait)

    def _is_written(self, author: Author, event: str, wait: float) -> None:
        match event:
            case "write":
                author.write(1 + int(wait * 3))
            case "anew":
                author.replace(author.length + 1)
            case "shorter":
                author.replace(max(1, author.length - 2))
            case "next":
                author.begin_next()
            case "pass":
                author.pass_done()
            case "card":
                author.show_card(self.cards)
            case "stop":
                author.ending = STOPPED

    def _fails(self, event: str) -> None:
        slack = self.slack
        self.rows.faults += event == "rows"
        for method in (Method.POST, Method.UPDATE):
            match event:
                case "429":
                    slack.fail(method, RateLimited(method, 2))
                case "lost":
                    slack.fail(method, LOST, is_taken=True)
                case "refused":
                    slack.fail(method, SlackUnavailable("http_503"))

    def judge(self, author: Author, refusal: str | None) -> None:
        place = author.turn.thread
        calls = [call for call in self.slack.taken if call.thread == place]
        if not author.cards:
            shown = [_text(each.payload) for each in calls if each.payload]
            _never_goes_back(author, shown)
        if place.channel_id in self.slack.closed:
            return
        stands = [
            self.slack.messages[ts]
            for ts in dict.fromkeys(call.ts for call in calls)
            if ts in self.slack.messages
        ]
        assert refusal is None
        assert _plain(" ".join(map(_text, stands))) == author.final
        cards = [card for each in stands for card in each.attachments or ()]
        assert len(cards) == author.cards


def _never_goes_back(author: Author, shown: list[str]) -> None:
    latest = {text: at for at, text in enumerate(author.could_be_seen)}
    order = [latest[text] for text in shown]
    assert order == sorted(order)


async def _name_of(_team_id: str, user_id: str) -> str:
    return user_id


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.sampled_from(["bucket", "window"]), st.sampled_from([0.5, 1.0]))
def test_texts_never_go_back_the_last_ones_come_and_no_budget_is_overdrawn(
    events: list[tuple[int, str, float]], shape: str, scale: float
) -> None:
    async def story(clock: Clock) -> None:
        slack = LimitedSlack(clock, limiter=Limiter(clock.now))
        slack.limiter.limit(Method.UPDATE, per_minute=50 * scale, shape=shape)
        office = Office(clock, slack)
        await office.open_all()
        for number, event, wait in events:
            await office.happens(office.authors[number], event, wait)
            await asyncio.sleep(wait / 3)
        for author in office.authors:
            author.write()
        refusals = await asyncio.gather(*(each.finish() for each in office.authors))
        for author, refusal in zip(office.authors, refusals, strict=True):
            office.judge(author, refusal)
        assert office.replies
        await office.replies.close()

    virtually(story)
