"""A reply as lines: what a page gets, whatever is called in whatever order."""

import json
from typing import Any

import pytest

from app.domain import (
    DataMessage,
    Ending,
    RunError,
    RunStatus,
    StoredDataMessage,
)
from app.web.lines import Lines
from app.web.reply import LineReply
from tests.contracts.reply_stage import DONE, a_change, a_turn, unchanged
from tests.scenarios.use_assistant import parse_line


class Page:
    """A reply and what has come of it."""

    def __init__(self) -> None:
        self.lines = Lines()
        self.contradictions = 0
        self.reply = LineReply(a_turn(), self.lines, self._contradicted)
        self.parts: list[tuple[str, Any]] = []

    def _contradicted(self) -> None:
        self.contradictions += 1

    def read(self) -> str:
        """The codes of what has come; the parts stand in `parts`."""
        sent = self.lines.take().decode()
        self.parts += [parse_line(line) for line in sent.splitlines()]
        return "".join(code for code, _ in self.parts)

    def texts(self) -> list[str]:
        """The texts of the messages as a page adds them up."""
        self.read()
        texts: list[str] = []
        for code, value in self.parts:
            if code == "4":
                texts.append("")
            if code == "0":
                texts[-1] += value
        return texts

    @property
    def error(self) -> str:
        self.read()
        (told,) = [value for code, value in self.parts if code == "3"]
        return str(told)


def test_each_message_begins_empty_with_an_id_of_its_own() -> None:
    page = Page()
    for text in ("One.", "Two."):
        page.reply.start_message("msg_0")
        page.reply.append(text)

    assert page.read() == "4040"
    first, second = (value for code, value in page.parts if code == "4")
    assert first["id"] != second["id"]
    assert first["content"] == [{"type": "text", "text": {"value": ""}}]


def test_data_is_sent_at_once_in_the_order_of_the_calls() -> None:
    page = Page()
    page.reply.append("I'll set both.")
    page.reply.attach(a_change(0))
    page.reply.attach(a_change(1, "bedroom", 19))

    assert page.read() == "4066"
    rooms = [value["data"]["room"] for code, value in page.parts if code == "6"]
    assert rooms == ["kitchen", "bedroom"]


def test_text_after_a_data_message_is_never_added_to_it() -> None:
    page = Page()
    page.reply.start_message("m")
    page.reply.append("I'll set it. ")
    page.reply.attach(a_change(0))
    page.reply.append("It is set.")

    assert page.read() == "40640"
    assert page.texts() == ["I'll set it. ", "It is set."]


def test_the_same_data_message_is_sent_once() -> None:
    page = Page()
    page.reply.attach(a_change(0))
    page.reply.attach(a_change(0))

    assert page.read() == "6"


def test_a_temperature_change_has_what_pages_read_at_its_top() -> None:
    page = Page()
    page.reply.attach(a_change(0))

    page.read()
    ((_, message),) = page.parts
    assert message == {
        "id": "data_7_0",
        "role": "data",
        "data": {
            "oldTemperature": 22.0,
            "newTemperature": 23,
            "description": "The kitchen went from 22 to 23 °C.",
            "room": "kitchen",
            "old": 22.0,
            "new": 23,
            "unit": "°C",
            "type": "temperature_change",
            "version": 1,
        },
    }


@pytest.mark.parametrize(
    ("message", "description"),
    [
        (unchanged(0), "The kitchen is at 23 °C already."),
        (
            StoredDataMessage(
                seq=0, message=DataMessage(type="notice", data={"text": "So it is."})
            ),
            "So it is.",
        ),
        (
            StoredDataMessage(
                seq=0,
                message=DataMessage(
                    type="sources",
                    data={"sources": [{"title": "A", "url": "u"}, {"url": "v"}]},
                ),
            ),
            "Sources: A, v",
        ),
    ],
)
def test_each_of_our_data_messages_has_a_sentence_for_people(
    message: StoredDataMessage, description: str
) -> None:
    page = Page()
    page.reply.attach(message)

    page.read()
    assert page.parts[0][1]["data"]["description"] == description


