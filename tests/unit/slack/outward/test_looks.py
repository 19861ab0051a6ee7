"""What a message of a reply looks like, and what is never let through."""

from typing import Any

import pytest

from app.domain import DataMessage, Ending, RetryNotice, Run, RunError, RunStatus
from app.errors import (
    AccessLost,
    CredentialsRefused,
    MessageGone,
    PayloadRefused,
    PlaceClosed,
    RateLimited,
    SlackError,
    SlackUnavailable,
    UnsafePayload,
)
from app.slack.blocks import (
    Action,
    Button,
    Payload,
    TextLook,
    about,
    data_payload,
    text_payload,
)
from app.slack.cards import card, heading
from app.slack.gate import check
from app.slack.notes import About, Note, news, note_payload
from app.slack.refusals import CLASS_OF, refusal
from app.slack.status_line import final_line, running_line
from tests.unit.slack.outward.slack_in_memory import read


def running(status: RunStatus, retry_in: RetryNotice | None = None) -> Run:
    return Run(run_id="r", status=status, retry_in=retry_in)


BUSY = RetryNotice(attempt=2, attempts=4, seconds=3)


@pytest.mark.parametrize(
    ("run", "step", "waiting", "line"),
    [
        (None, None, 0, "queued"),
        (running(RunStatus.QUEUED), None, 0, "queued"),
        (running(RunStatus.IN_PROGRESS), None, 0, "in progress"),
        (running(RunStatus.REQUIRES_ACTION), None, 0, "in progress"),
        (
            running(RunStatus.REQUIRES_ACTION),
            "setting kitchen, bedroom",
            1,
            "in progress · setting kitchen, bedroom · 1 message waiting",
        ),
        (running(RunStatus.IN_PROGRESS), None, 2, "in progress · 2 messages waiting"),
        (
            running(RunStatus.QUEUED, BUSY),
            None,
            0,
            "in progress · model busy, trying again (2 of 4)",
        ),
        (running(RunStatus.CANCELLING), None, 0, "cancelling"),
    ],
)
def test_the_running_line(
    run: Run | None, step: str | None, waiting: int, line: str
) -> None:
    assert running_line(run, step, waiting) == line


DOWN = RunError(code="x", message="The model is not answering.")


@pytest.mark.parametrize(
    ("ending", "line"),
    [
        (Ending(status=RunStatus.COMPLETED, seconds=9.4), "completed · 9 s"),
        (Ending(status=RunStatus.COMPLETED, seconds=0.1), "completed · 1 s"),
        (Ending(status=RunStatus.COMPLETED, seconds=125), "completed · 2 min 5 s"),
        (Ending(status=RunStatus.COMPLETED, seconds=3_599.7), "completed · 1 h"),
        (Ending(status=RunStatus.COMPLETED, seconds=7_509), "completed · 2 h 5 min"),
        (
            Ending(status=RunStatus.FAILED, error=DOWN, error_id="7f3a"),
            "⚠️ failed · The model is not answering. Nothing was changed. · id 7f3a",
        ),
        (
            Ending(status=RunStatus.FAILED, error=DOWN, changed_something=True),
            "⚠️ failed · The model is not answering. Something was changed.",
        ),
        (
            Ending(status=RunStatus.FAILED),
            "⚠️ failed · Something went wrong. Nothing was changed.",
        ),
        (
            Ending(status=RunStatus.INCOMPLETE, incomplete_reason="max_output_tokens"),
            "incomplete · cut at the length limit",
        ),
        (
            Ending(status=RunStatus.INCOMPLETE, incomplete_reason="tool_rounds"),
            "incomplete · stopped after too many steps",
        ),
        (
            Ending(status=RunStatus.EXPIRED, seconds=601),
            "expired · took longer than 10 min",
        ),
        (
            Ending(status=RunStatus.EXPIRED, seconds=12_000),
            "expired · took longer than 3 h",
        ),
        (
            Ending(status=RunStatus.CANCELLED, stopped_by="Ben", seconds=4),
            "cancelled · stopped by Ben after 4 s",
        ),
        (
            Ending(status=RunStatus.CANCELLED, seconds=4),
            "cancelled · stopped after 4 s",
        ),
    ],
)
def test_the_final_line(ending: Ending, line: str) -> None:
    assert final_line(ending) == line


def look(**more: Any) -> TextLook:  # noqa: ANN401 - any field of a look
    fields: dict[str, Any] = {"body": "Text.", "preview": "Text.", "post_key": "k"}
    return TextLook(**{**fields, **more})


def test_a_running_message_has_text_line_and_stop_button() -> None:
    payload = text_payload(look(line="in progress", button=Button(Action.STOP, 7)))
    assert read(payload) == "Text.\n— in progress\n[Stop]"
    (button,) = payload.blocks[-1]["elements"]
    assert (button["action_id"], button["value"]) == ("threadline_stop", "7")
    check(payload)


