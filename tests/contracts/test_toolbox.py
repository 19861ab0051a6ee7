"""What the toolbox promises about calls, on both databases."""

import asyncio
import logging
from typing import Literal

import pytest

from app.domain import (
    CallState,
    ToolCall,
)
from app.errors import DatabaseUnavailable, LeaseLost
from app.storage.database import Database
from app.tools.tool import Check, Found, ToolContext, tool
from app.tools.toolbox import MAX_CALLS

from .queue_words import ANA, TEAM
from .toolbox_stage import Home, at_home, calling, reading, setting


@pytest.fixture
async def home(database: Database) -> Home:
    return await at_home(database)


async def test_a_room_is_set_and_everybody_is_told(home: Home):
    outputs = await home.run(setting("Kitchen", "23"))

    assert outputs == ["The kitchen is at 23 °C now; it was at 22 °C."]
    assert await home.rooms.temperature(TEAM, "kitchen") == 23
    assert await home.outputs_in_history() == outputs
    (card,) = home.shown
    assert card.message.type == "temperature_change"
    assert card.message.data == {"room": "kitchen", "old": 22, "new": 23, "unit": "°C"}
    assert card.message.caused_by == ANA


async def test_a_room_that_is_there_already_is_said_quietly(home: Home):
    outputs = await home.run(setting("kitchen", "22.0"))

    assert outputs == ["The kitchen was at 22 °C already."]
    assert home.shown[0].message.type == "temperature_unchanged"


async def test_a_room_is_read(home: Home):
    assert await home.run(reading("home_office")) == ["The home office is at 21 °C."]


async def test_outputs_and_cards_come_in_call_order(home: Home):
    outputs = await home.run(
        setting("kitchen", "23", "c1"),
        setting("bedroom", "19.5", "c2"),
        setting("kitchen", "24", "c3"),
    )

    assert outputs == [
        "The kitchen is at 23 °C now; it was at 22 °C.",
        "The bedroom is at 19.5 °C now; it was at 20 °C.",
        "The kitchen is at 24 °C now; it was at 23 °C.",
    ]
    assert [card.message.data["new"] for card in home.shown] == [23, 19.5, 24]
    assert [card.seq for card in home.shown] == sorted(card.seq for card in home.shown)


async def test_a_read_after_a_write_sees_what_was_written(home: Home):
    outputs = await home.run(
        reading("kitchen", "r1"), setting("kitchen", "23"), reading("kitchen", "r2")
    )

    assert outputs[0] == "The kitchen is at 22 °C."
    assert outputs[2] == "The kitchen is at 23 °C."


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (
            setting("garage", "20"),
            (
                "Error: there is no 'garage'; the rooms are bedroom, home office,"
                " living room, kitchen, bathroom"
            ),
        ),
        *(
            (
                setting("kitchen", given),
                "Error: temperature: must be a plain number of °C from 5 to 35",
            )
            for given in ("4.9", "35.1", "true", '"21"', "NaN", "Infinity", "null")
        ),
        (
            calling("setRoomTemperature", arguments='{"room": "kitchen"}'),
            "Error: temperature: Field required",
        ),
        (
            calling("openWindow"),
            (
                "Error: there is no 'openWindow'; the tools are getRoomTemperature,"
                " setRoomTemperature"
            ),
        ),
    ],
)
async def test_a_wrong_call_is_explained_to_the_model(
    home: Home, call: ToolCall, told: str
):
    assert await home.run(call) == [told]
    assert await home.outputs_in_history() == [told]
    assert home.shown == []
    assert await home.rooms.temperature(TEAM, "kitchen") == 22


async def test_arguments_that_are_no_json_are_one_line(home: Home):
    (told,) = await home.run(calling("getRoomTemperature", arguments='{"room": \n'))

    assert told.startswith("Error: Invalid JSON")
    assert "\n" not in told


async def test_a_call_that_is_done_is_not_run_again(home: Home):
    outputs = await home.run(setting("kitchen", "23"))
    known = await home.ledger.calls(home.turn.lease)

    again = await home.go_on(known)

    assert [output.output for output in again] == outputs
    assert len(home.shown) == 1


async def test_a_proposed_call_of_a_former_owner_is_run(home: Home):
    await home.propose(setting("kitchen", "23"))

    await home.go_on(await home.ledger.calls(home.turn.lease))

    assert await home.rooms.temperature(TEAM, "kitchen") == 23
    assert await home.states() == [CallState.DONE]