def test_data_of_a_kind_unknown_here_is_sent_as_it_is() -> None:
    page = Page()
    data = {"deep": {"list": [1, "zwei", None]}}
    message = DataMessage(type="weather", data=data, version=2)
    page.reply.attach(StoredDataMessage(seq=3, message=message))

    page.read()
    assert page.parts[0][1]["data"] == {**data, "type": "weather", "version": 2}


async def test_nothing_is_neutralised_and_not_a_sign_is_lost() -> None:
    text = "<!channel> <@U1> `a` **b** [x](https://a.b?c=d)\n\n| a |\n" * 3
    page = Page()
    page.reply.start_message("m")
    for sign in text:
        page.reply.append(sign)
        page.texts()
    page.reply.replace(text)
    await page.reply.finish(DONE)

    assert page.texts() == [text]


async def test_what_the_whole_text_has_beyond_its_pieces_is_sent() -> None:
    page = Page()
    page.reply.start_message("m")
    page.reply.append("The kitchen")
    page.reply.replace("The kitchen is warm.")
    await page.reply.finish(DONE)

    assert page.read() == "40"
    assert page.texts() == ["The kitchen is warm."]


async def test_a_text_begun_again_with_the_same_words_goes_on() -> None:
    page = Page()
    page.reply.append("The kitchen is")
    page.reply.replace("The")
    page.reply.append(" kitchen")
    page.reply.append(" is warm.")
    await page.reply.finish(DONE)

    assert page.texts() == ["The kitchen is warm."]
    assert "3" not in page.read()


@pytest.mark.parametrize("says", ["Something else.", "The "])
async def test_what_was_sent_and_is_not_meant_ends_in_an_error(says: str) -> None:
    page = Page()
    page.reply.append("The kitchen is at 23 °C.")
    page.reply.replace(says)
    page.reply.start_message("m2")
    page.reply.append("More.")
    await page.reply.finish(DONE)

    assert page.read() == "403"
    assert "can't be taken back" in page.error
    assert page.contradictions == 1
    assert page.lines.is_over


@pytest.mark.parametrize(
    ("ending", "says"),
    [
        (
            Ending(
                status=RunStatus.FAILED,
                error=RunError(code="x", message="The model is not answering"),
                error_id="7f3a",
            ),
            "The model is not answering. Nothing was changed. (id 7f3a)",
        ),
        (
            Ending(status=RunStatus.FAILED, changed_something=True),
            "Something went wrong. Something was changed.",
        ),
        (
            Ending(status=RunStatus.EXPIRED),
            (
                "The answer took too long and was given up. Please ask again. "
                "Nothing was changed."
            ),
        ),
        (
            Ending(status=RunStatus.INCOMPLETE, incomplete_reason="max_output_tokens"),
            "The answer was cut at the length limit. Ask me to go on.",
        ),
        (
            Ending(status=RunStatus.INCOMPLETE, incomplete_reason="unheard of"),
            "The answer was cut before its end. Ask me to go on.",
        ),
        (Ending(status=RunStatus.CANCELLED), "The answer was stopped."),
        (
            Ending(status=RunStatus.CANCELLED, stopped_by="restart"),
            (
                "The server is being restarted. Please send your message again in a "
                "moment."
            ),
        ),
    ],
)
async def test_an_answer_that_ends_otherwise_than_it_should_says_so(
    ending: Ending, says: str
) -> None:
    page = Page()
    page.reply.append("So far.")
    assert await page.reply.finish(ending) is None

    assert page.error == says
    assert page.texts() == ["So far."]
    assert page.lines.is_over


async def test_an_answer_as_it_should_be_ends_without_a_word() -> None:
    page = Page()
    page.reply.append("Done.")
    await page.reply.finish(DONE)

    assert page.read() == "40"


async def test_a_reader_who_left_is_the_reason_why_it_never_came() -> None:
    page = Page()
    page.lines.give_up()

    assert await page.reply.finish(DONE) == "reader_left"


def test_the_ids_of_two_turns_are_never_the_same() -> None:
    ids = []
    for turn_id in (7, 8):
        lines = Lines()
        reply = LineReply(a_turn(turn_id=turn_id), lines, lambda: None)
        reply.start_message("msg_0")
        reply.attach(a_change(0))
        sent = lines.take().decode().splitlines()
        ids += [json.loads(line[2:])["id"] for line in sent]

    assert len(set(ids)) == 4
