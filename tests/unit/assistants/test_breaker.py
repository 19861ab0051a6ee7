"""An empty purse is not asked again and again."""

import logging

import pytest

from app.assistants.breaker import BudgetBreaker
from app.errors import AssistantRefused, BudgetUsedUp

EMPTY = BudgetUsedUp("insufficient_quota", "The budget is used up.")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_once_the_budget_is_used_up_nobody_asks_for_a_minute():
    clock = Clock()
    breaker = BudgetBreaker(clock)
    assert breaker.refusal() is None

    breaker.failed(EMPTY)

    assert breaker.refusal() is EMPTY
    clock.now = 59
    assert breaker.refusal() is EMPTY


def test_after_a_minute_one_may_try_and_the_others_wait_for_it():
    clock = Clock()
    breaker = BudgetBreaker(clock)
    breaker.failed(EMPTY)
    clock.now = 60

    assert [breaker.refusal() for _ in range(3)] == [None, EMPTY, EMPTY]
    breaker.failed(EMPTY)
    clock.now = 119
    assert breaker.refusal() is EMPTY
    clock.now = 120
    assert breaker.refusal() is None
    breaker.succeeded(breaker.refusals)
    assert [breaker.refusal() for _ in range(3)] == [None, None, None]


def test_an_answer_begun_before_the_refusal_proves_no_budget():
    breaker = BudgetBreaker(Clock())
    known = breaker.refusals
    breaker.failed(EMPTY)

    breaker.succeeded(known)

    assert breaker.refusal() is EMPTY


def test_other_failures_keep_nobody_from_asking():
    breaker = BudgetBreaker(Clock())

    breaker.failed(AssistantRefused("invalid_api_key", "The key was refused."))

    assert breaker.refusal() is None


def test_the_operator_is_told_once(caplog: pytest.LogCaptureFixture):
    clock = Clock()
    breaker = BudgetBreaker(clock)
    with caplog.at_level(logging.ERROR):
        for minute in range(3):
            clock.now = minute * 60.0
            breaker.failed(EMPTY)

    assert [record.message for record in caplog.records] == [
        "budget of the model used up"
    ]
