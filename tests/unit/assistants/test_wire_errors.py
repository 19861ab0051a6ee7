"""Errors inside of a stream, as servers and the gateways before them put them."""

import pytest

from app.assistants import assistants_events, responses_events
from app.assistants.sse import ServerEvent
from app.assistants.wire_errors import ErrorHappened, happened

NAMELESS = ServerEvent("", b'{"error": {"message": "no", "code": "slow_down"}}')


def test_a_nameless_error_is_known_by_its_shape_in_both_protocols() -> None:
    read = responses_events.read_event(NAMELESS)

    assert read is not None
    for event in (read[1], assistants_events.read_event(NAMELESS)):
        assert isinstance(event, ErrorHappened)
        assert happened(event).code == "slow_down"


@pytest.mark.parametrize("error", ["sorry", None])
def test_an_error_without_a_code_is_an_error_still(error: str | None) -> None:
    assert happened(ErrorHappened(error=error)).code == "unknown_error"
