"""Lines: whole, in order, joined for a slow reader, and never more than fit."""

import json

import pytest

from app.web.lines import Code, Lines
from tests.scenarios.use_assistant import BadLineError, parse_line


def read(lines: Lines) -> list[tuple[str, object]]:
    return [parse_line(line) for line in lines.take().decode().splitlines()]


def test_text_that_waits_is_joined_and_order_is_kept() -> None:
    lines = Lines()
    lines.text("The ")
    lines.text("kitchen")
    lines.put(Code.DATA, {"role": "data", "data": {}})
    lines.text(" is warm.")

    assert read(lines) == [
        ("0", "The kitchen"),
        ("6", {"role": "data", "data": {}}),
        ("0", " is warm."),
    ]


@pytest.mark.parametrize(
    "text", ["a\nb\r\n", '"\\', "é 日本 👩‍👩‍👧", "\u2028\u2029\0", "<!channel>", "&lt;"]
)
def test_any_text_arrives_as_it_was_written(text: str) -> None:
    lines = Lines()
    lines.text(text)

    sent = lines.take()
    assert sent.count(b"\n") == 1
    assert parse_line(sent.decode().rstrip("\n")) == ("0", text)


def test_half_a_pair_in_two_pieces_is_whole_again_at_the_reader() -> None:
    lines = Lines()
    lines.text("\ud83d")
    first = lines.take().decode()
    lines.text("\ude00")

    both = [json.loads(line[2:]) for line in (first, lines.take().decode())]
    assert "".join(both) == "\ud83d\ude00"


def test_a_number_that_json_lacks_is_sent_as_nothing() -> None:
    lines = Lines()
    lines.put(Code.DATA, {"role": "data", "data": [float("nan"), 1.5]})

    assert read(lines) == [("6", {"role": "data", "data": [None, 1.5]})]


def test_what_a_reader_leaves_lying_is_bounded() -> None:
    lines = Lines(most_waiting=100)
    for _ in range(30):
        lines.text("abcdef")

    assert lines.is_broken
    assert lines.is_over
    assert lines.take() == b""


def test_a_reader_who_keeps_up_may_be_told_any_amount() -> None:
    lines = Lines(most_waiting=100)
    for _ in range(30):
        lines.text("abcdef")
        lines.take()

    assert not lines.is_broken


def test_nothing_follows_the_end() -> None:
    lines = Lines()
    lines.text("a")
    lines.close()
    lines.text("b")
    lines.put(Code.ERROR, "c")

    assert not lines.is_over
    assert read(lines) == [("0", "a")]
    assert lines.is_over


@pytest.mark.parametrize(
    "line",
    [
        "0",
        "1:[]",
        "0:1",
        "3:null",
        '4:{"id":"x","role":"assistant"}',
        '4:{"id":"x","role":"user","content":[]}',
        '4:{"id":"x","role":"assistant","content":[{"type":"image"}]}',
        '5:{"threadId":"x"}',
        '6:{"role":"data"}',
        '6:{"role":"assistant","data":1}',
    ],
)
def test_the_client_that_tests_us_refuses_what_the_hook_refuses(line: str) -> None:
    with pytest.raises(BadLineError):
        parse_line(line)
