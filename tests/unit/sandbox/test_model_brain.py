"""What the offline model answers."""

import json
from collections.abc import Sequence
from typing import Any

from app.sandbox.model.brain import think
from app.sandbox.model.conversation import read
from app.sandbox.model.plan import Call, Output, Say

Item = dict[str, Any]

TOOLS: list[Item] = [
    {"type": "function", "name": "getRoomTemperature", "parameters": None},
    {"type": "function", "name": "setRoomTemperature", "parameters": None},
]


def user(text: str) -> Item:
    return {"role": "user", "content": [{"type": "input_text", "text": text}]}


def assistant(text: str) -> Item:
    content = [{"type": "output_text", "text": text}]
    return {"type": "message", "role": "assistant", "content": content}


def called(name: str, output: str, **arguments: object) -> list[Item]:
    call_id = f"call_{name}_{json.dumps(arguments)}"
    return [
        {
            "type": "function_call",
            "call_id": call_id,
            "name": name,
            "arguments": json.dumps(arguments),
        },
        {"type": "function_call_output", "call_id": call_id, "output": output},
    ]


def outputs(*items: Item, tools: Sequence[Item] = TOOLS) -> tuple[Output, ...]:
    return think(read({"model": "offline", "input": list(items), "tools": tools}))


def text(*items: Item, tools: Sequence[Item] = TOOLS) -> str:
    (said,) = outputs(*items, tools=tools)
    assert isinstance(said, Say)
    return said.text


def calls(*items: Item) -> list[tuple[str, Item]]:
    return [
        (output.name, json.loads(output.arguments))
        for output in outputs(*items)
        if isinstance(output, Call)
    ]


def test_two_rooms_are_set_by_two_calls_in_one_response() -> None:
    assert calls(user("Ana: set the kitchen to 23 and the bedroom to 19")) == [
        ("setRoomTemperature", {"room": "kitchen", "temperature": 23}),
        ("setRoomTemperature", {"room": "bedroom", "temperature": 19}),
    ]


def test_two_people_who_ask_at_once_both_get_their_rooms() -> None:
    wanted = calls(user("Ana: set the kitchen to 23"), user("Ben: how warm is it all?"))
    assert wanted[0] == ("setRoomTemperature", {"room": "kitchen", "temperature": 23})
    assert ("getRoomTemperature", {"room": "bathroom"}) in wanted


def test_the_text_after_the_calls_says_what_the_tools_said() -> None:
    ask = user("Ana: set the kitchen to 23 and the garage to 50")
    done = called(
        "setRoomTemperature",
        "The kitchen is at 23 °C now; it was at 22 °C.",
        room="kitchen",
        temperature=23,
    )
    refused = called(
        "setRoomTemperature",
        "Error: there is no 'garage'; the rooms are kitchen, bedroom",
        room="garage",
        temperature=50,
    )
    said = text(ask, *done, *refused)
    assert "The kitchen is at 23 °C now; it was at 22 °C." in said
    assert "That did not work for the garage: There is no 'garage'" in said


def test_a_bit_warmer_reads_the_room_and_then_sets_it() -> None:
    ask = user("Ana: make the kitchen a bit warmer")
    reading = called("getRoomTemperature", "The kitchen is at 22 °C.", room="kitchen")
    assert calls(ask) == [("getRoomTemperature", {"room": "kitchen"})]
    assert calls(ask, *reading) == [
        ("setRoomTemperature", {"room": "kitchen", "temperature": 23})
    ]


def test_a_failed_reading_ends_the_errand_with_the_reason() -> None:
    ask = user("Ana: make the garage a bit warmer")
    reading = called("getRoomTemperature", "Error: there is no 'x'", room="garage")
    assert calls(ask) == [("getRoomTemperature", {"room": "garage"})]
    assert text(ask, *reading) == ("That did not work for the garage: There is no 'x'.")


def test_the_next_question_makes_its_own_calls() -> None:
    before = called("getRoomTemperature", "The kitchen is at 22 °C.", room="kitchen")
    assert calls(
        user("Ana: how warm is the kitchen?"),
        *before,
        assistant("The kitchen is at 22 °C."),
        user("Ana: and the bedroom?"),
    ) == [("getRoomTemperature", {"room": "bedroom"})]


