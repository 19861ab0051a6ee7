"""Each statement finds its rows by an index and stays within one workspace."""

import re
from typing import Any

from sqlalchemy import insert, text

from app.domain import (
    DataMessage,
    DeletedReply,
    Doubt,
    Ending,
    PartKind,
    ReplyPart,
    Run,
    RunStatus,
    ToolCall,
    Turn,
    TurnState,
)
from app.storage.absences import Absences
from app.storage.company import Company
from app.storage.data_messages import DataMessages
from app.storage.database import Database
from app.storage.doubts import Doubts
from app.storage.late_notes import LateNotes
from app.storage.rate_budgets import BudgetKey, Learnt, RateBudgets
from app.storage.remote_threads import RemoteThreads
from app.storage.reply_parts import ReplyParts
from app.storage.resumptions import Resumptions
from app.storage.rooms import Rooms
from app.storage.tables import metadata
from app.storage.tool_calls import ToolLedger
from app.storage.web_threads import WebThreads
from app.storage.window import HistoryWindow
from tests.contracts.budget_words import asks
from tests.contracts.queue_words import (
    ANA,
    BEN,
    TEAM,
    Queue,
    at,
    edited,
    items_of,
    removed,
    said,
)
from tests.contracts.statements import plan_of, watched

MANY = 10_000

# They look at the whole queue: who waits longest, whose owner is dead, about what
# nobody has decided in time.
QUEUE_WIDE = {"picked", "lost", "missed", "notes_due", "overdue"}
# What is known of processes is nobody's.
OF_NO_TEAM = {"workers", "absences"}


async def _everything(queue: Queue) -> None:
    """Do all that storage can do at least once."""
    database = queue.database
    ledger, parts = ToolLedger(database), ReplyParts(database)
    data, rooms = DataMessages(database), Rooms(database)
    first = said("one", when=MANY + 1, mention=True)
    await queue.add(first, first, edited(first, "two", when=MANY + 9))
    aside = said("aside", when=MANY + 2, thread=MANY + 1, by=BEN)
    await queue.add(aside)
    turn = await queue.claim_one()
    lease = turn.lease
    await queue.store.is_ready(TEAM, lease.conversation_id)
    await queue.store.news([lease])
    await queue.store.prepare(lease, items_of(turn), {})
    await queue.store.history(turn)
    await queue.store.wanted_in_last_hour(TEAM, ANA)
    call = ToolCall(call_id="c", name="n", arguments="{}")
    run = Run(
        run_id="r", status=RunStatus.REQUIRES_ACTION, tool_calls=(call,), output=({},)
    )
    await _everything_on_the_other_side(database, turn)
    await ledger.commit_pass(lease, 0, run)
    await ledger.start(lease, 0, "c")
    await rooms.all(TEAM)
    async with ledger.fenced(lease) as transaction:
        await rooms.set_temperature(transaction, lease, 0, "c", "kitchen", 5.0, ANA)
        notice = DataMessage(type="notice", data={})
        await ledger.finish_call(transaction, lease, 0, call, "ok", [notice])
    await ledger.calls(lease)
    await data.unshown(lease)
    await data.shown(lease, [0], 0)
    await parts.intend(lease, ReplyPart(part_no=0, kind=PartKind.TEXT, post_key="k"))
    await parts.posted(lease, 0, at(1))
    await parts.seal(lease, 0, 0, 9)
    await parts.parts(lease)
    await parts.forget(lease, 0)
    await queue.inbox.delete(removed(aside))
    await queue.inbox.request_stop(TEAM, turn.turn_id, BEN)
    await queue.inbox.stop_by_sign(DeletedReply(thread=turn.thread, ts=at(9)))
    await queue.store.stop_requested(lease)
    await queue.store.release(lease)
    turn = await queue.claim_one()
    await queue.leases.reap("worker", [])
    turn = await queue.claim_one()
    await queue.inbox.delete(removed(first))
    await queue.add(said("more", when=MANY + 3, thread=MANY + 1, mention=True))
    await queue.add(said("stop", when=MANY + 4, thread=MANY + 1, mention=True))
    ending = Ending(status=RunStatus.CANCELLED)
    await queue.store.finish(turn.lease, ending, TurnState.CANCELLED)
    await _everything_again(queue)
    await _everything_on_the_web(queue)
    await _everything_late(queue)
    await queue.leases.retire("worker")


