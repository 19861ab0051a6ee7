"""What the inbox makes of the messages that Slack tells of, in whatever order."""

import asyncio
from dataclasses import replace

import pytest

from app.domain import ChannelKind, Person, Refusal, SharedFile
from app.storage.database import Database
from app.storage.policy import AnswerPolicy
from tests.contracts.queue_words import (
    ANA,
    BEN,
    TEAM,
    Queue,
    edited,
    items_of,
    overheard,
    removed,
    said,
    texts,
)

GUEST = Person(team_id=TEAM, user_id=ANA, name="Ana", is_guest=True)


async def test_a_mention_becomes_one_turn_with_its_text(database: Database) -> None:
    queue = Queue(database)

    added = await queue.add(said("what is up?", mention=True))
    turn = await queue.claim_one()

    assert added.stored
    assert added.ready_conversation_id == turn.lease.conversation_id
    assert texts(turn) == ["what is up?"]
    assert turn.is_first_turn


async def test_fifty_deliveries_at_once_are_one_message_and_one_turn(
    database: Database,
) -> None:
    queue = Queue(database)

    added = await asyncio.gather(
        *(queue.add(said("hello", mention=True)) for _ in range(50))
    )
    turns = await queue.claim(limit=50)

    assert [each.stored for each in added].count(True) == 1
    assert [texts(turn) for turn in turns] == [["hello"]]
    assert (await queue.counts())["inbox"] == 1


@pytest.mark.parametrize("mention_first", [True, False])
async def test_a_mention_and_its_twin_are_one_message(
    database: Database, mention_first: bool
) -> None:
    queue = Queue(database)
    await queue.add(said("@bot hi", mention=True))
    await queue.answer_all()
    # Ben joined, so what he says plainly is only overheard.
    twins = [
        said("and me?", when=2, thread=0, by=BEN, mention=True),
        said("and me?", when=2, thread=0, by=BEN),
    ]

    for twin in twins if mention_first else twins[::-1]:
        await queue.add(twin)

    assert [texts(turn) for turn in await queue.answer_all()] == [["and me?"]]


async def test_a_plain_twin_answered_as_overheard_is_answered_once_mentioned(
    database: Database,
) -> None:
    queue = Queue(database)
    plain = said("me too", when=2, thread=0, by=BEN)
    await queue.add(said("hi", mention=True), plain)
    first = await queue.claim_one()

    added = await queue.add(replace(plain, mentioned=True))
    again = await queue.add(replace(plain, mentioned=True))
    is_more = await queue.finish(first)
    second = await queue.claim_one()

    assert overheard(first) == ["me too"]
    assert added.stored
    assert not again.stored
    assert is_more
    assert texts(second) == ["me too"]
    assert overheard(second) == []


async def test_a_message_sent_twice_by_the_client_is_one_message(
    database: Database,
) -> None:
    queue = Queue(database)
    sent = said("hi", mention=True, client_msg_id="one")

    await queue.add(sent)
    twice = await queue.add(
        said("hi", when=1, thread=0, mention=True, client_msg_id="one"),
    )
    other = await queue.add(
        said("hi", when=2, thread=0, mention=True, by=BEN, client_msg_id="one"),
    )

    assert not twice.stored
    assert other.stored


async def test_a_message_claimed_by_two_threads_is_answered_in_the_first(
    database: Database,
) -> None:
    queue = Queue(database)
    inside = said("hi", when=5, thread=0, mention=True)
    await queue.add(inside)

    again = await queue.add(said("hi", when=5, mention=True))

    assert not again.stored
    assert [texts(turn) for turn in await queue.answer_all()] == [["hi"]]
    assert (await queue.counts())["conversations"] == 1


async def test_an_edit_before_the_claim_changes_what_is_answered(
    database: Database,
) -> None:
    queue = Queue(database)
    first = said("set it to 19", mention=True)

    await queue.add(first, edited(first, "set it to 21", when=5))
    await queue.add(edited(first, "set it to 20", when=4))

    assert texts(await queue.claim_one()) == ["set it to 21"]


async def test_an_edit_that_overtakes_its_message_is_what_is_answered(
    database: Database,
) -> None:
    queue = Queue(database)
    first = said("set it to 19", channel="D1")

    early = await queue.add(edited(first, "set it to 21", when=5))
    assert early.ready_conversation_id is None
    await queue.add(first)

    assert texts(await queue.claim_one()) == ["set it to 21"]


