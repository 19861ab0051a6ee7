"""A bucket whose tokens are lent, and what it asks for."""

from math import inf
from typing import Any

import pytest

from app.slack.replies.lent import LentBucket
from app.storage.rate_budgets import BudgetKey, Learnt, Loan, Request

KEY = BudgetKey(team_id="T1", method="chat.update")


class Lender:
    """Answers what a bucket asks when it is due, and remembers it."""

    def __init__(self, replicas: int = 1) -> None:
        self.now = 100.0
        self.woken = 0
        self.changes = 0
        self.asked: list[Request] = []
        self.replicas = replicas
        self.bucket = LentBucket(
            KEY, holder="me", replicas=replicas, wake=lambda _: self._wake()
        )
        self.bucket.on_change = self._change

    def _wake(self) -> None:
        self.woken += 1

    def _change(self) -> None:
        self.changes += 1

    def ask(self) -> Request:
        assert self.bucket.due_at(self.now) <= self.now
        self.asked.append(self.bucket.request(self.now))
        return self.asked[-1]

    def lend(self, held: float, **its: Any) -> None:  # noqa: ANN401
        known = {"rate": 50 / 60, "burst": 10.0, **its}
        self.bucket.got(
            self.now,
            Loan(
                held=held,
                share=0.5,
                replicas=self.replicas,
                left=0.0,
                calls=0,
                learnt=Learnt(**known),
            ),
        )

    @property
    def ready_at(self) -> float:
        return self.bucket.ready_at(self.now)


def test_who_is_quiet_asks_for_nothing() -> None:
    lender = Lender()
    assert lender.bucket.due_at(lender.now) == inf
    assert lender.bucket.is_full(lender.now)


def test_the_first_call_asks_and_goes_when_there_is_a_token() -> None:
    lender = Lender()
    assert lender.ready_at == inf
    assert lender.woken
    lender.ask()
    assert lender.bucket.due_at(lender.now) == inf
    lender.lend(2.0)
    assert lender.changes == 1
    assert lender.ready_at == lender.now


def test_while_edits_are_wanted_it_asks_once_in_two_seconds() -> None:
    lender = Lender()
    lender.bucket.expect(lender.now, 0, 3, 0.5)
    for _ in range(100):
        lender.now += 0.1
        if lender.bucket.due_at(lender.now) <= lender.now:
            lender.ask()
            lender.lend(0.2)
    assert len(lender.asked) == pytest.approx(5, abs=2)


def test_what_can_not_wait_is_asked_for_out_of_turn() -> None:
    lender = Lender()
    lender.bucket.expect(lender.now, 0, 3, 0.5)
    lender.ask()
    lender.lend(0.0)
    lender.now += 1.3
    assert lender.bucket.due_at(lender.now) > lender.now + 0.5
    lender.bucket.expect(lender.now, 2, 3, 0.5)
    asked = lender.ask()
    assert (asked.must, asked.demand, asked.reserve) == (2, 5, 0.5)


def test_calls_made_meanwhile_are_not_lent_twice() -> None:
    lender = Lender()
    lender.ready_at  # noqa: B018 - to ask is what has an effect
    lender.ask()
    lender.lend(3.0)
    for _ in range(3):
        lender.bucket.take(lender.now)
    lender.bucket.expect(lender.now, 1, 1, 0.5)
    asked = lender.ask()
    assert (asked.held, asked.sent) == (0, 3)
    lender.lend(1.0)
    assert lender.ready_at == lender.now
    lender.bucket.take(lender.now)
    assert lender.ready_at == inf


def test_what_is_not_needed_is_given_back() -> None:
    lender = Lender(replicas=4)
    lender.ready_at  # noqa: B018 - as above
    lender.ask()
    lender.lend(3.0)
    lender.bucket.take(lender.now)
    lender.now += 2.5
    asked = lender.ask()
    assert (asked.held, asked.returned, asked.sent) == (0, 2, 1)
    lender.lend(0.0)
    assert lender.bucket.due_at(lender.now) == inf
    assert lender.bucket.share == 1


def test_what_is_left_expires() -> None:
    lender = Lender()
    lender.ready_at  # noqa: B018 - as above
    lender.ask()
    lender.lend(3.0)
    lender.now += 6.5
    assert lender.ready_at == inf


def test_a_refusal_is_told_at_once_and_holds_for_all() -> None:
    lender = Lender()
    lender.ready_at  # noqa: B018 - as above
    lender.ask()
    lender.lend(3.0)
    lender.bucket.refused(lender.now, 20.0)
    asked = lender.ask()
    assert (asked.held, asked.pause) == (0, 20)
    assert asked.cut_rate == pytest.approx(50 / 60 * 0.7)
    lender.lend(0.0, rate=0.5, blocked_for=20.0)
    assert lender.ready_at == lender.now + 20
    assert lender.bucket.per_second == 0.25


def test_a_pause_that_another_was_asked_for_holds_here_too() -> None:
    lender = Lender()
    lender.ready_at  # noqa: B018 - as above
    lender.ask()
    lender.lend(0.0, blocked_for=7.0)
    assert lender.ready_at == lender.now + 7
    assert lender.bucket.due_at(lender.now) >= lender.now + 7


def test_without_an_answer_it_goes_on_with_its_share() -> None:
    lender = Lender(replicas=4)
    assert lender.ready_at == inf
    lender.ask()
    lender.bucket.got_nothing(lender.now)
    assert lender.changes == 1
    sent = 0
    for _ in range(600):
        while lender.ready_at <= lender.now:
            lender.bucket.take(lender.now)
            sent += 1
        lender.now += 0.1
    assert sent == pytest.approx(50 / 4, abs=1.5)
    assert lender.ask().alone == sent
    lender.lend(1.0)
    lender.bucket.take(lender.now)
    assert lender.ready_at == inf


def test_what_was_not_heard_is_told_again() -> None:
    lender = Lender()
    lender.ready_at  # noqa: B018 - as above
    lender.ask()
    lender.lend(2.0)
    lender.bucket.take(lender.now)
    lender.bucket.refused(lender.now, 10.0)
    lender.ask()
    lender.bucket.got_nothing(lender.now)
    lender.now += 4
    asked = lender.ask()
    assert (asked.sent, asked.pause) == (1, 6)
    assert asked.cut_rate == pytest.approx(50 / 60 * 0.7)


def test_at_the_end_everything_is_given_back() -> None:
    lender = Lender()
    assert lender.bucket.farewell(lender.now) is None
    lender.ready_at  # noqa: B018 - as above
    lender.ask()
    lender.lend(3.0)
    lender.bucket.take(lender.now)
    last = lender.bucket.farewell(lender.now)
    assert last
    assert (last.held, last.returned, last.sent, last.keep) == (0, 2, 1, 0)