async def _everything_of_budgets(database: Database) -> None:
    budgets = RateBudgets(database)
    key, start = BudgetKey(team_id=TEAM, method="m"), Learnt(rate=1.0, burst=5.0)
    await budgets.keep([(key, start)])
    await budgets.learnt(key)
    if budgets.are_lent:
        other = BudgetKey(team_id=TEAM, method="n")
        await budgets.lend(other, asks("worker"), start)


async def _everything_late(queue: Queue) -> None:
    """Come back after a day, and leave what waited through the half of it."""
    await queue.add(said("and?", when=MANY + 5, thread=MANY + 1, mention=True))
    await queue.be_away(1_000.0)
    old = said("old", when=-5_000, thread=MANY + 1, mention=True)
    await queue.add(old)
    await queue.add(edited(old, "older", when=-4_900))
    await queue.inbox.delete(removed(old))
    notes, absences = LateNotes(queue.database), Absences(queue.database)
    while note := await notes.take("worker"):
        await notes.later(note, "worker", 0.0)
        note = await notes.take("worker") or note
        await notes.shown(note, "worker", at(1))
        await notes.answer(TEAM, note.note_id, BEN)
        await notes.give_up(await notes.take("worker") or note, "worker")
    absence = await absences.take("worker")
    assert absence
    await absences.known_places(TEAM, absence)
    await absences.caught_up(absence)


async def _everything_again(queue: Queue) -> None:
    """What a turn can see after its end, and while it waits for a person."""
    resumptions, doubts = Resumptions(queue.database), Doubts(queue.database)
    await queue.answer_all()
    await queue.add(said("again", when=MANY + 5, thread=MANY + 1, mention=True))
    turn = await queue.claim_one()
    await queue.store.conclude(turn.lease, Ending(status=RunStatus.FAILED))
    await resumptions.retry(TEAM, turn.turn_id, BEN)
    failed = Ending(status=RunStatus.FAILED)
    await queue.store.finish(turn.lease, failed, TurnState.FAILED)
    turn = await queue.claim_one()
    await doubts.raise_doubt(turn.lease, Doubt(1, "I can't tell."))
    await ReplyParts(queue.database).checkpoint(turn.lease, "So far")
    await ReplyParts(queue.database).text_so_far(turn.lease)
    await ReplyParts(queue.database).is_newest(turn.lease)
    await doubts.suspend(turn.lease)
    await doubts.decide(TEAM, turn.turn_id, 1, BEN)
    turn = await queue.claim_one()
    await doubts.raise_doubt(turn.lease, Doubt(2, "I can't tell again."))
    await doubts.leave(TEAM, turn.turn_id, 2, BEN)
    cut = Ending(status=RunStatus.INCOMPLETE)
    await queue.store.finish(turn.lease, cut, TurnState.DONE, unfinished_text="So")
    await resumptions.retry(TEAM, turn.turn_id, BEN)
    await resumptions.go_on(TEAM, turn.turn_id, BEN)
    await queue.answer_all()


async def _everything_on_the_web(queue: Queue) -> None:
    threads = WebThreads(queue.database, TEAM)
    first = await threads.add(None, "one", "worker")
    assert first
    second = await threads.add(first.thread_id, "two", "worker")
    assert second
    assert await threads.claim(first, "worker")
    await queue.leases.reap("worker", [])
    await threads.drop(second)


async def _everything_on_the_other_side(database: Database, turn: Turn) -> None:
    window = HistoryWindow(database)
    await window.begin_at(turn, 1)
    await window.read(turn)
    await Company(database).take(turn.lease)
    threads = RemoteThreads(database, api="conversation")
    await threads.told(turn, "thread_1", up_to=0)
    await threads.began(turn, "run_1")
    await threads.find(turn)
    await threads.items(turn, after_turn=1)
    await _everything_of_budgets(database)


async def test_every_statement_names_the_workspace_but_five(
    database: Database,
) -> None:
    queue = Queue(database)
    with watched(database) as seen:
        await _everything(queue)

    statements = {statement for statement, _ in seen}
    touched = {
        table for each in statements for table in re.findall(r"\b[a-z_]+\b", each)
    } & set(metadata.tables)
    assert touched == set(metadata.tables)
    wide = {each for each in statements if not _names_the_team(each)}
    of_no_team = {each for each in wide if set(_tables(each)) <= OF_NO_TEAM}
    assert {each.split()[1] for each in wide - of_no_team} == QUEUE_WIDE


