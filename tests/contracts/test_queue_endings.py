"""What a turn leaves behind: history, ledger, outcomes."""

from typing import Any

import pytest

from app.domain import (
    CallState,
    DataMessage,
    Ending,
    ItemKind,
    Refusal,
    Run,
    RunError,
    RunStatus,
    ToolCall,
    Turn,
    TurnState,
    Usage,
)
from app.errors import LeaseLost, StorageError
from app.storage.data_messages import DataMessages
from app.storage.database import Database
from app.storage.tool_calls import ToolLedger
from tests.contracts.queue_words import BEN, Queue, items_of, said, texts

COMPLETED = Ending(status=RunStatus.COMPLETED)
STOPPED = Ending(status=RunStatus.CANCELLED, stopped_by="Ben")
CALLS = tuple(
    ToolCall(call_id=name, name="setRoomTemperature", arguments="{}")
    for name in ("done", "begun", "never")
)
PASS = Run(
    run_id="r1",
    status=RunStatus.REQUIRES_ACTION,
    tool_calls=CALLS,
    output=(
        {"type": "message", "text": "I'll do it."},
        *({"type": "function_call", "call_id": call.call_id} for call in CALLS),
    ),
)


async def _prepared(queue: Queue) -> Turn:
    await queue.add(said("do it", mention=True))
    turn = await queue.claim_one()
    await queue.store.prepare(turn.lease, items_of(turn), {})
    return turn


async def _history(queue: Queue, turn: Turn) -> list[tuple[ItemKind, Any]]:
    items = await queue.store.history(turn)
    return [(item.kind, dict(item.item)) for item in items]


async def test_preparing_twice_writes_the_history_once(database: Database) -> None:
    queue = Queue(database)
    turn = await _prepared(queue)

    await queue.store.prepare(turn.lease, items_of(turn), {})

    assert await _history(queue, turn) == [
        (ItemKind.WANTED, {"author": "UANA", "text": "do it", "files": []})
    ]


async def test_who_turns_out_not_to_be_allowed_is_not_answered_nor_kept(
    database: Database,
) -> None:
    queue = Queue(database)
    await queue.add(
        said("one", mention=True), said("two", when=1, thread=0, by=BEN, mention=True)
    )
    turn = await queue.claim_one()
    refused = {turn.messages[1].ts: Refusal.GUEST}

    await queue.store.prepare(turn.lease, items_of(turn)[:1], refused)
    await queue.store.release(turn.lease)
    again = await queue.claim_one()
    await queue.finish(again)

    assert texts(again) == ["one"]
    assert await queue.rows("SELECT text, outcome FROM inbox ORDER BY seq") == [
        ("one", "answered"),
        ("", "refused"),
    ]


async def test_every_call_without_an_output_gets_one_at_the_end(
    database: Database,
) -> None:
    queue, ledger = Queue(database), ToolLedger(database)
    turn = await _prepared(queue)
    await ledger.commit_pass(turn.lease, 0, PASS)
    async with ledger.fenced(turn.lease) as transaction:
        await ledger.finish_call(transaction, turn.lease, 0, CALLS[0], "23 °C", [])
    await ledger.start(turn.lease, 0, "begun")

    await queue.store.finish(
        turn.lease, STOPPED, TurnState.CANCELLED, unfinished_text="The kitchen"
    )

    assert (await _history(queue, turn))[5:] == [
        (ItemKind.TOOL_OUTPUT, {"call_id": "done", "output": "23 °C"}),
        (ItemKind.TOOL_OUTPUT, {"call_id": "begun", "output": "outcome unknown"}),
        (ItemKind.TOOL_OUTPUT, {"call_id": "never", "output": "not run: stopped"}),
        (
            ItemKind.OUTPUT,
            {
                "type": "message",
                "role": "assistant",
                "status": "incomplete",
                "content": [{"type": "output_text", "text": "The kitchen"}],
            },
        ),
    ]


async def test_what_a_completed_run_produced_is_stored_as_it_is(
    database: Database,
) -> None:
    queue = Queue(database)
    turn = await _prepared(queue)
    output = [{"type": "reasoning"}, {"type": "message", "id": "m1"}]

    await queue.store.finish(
        turn.lease, COMPLETED, TurnState.DONE, output=output, unfinished_text="no"
    )

    assert (await _history(queue, turn))[1:] == [
        (ItemKind.OUTPUT, item) for item in output
    ]


async def test_a_turn_that_said_nothing_leaves_no_empty_message(
    database: Database,
) -> None:
    queue = Queue(database)
    turn = await _prepared(queue)
    failed = Ending(
        status=RunStatus.FAILED,
        error=RunError(code="server_error", message="The model is not answering."),
        blocked_by="is_archived",
    )

    await queue.store.finish(turn.lease, failed, TurnState.FAILED)

    assert len(await _history(queue, turn)) == 1
    ended = "SELECT state, run_status, error, blocked_by FROM turns"
    assert await queue.rows(ended) == [
        ("failed", "failed", "server_error", "is_archived")
    ]
    assert await queue.rows("SELECT outcome FROM inbox") == [("answered",)]


async def test_a_turn_ends_once(database: Database) -> None:
    queue = Queue(database)
    turn = await _prepared(queue)
    await queue.finish(turn)

    with pytest.raises(LeaseLost):
        await queue.finish(turn)