async def test_an_edit_after_the_claim_changes_nothing(database: Database) -> None:
    queue = Queue(database)
    first = said("set it to 19", mention=True)
    await queue.add(first)
    turn = await queue.claim_one()

    added = await queue.add(edited(first, "set it to 21", when=5))
    is_more = await queue.finish(turn)

    assert not added.stored
    assert not is_more
    assert await queue.claim() == []


async def test_an_edit_that_adds_the_mention_is_answered_with_its_new_text(
    database: Database,
) -> None:
    queue = Queue(database)
    await queue.add(said("hi", mention=True))
    await queue.answer_all()
    aside = said("who knows?", when=2, thread=0, by=BEN)
    await queue.add(aside)
    await queue.add(said("and this?", when=3, thread=0, mention=True))
    await queue.answer_all()

    now = replace(edited(aside, "@bot, do you know?", when=9), mentioned=True)
    await queue.add(now, now)

    assert [texts(turn) for turn in await queue.answer_all()] == [
        ["@bot, do you know?"]
    ]


async def test_an_edit_that_repeats_the_mention_is_not_answered_again(
    database: Database,
) -> None:
    queue = Queue(database)
    first = said("hi", mention=True)
    await queue.add(first)
    await queue.answer_all()

    await queue.add(edited(first, "hi there", when=5))

    assert await queue.answer_all() == []


async def test_an_answered_message_that_gains_the_mention_is_not_answered_again(
    database: Database,
) -> None:
    queue = Queue(database)
    await queue.add(said("hi", mention=True))
    follow_up = said("and?", when=1, thread=0)
    await queue.add(follow_up)
    await queue.answer_all()

    await queue.add(replace(edited(follow_up, "@bot and?", when=5), mentioned=True))

    assert await queue.answer_all() == []


async def test_an_edit_with_the_same_text_and_files_is_no_change(
    database: Database,
) -> None:
    queue = Queue(database)
    picture = SharedFile(file_id="F1", name="a.png", mimetype="image/png")
    first = said("look", mention=True, files=(picture,))
    await queue.add(first)

    same = await queue.add(edited(first, "look", when=5))
    other = await queue.add(replace(edited(first, "look", when=6), files=()))

    assert not same.stored
    assert other.stored
    assert (await queue.claim_one()).messages[0].files == ()


async def test_an_old_message_edited_now_is_not_answered(database: Database) -> None:
    queue = Queue(database)

    unknown = await queue.add(edited(said("old", thread=-5), "older", when=9))
    await queue.add(edited(said("old", channel="D1"), "older", when=9))

    assert not unknown.stored
    assert await queue.claim() == []


async def test_a_message_removed_before_it_comes_is_not_answered(
    database: Database,
) -> None:
    queue = Queue(database)
    asked = said("secret", mention=True)
    direct = said("secret", channel="D1")
    aside = said("secret", when=3, thread=1)
    await queue.add(said("hi", when=1, mention=True))
    await queue.answer_all()

    for message in (asked, direct, aside):
        await queue.inbox.delete(removed(message))
        await queue.add(message)

    assert await queue.claim() == []
    assert await queue.rows("SELECT ts FROM inbox WHERE text = 'secret'") == []


async def test_a_message_removed_while_it_waits_is_not_answered(
    database: Database,
) -> None:
    queue = Queue(database)
    first = said("one", mention=True)
    second = said("two", when=2, thread=0, mention=True)
    await queue.add(first, second)

    await queue.inbox.delete(removed(second))
    (turn,) = await queue.answer_all()

    assert texts(turn) == ["one"]

    third = said("three", when=3, thread=0, mention=True)
    await queue.add(third)
    gone = await queue.inbox.delete(removed(third))

    assert gone.ready_conversation_id is None
    assert await queue.claim() == []
    assert (await queue.rows("SELECT state FROM conversations")) == [("idle",)]


async def test_removing_one_of_two_leaves_the_other_to_be_answered(
    database: Database,
) -> None:
    queue = Queue(database)
    last = said("two", when=2, thread=0, mention=True)
    await queue.add(said("one", mention=True), last)

    await queue.inbox.delete(removed(last))

    assert texts(await queue.claim_one()) == ["one"]


