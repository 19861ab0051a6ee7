"""What a request took, as many kinds of servers tell it."""

import pytest

from app.assistants.wire_usage import read_usage
from app.domain import Usage

TOOK = Usage(input_tokens=30, cached_tokens=20, output_tokens=4, longest_input=30)
ALONE = Usage(input_tokens=30, output_tokens=4, longest_input=30)


@pytest.mark.parametrize(
    ("given", "usage"),
    [
        (
            {
                "input_tokens": 30,
                "input_tokens_details": {"cached_tokens": 20},
                "output_tokens": 4,
                "output_tokens_details": {"reasoning_tokens": 3},
            },
            TOOK,
        ),
        (
            {
                "prompt_tokens": 30,
                "prompt_token_details": {"cached_tokens": 20},
                "completion_tokens": 4,
            },
            TOOK,
        ),
        (
            {
                "prompt_tokens": 30,
                "prompt_tokens_details": {"cached_tokens": 20},
                "completion_tokens": 4,
            },
            TOOK,
        ),
        ({"input_tokens": 30, "output_tokens": 4}, ALONE),
        (
            {"input_tokens": 30, "output_tokens": 4, "input_tokens_details": None},
            ALONE,
        ),
        (
            {"input_tokens": 30.0, "output_tokens": 4, "input_tokens_details": []},
            ALONE,
        ),
        ({"input_tokens": "many", "output_tokens": -1}, Usage()),
        ({"input_tokens": 1e300, "output_tokens": None}, Usage()),
        ({}, Usage()),
        (None, None),
        ([], None),
        ("30", None),
    ],
)
def test_the_tokens_are_read_and_what_is_missing_counts_nothing(
    given: object, usage: Usage | None
):
    assert read_usage(given) == usage


def test_the_requests_of_a_turn_add_up_and_the_longest_is_known():
    whole = TOOK + Usage(input_tokens=50, output_tokens=1, longest_input=50) + None

    assert whole == Usage(
        input_tokens=80, cached_tokens=20, output_tokens=5, longest_input=50
    )