def test_a_message_without_text_says_what_it_is_about_in_its_notification() -> None:
    waiting = look(body="", preview="", line="queued", button=Button(Action.STOP, 7))
    assert text_payload(waiting).text == "On it"
    question = about("set the &lt;!channel&gt; kitchen\nto 23 " + "and on " * 50)
    assert question.startswith("On it: set the <!channel> kitchen to 23 and on")
    assert len(question) < 90
    told = look(
        body="",
        preview="",
        line="queued",
        button=Button(Action.STOP, 7),
        about=question,
    )
    assert text_payload(told).text.startswith("On it: set the &lt;!channel&gt; kitchen")


def test_what_a_message_is_about_is_said_in_words() -> None:
    asked = "R&amp;D asks <!here>: read <https://example.org/a|the page>"
    assert (
        about(asked) == "On it: R&D asks @here: read the page (https://example.org/a)"
    )


def test_a_notification_shows_the_first_300_characters() -> None:
    payload = text_payload(look(body="x", preview="word " * 100))
    assert payload.text == ("word " * 60).strip()


def test_a_plain_message_shows_all_of_a_long_text() -> None:
    payload = text_payload(look(body="a" * 7_000, is_plain=True, line="done"))
    assert read(payload).replace("\n", "").count("a") == 7_000
    check(payload)


def change(old: float, new: float, room: str = "kitchen") -> DataMessage:
    data = {"room": room, "old": old, "new": new, "unit": "°C"}
    return DataMessage(type="temperature_change", data=data)


def test_changes_are_bars_in_warm_and_cool_colours_under_a_heading() -> None:
    cards = [card(change(22, 23), "Ana"), card(change(20, 19.5, "bedroom"), "Ana")]
    payload = data_payload(cards, "k")
    assert read(payload) == (
        "2 temperatures changed\n"
        "▌ Kitchen  22 → *23 °C*  asked by Ana\n"
        "▌ Bedroom  20 → *19.5 °C*  asked by Ana"
    )
    assert payload.text == "2 temperatures changed"
    assert cards[0].color != cards[1].color
    check(payload)


def test_an_unknown_data_message_is_shown_as_its_fields() -> None:
    data = {f"key{n}": "<!here> " * 100 for n in range(30)}
    unknown = DataMessage(type="weather_report", data=data)
    payload = data_payload([card(unknown, None)], "k")
    assert payload.text == "1 weather report"
    assert read(payload).count("*key") == 10
    assert len(read(payload)) < 4_000
    check(payload)


@pytest.mark.parametrize(
    "data", [{}, {"room": "x"}, {"room": 1, "old": "a", "new": []}]
)
def test_a_data_message_with_odd_fields_is_shown_all_the_same(
    data: dict[str, Any],
) -> None:
    shown = card(DataMessage(type="temperature_change", data=data), None)
    check(data_payload([shown], "k"))


def test_names_and_notices_carry_nothing_live() -> None:
    notice = DataMessage(type="notice", data={"text": "see https://a.example <@U1>"})
    for shown in (card(notice, None), card(change(1, 2), "<!channel> *x*")):
        assert "<" not in str(shown.attachment)
        check(data_payload([shown], "k"))


def test_sources_among_cards_carry_nothing_live() -> None:
    sources = [
        {"title": "A <!channel> page", "url": "https://a.example/x?who=me"},
        {"title": "[click](https://evil.example)", "url": "javascript:x"},
        {"title": "plan.pdf", "url": ""},
        {"url": 3},
    ]
    shown = card(DataMessage(type="sources", data={"sources": sources}), None)

    assert "<" not in str(shown.attachment)
    assert "`https://a.example/x?who=me`" in str(shown.attachment)
    assert "plan.pdf" in shown.fallback
    check(data_payload([shown], "k"))


def test_a_heading_counts_each_kind() -> None:
    other = DataMessage(type="note", data={"a": 1})
    cards = [card(change(1, 2), None), card(other, None), card(change(2, 1), None)]
    assert heading(cards) == "2 temperatures changed, 1 note"


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