async def test_a_pass_is_committed_once_with_its_calls_in_order(
    database: Database,
) -> None:
    queue, ledger = Queue(database), ToolLedger(database)
    turn = await _prepared(queue)

    await ledger.commit_pass(turn.lease, 0, PASS)
    await ledger.commit_pass(turn.lease, 0, PASS)

    calls = await ledger.calls(turn.lease)
    assert [(each.pass_no, each.call) for each in calls] == [
        (0, call) for call in CALLS
    ]
    assert {each.state for each in calls} == {CallState.PROPOSED}
    assert len(await _history(queue, turn)) == 1 + len(PASS.output)


async def test_a_call_goes_through_the_ledger_with_its_result_and_data(
    database: Database,
) -> None:
    queue, ledger = Queue(database), ToolLedger(database)
    data = DataMessages(database)
    turn = await _prepared(queue)
    await ledger.commit_pass(turn.lease, 0, PASS)
    changed = DataMessage(type="temperature_change", data={"new": 23.0}, caused_by="U")
    stored = await data.store(turn.lease, DataMessage(type="notice", data={}))

    await ledger.start(turn.lease, 0, "done")
    async with ledger.fenced(turn.lease) as transaction:
        shown = await ledger.finish_call(
            transaction, turn.lease, 0, CALLS[0], "ok", [changed, changed]
        )
    await ledger.mark_unknown(turn.lease, 0, "begun")

    states = [(each.state, each.result) for each in await ledger.calls(turn.lease)]
    assert states == [
        (CallState.DONE, "ok"),
        (CallState.UNKNOWN, None),
        (CallState.PROPOSED, None),
    ]
    assert [each.seq for each in (stored, *shown)] == [0, 1, 2]
    assert shown[0].message == changed
    await data.shown(turn.lease, [0, 1], part_no=4)
    assert [each.seq for each in await data.unshown(turn.lease)] == [2]
    assert [each.part_no for each in await data.of_turn(turn.lease)] == [4, 4, None]


async def test_a_call_has_one_result_and_a_second_one_undoes_its_effect(
    database: Database,
) -> None:
    queue, ledger = Queue(database), ToolLedger(database)
    data = DataMessages(database)
    turn = await _prepared(queue)
    await ledger.commit_pass(turn.lease, 0, PASS)

    async def finish_it() -> None:
        async with ledger.fenced(turn.lease) as transaction:
            effect = [DataMessage(type="notice", data={})]
            await data.add(transaction, turn.lease, effect)
            await ledger.finish_call(transaction, turn.lease, 0, CALLS[0], "ok", [])

    await finish_it()
    with pytest.raises(StorageError):
        await finish_it()
    with pytest.raises(StorageError):
        await ledger.start(turn.lease, 0, "done")

    assert len(await data.of_turn(turn.lease)) == 1


async def test_the_history_goes_on_over_turns_and_keeps_its_order(
    database: Database,
) -> None:
    queue = Queue(database)
    for when in range(3):
        await queue.add(said(f"ask {when}", when=when, thread=0, mention=True))
        turn = await queue.claim_one()
        await queue.store.prepare(turn.lease, items_of(turn), {})
        await queue.store.finish(
            turn.lease, COMPLETED, TurnState.DONE, output=[{"text": f"say {when}"}]
        )

    said_so_far = [item["text"] for _, item in await _history(queue, turn)]
    assert said_so_far == ["ask 0", "say 0", "ask 1", "say 1", "ask 2", "say 2"]


async def test_of_a_long_history_the_newest_whole_turns_are_read(
    database: Database,
) -> None:
    queue = Queue(database)
    for when in range(8):
        await queue.add(said(f"ask {when}", when=when, thread=0, mention=True))
        turn = await queue.claim_one()
        await queue.store.prepare(turn.lease, items_of(turn), {})
        output = [{"text": f"say {when}" + "." * 50_000} for _ in range(4)]
        await queue.store.finish(turn.lease, COMPLETED, TurnState.DONE, output=output)

    kept = await _history(queue, turn)

    assert len(kept) == 4 * 5
    assert kept[0][1]["text"] == "ask 4"


async def test_of_a_history_of_many_items_the_newest_whole_turns_are_read(
    database: Database,
) -> None:
    queue = Queue(database)
    for when in range(6):
        await queue.add(said(f"ask {when}", when=when, thread=0, mention=True))
        turn = await queue.claim_one()
        await queue.store.prepare(turn.lease, items_of(turn), {})
        output = [{"text": f"say {when}"} for _ in range(120)]
        await queue.store.finish(turn.lease, COMPLETED, TurnState.DONE, output=output)

    kept = await _history(queue, turn)

    assert len(kept) == 4 * 121
    assert kept[0][1]["text"] == "ask 2"


async def test_a_single_enormous_turn_is_read_whole(database: Database) -> None:
    queue = Queue(database)
    turn = await _prepared(queue)
    output = [{"text": "." * 300_000} for _ in range(6)]

    await queue.store.finish(turn.lease, COMPLETED, TurnState.DONE, output=output)

    assert len(await _history(queue, turn)) == 7


async def test_what_a_turn_took_is_kept_over_passes_and_owners(
    database: Database,
) -> None:
    queue = Queue(database)
    turn = await _prepared(queue)
    first = Usage(input_tokens=100, cached_tokens=40, output_tokens=9)
    await ToolLedger(database).commit_pass(turn.lease, 1, PASS, first)
    await queue.store.release(turn.lease)
    taken_over = await queue.claim_one()

    ending = Ending(status=RunStatus.COMPLETED, usage=first + first)
    await queue.store.finish(taken_over.lease, ending, TurnState.DONE)

    assert turn.usage is None
    assert taken_over.usage == first
    kept = "SELECT input_tokens, cached_tokens, output_tokens FROM turns"
    assert await queue.rows(kept) == [(200, 80, 18)]
