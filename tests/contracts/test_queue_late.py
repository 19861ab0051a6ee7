"""What comes late, or waited while nobody was there, is offered and not answered."""

from dataclasses import replace

import pytest

from app.domain import IncomingMessage
from app.storage.database import Database
from app.storage.late_notes import (
    Asked,
    AskedAlready,
    LateNote,
    LateNotes,
    NoteState,
    NothingLeft,
)
from tests.contracts.late_words import ago, due, outcomes
from tests.contracts.queue_words import (
    BEN,
    CAT,
    TEAM,
    Queue,
    at,
    edited,
    overheard,
    removed,
    said,
    texts,
)

LONG_AGO, OLD, YESTERDAY = ago(1_200), ago(6_000), ago(100_000)


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


@pytest.fixture
def notes(database: Database) -> LateNotes:
    return LateNotes(database)


def _late(words: str = "hello", **more: object) -> IncomingMessage:
    given: dict[str, object] = {"when": LONG_AGO, "mention": True, **more}
    return said(words, **given)  # type: ignore[arg-type]


async def _offered(queue: Queue, notes: LateNotes) -> LateNote:
    await queue.leases.beat("worker", "1", 30.0)
    note = await notes.take("worker")
    assert note
    await notes.shown(note, "worker", at(5))
    return replace(note, ts=at(5))


async def test_a_late_message_is_kept_and_not_answered(
    queue: Queue, notes: LateNotes
) -> None:
    added = await queue.add(_late())

    assert added.late
    assert added.ready_conversation_id is None
    assert await queue.claim() == []
    assert await outcomes(queue) == ["late"]
    (note,) = await due(notes)
    assert (note.state, note.ts, note.thread.thread_ts) == (
        NoteState.OFFERED,
        None,
        at(LONG_AGO),
    )


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(said(mention=True), id="of a Slack that is ahead"),
        pytest.param(
            edited(_late(), "@bot hello", when=0), id="edited just now to mention"
        ),
    ],
)
async def test_what_comes_in_time_is_answered(
    queue: Queue, message: IncomingMessage
) -> None:
    added = await queue.add(message)

    assert not added.late
    assert len(await queue.claim()) == 1


async def test_what_is_some_minutes_old_is_answered(queue: Queue) -> None:
    await queue.add(said(when=ago(300), mention=True))

    assert len(await queue.claim()) == 1


async def test_nobody_is_refused_long_after_they_asked(queue: Queue) -> None:
    asked = replace(_late(), external=True, author_team_id="TELSEWHERE")

    added = await queue.add(asked)

    assert added.refused is None


async def test_an_edit_that_was_long_ago_is_late(queue: Queue) -> None:
    old = said("lunch", when=ago(5_000), thread=OLD, by=BEN)
    await queue.add(said(when=0, thread=OLD, mention=True), old)
    await queue.answer_all()

    added = await queue.add(
        replace(edited(old, "lunch?", when=LONG_AGO), mentioned=True)
    )

    assert added.late
    assert await queue.claim() == []


async def test_a_twin_of_what_is_answered_is_not_late(queue: Queue) -> None:
    plain = said("hi", when=LONG_AGO, thread=OLD, by=BEN)
    await queue.add(said(when=0, thread=OLD, mention=True), plain)
    await queue.answer_all()

    added = await queue.add(replace(plain, mentioned=True))

    assert not added.late
    assert texts(await queue.claim_one()) == ["hi"]


async def test_a_late_message_that_comes_twice_is_one(
    queue: Queue, notes: LateNotes
) -> None:
    await queue.add(_late(), _late())

    assert await outcomes(queue) == ["late"]
    assert len(await due(notes)) == 1


async def test_many_late_messages_of_a_thread_get_one_line(
    queue: Queue, notes: LateNotes
) -> None:
    first = _late("one")
    more = [
        said(words, when=LONG_AGO + after, thread=LONG_AGO)
        for after, words in enumerate(["two", "three"], 1)
    ]

    await queue.add(first, *more)

    assert await outcomes(queue) == ["late", "late", "late"]
    assert len(await due(notes)) == 1


async def test_a_line_that_is_shown_also_speaks_for_what_comes_then(
    queue: Queue, notes: LateNotes
) -> None:
    await queue.add(_late("one"))
    await _offered(queue, notes)

    await queue.add(said("two", when=LONG_AGO + 1, thread=LONG_AGO))

    assert await due(notes) == []


async def test_threads_get_a_line_each_the_newest_first(
    queue: Queue, notes: LateNotes
) -> None:
    await queue.add(_late("older", when=LONG_AGO - 60), _late("newer"))

    threads = [note.thread.thread_ts for note in await due(notes)]

    assert threads == [at(LONG_AGO), at(LONG_AGO - 60)]


async def test_of_yesterday_nothing_is_said(queue: Queue, notes: LateNotes) -> None:
    added = await queue.add(_late(when=YESTERDAY))

    assert not added.late
    assert await outcomes(queue) == ["late"]
    assert await queue.claim() == []
    assert await due(notes) == []


async def test_talk_among_people_is_never_late(queue: Queue, notes: LateNotes) -> None:
    await queue.add(said(when=0, thread=LONG_AGO, mention=True))
    await queue.add(said("lunch?", when=LONG_AGO + 5, thread=LONG_AGO, by=BEN))

    assert await due(notes) == []
    assert overheard(await queue.claim_one()) == ["lunch?"]


async def test_a_late_message_is_known_about_when_something_newer_is_asked(
    queue: Queue,
) -> None:
    await queue.add(_late("how warm is it?"))

    await queue.add(said("hello?", when=0, thread=LONG_AGO))

    turn = await queue.claim_one()
    assert (texts(turn), overheard(turn)) == (["hello?"], ["how warm is it?"])


