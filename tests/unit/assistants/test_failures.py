"""The table of failures: what is tried again, and what people read."""

import time
from email.utils import formatdate

import pytest

from app.assistants.failures import failure, retry_after, word
from app.errors import AssistantRefused, AssistantUnavailable

_LATER = "Please try again in a minute."
_OPERATOR = "Please tell whoever runs me."


@pytest.mark.parametrize(
    ("code", "status", "sentence"),
    [
        ("rate_limit_exceeded", 429, f"The model is too busy right now. {_LATER}"),
        ("slow_down", 503, f"The model is too busy right now. {_LATER}"),
        (None, 429, f"The model is too busy right now. {_LATER}"),
        ("server_error", None, f"The model has trouble answering right now. {_LATER}"),
        (None, 500, f"The model has trouble answering right now. {_LATER}"),
        (None, 529, f"The model has trouble answering right now. {_LATER}"),
        (None, 408, f"The model has trouble answering right now. {_LATER}"),
    ],
)
def test_what_may_pass_by_itself_is_tried_again(
    code: str | None, status: int | None, sentence: str
):
    error = failure(code=code, status=status)

    assert isinstance(error, AssistantUnavailable)
    assert error.message == sentence


@pytest.mark.parametrize(
    ("code", "status", "sentence"),
    [
        ("invalid_api_key", 401, f"The model's server refused my key. {_OPERATOR}"),
        (None, 401, f"The model's server refused my key. {_OPERATOR}"),
        (None, 403, f"I am not allowed to use this model. {_OPERATOR}"),
        (
            "model_not_found",
            404,
            f"The model I am set to use is not available. {_OPERATOR}",
        ),
        (
            "insufficient_quota",
            429,
            f"The budget for the model is used up. {_OPERATOR}",
        ),
        (
            "credit_balance_exhausted",
            429,
            f"The budget for the model is used up. {_OPERATOR}",
        ),
        (
            "project_spend_limit_exceeded",
            429,
            f"The budget for the model is used up. {_OPERATOR}",
        ),
        (None, 402, f"The budget for the model is used up. {_OPERATOR}"),
        (
            "context_length_exceeded",
            400,
            "This thread has grown too long for the model. Please start a new one.",
        ),
        (
            "invalid_prompt",
            None,
            "The model refused this request. Please put it differently.",
        ),
        (
            "bio_policy",
            None,
            "The model refused this request. Please put it differently.",
        ),
        (None, 422, f"The model's server did not take my request. {_OPERATOR}"),
        (
            "something_new",
            None,
            "The model could not answer this. Please try again or put it differently.",
        ),
    ],
)
def test_what_a_retry_cannot_mend_is_refused(
    code: str | None, status: int | None, sentence: str
):
    error = failure(code=code, status=status)

    assert isinstance(error, AssistantRefused)
    assert error.message == sentence


def test_a_budget_may_be_named_by_the_type_alone():
    error = failure(code=None, kind="insufficient_quota", status=429)

    assert isinstance(error, AssistantRefused)
    assert error.code == "insufficient_quota"


def test_a_full_context_is_known_by_its_words_where_there_is_no_code():
    words = "This model's maximum context length is 8192 tokens."

    assert failure(code=None, status=400, words=words).code == "context_length_exceeded"


@pytest.mark.parametrize("given", [None, 5, {}, "", "429", "a b", "x" * 65])
def test_what_is_no_word_is_not_taken_for_one(given: object):
    assert word(given) is None


def test_an_unknown_failure_is_named_by_its_status():
    assert failure(code=None, status=418).code == "http_418"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "1 Jan 99999999999999999999 0:0:0 +0000"}, None),
    ],
)
def test_the_pause_a_server_asks_for_is_read(
    headers: dict[str, str], seconds: float | None
):
    assert retry_after(headers) == seconds


def test_the_pause_may_be_a_date():
    pause = retry_after({"retry-after": formatdate(time.time() + 100, usegmt=True)})

    assert pause
    assert 97 < pause <= 100
