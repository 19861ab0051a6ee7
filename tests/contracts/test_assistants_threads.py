"""An assistant whose threads are kept by the server: what is sent, and what is met."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.assistants.patience import Limits
from app.domain import (
    ItemKind,
    Notice,
    Run,
    RunStatus,
    TextDelta,
    ThreadItem,
    ToolOutput,
)
from app.storage.remote_threads import RemoteThread

from .assistant_stage import Heard, ThreadsStage, client_of, hear
from .replaying import Play, Refuse
from .replaying_threads import ThreadsServer, replaying_threads

THREAD, RUN = "thread_7cKq2VnXh1", "run_4fGm9ZtYw3"
HELLO = "Hello Ana, the kitchen is at 22 °C."
GONE = Refuse(404, {"message": f"No thread found with id '{THREAD}'.", "code": None})
ACTIVE = Refuse(
    400, {"message": f"Can't add messages to {THREAD} while a run {RUN} is active."}
)
TOLD = {"threadline_turn": "7"}


@pytest.fixture
async def server() -> AsyncIterator[ThreadsServer]:
    async with replaying_threads() as server:
        yield server


@pytest.fixture
async def stage(server: ThreadsServer) -> AsyncIterator[ThreadsStage]:
    async with client_of(server.base_url) as client:
        yield ThreadsStage(client)


async def answer(stage: ThreadsStage, server: ThreadsServer, *acts: Any) -> Heard:  # noqa: ANN401
    server.acts.clear()
    server.then(*acts)
    return await hear(stage.assistant.run(stage.turn))


async def answered_once(stage: ThreadsStage, server: ThreadsServer) -> None:
    stage.say("hello")
    heard = await answer(stage, server, Play("assistants_text"))
    stage.add_pass(heard.run, {})
    server.asked.clear()


def given_up(stage: ThreadsStage, told: int = 6, run_id: str = "") -> None:
    """Let a former owner of the turn have come so far and no further."""
    stage.thread = RemoteThread(thread_id=THREAD, told_turn_id=told)
    stage.run_ids = {stage.turn.turn_id: run_id}


async def test_the_first_turn_makes_the_thread_and_its_run_in_one_request(
    stage: ThreadsStage, server: ThreadsServer
):
    stage.say("hello")
    await answer(stage, server, Play("assistants_text"))

    assert server.asked == ["POST /threads/runs"]
    [body] = server.requests
    assert body["thread"] == {"messages": [{"role": "user", "content": "Ana: hello"}]}
    assert body["assistant_id"] == "asst_offline"
    assert body["stream"] is True
    assert body["metadata"] == TOLD
    function = body["tools"][0]["function"]
    assert function["name"] == "getRoomTemperature"
    assert function["strict"] is True
    assert server.headers[0]["OpenAI-Beta"] == "assistants=v2"
    assert stage.thread == RemoteThread(thread_id=THREAD, told_turn_id=7)
    assert stage.run_ids == {7: RUN}


async def test_a_later_turn_adds_what_was_said_since_as_one_message(
    stage: ThreadsStage, server: ThreadsServer
):
    await answered_once(stage, server)
    stage.say("nice", kind=ItemKind.OVERHEARD)
    stage.say("and now?")
    await answer(stage, server, Play("assistants_text"))

    assert server.asked == [
        f"POST /threads/{THREAD}/messages",
        f"POST /threads/{THREAD}/runs",
    ]
    [added] = server.added
    assert added["content"] == "(overheard) Ana: nice\n\nAna: and now?"
    assert "thread" not in server.requests[-1]


async def test_a_thread_that_was_answered_elsewhere_is_told_anew(
    stage: ThreadsStage, server: ThreadsServer
):
    await answered_once(stage, server)
    stage.say("and by another way?")
    stage.add_pass(
        Run(
            run_id="",
            status=RunStatus.COMPLETED,
            output=({"type": "message", "content": [{"text": "Yes."}]},),
        ),
        {},
    )
    stage.say("good")
    heard = await answer(stage, server, Play("assistants_text"))

    assert server.asked == ["POST /threads/runs"]
    said = [one["content"] for one in server.requests[-1]["thread"]["messages"]]
    assert said == [
        "Ana: hello",
        HELLO,
        "Ana: and by another way?",
        "Yes.",
        "Ana: good",
    ]
    assert not any(isinstance(event, Notice) for event in heard.events)


async def test_all_outputs_of_a_batch_go_in_one_request_and_none_is_missing(
    stage: ThreadsStage, server: ThreadsServer
):
    stage.say("both rooms")
    run = (await answer(stage, server, Play("assistants_two_calls"))).run
    server.acts.clear()
    server.then(Play("assistants_report"))
    only = [ToolOutput(call_id="call_kitchen", output="23 °C")]
    await hear(stage.assistant.submit_tool_outputs(stage.turn, run, only))

    assert server.asked[-1] == f"POST /threads/{THREAD}/runs/{RUN}/submit_tool_outputs"
    assert server.requests[-1] == {
        "tool_outputs": [
            {"tool_call_id": "call_kitchen", "output": "23 °C"},
            {"tool_call_id": "call_bedroom", "output": "not run: stopped"},
        ],
        "stream": True,
    }


@pytest.mark.parametrize(
    ("recorded", "status", "reason"),
    [
        ("text", RunStatus.COMPLETED, None),
        ("cut_at_length", RunStatus.INCOMPLETE, "max_output_tokens"),
        ("content_filter", RunStatus.INCOMPLETE, "content_filter"),
        ("expired", RunStatus.EXPIRED, None),
        ("cancelled", RunStatus.CANCELLED, None),
        ("failed_prompt", RunStatus.FAILED, None),
        ("one_call", RunStatus.REQUIRES_ACTION, None),
    ],
)
async def test_a_run_ends_as_the_server_says(
    stage: ThreadsStage,
    server: ThreadsServer,
    recorded: str,
    status: RunStatus,
    reason: str | None,
):
    stage.say("hello")
    heard = await answer(stage, server, Play(f"assistants_{recorded}"))

    assert heard.run.status is status
    assert heard.run.incomplete_reason == reason
    assert "org-1" not in str(heard.run)


@pytest.mark.parametrize("kind", ["flat", "nested"])
async def test_after_an_error_in_mid_stream_the_run_itself_is_asked(
    stage: ThreadsStage, server: ThreadsServer, kind: str
):
    stage.say("hello")
    server.polls.extend(
        [
            {"status": "in_progress"},
            {"status": "failed", "last_error": {"code": "server_error"}},
        ]
    )
    heard = await answer(stage, server, Play(f"assistants_error_{kind}"))

    assert heard.text == "Hello Ana, the"
    assert heard.run.status is RunStatus.FAILED
    assert heard.run.error
    assert heard.run.error.code == "server_error"
    assert server.asked[0] == "POST /threads/runs"
    assert not any(path.startswith("POST") for path in server.asked[1:])


async def test_a_run_that_failed_before_its_first_word_is_begun_again_in_its_thread(
    stage: ThreadsStage, server: ThreadsServer
):
    stage.say("hello")
    heard = await answer(
        stage, server, Play("assistants_failed_server"), Play("assistants_text")
    )

    assert heard.text == HELLO
    assert server.added == []
    posted = [path for path in server.asked if path.startswith("POST")]
    assert posted == ["POST /threads/runs", f"POST /threads/{THREAD}/runs"]


async def test_a_run_that_failed_after_its_tools_is_not_begun_again(
    stage: ThreadsStage, server: ThreadsServer
):
    stage.say("both rooms")
    run = (await answer(stage, server, Play("assistants_two_calls"))).run
    server.acts.clear()
    server.then(Play("assistants_failed_server"))

    heard = await hear(stage.assistant.submit_tool_outputs(stage.turn, run, ()))

    assert heard.run.status is RunStatus.FAILED
    assert stage.pauses == []


async def test_who_takes_over_hears_the_whole_answer_once(
    stage: ThreadsStage, server: ThreadsServer
):
    stage.say("hello")
    await answer(stage, server, Play("assistants_text"))
    server.polls.extend([{"status": "queued"}, {"status": "in_progress"}])
    server.polls.append({"status": "completed"})
    server.asked.clear()

    heard = await hear(stage.assistant.resume(stage.turn))

    assert heard.text == HELLO
    assert not any(isinstance(event, TextDelta) for event in heard.events)
    assert "thread.run.queued" in heard.names
    assert heard.run.status is RunStatus.COMPLETED
    assert not any(path.startswith("POST") for path in server.asked)


async def test_who_takes_over_is_asked_again_for_calls_that_nobody_committed(
    stage: ThreadsStage, server: ThreadsServer
):
    stage.say("both rooms")
    first = await answer(stage, server, Play("assistants_two_calls"))

    heard = await hear(stage.assistant.resume(stage.turn))

    assert heard.run.status is RunStatus.REQUIRES_ACTION
    assert heard.run.tool_calls == first.run.tool_calls


async def test_who_takes_over_submits_what_the_ledger_has(
    stage: ThreadsStage, server: ThreadsServer
):
    stage.say("both rooms")
    run = (await answer(stage, server, Play("assistants_two_calls"))).run
    stage.add_pass(run, {"call_kitchen": "23 °C"})
    server.acts.clear()
    server.then(Play("assistants_report"))

    heard = await hear(stage.assistant.resume(stage.turn))

    assert heard.run.status is RunStatus.COMPLETED
    outputs = server.requests[-1]["tool_outputs"]
    assert [one["output"] for one in outputs] == ["23 °C", "not run: stopped"]


async def test_a_message_that_a_dead_owner_added_is_not_added_again(
    stage: ThreadsStage, server: ThreadsServer
):
    stage.say("hello")
    given_up(stage)
    server.messages = [{"id": "msg_0", "role": "user", "metadata": TOLD}]
    server.then(Play("assistants_text"))

    heard = await hear(stage.assistant.resume(stage.turn))

    assert heard.text == HELLO
    assert server.added == []


async def test_a_run_that_a_dead_owner_could_not_note_is_found(
    stage: ThreadsStage, server: ThreadsServer
):
    stage.say("hello")
    given_up(stage, told=7)
    server._remember("assistants_text")
    server.runs = [server.runs[0] | {"metadata": TOLD}]

    heard = await hear(stage.assistant.resume(stage.turn))

    assert heard.text == HELLO
    assert stage.run_ids == {7: RUN}
    assert server.requests == []


async def test_a_thread_that_the_server_lost_is_told_anew_and_people_learn_of_it(
    stage: ThreadsStage, server: ThreadsServer
):
    await answered_once(stage, server)
    stage.say("and now?")
    server.refusals.append(GONE)
    heard = await answer(stage, server, Play("assistants_text"))

    [notice] = [event for event in heard.events if isinstance(event, Notice)]
    assert "lost its record of this thread" in notice.text
    assert heard.run.status is RunStatus.COMPLETED
    said = server.requests[-1]["thread"]["messages"]
    assert [one["role"] for one in said] == ["user", "assistant", "user"]
    assert said[-1]["content"] == "Ana: and now?"


@pytest.mark.parametrize("status", ["requires_action", "in_progress", "cancelling"])
async def test_a_run_that_lingers_upstream_does_not_block_the_thread(
    stage: ThreadsStage, server: ThreadsServer, status: str
):
    await answered_once(stage, server)
    stage.say("and now?")
    call = {"id": "call_1", "function": {"name": "x", "arguments": "{}"}}
    action = {"submit_tool_outputs": {"tool_calls": [call]}}
    waits = {"required_action": action} if status == "requires_action" else {}
    server.runs = [server.runs[0] | waits | {"status": status}]
    if status == "cancelling":
        server.polls.extend([{"status": status}, {"status": "cancelled"}])
    server.refusals.append(ACTIVE)
    heard = await answer(stage, server, Play("assistants_text"))

    assert heard.run.status is RunStatus.COMPLETED
    assert "thread.run.queued" in heard.names
    assert (f"POST /threads/{THREAD}/runs/{RUN}/cancel" in server.asked) == (
        status != "cancelling"
    )
    assert len(server.added) == 1


async def test_cancelling_tells_the_server_which_run(
    stage: ThreadsStage, server: ThreadsServer
):
    stage.say("hello")
    heard = await answer(stage, server, Play("assistants_text"))
    await stage.assistant.cancel(stage.turn, heard.run)

    assert server.asked[-1] == f"POST /threads/{THREAD}/runs/{RUN}/cancel"


async def test_a_run_cancelled_before_it_was_known_is_found_and_cancelled(
    stage: ThreadsStage, server: ThreadsServer
):
    given_up(stage)
    server.runs = [{"id": RUN, "status": "in_progress"}]
    await stage.assistant.cancel(stage.turn, Run(run_id="", status=RunStatus.CANCELLED))

    assert server.asked[-1] == f"POST /threads/{THREAD}/runs/{RUN}/cancel"


async def test_what_fails_after_the_tools_repeats_none_of_their_calls(
    stage: ThreadsStage, server: ThreadsServer
):
    stage.say("both rooms")
    run = (await answer(stage, server, Play("assistants_two_calls"))).run
    stage.add_pass(run, {})
    server.acts.clear()
    server.then(Refuse(401, {"message": "no"}))

    heard = await hear(stage.assistant.submit_tool_outputs(stage.turn, run, []))

    assert heard.run.status is RunStatus.FAILED
    assert heard.run.run_id == RUN
    assert (heard.run.output, heard.run.tool_calls) == ((), ())


async def test_a_run_that_never_ends_is_not_waited_for_forever(server: ThreadsServer):
    async with client_of(server.base_url) as client:
        stage = ThreadsStage(client, limits=Limits(run=0.2))
        stage.say("hello")
        given_up(stage, told=7, run_id=RUN)
        server.runs = [{"id": RUN, "status": "in_progress"}]

        heard = await hear(stage.assistant.resume(stage.turn))

    assert heard.run.status is RunStatus.EXPIRED


async def test_what_tools_did_is_told_in_a_thread_that_begins_anew(
    stage: ThreadsStage, server: ThreadsServer
):
    stage.say("warmer")
    call = {"type": "function_call", "call_id": "c", "name": "set", "arguments": "{}"}
    stage.add(ThreadItem(kind=ItemKind.OUTPUT, item=call))
    output = {"call_id": "c", "output": "23 °C"}
    stage.add(ThreadItem(kind=ItemKind.TOOL_OUTPUT, item=output))
    stage.say("thanks")
    await answer(stage, server, Play("assistants_text"))

    said = [one["content"] for one in server.requests[-1]["thread"]["messages"]]
    assert said == ["Ana: warmer", "(set {}: 23 °C)", "Ana: thanks"]