async def test_answer_now_answers_all_of_the_thread_in_order(
    queue: Queue, notes: LateNotes
) -> None:
    late = [said(w, when=LONG_AGO + n, thread=LONG_AGO) for n, w in enumerate("abc")]
    await queue.add(replace(late[0], mentioned=True), late[2], late[1])
    note = await _offered(queue, notes)

    answered = await notes.answer(TEAM, note.note_id, BEN)

    assert isinstance(answered, Asked)
    assert answered.is_ready
    assert texts(await queue.claim_one()) == ["a", "b", "c"]


async def test_a_late_word_sets_nothing_before_somebody_wants_it_answered(
    queue: Queue, notes: LateNotes
) -> None:
    joined = said("hm", when=1, thread=OLD, by=BEN)
    await queue.add(said(when=0, thread=OLD, mention=True), joined)
    await queue.answer_all()

    await queue.add(_late("follow", thread=OLD))
    await queue.add(said("and?", when=2, thread=OLD))
    unasked = await queue.claim()
    note = await _offered(queue, notes)
    await notes.answer(TEAM, note.note_id, BEN)
    await queue.answer_all()
    await queue.add(said("and now?", when=3, thread=OLD))

    assert unasked == []
    assert texts(await queue.claim_one()) == ["and now?"]


async def test_a_thread_that_begins_with_a_late_word_is_answered_as_any_other(
    queue: Queue,
) -> None:
    await queue.add(_late("follow"))
    await queue.add(said("hm", when=1, thread=LONG_AGO, by=BEN))

    assert await queue.claim() == []


async def test_two_clicks_make_one(queue: Queue, notes: LateNotes) -> None:
    await queue.add(_late())
    note = await _offered(queue, notes)
    await notes.answer(TEAM, note.note_id, BEN)
    await queue.answer_all()

    again = await notes.answer(TEAM, note.note_id, CAT)

    assert again == AskedAlready()
    assert await queue.claim() == []
    (shown,) = await due(notes)
    assert (shown.state, shown.asked_by, shown.ts) == (NoteState.ASKED, BEN, at(5))


async def test_one_click_settles_every_line_of_the_thread(
    queue: Queue, notes: LateNotes
) -> None:
    await queue.add(_late("one"))
    first = await _offered(queue, notes)
    await queue.be_away(700.0)
    await queue.add(said("two", when=ago(700), thread=LONG_AGO))
    second = await _offered(queue, notes)
    assert second.post_key != first.post_key

    await notes.answer(TEAM, first.note_id, BEN)

    assert texts(await queue.claim_one()) == ["one", "two"]
    states = [note.state for note in await due(notes)]
    assert states == [NoteState.ASKED, NoteState.ASKED]


async def test_of_a_removed_message_nothing_is_left_to_answer(
    queue: Queue, notes: LateNotes
) -> None:
    await queue.add(_late())
    note = await _offered(queue, notes)

    await queue.inbox.delete(removed(_late()))

    assert await notes.answer(TEAM, note.note_id, BEN) == NothingLeft()
    assert [each.state for each in await due(notes)] == [NoteState.WITHDRAWN]
    assert await queue.claim() == []


async def test_a_line_stays_while_one_of_its_messages_does(
    queue: Queue, notes: LateNotes
) -> None:
    other = said("two", when=LONG_AGO + 1, thread=LONG_AGO)
    await queue.add(_late("one"), other)
    note = await _offered(queue, notes)

    await queue.inbox.delete(removed(_late()))

    assert isinstance(await notes.answer(TEAM, note.note_id, BEN), Asked)
    assert texts(await queue.claim_one()) == ["two"]


async def test_a_late_message_is_answered_as_it_was_edited_last(
    queue: Queue, notes: LateNotes
) -> None:
    await queue.add(_late("how wram?"), said("hey", when=0, thread=LONG_AGO))
    await queue.answer_all()
    note = await _offered(queue, notes)
    await queue.add(edited(_late(), "how warm?", when=10))

    await notes.answer(TEAM, note.note_id, BEN)

    assert texts(await queue.claim_one()) == ["how warm?"]


async def test_an_unknown_button_has_nothing_to_answer(notes: LateNotes) -> None:
    assert await notes.answer(TEAM, 404, BEN) == NothingLeft()


async def test_only_one_process_shows_a_line(queue: Queue, notes: LateNotes) -> None:
    await queue.add(_late())
    await queue.leases.beat("one", "1", 30.0)
    await queue.leases.beat("two", "1", 30.0)
    await notes.take("one")

    assert await notes.take("two") is None


async def test_a_line_of_a_dead_process_may_be_there_already(
    queue: Queue, notes: LateNotes
) -> None:
    await queue.add(_late())
    await queue.leases.beat("one", "1", 30.0)
    first = await notes.take("one")
    assert first
    await queue.leases.retire("one")

    second = await notes.take("two")

    assert second
    assert (first.may_be_posted, second.may_be_posted) == (False, True)
    assert second.post_key == first.post_key


async def test_a_click_while_the_line_is_being_sent_is_shown_next(
    queue: Queue, notes: LateNotes
) -> None:
    await queue.add(_late())
    await queue.leases.beat("one", "1", 30.0)
    note = await notes.take("one")
    assert note
    await notes.answer(TEAM, note.note_id, BEN)

    await notes.shown(note, "one", at(5))

    (next_one,) = await due(notes)
    assert (next_one.state, next_one.ts) == (NoteState.ASKED, at(5))
