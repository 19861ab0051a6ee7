"""History becomes the messages of a thread that an Assistants server keeps."""

from app.assistants.assistants_input import (
    MOST_CHARACTERS,
    MOST_MESSAGES,
    asked,
    outputs_since_asked,
    whole_thread,
)

from .test_responses_input import answer, call, said, tool_output


def test_what_several_people_said_is_one_message() -> None:
    assert asked([said("hi"), said("ho", "Ben", "plan.pdf", heard=True)]) == (
        "Ana: hi\n\n(overheard) Ben: ho\n[file: plan.pdf]"
    )


def test_a_thread_has_both_sides_by_turns() -> None:
    history = [said("a"), said("b", "Ben"), answer("c"), said("d")]

    assert whole_thread(history) == [
        {"role": "user", "content": "Ana: a\n\nBen: b"},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": "Ana: d"},
    ]


def test_calls_and_their_results_become_a_line() -> None:
    history = [said("how warm?"), call("c1"), tool_output("c1"), answer("22.")]

    assert whole_thread(history)[1]["content"] == "(f {}: 22)\n\n22."


def test_of_a_long_history_the_oldest_is_left_out_and_that_is_said() -> None:
    history = [said("x" * 150_000), answer("y" * 150_000), said("now")]
    messages = whole_thread(history)

    assert messages[0]["content"].startswith("(Older messages")
    assert messages[-1]["content"] == "Ana: now"
    assert sum(len(one["content"]) for one in messages) < MOST_CHARACTERS


def test_a_message_too_long_by_itself_keeps_its_end() -> None:
    [message] = whole_thread([said("x" * MOST_CHARACTERS + "end")])

    assert len(message["content"]) == MOST_CHARACTERS
    assert message["content"].endswith("end")


def test_many_messages_become_as_many_as_a_new_thread_takes() -> None:
    history = [each for n in range(40) for each in (said(f"q{n}"), answer(f"a{n}"))]
    messages = whole_thread(history)

    assert len(messages) == MOST_MESSAGES
    assert "Ana: q0\n\na0" in messages[0]["content"]
    assert [one["content"] for one in messages[-2:]] == ["Ana: q39", "a39"]


def test_a_history_without_a_word_makes_no_message() -> None:
    assert whole_thread([]) == []
    assert whole_thread([said("", heard=True)]) == []


def test_outputs_are_those_since_somebody_asked() -> None:
    history = [said("a"), tool_output("old"), said("b"), tool_output("new", "23")]

    assert outputs_since_asked(history) == {"new": "23"}