async def test_every_statement_finds_its_rows_by_an_index(database: Database) -> None:
    await _fill(database)
    queue = Queue(database)
    with watched(database) as seen:
        await _everything(queue)

    found = dict(seen)
    scans = []
    for statement, parameters in found.items():
        plan = await plan_of(database, statement, parameters)
        scans += [
            (statement, line)
            for line in plan
            if re.search(
                r"Seq Scan on (conversations|inbox|turns|thread_items|tool_calls)"
                r"|SCAN (conversations|inbox|turns|thread_items|tool_calls)$",
                line,
            )
        ]
    assert scans == []


async def test_adding_takes_few_statements(database: Database) -> None:
    queue = Queue(database)
    first = said(when=1, mention=True)
    within = said(when=2, thread=0, mention=True)
    taken = []

    for message in (first, first, within, said(when=3, thread=0, mention=True)):
        with watched(database) as seen:
            await queue.add(message)
        taken.append([statement[:6] for statement, _ in seen])

    assert taken == [
        ["INSERT", "INSERT"],
        ["INSERT", "SELECT"],
        ["INSERT", "INSERT", "UPDATE"],
        ["INSERT", "INSERT", "UPDATE"],
    ]


async def test_plain_talk_of_others_takes_one_reading(database: Database) -> None:
    with watched(database) as seen:
        await Queue(database).add(said("lunch?", when=2, thread=1))

    assert [statement[:6] for statement, _ in seen] == ["SELECT"]


def _names_the_team(statement: str) -> bool:
    if statement.startswith("INSERT"):
        return "team_id" in statement.partition(")")[0]
    conditions = re.split(r"\b(?:WHERE|ON)\b", statement.partition("RETURNING")[0])[1:]
    said = (re.sub(r"NOT \([^)]*\)", "", each) for each in conditions)
    # To be that of another row is not enough.
    return any(re.search(r"team_id (= |= ANY \(|IN \()[$?]", each) for each in said)


def _tables(statement: str) -> list[str]:
    return re.findall(r"(?:FROM|JOIN|UPDATE|INTO) ([a-z_]+)", statement)


async def _fill(database: Database) -> None:
    """Make ten thousand threads, each with a message, a turn, an item and a call."""
    rows = range(1, MANY + 1)
    its = {"team_id": TEAM}
    filling: dict[str, list[dict[str, Any]]] = {
        "assistant_threads": [{"id": n, **its} for n in rows],
        "conversations": [
            {
                **its,
                "id": n,
                "channel_id": "C1",
                "thread_ts": at(n),
                "channel_kind": "channel",
                "assistant_thread_id": n,
                "state": "idle",
                "inbox_seq": 1,
                "wanted_seq": 1,
                "taken_seq": 1,
                "epoch": 1,
                "ready_at": float(n),
                "follow": "automatic",
                "humans": [],
            }
            for n in rows
        ],
        "inbox": [
            {
                **its,
                "channel_id": "C1",
                "ts": at(n),
                "conversation_id": n,
                "seq": 1,
                "edits_only": False,
                "author_id": f"U{n}",
                "mentioned": True,
                "wanted": True,
                "text": "hello",
                "files": [],
                "taken_at": float(n),
                "outcome": "answered",
            }
            for n in rows
        ],
        "turns": [
            {
                **its,
                "id": n,
                "conversation_id": n,
                "first_seq": 1,
                "last_seq": 1,
                "state": "done",
                "attempt": 0,
                "claimed_at": 1.0,
            }
            for n in rows
        ],
        "thread_items": [
            {
                **its,
                "assistant_thread_id": n,
                "turn_id": n,
                "position": 0,
                "kind": "wanted",
                "item": {},
            }
            for n in rows
        ],
        "tool_calls": [
            {
                **its,
                "turn_id": n,
                "pass_no": 0,
                "call_id": "c",
                "position": 0,
                "name": "n",
                "arguments": "{}",
                "state": "done",
            }
            for n in rows
        ],
    }
    async with database.write() as transaction:
        for name, values in filling.items():
            await transaction.execute(insert(metadata.tables[name]), values)
        if not database.is_sqlite:
            for name in ("assistant_threads", "conversations", "turns"):
                await transaction.execute(
                    text(
                        f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), {MANY})"
                    )
                )
        await transaction.execute(text("ANALYZE"))
