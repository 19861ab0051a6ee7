"""Recorded streams mean the same however their bytes arrive."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from app.assistants.assistants_pass import RunReader
from app.assistants.responses_pass import PassReader
from app.assistants.sse import EventDecoder, ServerEvent
from app.domain import Run, RunEvent, RunStatus
from app.errors import AssistantError

_RECORDINGS = {
    path.stem: path.read_bytes().replace(b"\r\n", b"\n")
    for path in Path(__file__).parents[2].glob("recordings/openai/*.sse")
}
_NEW = Run(run_id="", status=RunStatus.QUEUED)
_names = st.sampled_from(sorted(_RECORDINGS))


def _told(name: str, pieces: Sequence[bytes]) -> list[RunEvent | str]:
    """What the pieces of one stream come to, an error by its code."""
    is_run = name.startswith("assistants_")
    reader = RunReader(_NEW) if is_run else PassReader(_NEW, first=True)
    decoder = EventDecoder()
    told: list[RunEvent | str] = []
    try:
        for piece in pieces:
            for event in decoder.feed(piece):
                told += reader.read(event)
    except AssistantError as error:
        told.append(error.code)
    return told


def _written(events: Sequence[ServerEvent], end: str, noise: str = "") -> bytes:
    lines = []
    for event in events:
        name = [f"event: {event.name}"] if event.name else []
        data = [f"data: {line}" for line in event.data.decode().split("\n")]
        lines += [*([noise] if noise else []), *name, *data, ""]
    return "".join(line + end for line in lines).encode()


@given(_names, st.data())
def test_a_recording_means_the_same_however_it_is_split(name: str, data: st.DataObject):
    end = data.draw(st.sampled_from([b"\n", b"\r", b"\r\n"]))
    raw = _RECORDINGS[name].replace(b"\n", end)
    # Half of the cuts hit where it hurts.
    ends = [place for place, byte in enumerate(raw) if byte in b"\r\n"]
    places = st.integers(0, len(raw)) | st.sampled_from(ends)
    cuts = data.draw(st.lists(places, max_size=12).map(sorted))
    pieces = [
        raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)
    ]

    assert _told(name, pieces) == _told(name, [raw])


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
@pytest.mark.parametrize("name", sorted(_RECORDINGS))
def test_a_recording_means_the_same_with_other_line_ends_and_comments(
    name: str, end: str
):
    raw = _RECORDINGS[name]
    written = _written(EventDecoder().feed(raw), end, ": ping")

    assert written.count(b": ping") > 0
    assert _told(name, [b"\xef\xbb\xbf" + written]) == _told(name, [raw])


@pytest.mark.parametrize(
    "name", [name for name in sorted(_RECORDINGS) if not name.startswith("assistants_")]
)
def test_the_names_of_responses_may_stand_in_the_data_alone(name: str):
    raw = _RECORDINGS[name]
    nameless = [ServerEvent("", event.data) for event in EventDecoder().feed(raw)]

    assert _told(name, [_written(nameless, "\n")]) == _told(name, [raw])


@pytest.mark.parametrize("name", sorted(_RECORDINGS))
def test_events_that_nobody_knows_are_passed_over(name: str):
    raw = _RECORDINGS[name]
    unknown = ServerEvent("thread.of.tomorrow", b'{"id":"x","type":"news"}')
    mixed = [each for event in EventDecoder().feed(raw) for each in (unknown, event)]

    assert _told(name, [_written(mixed, "\n")]) == _told(name, [raw])
