"""The offline Assistants API without a socket: its memory, and how it reads it."""

from collections.abc import Sequence
from typing import Any

import pytest

from app.sandbox.model.assistants import history
from app.sandbox.model.assistants.progress import Progress
from app.sandbox.model.assistants.threads import (
    KEPT_ENTRIES,
    KEPT_THREADS,
    Run,
    Thread,
    Threads,
    add_message,
    new_run,
    new_thread,
)
from app.sandbox.model.plan import Call, Output, Say
from app.sandbox.model.refusals import Refused

Wire = dict[str, Any]

NOW = 1_700_000_000
SET_KITCHEN = Call("setRoomTemperature", '{"room": "kitchen", "temperature": 23}')


def thread_with(*texts: str) -> Thread:
    messages = [{"role": "user", "content": text} for text in texts]
    return new_thread({"messages": messages}, NOW)


def run_in(thread: Thread, **asked: object) -> Run:
    return new_run(thread, {"assistant_id": "asst_offline", **asked}, NOW)


def progress_of(thread: Thread, run: Run, most: int | None = None) -> Progress:
    return Progress(
        thread=thread, run=run, now=lambda: NOW + 5, prompt=10, most_tokens=most
    )


def played(thread: Thread, run: Run, *plan: Output) -> list[Wire]:
    progress = progress_of(thread, run)
    return [*progress.queued(), *progress.answer(plan), *progress.finish()]


def names(events: Sequence[Wire]) -> list[str]:
    return [event["type"].removeprefix("thread.") for event in events]


def test_the_oldest_threads_fall_out() -> None:
    threads = Threads()
    kept = [thread_with() for _ in range(KEPT_THREADS + 1)]

    for thread in kept:
        threads.add(thread)

    assert threads.find(kept[1].id) is kept[1]
    with pytest.raises(Refused, match=f"No thread found with id '{kept[0].id}'"):
        threads.find(kept[0].id)


def test_the_oldest_messages_and_runs_fall_out_of_a_thread() -> None:
    thread = thread_with()
    message = {"role": "user", "content": "hi"}

    added = [add_message(thread, message, NOW) for _ in range(KEPT_ENTRIES + 1)]
    first = run_in(thread)
    for _ in range(KEPT_ENTRIES):
        last = run_in(thread)

    assert thread.messages == added[1:]
    assert thread.find_run(last.id) is last
    with pytest.raises(Refused, match="No run found"):
        thread.find_run(first.id)


def test_only_the_newest_run_can_be_active() -> None:
    thread = thread_with("hi")
    run = run_in(thread)

    before = thread.active()
    played(thread, run, Say("Hello."))

    assert (before, thread.active()) == (run, None)


def test_an_event_keeps_what_was_true_when_it_was_made() -> None:
    thread = thread_with("hi")

    events = played(thread, run_in(thread), Say("Hello."))

    made = {event["type"]: event["data"] for event in events}
    assert made["thread.run.queued"]["status"] == "queued"
    assert made["thread.message.created"]["content"] == []
    assert made["thread.run.step.created"]["status"] == "in_progress"


def test_calls_wait_and_text_before_them_is_said_first() -> None:
    thread = thread_with("hi")
    run = run_in(thread)

    events = played(thread, run, Say("One moment."), SET_KITCHEN)

    assert names(events)[-1] == "run.requires_action"
    assert [step["type"] for step in run.steps] == ["message_creation", "tool_calls"]
    assert run.steps[1]["status"] == "in_progress"


def test_a_call_that_is_cut_is_not_asked_for() -> None:
    thread = thread_with("hi")
    run = run_in(thread)
    progress = progress_of(thread, run, most=3)

    events = [*progress.answer([SET_KITCHEN, SET_KITCHEN]), *progress.finish()]

    assert names(events)[-1] == "run.incomplete"
    assert run.wire["required_action"] is None
    assert len(run.steps[0]["step_details"]["tool_calls"]) == 1


def test_the_limit_counts_all_stretches_of_a_run() -> None:
    thread = thread_with("hi")
    run = run_in(thread)
    played(thread, run, SET_KITCHEN)
    used = run.tokens

    progress = progress_of(thread, run, most=used + 1)
    events = [*progress.answer([Say("one two three")]), *progress.finish()]

    assert names(events).count("message.delta") == 1
    assert run.wire["usage"]["completion_tokens"] == used + 1


def test_calls_and_outputs_are_read_as_made_for_the_newest_ask() -> None:
    thread = thread_with("Ana: set the kitchen to 23")
    run = run_in(thread)
    played(thread, run, SET_KITCHEN)
    assert run.step
    (call,) = run.step["step_details"]["tool_calls"]
    done = {**call, "function": {**call["function"], "output": "done"}}
    run.step["step_details"] = {"type": "tool_calls", "tool_calls": [done]}

    read = history.read(thread, run)

    assert [(made.name, made.output) for made in read.results] == [
        ("setRoomTemperature", "done")
    ]
    assert [ask.text for ask in read.asks] == ["set the kitchen to 23"]


def test_an_ask_whose_calls_were_given_up_is_not_asked_again() -> None:
    thread = thread_with("Ana: set the kitchen to 23")
    run = run_in(thread)
    played(thread, run, SET_KITCHEN)
    for _ in progress_of(thread, run).break_off("cancelled"):
        pass
    add_message(thread, {"role": "user", "content": "Ben: hello"}, NOW)

    read = history.read(thread, run_in(thread))

    assert [ask.text for ask in read.asks] == ["hello"]
    assert read.results == ()


def test_calls_that_were_given_up_are_not_read_as_made() -> None:
    thread = thread_with("Ana: set the kitchen to 23")
    run = run_in(thread)
    played(thread, run, SET_KITCHEN)
    for _ in progress_of(thread, run).break_off("expired"):
        pass

    read = history.read(thread, run_in(thread))

    assert (read.asks, read.results) == ((), ())


def test_the_tools_of_the_run_are_what_the_model_may_call() -> None:
    tools = [{"type": "function", "function": {"name": "lookUp", "parameters": None}}]
    thread = thread_with("hi")

    given = history.read(thread, run_in(thread, tools=tools))
    barred = history.read(thread, run_in(thread, tools=tools, tool_choice="none"))

    assert (list(given.tools), list(barred.tools)) == (["lookUp"], [])


def test_parts_are_read_as_text_and_pictures_say_nothing() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    parts = [{"type": "text", "text": "Ana: hello"}, picture]
    thread = new_thread({"messages": [{"role": "user", "content": parts}]}, NOW)

    (ask,) = history.read(thread, run_in(thread)).asks

    assert (ask.author, ask.text) == ("Ana", "hello")


@pytest.mark.parametrize("status", ["failed", "cancelled", "expired"])
def test_a_run_that_is_broken_off_before_it_began_just_ends(status: str) -> None:
    thread = thread_with("hi")
    run = run_in(thread)

    events = list(progress_of(thread, run).break_off(status))

    assert names(events) == [f"run.{status}"]
    assert thread.active() is None


def test_the_instructions_of_a_run_are_joined() -> None:
    asked = {"instructions": "Be kind.", "additional_instructions": "Be short."}

    run = run_in(thread_with(), **asked)

    assert run.wire["instructions"] == "Be kind.\nBe short."
