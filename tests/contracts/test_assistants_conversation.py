"""An assistant whose conversations the provider keeps: what is sent, what is met."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from openai import AsyncOpenAI

from app.assistants.assistant import Assistant
from app.assistants.notices import LONG, LOST
from app.assistants.responses_profile import OPENAI
from app.domain import ItemKind, Notice, Run, RunStatus, ToolOutput
from app.sandbox.model.control import ModelControl
from app.sandbox.model.server import add_model_routes
from app.storage.remote_threads import RemoteThread

from .assistant_stage import ConversationStage, Heard, Stage, client_of, hear
from .replaying import Act, Play, Refuse, served
from .replaying_conversations import ConversationsServer, replaying_conversations
from .test_assistants_responses import in_stream

HELLO = "Hello Ana, the kitchen is at 22 °C."
LOCKED = Refuse(400, {"code": "conversation_locked", "message": "Another process …"})
GONE = Refuse(404, {"message": "Conversation with id 'conv_1' not found."})
NO_CALL = Refuse(
    400,
    {"message": "No tool call found for function call output with call_id call_1."},
)
NO_OUTPUT = Refuse(400, {"message": "No tool output found for function call call_1."})
CALL = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f"}
FULL = Refuse(400, {"code": "context_length_exceeded", "message": "Too long."})


@pytest.fixture
async def server() -> AsyncIterator[ConversationsServer]:
    async with replaying_conversations() as server:
        yield server


@pytest.fixture
async def client(server: ConversationsServer) -> AsyncIterator[AsyncOpenAI]:
    async with client_of(server.base_url) as client:
        yield client


@pytest.fixture
def stage(client: AsyncOpenAI) -> ConversationStage:
    return ConversationStage(client)


async def answer(
    stage: ConversationStage, server: ConversationsServer, *acts: Act
) -> Heard:
    server.acts.clear()
    server.then(*acts)
    return await hear(stage.assistant.run(stage.turn))


async def answered_once(stage: ConversationStage, server: ConversationsServer) -> None:
    stage.say("hello")
    heard = await answer(stage, server, Play("text"))
    stage.add_pass(heard.run, {})
    server.asked.clear()
    server.requests.clear()


def user(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": text}


def kept(item: dict[str, Any]) -> dict[str, Any]:
    """An item as the provider gives it back."""
    content = item.get("content")
    if isinstance(content, str):
        content = [{"type": "input_text", "text": content}]
    return {"id": "item_1", **item, "content": content, "status": "completed"}


def said(text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    its = {"id": f"msg_{text}", "type": "message", "role": "assistant"}
    return {**its, "content": content}


def notices(heard: Heard) -> list[Notice]:
    return [event for event in heard.events if isinstance(event, Notice)]


async def test_the_first_turn_begins_a_conversation_and_speaks_in_it(
    stage: ConversationStage, server: ConversationsServer
):
    stage.say("hello")
    heard = await answer(stage, server, Play("text"))

    assert server.asked == ["POST /conversations", "POST /responses"]
    assert server.created == [{"items": [], "metadata": {"threadline_thread": "3"}}]
    [body] = server.requests
    assert set(body) == {
        "model",
        "instructions",
        "tools",
        "parallel_tool_calls",
        "stream",
        "conversation",
        "input",
    }
    assert body["conversation"] == "conv_1"
    assert body["input"] == [user("Ana: hello")]
    assert heard.text == HELLO
    assert stage.conversation == RemoteThread(thread_id="conv_1", told_turn_id=7)


async def test_openai_is_told_who_asks_and_nothing_of_keeping(
    client: AsyncOpenAI, server: ConversationsServer
):
    stage = ConversationStage(client, capabilities=OPENAI)
    stage.say("hello")
    await answer(stage, server, Play("text"))

    [body] = server.requests
    assert body["reasoning"] == {"effort": "low"}
    assert body["prompt_cache_key"] == "threadline-3"
    assert not {"store", "include"} & body.keys()


async def test_a_later_turn_sends_only_what_is_new(
    stage: ConversationStage, server: ConversationsServer
):
    await answered_once(stage, server)
    stage.say("nice", kind=ItemKind.OVERHEARD)
    stage.say("and now?")
    await answer(stage, server, Play("text"))

    assert server.asked == ["POST /responses"]
    assert server.requests[0]["input"] == [
        user("(overheard) Ana: nice"),
        user("Ana: and now?"),
    ]


async def test_outputs_alone_follow_calls(
    stage: ConversationStage, server: ConversationsServer
):
    stage.say("both rooms")
    run = (await answer(stage, server, Play("two_calls"))).run
    outputs = {call.call_id: "done" for call in run.tool_calls}
    stage.add_pass(run, outputs)
    server.acts.clear()
    server.then(Play("second_round"))
    only = [ToolOutput(call_id="call_Kitchen1", output="done")]

    heard = await hear(stage.assistant.submit_tool_outputs(stage.turn, run, only))

    assert heard.run.status is RunStatus.COMPLETED
    assert [
        (item["type"], item["call_id"], item["output"])
        for item in server.requests[-1]["input"]
    ] == [
        ("function_call_output", "call_Kitchen1", "done"),
        ("function_call_output", "call_Bedroom2", "not run: stopped"),
    ]


async def test_a_locked_conversation_is_waited_for_and_the_line_says_so(
    stage: ConversationStage, server: ConversationsServer
):
    await answered_once(stage, server)
    stage.say("and now?")
    heard = await answer(stage, server, LOCKED, LOCKED, LOCKED, Play("text"))

    assert heard.names[:3] == ["thread.run.queued"] * 3
    assert [run.retry_in is not None for run in heard.runs[:3]] == [True] * 3
    assert all(n <= p <= 1.25 * n for n, p in zip([1, 2, 4], stage.pauses, strict=True))
    assert heard.run.status is RunStatus.COMPLETED
    assert server.asked == ["POST /responses"] * 4


async def test_a_conversation_that_is_gone_is_replaced_from_what_is_known(
    stage: ConversationStage, server: ConversationsServer
):
    await answered_once(stage, server)
    stage.say("and now?")
    heard = await answer(stage, server, GONE, Play("text"))

    assert notices(heard) == [LOST]
    hello, answered = server.created[-1]["items"]
    assert hello == user("Ana: hello")
    assert answered["content"][0]["text"] == HELLO
    assert server.requests[-1]["conversation"] == "conv_2"
    assert server.requests[-1]["input"] == [user("Ana: and now?")]
    assert heard.run.status is RunStatus.COMPLETED
    assert stage.conversation == RemoteThread(thread_id="conv_2", told_turn_id=8)


async def test_much_is_told_twenty_items_at_a_time(
    stage: ConversationStage, server: ConversationsServer
):
    for number in range(25):
        stage.say(f"hello {number}")
        stage.add_pass(
            Run(run_id="", status=RunStatus.COMPLETED, output=(said(f"{number}"),)), {}
        )
    for number in range(30):
        stage.say(f"aside {number}", kind=ItemKind.OVERHEARD)
    stage.say("and now?")
    await answer(stage, server, Play("text"))

    told = [
        *server.created[0]["items"],
        *(item for items in server.added for item in items),
        *server.requests[-1]["input"],
    ]
    assert len(told) == 25 * 2 + 31
    assert told[-1] == user("Ana: and now?")
    sizes = [len(items) for items in server.added]
    assert (len(server.created[0]["items"]), sizes) == (20, [20, 10, 11])
    assert len(server.requests[-1]["input"]) == 20


async def test_a_call_without_its_output_there_gets_one(
    stage: ConversationStage, server: ConversationsServer
):
    await answered_once(stage, server)
    answered = dict(stage.history[-1].item)
    server.held = [kept(user("Ana: hello")), answered, CALL]
    stage.say("and now?")
    heard = await answer(stage, server, NO_OUTPUT, Play("text"))

    assert heard.run.status is RunStatus.COMPLETED
    output, asked = server.requests[-1]["input"]
    assert (output["type"], output["call_id"]) == ("function_call_output", "call_1")
    assert "unknown" in output["output"]
    assert asked == user("Ana: and now?")
    assert notices(heard) == []


async def test_calls_that_were_lost_there_are_sent_again_with_their_outputs(
    stage: ConversationStage, server: ConversationsServer
):
    stage.say("both rooms")
    run = (await answer(stage, server, Play("two_calls"))).run
    outputs = [
        ToolOutput(call_id=call.call_id, output="done") for call in run.tool_calls
    ]
    stage.add_pass(run, {each.call_id: each.output for each in outputs})
    server.acts.clear()
    server.then(NO_CALL, Play("second_round"))

    heard = await hear(stage.assistant.submit_tool_outputs(stage.turn, run, outputs))

    assert heard.run.status is RunStatus.COMPLETED
    assert [item["type"] for item in server.requests[-1]["input"]] == [
        "message",
        "function_call",
        "function_call",
        "function_call_output",
        "function_call_output",
    ]


async def test_what_cannot_be_mended_begins_anew_and_no_more_than_once(
    stage: ConversationStage, server: ConversationsServer
):
    await answered_once(stage, server)
    stage.say("and now?")
    heard = await answer(stage, server, NO_OUTPUT)

    assert heard.run.status is RunStatus.FAILED
    assert server.asked.count("POST /conversations") == 1
    assert len(server.requests) == 3


async def test_a_takeover_finds_the_answer_that_nobody_heard(
    stage: ConversationStage, server: ConversationsServer
):
    await asked_again(stage, server)
    thought = {"id": "rs_1", "type": "reasoning", "summary": []}
    server.held += [thought, said("22 °C, as before.")]
    heard = await hear(stage.assistant.resume(stage.turn))

    assert heard.text == "22 °C, as before."
    assert heard.run.status is RunStatus.COMPLETED
    assert [item["type"] for item in heard.run.output] == ["reasoning", "message"]
    assert server.requests == []


async def test_a_takeover_finds_the_calls_that_nobody_heard(
    stage: ConversationStage, server: ConversationsServer
):
    stage.say("both rooms")
    stage.conversation = RemoteThread(thread_id="conv_1", told_turn_id=6)
    server.held = [kept(user("Ana: both rooms")), CALL | {"arguments": "{}"}]

    heard = await hear(stage.assistant.resume(stage.turn))

    assert heard.run.status is RunStatus.REQUIRES_ACTION
    assert [call.call_id for call in heard.run.tool_calls] == ["call_1"]
    assert server.requests == []


async def test_a_takeover_asks_again_where_nothing_was_kept(
    stage: ConversationStage, server: ConversationsServer
):
    await answered_once(stage, server)
    server.held = [kept(user("Ana: hello")), dict(stage.history[-1].item)]
    stage.say("and now?")
    server.acts.clear()
    server.then(Play("text"))

    heard = await hear(stage.assistant.resume(stage.turn))

    assert heard.text == HELLO
    assert server.requests[-1]["input"] == [user("Ana: and now?")]


async def test_what_was_answered_elsewhere_in_between_is_told(
    stage: ConversationStage, server: ConversationsServer
):
    await answered_once(stage, server)
    server.held = [kept(user("Ana: hello")), dict(stage.history[-1].item)]
    stage.say("and by another way?")
    elsewhere = Run(run_id="", status=RunStatus.COMPLETED, output=(said("Yes."),))
    stage.add_pass(elsewhere, {})
    stage.say("good")
    await answer(stage, server, Play("text"))

    told = server.requests[-1]["input"]
    assert [item["role"] for item in told] == ["user", "assistant", "user"]
    assert told[0] == user("Ana: and by another way?")


async def test_a_conversation_that_can_t_be_read_to_where_it_is_known_begins_anew(
    stage: ConversationStage, server: ConversationsServer
):
    await answered_once(stage, server)
    server.held, server.has_more = [said("something")], True
    stage.say("and now?")
    server.acts.clear()
    server.then(Play("text"))

    heard = await hear(stage.assistant.resume(stage.turn))

    assert server.requests[-1]["conversation"] == "conv_2"
    assert heard.run.status is RunStatus.COMPLETED


async def test_a_full_context_begins_anew_with_less(
    stage: ConversationStage, server: ConversationsServer
):
    for text in ("one " * 100, "two " * 100):
        stage.say(text)
        stage.add_pass((await answer(stage, server, Play("text"))).run, {})
    stage.say("and now?")
    heard = await answer(stage, server, FULL, Play("text"))

    assert notices(heard) == [LONG]
    first, *_ = server.created[-1]["items"]
    assert "left out" in first["content"]
    assert "one one" not in str(server.created[-1])
    assert server.requests[-1]["input"] == [user("Ana: and now?")]


async def test_a_server_without_conversations_is_named(
    stage: ConversationStage, server: ConversationsServer
):
    server.refusals.append(Refuse(404, {"message": "Not Found"}))
    stage.say("hello")
    heard = await answer(stage, server, Play("text"))

    assert heard.run.error
    assert heard.run.error.message == (
        "The model's server keeps no conversations. Please tell whoever runs me."
    )


@pytest.fixture
async def offline() -> AsyncIterator[tuple[ConversationStage, ModelControl]]:
    """The assistant in front of the offline model, which keeps conversations."""
    app = web.Application()
    control = add_model_routes(app, token_rate=0)
    async with served(app) as address, client_of(f"{address}/v1") as client:
        yield ConversationStage(client), control


@pytest.mark.parametrize("kind", ["cut", "clean_end", "failed", "error_event"])
@pytest.mark.parametrize("events", [0, 2, 6, 9])
async def test_after_any_break_the_next_message_is_answered(
    offline: tuple[ConversationStage, ModelControl], kind: str, events: int
):
    stage, control = offline
    stage.say("set the kitchen to 23 and the bedroom to 19")
    control.fault(kind, value=events)
    run = (await hear(stage.assistant.run(stage.turn))).run
    stage.add_pass(run, {call.call_id: "It is set." for call in run.tool_calls})
    stage.say("say exactly: Here.")

    heard = await hear(stage.assistant.run(stage.turn))

    assert heard.run.status is RunStatus.COMPLETED
    assert "Here." in heard.text
    assert notices(heard) == []


async def test_both_ways_of_keeping_go_on_from_one_another(
    offline: tuple[ConversationStage, ModelControl],
):
    stage, _ = offline
    local = Stage(stage.assistant._passes._client)
    local.history = stage.history
    texts = []
    ways: list[Assistant] = [stage.assistant, local.assistant, stage.assistant]
    for number, assistant in enumerate(ways):
        stage.say(f"say exactly: {number}" if number < 2 else "what did you say?")
        heard = await hear(assistant.run(stage.turn))
        stage.add_pass(heard.run, {})
        texts.append(heard.text)

    assert texts[:2] == ["0", "1"]
    assert "0" in texts[2]
    assert "1" in texts[2]


async def asked_again(stage: ConversationStage, server: ConversationsServer) -> None:
    await answered_once(stage, server)
    answered = dict(stage.history[-1].item)
    stage.say("and now?")
    server.held = [kept(user("Ana: hello")), answered, kept(user("Ana: and now?"))]


_TWO = [
    {"type": "response.output_text.delta", "output_index": 1, "delta": "One."},
    {"type": "response.output_text.delta", "output_index": 2, "delta": "Tw"},
]


@pytest.mark.parametrize(
    ("cut", "answer_kept", "text"),
    [
        (Play("text", events=6, then="cut"), [said(HELLO)], HELLO),
        (Play("text", events=13, then="end"), [said(HELLO)], HELLO),
        (Play(in_stream(*_TWO)), [said("One."), said("Two.")], "One.\nTwo."),
        (
            Play(in_stream(*_TWO)),
            [{"type": "reasoning"}, said("One."), said("Two."), said("Three.")],
            "One.\nTwo.\nThree.",
        ),
    ],
)
async def test_an_answer_that_is_cut_here_is_heard_to_its_end_where_it_was_kept(
    stage: ConversationStage,
    server: ConversationsServer,
    cut: Play,
    answer_kept: list[dict[str, Any]],
    text: str,
):
    await asked_again(stage, server)
    server.held += answer_kept

    heard = await answer(stage, server, cut)

    assert heard.text == text
    assert heard.run.status is RunStatus.COMPLETED
    assert list(heard.run.output) == answer_kept
    assert len(server.requests) == 1
    stage.add_pass(heard.run, {})
    stage.say("thanks")
    await answer(stage, server, Play("text"))
    assert server.requests[-1]["input"] == [user("Ana: thanks")]


async def test_another_answer_is_not_taken_for_the_rest_of_one_that_was_cut(
    stage: ConversationStage, server: ConversationsServer
):
    await asked_again(stage, server)
    server.held.append(said("Something else."))

    heard = await answer(stage, server, Play("text", events=6, then="cut"))

    assert heard.text == "Hello Ana,"
    assert heard.run.status is RunStatus.FAILED
    assert len(server.requests) == 1
    assert len(stage.pauses) == 2


async def test_calls_that_followed_a_text_that_was_cut_are_found_too(
    stage: ConversationStage, server: ConversationsServer
):
    await asked_again(stage, server)
    server.held += [said(HELLO), CALL | {"arguments": "{}"}]

    heard = await answer(stage, server, Play("text", events=6, then="cut"))

    assert heard.text == HELLO
    assert heard.run.status is RunStatus.REQUIRES_ACTION
    assert [call.call_id for call in heard.run.tool_calls] == ["call_1"]