async def test_a_removed_message_leaves_no_text_anywhere(database: Database) -> None:
    queue = Queue(database)
    message = said("my password is hunter2", mention=True)
    await queue.add(message)
    turn = await queue.claim_one()
    await queue.store.prepare(turn.lease, items_of(turn), {})
    await queue.finish(turn)

    await queue.inbox.delete(removed(message))
    again = await queue.inbox.delete(removed(message))
    await queue.add(message)

    (item,) = await queue.store.history(turn)
    assert item.item["text"] == ""
    assert not again.stored
    assert await queue.rows("SELECT text, outcome FROM inbox") == [("", "answered")]
    assert await queue.claim() == []


async def test_a_message_removed_between_claim_and_history_leaves_no_text(
    database: Database,
) -> None:
    queue = Queue(database)
    message = said("my password is hunter2", mention=True)
    await queue.add(message)
    turn = await queue.claim_one()

    await queue.inbox.delete(removed(message))
    await queue.store.prepare(turn.lease, items_of(turn), {})

    (item,) = await queue.store.history(turn)
    assert item.item["text"] == ""


async def test_the_removal_of_what_was_never_ours_leaves_nothing(
    database: Database,
) -> None:
    queue = Queue(database)

    gone = await queue.inbox.delete(removed(said("lunch?")))

    assert not gone.stored
    assert set((await queue.counts()).values()) == {0}


async def test_plain_talk_in_a_thread_of_others_leaves_nothing(
    database: Database,
) -> None:
    queue = Queue(database)

    added = await queue.add(said("lunch?", when=1, thread=0))

    assert not added.stored
    assert set((await queue.counts()).values()) == {0}


async def test_plain_talk_where_only_a_guest_was_refused_leaves_nothing_more(
    database: Database,
) -> None:
    queue = Queue(database)
    await queue.inbox.add(said("hi", mention=True), GUEST)
    before = await queue.counts()

    added = await queue.add(said("lunch?", when=1, thread=0, by=BEN))

    assert not added.stored
    assert await queue.counts() == before


async def test_a_place_that_is_not_allowed_leaves_nothing(database: Database) -> None:
    queue = Queue(database, AnswerPolicy(allowed_channels=frozenset({"C9"})))

    added = await queue.add(said("hi", mention=True))

    assert not added.stored
    assert set((await queue.counts()).values()) == {0}


async def test_a_guest_is_refused_once_and_nothing_they_said_is_kept(
    database: Database,
) -> None:
    queue = Queue(database)
    message = said("let me in", mention=True)

    first = await queue.inbox.add(message, GUEST)
    second = await queue.inbox.add(message, GUEST)

    assert first.refused is Refusal.GUEST
    assert second.refused is None
    assert await queue.claim() == []
    assert await queue.rows("SELECT text, outcome FROM inbox") == [("", "refused")]


async def test_each_direct_message_is_a_thread_of_its_own(database: Database) -> None:
    queue = Queue(database)

    await queue.add(said("one", channel="D1"), said("two", when=1, channel="D1"))

    turns = await queue.claim()
    assert [texts(turn) for turn in turns] == [["one"], ["two"]]
    assert {turn.channel_kind for turn in turns} == {ChannelKind.IM}


async def test_the_same_place_in_two_workspaces_is_two(database: Database) -> None:
    queue = Queue(database)

    await queue.add(said("one", mention=True), said("two", mention=True, team="T2"))

    turns = await queue.claim()
    assert [(turn.thread.team_id, texts(turn)) for turn in turns] == [
        ("T1", ["one"]),
        ("T2", ["two"]),
    ]


async def test_text_is_kept_up_to_forty_thousand_characters(
    database: Database,
) -> None:
    queue = Queue(database)

    await queue.add(said("ü" * 50_000, mention=True))

    assert texts(await queue.claim_one()) == ["ü" * 40_000]


@pytest.mark.parametrize("words", ["a\0b", "half \ud83d a pair", "", "🙂", "'; --"])
async def test_any_text_can_be_stored(database: Database, words: str) -> None:
    queue = Queue(database)

    await queue.add(said(words, mention=True))

    (kept,) = texts(await queue.claim_one())
    assert kept == words.replace("\0", "").replace("\ud83d", "?")
