"""A turn's messages in words, with a real socket to ask for names and the past."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

import pytest

from app.domain import (
    ChannelKind,
    ItemKind,
    Lease,
    SharedFile,
    SlackThread,
    Turn,
    TurnMessage,
)
from app.slack.context import MAX_EARLIER, MAX_OTHERS, ThreadContext
from app.slack.people import People
from tests.contracts.slack_double import SlackDouble, running_slack
from tests.unit.slack.inward.recorded import ANA, BEN, BOT

ROOT = "1800000000.000000"
NAMES = {ANA: "Ana", BEN: "Ben"}


@dataclass
class Parts:
    slack: SlackDouble
    context: ThreadContext


def somebody(arguments: dict[str, str]) -> dict[str, object]:
    user_id = arguments["user"]
    profile = {"display_name": NAMES.get(user_id, user_id.lower())}
    return {"ok": True, "user": {"id": user_id, "profile": profile}}


@pytest.fixture
async def parts() -> AsyncGenerator[Parts]:
    async with running_slack() as (slack, client):
        slack.answers["users.info"] = somebody
        people = People(client)
        yield Parts(slack, ThreadContext(client, BOT, people))
        await people.close()


def at(number: int) -> str:
    return f"1800000000.{number:06}"


def said(number: int, text: str = "hello", user: str = ANA) -> dict[str, object]:
    return {"type": "message", "user": user, "ts": at(number), "text": text}


def thread_of(slack: SlackDouble, *messages: dict[str, object]) -> None:
    slack.answers["conversations.replies"] = lambda _: {
        "ok": True,
        "messages": list(messages),
        "has_more": False,
    }


def message(number: int, text: str = "hello", **changes: object) -> TurnMessage:
    first = TurnMessage(
        seq=number,
        ts=at(number),
        author_id=ANA,
        author_team_id=BOT.team_id,
        text=text,
        files=(),
        mentioned=True,
        wanted=True,
    )
    return replace(first, **changes)  # type: ignore[arg-type]


def turn(*messages: TurnMessage, first: bool = False) -> Turn:
    return Turn(
        lease=Lease(team_id=BOT.team_id, conversation_id=1, turn_id=2, epoch=3),
        thread=SlackThread(
            team_id=BOT.team_id, channel_id="C0GENERAL1", thread_ts=ROOT
        ),
        assistant_thread_id=4,
        messages=messages,
        channel_kind=ChannelKind.CHANNEL,
        is_first_turn=first,
    )


async def test_a_message_is_what_somebody_by_a_name_said(parts: Parts) -> None:
    file = SharedFile(file_id="F1", name="plan.pdf", mimetype="application/pdf")
    gathered = await parts.context.gather(
        turn(message(1, "ask <@U0BEN00001> about &lt;this&gt;", files=(file,)))
    )

    (item,) = gathered.items
    assert item.kind is ItemKind.WANTED
    assert item.item["author"] == "Ana"
    assert "Ben" in item.item["text"]
    assert "<this>" in item.item["text"]
    assert item.item["files"] == ["plan.pdf"]
    assert (item.author_id, item.ts) == (ANA, at(1))
    assert gathered.people[ANA].name == "Ana"


async def test_wanted_and_overheard_messages_keep_their_order(parts: Parts) -> None:
    gathered = await parts.context.gather(
        turn(message(1), message(2, author_id=BEN, wanted=False), message(3))
    )

    assert [(item.kind, item.ts) for item in gathered.items] == [
        (ItemKind.WANTED, at(1)),
        (ItemKind.OVERHEARD, at(2)),
        (ItemKind.WANTED, at(3)),
    ]
    assert gathered.items[1].item["author"] == "Ben"


async def test_called_into_a_thread_the_bot_reads_what_was_said_before(
    parts: Parts,
) -> None:
    thread_of(parts.slack, said(0, "root", BEN), said(1, "reply"), said(2, "call"))
    gathered = await parts.context.gather(turn(message(2, "what now?"), first=True))

    assert [(item.kind, item.item["text"]) for item in gathered.items] == [
        (ItemKind.OVERHEARD, "root"),
        (ItemKind.OVERHEARD, "reply"),
        (ItemKind.WANTED, "what now?"),
    ]
    assert gathered.items[0].item["author"] == "Ben"
    assert gathered.history_refused is None
    (call,) = parts.slack.called("conversations.replies")
    assert (call["ts"], call["latest"]) == (ROOT, at(2))


async def test_what_was_said_while_the_bot_was_called_stands_at_its_time(
    parts: Parts,
) -> None:
    thread_of(parts.slack, said(0), said(1, "one"), said(4, "four"))
    asked = turn(
        message(2, "two", mentioned=False, wanted=False), message(5, "five"), first=True
    )

    gathered = await parts.context.gather(asked)

    words = [item.item["text"] for item in gathered.items]
    assert words == ["hello", "one", "two", "four", "five"]


@pytest.mark.parametrize(
    "asked",
    [
        turn(message(0, ts=ROOT), first=True),
        turn(message(0, ts=ROOT, wanted=False), message(1), first=True),
        turn(message(1), first=False),
    ],
    ids=["at the root", "after an overheard root", "not for the first time"],
)
async def test_otherwise_the_thread_is_not_read(asked: Turn, parts: Parts) -> None:
    await parts.context.gather(asked)

    assert parts.slack.called("conversations.replies") == []


async def test_what_is_in_the_turn_was_removed_or_is_our_own_is_left_out(
    parts: Parts,
) -> None:
    thread_of(
        parts.slack,
        {**said(0, "This message was deleted."), "subtype": "tombstone"},
        {**said(1, "joined"), "subtype": "channel_join"},
        {**said(2, "ours", BOT.user_id), "bot_id": BOT.bot_id},
        said(3, "in the turn"),
        {"user": ANA, "text": "without a date"},
        {"ts": at(4), "text": "by nobody"},
        said(5, "kept"),
    )
    overheard = message(3, "in the turn", wanted=False)
    gathered = await parts.context.gather(turn(overheard, message(6), first=True))

    texts = [item.item["text"] for item in gathered.items]
    assert texts == ["in the turn", "kept", "hello"]


async def test_of_a_long_thread_the_newest_messages_before_the_call_are_read(
    parts: Parts,
) -> None:
    pages = {
        "": ([said(n, f"old {n}") for n in range(200)], "next"),
        "next": ([said(n, f"new {n}") for n in range(200, 230)], ""),
    }

    def page(arguments: dict[str, str]) -> dict[str, object]:
        messages, cursor = pages[arguments.get("cursor", "")]
        metadata = {"next_cursor": cursor}
        return {"ok": True, "messages": messages, "response_metadata": metadata}

    parts.slack.answers["conversations.replies"] = page
    gathered = await parts.context.gather(turn(message(900), first=True))

    texts = [item.item["text"] for item in gathered.items[:-1]]
    assert len(texts) == MAX_EARLIER
    assert texts[-1] == "new 229"
    assert texts[0] == "old 180"


async def test_a_thread_without_end_is_not_read_for_ever(parts: Parts) -> None:
    parts.slack.answers["conversations.replies"] = lambda _: {
        "ok": True,
        "messages": [said(1)],
        "response_metadata": {"next_cursor": "again"},
    }
    await parts.context.gather(turn(message(2), first=True))

    assert len(parts.slack.called("conversations.replies")) == 5


@pytest.mark.parametrize("code", ["missing_scope", "channel_not_found", "ratelimited"])
async def test_a_refusal_to_read_is_told_and_the_turn_goes_on(
    code: str, parts: Parts
) -> None:
    parts.slack.answers["conversations.replies"] = lambda _: {
        "ok": False,
        "error": code,
    }
    gathered = await parts.context.gather(turn(message(2), first=True))

    assert gathered.history_refused == code
    assert [item.kind for item in gathered.items] == [ItemKind.WANTED]


async def test_a_later_page_that_is_refused_leaves_what_was_read(parts: Parts) -> None:
    def page(arguments: dict[str, str]) -> dict[str, object]:
        if arguments.get("cursor"):
            return {"ok": False, "error": "ratelimited"}
        metadata = {"next_cursor": "next"}
        return {"ok": True, "messages": [said(1)], "response_metadata": metadata}

    parts.slack.answers["conversations.replies"] = page
    gathered = await parts.context.gather(turn(message(2), first=True))

    assert gathered.history_refused is None
    assert len(gathered.items) == 2


async def test_other_programs_are_called_as_they_call_themselves(parts: Parts) -> None:
    hook = {
        "bot_id": "B0HOOK0001",
        "subtype": "bot_message",
        "username": "web\u202ehook",
    }
    thread_of(parts.slack, {"ts": at(1), "text": "failed", **hook})
    gathered = await parts.context.gather(turn(message(2), first=True))

    assert gathered.items[0].item["author"] == "web hook"
    assert "B0HOOK0001" not in gathered.people


async def test_the_names_of_a_crowd_are_asked_for_within_bounds(parts: Parts) -> None:
    thread_of(parts.slack, *(said(n, user=f"U0CROWD{n}") for n in range(50)))
    await parts.context.gather(turn(message(99), first=True))

    assert len(parts.slack.called("users.info")) == 1 + MAX_OTHERS


async def test_a_name_that_slack_does_not_tell_is_the_id(parts: Parts) -> None:
    parts.slack.answers["users.info"] = lambda _: {"ok": False, "error": "fatal_error"}
    gathered = await parts.context.gather(turn(message(1)))

    assert gathered.items[0].item["author"] == ANA