@pytest.mark.parametrize(
    "payload",
    [
        Payload(text="<!channel>", blocks=()),
        Payload(text=" ", blocks=()),
        Payload(text="x" * 4_001, blocks=()),
        Payload(text="x", blocks=({"type": "markdown", "text": "<@U1>"},)),
        Payload(text="x", blocks=(section("<https://a.example|b>"),)),
        Payload(text="x", blocks=(section("x" * 3_001),)),
        Payload(text="x", blocks=({"type": "markdown", "text": "x" * 12_001},)),
        Payload(text="x", blocks=(section("x"),) * 51),
        Payload(text="x", blocks=({"type": "image", "image_url": "https://e.vil/p"},)),
        Payload(
            text="x",
            blocks=(
                {
                    "type": "actions",
                    "elements": [{"type": "button", "url": "https://e.vil"}],
                },
            ),
        ),
        Payload(text="x", blocks=(), attachments=({"fallback": "<!here>"},)),
        Payload(text="<@U1> <@U2> x", blocks=(), calls=("U1",)),
        Payload(text="x <@U1> ", blocks=(), calls=("U1",)),
        Payload(text="<@U2> x", blocks=(section("<@U1> x"),), calls=("U1",)),
        Payload(text="<@channel> x", blocks=(), calls=("channel",)),
        Payload(text="x", blocks=(), calls=("U1> <!channel",)),
        Payload(text="x", blocks=(), calls=("B1",)),
        Payload(text="x", blocks=(), calls=tuple(f"U{n}" for n in range(6))),
        Payload(
            text="x",
            blocks=(),
            attachments=({"blocks": [section("<#C1>")], "fallback": "x"},),
        ),
    ],
)
def test_the_gate_lets_nothing_live_and_nothing_oversized_through(
    payload: Payload,
) -> None:
    with pytest.raises(UnsafePayload):
        check(payload)


def test_a_note_calls_those_who_asked_and_says_only_our_words() -> None:
    people = ("U1", "B2", "U1", "W3", *(f"U{n}" for n in range(10, 20)))
    doubt = Note(
        about=About.DOUBT, people=people, text="Is <!channel> & https://e.vil?"
    )
    payload = note_payload(doubt, "key1")

    check(payload)
    opening = "<@U1> <@W3> <@U10> <@U11> <@U12> "
    says = "Is &lt;!channel&gt; &amp; `https://e.vil`?"
    assert payload.text == read(payload) == opening + says


@pytest.mark.parametrize(
    ("ending", "notify_after", "text"),
    [
        (Ending(status=RunStatus.COMPLETED, seconds=120), 120, None),
        (
            Ending(status=RunStatus.COMPLETED, seconds=185),
            120,
            "My answer is ready, after 3 min 5 s.",
        ),
        (Ending(status=RunStatus.COMPLETED, seconds=9_999), 0, None),
        (
            Ending(status=RunStatus.INCOMPLETE, seconds=121),
            120,
            "My answer stands above, after 2 min 1 s. It is not complete.",
        ),
        (Ending(status=RunStatus.CANCELLED, seconds=999), 120, None),
        (Ending(status=RunStatus.FAILED, seconds=60), 120, None),
        (
            Ending(status=RunStatus.FAILED, seconds=61),
            0,
            "I could not answer this, after 1 min 1 s. The reason stands above.",
        ),
        (
            Ending(status=RunStatus.EXPIRED, seconds=600),
            0,
            "I could not answer this, after 10 min. The reason stands above.",
        ),
        (
            Ending(status=RunStatus.FAILED, seconds=99, question_deleted=True),
            120,
            None,
        ),
    ],
)
def test_only_long_waits_are_told_by_a_post_of_their_own(
    ending: Ending, notify_after: float, text: str | None
) -> None:
    told = news(ending, ("U1",), notify_after)

    assert (told.text if told else None) == text


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("message_not_found", 200, MessageGone),
        ("is_archived", 200, PlaceClosed),
        ("channel_not_found", 200, PlaceClosed),
        ("restricted_action_thread_locked", 200, PlaceClosed),
        ("invalid_auth", 200, AccessLost),
        ("account_inactive", 200, AccessLost),
        ("missing_scope", 200, CredentialsRefused),
        ("invalid_blocks", 200, PayloadRefused),
        ("msg_too_long", 200, PayloadRefused),
        ("ratelimited", 200, RateLimited),
        ("", 429, RateLimited),
        ("internal_error", 200, SlackUnavailable),
        ("", 200, SlackUnavailable),
        ("", 503, SlackUnavailable),
        ("never_heard_of_it", 502, SlackUnavailable),
    ],
)
def test_each_code_says_who_must_act(
    code: str, status: int, error: type[SlackError]
) -> None:
    assert type(refusal("chat.update", code, status, {})) is error


def test_an_unknown_code_ends_the_delivery_and_keeps_slacks_word() -> None:
    told = refusal("chat.update", "never_heard_of_it", 200, {})
    assert (type(told), told.code) == (SlackError, "never_heard_of_it")
    assert len(CLASS_OF) > 80


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30),
        ("0", 1),
        ("0.5", 1),
        ("999999", 600),
        (None, 10),
        ("", 10),
        ("soon", 10),
        ("-5", 10),
        ("nan", 10),
        ("inf", 10),
    ],
)
def test_a_pause_is_sane_whatever_the_header_says(
    header: str | None, seconds: float
) -> None:
    headers = {} if header is None else {"Retry-After": header}
    told = refusal("chat.update", "ratelimited", 429, headers)
    assert isinstance(told, RateLimited)
    assert told.retry_after == seconds