async def test_a_stored_write_that_fails_leaves_nothing(home: Home):
    @tool(effect="write", label="breaking", stored=True, time_limit=5)
    async def breakIt(context: ToolContext) -> str:  # noqa: N802
        """Set a room and break."""
        await home.rooms.set_temperature(
            context.transaction, context.turn.lease, 1, "c1", "kitchen", 30, ANA
        )
        raise RuntimeError("secret words of somebody")

    home.equip(breakIt)

    assert await home.run(calling("breakIt")) == ["Error: breakIt failed."]
    assert await home.rooms.temperature(TEAM, "kitchen") == 22
    assert await home.states() == [CallState.DONE]


@pytest.mark.parametrize("effect", ["read", "write"])
async def test_a_database_that_is_away_is_no_fault_of_the_tool(
    home: Home, effect: Literal["read", "write"]
):
    @tool(effect=effect, label="asking")
    async def ask(context: ToolContext) -> str:
        """Ask the database."""
        raise DatabaseUnavailable("away")

    home.equip(ask)

    with pytest.raises(DatabaseUnavailable):
        await home.run(calling("ask"))

    assert await home.outputs_in_history() == []


async def test_what_broke_is_logged_without_its_words(
    home: Home, caplog: pytest.LogCaptureFixture
):
    @tool(effect="read", label="breaking")
    async def breakIt(context: ToolContext) -> str:  # noqa: N802
        """Break."""
        raise RuntimeError("secret words of somebody")

    home.equip(breakIt)
    await home.run(calling("breakIt"))

    (record,) = [record for record in caplog.records if record.name.startswith("app")]
    assert record.levelno == logging.ERROR
    assert vars(record)["error"] == "RuntimeError"
    assert "secret" not in str(vars(record))


async def test_a_slow_tool_is_given_up(home: Home):
    @tool(effect="write", label="waiting", time_limit=0.01)
    async def waitForever(context: ToolContext) -> str:  # noqa: N802
        """Wait."""
        await asyncio.Event().wait()
        return "never"

    home.equip(waitForever)

    assert await home.run(calling("waitForever")) == [
        "Error: waitForever took longer than 0.01 s. Whether it took effect is unknown."
    ]


async def test_neighbouring_reads_run_together(home: Home):
    met = asyncio.Barrier(3)

    @tool(effect="read", label="meeting")
    async def meet(context: ToolContext) -> str:
        """Wait for the others."""
        await met.wait()
        return context.call.call_id

    home.equip(meet)

    calls = [calling("meet", call_id) for call_id in "abc"]
    assert await home.run(*calls) == ["a", "b", "c"]


async def test_writes_never_run_together(home: Home):
    running: list[str] = []
    most = 0

    @tool(effect="write", label="writing")
    async def write(context: ToolContext) -> dict[str, int]:
        """Write."""
        nonlocal most
        running.append(context.call.call_id)
        most = max(most, len(running))
        await asyncio.sleep(0)
        running.pop()
        return {"written": 1}

    home.equip(write)

    outputs = await home.run(*[calling("write", call_id) for call_id in "abc"])

    assert outputs == ['{"written":1}'] * 3
    assert most == 1


async def test_nothing_starts_after_a_stop(home: Home):
    home.stop.set()

    assert await home.run(setting("kitchen", "23"), reading("kitchen")) == []
    assert await home.rooms.temperature(TEAM, "kitchen") == 22
    assert await home.states() == [CallState.PROPOSED, CallState.PROPOSED]


async def test_a_stop_gives_up_reads_and_waits_for_a_write_that_has_begun(home: Home):
    began, goes_on = asyncio.Event(), asyncio.Event()

    @tool(effect="write", label="writing")
    async def write(context: ToolContext) -> str:
        """Write."""
        began.set()
        await goes_on.wait()
        return "written"

    @tool(effect="read", label="reading")
    async def read(context: ToolContext) -> str:
        """Read."""
        await asyncio.Event().wait()
        return "never"

    home.equip(write, read)
    calls = [calling("write", "c1"), calling("read", "c2"), calling("write", "c3")]
    running = asyncio.create_task(home.run(*calls))
    await began.wait()
    home.stop.set()
    goes_on.set()

    assert await running == ["written"]
    assert await home.states() == [
        CallState.DONE,
        CallState.PROPOSED,
        CallState.PROPOSED,
    ]


async def test_a_write_that_has_begun_may_tell_how_it_ended_when_its_process_ends(
    home: Home,
):
    began, goes_on = asyncio.Event(), asyncio.Event()

    @tool(effect="write", label="writing")
    async def write(context: ToolContext) -> str:
        """Write."""
        began.set()
        await goes_on.wait()
        return "written"

    home.equip(write)
    running = asyncio.create_task(
        home.run(calling("write", "c1"), calling("write", "c2"))
    )
    await began.wait()
    running.cancel()
    asyncio.get_running_loop().call_later(0.01, goes_on.set)
    await asyncio.wait([running])

    assert running.cancelled()
    assert await home.states() == [CallState.DONE, CallState.PROPOSED]
    assert await home.outputs_in_history() == ["written"]