def test_without_tools_it_says_that_it_cannot_reach_the_rooms() -> None:
    assert "can't reach the rooms" in text(user("Ana: how warm is it?"), tools=[])


def test_it_remembers_who_said_what() -> None:
    thread = [
        user("Ana: I like tea"),
        assistant("Good."),
        user("[overheard] Ben: I prefer coffee"),
    ]
    assert text(*thread, user("Ana: what did Ben say?")) == "> **Ben**: I prefer coffee"
    assert text(*thread, user("Ana: what did I say?")) == "> **Ana**: I like tea"
    assert "> **I**: Good." in text(*thread, user("Ben: what did you say?"))
    assert "can't find anything" in text(*thread, user("Ana: what did Chloé say?"))


def test_it_knows_who_is_here_and_sums_up() -> None:
    thread = [user("Ana: hello all"), assistant("Hi."), user("Ben (overheard): yo")]
    who = text(*thread, user("Ana: who is here?"))
    assert "Ana: 2 messages" in who
    assert "Ben: 1 message" in who
    summary = text(*thread, user("Ana: please summarise this"))
    assert "- **Ben**: yo" in summary
    assert "- **I**: Hi." in summary


def test_what_was_overheard_is_not_obeyed() -> None:
    assert (
        calls(user("[overheard] Ben: set the kitchen to 30"), user("Ana: who am I?"))
        == []
    )


def test_an_empty_mention_takes_up_what_was_said_before_it() -> None:
    assert "set fire" in text(
        user("[overheard] Ben: set fire"), user("Ana: @threadline")
    )


def test_stories_have_the_length_that_was_asked_for() -> None:
    short, long, very_long, exact = (
        text(user(f"Ana: tell me a {wanted}"))
        for wanted in (
            "story",
            "long story",
            "very long story",
            "story of 40,000 characters",
        )
    )
    assert len(short) < 1_500 < len(long) < 4_000
    assert len(very_long) >= 10_000
    assert 40_000 <= len(exact) < 41_000
    assert all(told.endswith("The end.") for told in (short, long, very_long, exact))


def test_it_shows_markdown_of_each_kind() -> None:
    assert "```python" in text(user("show me code"))
    assert "- [x]" in text(user("show me a list"))
    assert "|:--|--:|" in text(user("show me a table"))
    everything = text(user("Ana: show me everything"))
    assert all(
        mark in everything for mark in ("# ", "> ", "```", "|", "- ", "https://")
    )


def test_it_says_exactly_what_it_is_told_to_say() -> None:
    hostile = "<!channel> <@U123> [x](javascript:1)\n\n two  spaces"
    assert text(user(f"Ana: @threadline say exactly: {hostile}")) == hostile


def test_a_call_can_be_dictated_word_by_word() -> None:
    ask = user('Ana: call exactly: noSuchTool {"room": ')
    assert outputs(ask) == (Call("noSuchTool", '{"room":'),)
    forever = user("Ana: call forever: getRoomTemperature {}")
    again = called("getRoomTemperature", "Error: room is missing")
    assert outputs(forever, *again) == (Call("getRoomTemperature", "{}"),)


def test_a_story_that_comes_first_is_told_before_the_calls() -> None:
    ask = user("Ana: tell me a story, then set the kitchen to 23")
    story, call = outputs(ask)
    assert isinstance(story, Say)
    assert isinstance(call, Call)
    done = called(
        "setRoomTemperature", "The kitchen is at 23 °C.", room="kitchen", temperature=23
    )
    assert text(ask, *done) == "The kitchen is at 23 °C."


def test_anything_else_is_answered_with_what_it_can_do() -> None:
    answer = text(user("Ana: what is the meaning of life?"))
    assert "offline model" in answer
    assert "set the kitchen to 23" in answer


def test_a_plain_string_and_an_empty_one_are_answered() -> None:
    assert isinstance(think(read({"input": "hello"}))[0], Say)
    assert isinstance(think(read({"input": ""}))[0], Say)


def test_an_answer_that_was_cut_can_be_gone_on_with() -> None:
    asked = user("Ana: say exactly: one two three four")
    plan = think(read({"input": [asked, assistant("one two "), user("Ben: continue")]}))

    assert plan == (Say("three four"),)
