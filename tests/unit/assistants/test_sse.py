"""Server-sent events, however the bytes are split."""

import pytest
from hypothesis import given, strategies as st

from app.assistants.sse import EventDecoder, ServerEvent
from app.errors import AssistantRefused

_ENDS = ["\n", "\r", "\r\n"]
_TEXT = st.text(
    st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[ServerEvent]]:
    """A stream of random events and noise, and what a reader must make of it."""
    lines: list[str] = []
    expected = []
    for _ in range(draw(st.integers(0, 5))):
        data = draw(st.lists(_TEXT, max_size=3))
        name = draw(st.sampled_from(["", "a.b", "response.completed", "ä"]))
        event = [f"data:{draw(st.sampled_from(['', ' ']))}{line}" for line in data]
        # One space after the colon is not part of the value.
        told = [line.removeprefix("data:").removeprefix(" ") for line in event]
        if name:
            event.insert(draw(st.integers(0, len(event))), f"event: {name}")
        noise = draw(st.sampled_from([":", ": ping", "id: 7", "retry: 3", "x", "y: z"]))
        event.insert(draw(st.integers(0, len(event))), noise)
        lines += [*event, ""]
        if data:
            expected.append(ServerEvent(name, "\n".join(told).encode()))
    ended = ""
    for line in lines:
        end = draw(st.sampled_from(_ENDS))
        # A CR and an LF with nothing between would be one line's end, not two.
        is_split = ended.endswith("\r") and not line and end == "\n"
        ended += line + ("\r" if is_split else end)
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + ended.encode(), expected


@given(streams(), st.data())
def test_a_stream_reads_the_same_however_it_is_split(
    stream: tuple[bytes, list[ServerEvent]], data: st.DataObject
):
    raw, expected = stream
    cuts = data.draw(st.lists(st.integers(0, len(raw)), max_size=8).map(sorted))
    decoder = EventDecoder()

    read = [
        event
        for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)
        for event in decoder.feed(raw[start:end])
    ]

    assert read == expected


@given(streams())
def test_a_stream_reads_the_same_byte_by_byte(stream: tuple[bytes, list[ServerEvent]]):
    raw, expected = stream
    decoder = EventDecoder()

    assert [event for byte in raw for event in decoder.feed(bytes([byte]))] == expected


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_an_event_comes_with_its_last_byte_and_not_later(end: bytes):
    decoder = EventDecoder()

    assert decoder.feed(b"data: now" + end + end) == [ServerEvent("", b"now")]


def test_a_line_feed_that_comes_late_ends_nothing_twice():
    decoder = EventDecoder()

    assert decoder.feed(b"data: one\r\n\r") == [ServerEvent("", b"one")]
    assert decoder.feed(b"\ndata: two\r") == []
    assert decoder.feed(b"\n\r\n") == [ServerEvent("", b"two")]


def test_a_name_counts_for_one_event_only():
    decoder = EventDecoder()

    events = decoder.feed(b"event: a\ndata: 1\n\ndata: 2\n\nevent: b\n\ndata: 3\n\n")

    assert [event.name for event in events] == ["a", "", ""]


def test_fields_without_a_colon_are_empty():
    decoder = EventDecoder()

    assert decoder.feed(b"event: a\nevent\ndata\n\n") == [ServerEvent("", b"")]


def test_an_event_cut_off_by_the_end_never_comes():
    assert EventDecoder().feed(b'data: {"half":\n') == []


@pytest.mark.parametrize("piece", [b"x" * 60, b"data: x\n" * 20, b"data: x\r"])
def test_an_event_that_never_ends_is_given_up(piece: bytes):
    decoder = EventDecoder(max_event_bytes=1000)

    with pytest.raises(AssistantRefused) as refused:
        any(decoder.feed(piece) for _ in range(1000))

    assert refused.value.code == "answer_too_large"


def test_a_long_stream_of_short_events_is_not_too_large():
    decoder = EventDecoder(max_event_bytes=100)

    assert sum(len(decoder.feed(b"data: 1234567890\n\n")) for _ in range(50)) == 50