async def test_a_read_under_way_is_given_up_at_a_stop(home: Home):
    began = asyncio.Event()

    @tool(effect="read", label="reading")
    async def read(context: ToolContext) -> str:
        """Read."""
        began.set()
        await asyncio.Event().wait()
        return "never"

    home.equip(read)
    running = asyncio.create_task(home.run(calling("read")))
    await began.wait()
    home.stop.set()

    assert await running == []


async def test_more_calls_than_fit_are_told_to_come_again(home: Home):
    calls = [reading("kitchen", f"r{n}") for n in range(MAX_CALLS + 2)]

    outputs = await home.run(*calls)

    assert outputs[:MAX_CALLS] == ["The kitchen is at 22 °C."] * MAX_CALLS
    assert all(told.startswith("Error: not run") for told in outputs[MAX_CALLS:])
    assert len(await home.outputs_in_history()) == MAX_CALLS + 2


async def test_a_turn_that_has_moved_on_changes_nothing(home: Home):
    await home.propose(setting("kitchen", "23"))
    await home.queue.store.release(home.turn.lease)
    await home.queue.claim_one()

    with pytest.raises(LeaseLost):
        await home.go_on([setting("kitchen", "23")])

    assert await home.rooms.temperature(TEAM, "kitchen") == 22
    assert home.shown == []


async def test_a_write_cut_off_by_a_crash_is_in_doubt_and_not_run_again(home: Home):
    times = 0

    @tool(effect="write", label="opening {door}", outcome="the {door} was opened")
    async def openDoor(context: ToolContext, door: str) -> str:  # noqa: N802
        """Open a door."""
        nonlocal times
        times += 1
        return "opened"

    home.equip(openDoor)
    call = calling("openDoor", arguments='{"door": "garage"}')
    await home.propose(call)
    await home.ledger.start(home.turn.lease, 1, call.call_id)

    known = await home.ledger.calls(home.turn.lease)
    doubtful = home.toolbox.uncertain(known)
    outputs = await home.go_on(known)

    assert doubtful == known
    assert home.toolbox.describe(known) == "the garage was opened"
    assert "unknown" in outputs[0].output
    assert times == 0
    assert await home.states() == [CallState.UNKNOWN]


async def looks_in_vain(context: ToolContext) -> Found:
    raise OSError("secret words of a device")


async def takes_forever(context: ToolContext) -> Found:
    await asyncio.Event().wait()
    return "done"


@pytest.mark.parametrize("check", [looks_in_vain, takes_forever])
async def test_a_check_that_can_not_tell_leaves_the_doubt(
    home: Home, check: Check, caplog: pytest.LogCaptureFixture
):
    @tool(effect="write", label="ringing", time_limit=0.01, check=check)
    async def ringBell(context: ToolContext) -> str:  # noqa: N802
        """Ring the bell."""
        return "rang"

    home.equip(ringBell)
    await home.propose(calling("ringBell"))
    await home.ledger.start(home.turn.lease, 1, "c1")
    known = await home.ledger.calls(home.turn.lease)

    assert await home.toolbox.find_out(home.turn, known) == known
    assert home.toolbox.uncertain(known) == known
    assert "secret" not in caplog.text


async def test_a_call_of_a_tool_that_is_gone_is_no_riddle(home: Home):
    await home.propose(calling("nobody"))
    await home.ledger.start(home.turn.lease, 1, "c1")
    known = await home.ledger.calls(home.turn.lease)

    assert await home.toolbox.find_out(home.turn, known) == known


async def test_a_stored_write_or_a_read_is_never_in_doubt(home: Home):
    await home.propose(setting("kitchen", "23"), reading("kitchen"))
    for call_id in ("c1", "r1"):
        await home.ledger.start(home.turn.lease, 1, call_id)
    known = await home.ledger.calls(home.turn.lease)

    assert home.toolbox.uncertain(known) == []
    outputs = await home.go_on(known)

    assert outputs[1].output == "The kitchen is at 23 °C."
    assert home.toolbox.describe(known[:1]) == "the kitchen was set to 23 °C"


async def test_a_long_result_is_cut_where_a_character_ends(home: Home):
    @tool(effect="read", label="reading")
    async def read(context: ToolContext) -> str:
        """Read."""
        return "ä" * 20_000

    home.equip(read)
    (told,) = await home.run(calling("read"))

    assert len(told.encode()) <= 16_000
    assert told.endswith("ä… (cut)")
