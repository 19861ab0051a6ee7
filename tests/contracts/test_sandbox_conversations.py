"""What the offline model keeps, against OpenAI's own client and its published types."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import openai
import pytest
from openai.types.conversations import Conversation, ConversationItemList
from openai.types.responses import Response

from .sandbox_assistants_stage import TWO_ROOMS, Stage, staged
from .test_sandbox_model import TOOLS


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged() as stage:
        yield stage


def said(text: str) -> Any:  # noqa: ANN401 - an input item
    return {"type": "message", "role": "user", "content": text}


async def texts_in(stage: Stage, conversation_id: str) -> list[str]:
    """What stands in a conversation, oldest first; calls by their names."""
    items = stage.client.conversations.items
    listed = await items.list(conversation_id, order="asc", limit=100)
    ConversationItemList.model_validate(listed.model_dump())
    return [
        str(getattr(item, "name", None) or getattr(item, "output", None))
        if item.type != "message"
        else "".join(str(getattr(part, "text", "")) for part in item.content)
        for item in listed.data
    ]


async def hung_up_in(stage: Stage, conversation_id: str, text: str) -> str:
    """Leave in the middle of an answer; return the id of the response."""
    stage.control.rate = 50
    stream = await stage.client.responses.create(
        model="m", input=text, conversation=conversation_id, stream=True
    )
    event = await anext(aiter(stream))
    await stream.close()
    await stage.control.wait_for(stage.control.asked)
    stage.control.rate = 0
    assert event.type == "response.created"
    return event.response.id


async def test_a_conversation_begins_with_what_it_is_given(stage: Stage):
    conversations = stage.client.conversations
    made = await conversations.create(items=[said("a"), said("b")], metadata={"k": "v"})

    found = await conversations.retrieve(made.id)

    assert found == Conversation.model_validate(made.model_dump())
    assert found.metadata == {"k": "v"}
    assert await texts_in(stage, made.id) == ["a", "b"]


async def test_a_response_goes_on_from_its_conversation_and_adds_to_it(stage: Stage):
    noted: Any = {"type": "message", "role": "assistant", "content": "Noted."}
    made = await stage.client.conversations.create(
        items=[said("Ana: I have a cat"), noted]
    )

    response = await stage.client.responses.create(
        model="m", input="Ana: what did I say?", conversation=made.id
    )

    assert "I have a cat" in response.output_text
    assert response.conversation
    assert response.conversation.id == made.id
    assert await texts_in(stage, made.id) == [
        "Ana: I have a cat",
        "Noted.",
        "Ana: what did I say?",
        response.output_text,
    ]


async def test_calls_and_their_outputs_are_given_in_two_requests(stage: Stage):
    made = await stage.client.conversations.create()
    first = await stage.client.responses.create(
        model="m", input=TWO_ROOMS, tools=TOOLS, conversation=made.id
    )
    outputs: Any = [
        {"type": "function_call_output", "call_id": item.call_id, "output": "It is set"}
        for item in first.output
        if item.type == "function_call"
    ]

    await stage.client.responses.create(
        model="m", input=outputs, tools=TOOLS, conversation=made.id
    )

    held = await texts_in(stage, made.id)
    assert held[:3] == [TWO_ROOMS, "setRoomTemperature", "setRoomTemperature"]
    assert held[3:5] == ["It is set", "It is set"]


async def test_one_response_at_a_time_is_written_in_a_conversation(stage: Stage):
    made = await stage.client.conversations.create()
    stage.control.rate = 50
    stream = await stage.client.responses.create(
        model="m", input="tell me a story", conversation=made.id, stream=True
    )

    with pytest.raises(openai.BadRequestError) as refused:
        await stage.client.responses.create(model="m", input="hi", conversation=made.id)

    await stream.close()
    assert refused.value.code == "conversation_locked"
    assert refused.value.param == "conversation"


async def test_a_conversation_can_be_found_locked_on_demand(stage: Stage):
    made = await stage.client.conversations.create()
    stage.control.fault("locked")

    with pytest.raises(openai.BadRequestError) as refused:
        await stage.client.responses.create(model="m", input="a", conversation=made.id)
    await stage.client.responses.create(model="m", input="a", conversation=made.id)

    assert refused.value.code == "conversation_locked"


async def test_what_was_hung_up_on_is_completed_but_not_in_the_conversation(
    stage: Stage,
):
    made = await stage.client.conversations.create()

    response_id = await hung_up_in(stage, made.id, "Ana: tell me a story")

    response = await stage.client.responses.retrieve(response_id)
    assert response.status == "completed"
    assert response.output_text.endswith("The end.")
    assert await texts_in(stage, made.id) == []


async def test_a_conversation_can_stay_locked_for_a_while_after_a_hang_up(stage: Stage):
    made = await stage.client.conversations.create()
    stage.control.cancel_delay = 0.1
    await hung_up_in(stage, made.id, "Ana: tell me a story")

    with pytest.raises(openai.BadRequestError, match="Another process"):
        await stage.client.responses.create(model="m", input="a", conversation=made.id)
    async with asyncio.timeout(5):
        while "a" not in await texts_in(stage, made.id):
            with suppress(openai.BadRequestError):
                await stage.client.responses.create(
                    model="m", input="a", conversation=made.id
                )


@pytest.mark.parametrize("kind", ["failed", "error_event", "clean_end", "cut"])
async def test_what_failed_leaves_a_conversation_as_it_was(stage: Stage, kind: str):
    made = await stage.client.conversations.create(items=[said("before")])
    stage.control.fault(kind)

    with suppress(openai.APIError):
        await stage.client.responses.create(
            model="m", input="Ana: tell me a story", conversation=made.id
        )

    assert await texts_in(stage, made.id) == ["before"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            [{"type": "function_call_output", "call_id": "c9", "output": ""}],
            "No tool call found for function call output with call_id c9.",
        ),
        ([said("never mind")], "No tool output found for function call call_"),
    ],
)
async def test_calls_without_outputs_and_the_reverse_are_refused(
    stage: Stage,
    given: Any,  # noqa: ANN401 - input items
    says: str,
):
    made = await stage.client.conversations.create()
    await stage.client.responses.create(
        model="m", input=TWO_ROOMS, tools=TOOLS, conversation=made.id
    )

    with pytest.raises(openai.BadRequestError) as refused:
        await stage.client.responses.create(
            model="m", input=given, conversation=made.id
        )

    assert says in str(refused.value)


async def test_what_is_gone_is_not_found(stage: Stage):
    made = await stage.client.conversations.create()
    deleted = await stage.client.conversations.delete(made.id)

    assert (deleted.id, deleted.deleted) == (made.id, True)
    with pytest.raises(openai.NotFoundError, match=f"'{made.id}' not found"):
        await stage.client.responses.create(model="m", input="hi", conversation=made.id)
    with pytest.raises(openai.NotFoundError):
        await stage.client.conversations.items.list(made.id)


async def test_items_come_and_go_one_by_one(stage: Stage):
    made = await stage.client.conversations.create(items=[said("a")])
    items = stage.client.conversations.items
    added = await items.create(made.id, items=[said("b"), said("c")])

    b, c = (str(item.id) for item in added.data)
    await items.delete(b, conversation_id=made.id)

    assert await items.retrieve(c, conversation_id=made.id) == added.data[1]
    assert await texts_in(stage, made.id) == ["a", "c"]


async def test_a_long_conversation_is_read_page_by_page_the_newest_first(stage: Stage):
    made = await stage.client.conversations.create(items=[said("0"), said("1")])
    await stage.client.conversations.items.create(made.id, items=[said("2")])

    listed = await stage.client.conversations.items.list(made.id, limit=2)

    first: Any = listed.data[0]
    assert first.content[0].text == "2"
    assert (len(listed.data), listed.has_more) == (2, True)
    assert len([item async for item in listed]) == 3


async def test_more_than_twenty_items_at_once_are_refused(stage: Stage):
    many = [said(str(number)) for number in range(21)]

    with pytest.raises(openai.BadRequestError) as refused:
        await stage.client.conversations.create(items=many)

    assert refused.value.code == "array_above_max_length"


async def test_a_response_goes_on_from_an_earlier_one(stage: Stage):
    ask = stage.client.responses.create
    first = await ask(model="m", input="Ana: I have a cat")
    second = await ask(model="m", input="Ana: and a dog", previous_response_id=first.id)

    third = await ask(
        model="m", input="Ana: what did I say?", previous_response_id=second.id
    )

    assert "a cat" in third.output_text
    assert "a dog" in third.output_text
    assert third.previous_response_id == second.id


async def test_a_response_that_was_not_stored_cannot_be_gone_on_from(stage: Stage):
    first = await stage.client.responses.create(model="m", input="hi", store=False)

    with pytest.raises(openai.BadRequestError) as refused:
        await stage.client.responses.create(
            model="m", input="hi", previous_response_id=first.id
        )

    assert refused.value.code == "previous_response_not_found"
    with pytest.raises(openai.NotFoundError):
        await stage.client.responses.retrieve(first.id)


async def test_a_conversation_and_an_earlier_response_exclude_each_other(stage: Stage):
    made = await stage.client.conversations.create()

    with pytest.raises(openai.BadRequestError, match="Mutually exclusive"):
        await stage.client.responses.create(
            model="m", input="hi", conversation=made.id, previous_response_id="resp_1"
        )


async def test_a_stored_response_can_be_read_and_deleted(stage: Stage):
    responses = stage.client.responses
    made = await responses.create(model="m", input="Ana: hi")

    found = await responses.retrieve(made.id)
    asked = await responses.input_items.list(made.id)
    await responses.delete(made.id)

    Response.model_validate(found.model_dump())
    assert found.output_text == made.output_text
    assert json.loads(asked.data[0].model_dump_json())["content"][0]["text"] == (
        "Ana: hi"
    )
    with pytest.raises(openai.NotFoundError):
        await responses.retrieve(made.id)


async def test_only_a_response_in_the_background_could_be_cancelled(stage: Stage):
    made = await stage.client.responses.create(model="m", input="hi")

    with pytest.raises(openai.BadRequestError, match="Cannot cancel a synchronous"):
        await stage.client.responses.cancel(made.id)
    with pytest.raises(openai.NotFoundError):
        await stage.client.responses.cancel("resp_none")


async def test_a_model_reads_no_more_than_its_context_holds(stage: Stage):
    stage.control.context_tokens = 200

    with pytest.raises(openai.BadRequestError) as refused:
        await stage.client.responses.create(model="m", input="word " * 400)

    assert refused.value.code == "context_length_exceeded"
    assert (await stage.client.responses.create(model="m", input="hi")).output_text


async def test_an_item_that_is_there_already_is_not_taken_again(stage: Stage):
    made = await stage.client.conversations.create()
    response = await stage.client.responses.create(
        model="m", input="hi", conversation=made.id
    )
    again: Any = [response.output[0].model_dump(exclude_none=True), said("and?")]

    with pytest.raises(openai.BadRequestError, match="Duplicate item found"):
        await stage.client.responses.create(
            model="m", input=again, conversation=made.id
        )
