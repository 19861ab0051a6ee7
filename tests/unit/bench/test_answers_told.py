"""The bench's own model server answers as the program understands it."""

import json

import pytest

from app.assistants.sse import EventDecoder
from bench.model_server import Answer
from bench.sockets.model import tokens_of
from bench.sockets.town import Asked
from bench.streaming.stream import TEXT, TOKEN


def unframed(chunks: bytes) -> bytes:
    data = b""
    while chunks:
        size, _, rest = chunks.partition(b"\r\n")
        data += rest[: int(size, 16)]
        chunks = rest[int(size, 16) + 2 :]
    return data


def test_an_answer_ends_with_the_text_that_was_told() -> None:
    answer, text = Answer("text"), 'Say "22 °C".\n\nThen more.'
    told = answer.before + answer.delta(text) + answer.after(text)
    events = EventDecoder().feed(unframed(told))
    whole = json.loads(events[-1].data)["response"]["output"][0]
    said = [json.loads(each.data).get("delta") for each in events]
    assert text in said
    assert whole["content"][0]["text"] == text


def test_what_comes_into_view_is_counted_in_tokens() -> None:
    asked = Asked(number=3)
    asked.show(TEXT[: 10 * TOKEN], 1.0)
    asked.show(TEXT[: 10 * TOKEN], 2.0)
    asked.show(TEXT[: tokens_of(3) * TOKEN].strip(), 3.0)
    assert asked.seen == [(1.0, 10), (3.0, tokens_of(3))]
    assert asked.whole.is_set()


def test_a_text_that_was_never_written_is_no_answer() -> None:
    with pytest.raises(AssertionError, match="never written"):
        Asked(number=3).show("something else", 1.0)
