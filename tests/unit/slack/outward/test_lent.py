"""A bucket whose tokens are lent, and what it asks for."""

from dataclasses import replace
from math import inf
from typing import Any

import pytest

from app.slack.replies.budget import Crowd
from app.slack.replies.lent import LentBucket
from app.storage.rate_budgets import BudgetKey, Learnt, Loan, Request

KEY = BudgetKey(team_id="T1", method="chat.update")
THREE = Crowd(growing=3, writing=3, reserve=0.5)


class Lender:
    """Answers what a bucket asks when it is due, and remembers it."""

    def __init__(self, replicas: int = 1, key: BudgetKey = KEY) -> None:
        self.now = 100.0
        self.woken = 0
        self.changes = 0
        self.asked: list[Request] = []
        self.replicas = replicas
        self.bucket = LentBucket(
            key, holder="me", replicas=replicas, wake=lambda _: self._wake()
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

    def lend(
        self,
        held: int,
        *promised: float,
        others: float = 0.0,
        **its: Any,  # noqa: ANN401
    ) -> None:
        known = {"rate": 50 / 60, "burst": 10.0, **its}
        self.bucket.got(
            self.now,
            Loan(
                held=held,
                promised=promised,
                others=others,
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
    lender.lend(2)
    assert lender.changes == 1
    assert lender.ready_at == lender.now


def test_while_edits_are_wanted_it_asks_once_in_two_seconds() -> None:
    lender = Lender()
    lender.bucket.expect(lender.now, THREE)
    for _ in range(600):
        lender.now += 0.1
        if lender.ready_at <= lender.now:
            lender.bucket.take(lender.now)
        if lender.bucket.due_at(lender.now) <= lender.now:
            lender.ask()
            lender.lend(1)
    assert len(lender.asked) == pytest.approx(60 / 2, abs=3)


def test_what_can_not_wait_is_asked_for_out_of_turn() -> None:
    lender = Lender()
    lender.bucket.expect(lender.now, THREE)
    lender.ask()
    lender.lend(0)
    lender.now += 1.3
    assert lender.bucket.due_at(lender.now) > lender.now + 0.5
    lender.bucket.expect(lender.now, replace(THREE, waiting=2, urgent=2))
    asked = lender.ask()
    assert (asked.must, asked.lasting) == (2, 3)
    assert (asked.demand, asked.reserve) == (3, 0.5)


def test_what_is_promised_is_there_at_that_moment_and_not_before() -> None:
    lender = Lender()
    lender.bucket.expect(lender.now, THREE)
    lender.ask()
    lender.lend(0, 1.2, 2.4)
    assert lender.changes == 1
    assert lender.ready_at == lender.now + 1.2
    lender.now += 1.3
    assert lender.ready_at == lender.now
    lender.bucket.take(lender.now)
    assert lender.ready_at == pytest.approx(lender.now + 1.1)


def test_what_is_promised_is_given_back_with_each_request() -> None:
    lender = Lender()
    lender.bucket.expect(lender.now, THREE)
    lender.ask()
    lender.lend(1, 1.2, 2.4)
    lender.now += 2
    lender.bucket.expect(lender.now, replace(THREE, growing=4))
    lender.bucket.take(lender.now)
    asked = lender.ask()
    assert (asked.held, asked.returned, len(asked.sent)) == (1, 1, 1)
    assert lender.ready_at == lender.now
    lender.lend(1, 0.3)
    lender.bucket.take(lender.now)
    assert lender.ready_at == lender.now + 0.3


def test_who_can_not_wait_is_told_once_when_its_token_is_there() -> None:
    lender = Lender()
    lender.bucket.expect(lender.now, replace(THREE, waiting=1, urgent=1))
    lender.ask()
    lender.lend(0, 0.7)
    lender.now += 0.1
    lender.bucket.expect(lender.now, replace(THREE, waiting=1, urgent=1))
    assert lender.bucket.due_at(lender.now) > lender.now + 1
    assert lender.ready_at == pytest.approx(lender.now + 0.6)


def test_beside_others_it_asks_for_no_more_than_one_for_each_message() -> None:
    lender = Lender()
    lender.bucket.expect(lender.now, THREE)
    alone = lender.ask()
    lender.lend(0, others=1.0)
    lender.now += 4
    beside_others = lender.ask()
    assert (alone.wanted, beside_others.wanted) == (9, 3)
    assert lender.bucket.share == 3 / 4


@pytest.mark.parametrize(("replicas", "stock"), [(1, 7), (3, 2), (40, 1)])
def test_of_a_large_burst_some_are_at_hand_for_those_who_ask_next(
    replicas: int, stock: int
) -> None:
    statuses = replace(KEY, method="assistant.threads.setStatus")
    lender = Lender(replicas, statuses)
    assert lender.ready_at == inf
    asked = lender.ask()
    assert (asked.wanted, asked.must) == (1 + stock, 1)


def test_a_pause_voids_what_was_promised_and_it_is_given_back() -> None:
    lender = Lender()
    lender.bucket.expect(lender.now, THREE)
    lender.ask()
    lender.lend(1, 1.2, 2.4)
    lender.bucket.refused(lender.now, 1.0)
    asked = lender.ask()
    assert (asked.held, asked.returned, asked.pause) == (0, 3, 1)
    lender.lend(0, blocked_for=1.0)
    lender.now += 1.5
    assert lender.ready_at == inf


def test_what_is_promised_expires_with_all_else() -> None:
    lender = Lender()
    lender.bucket.expect(lender.now, THREE)
    lender.ask()
    lender.lend(1, 5.9)
    lender.now += 6.1
    assert lender.ready_at == inf


def test_calls_made_meanwhile_are_not_lent_twice() -> None:
    lender = Lender()
    lender.ready_at  # noqa: B018 - to ask is what has an effect
    lender.ask()
    lender.lend(3)
    for _ in range(3):
        lender.bucket.take(lender.now)
    lender.bucket.expect(lender.now, Crowd(waiting=1, urgent=1))
    asked = lender.ask()
    assert (asked.held, asked.sent) == (0, (0, 0, 0))
    lender.lend(1)
    assert lender.ready_at == lender.now
    lender.bucket.take(lender.now)
    assert lender.ready_at == inf


def test_what_is_not_needed_is_given_back() -> None:
    lender = Lender(replicas=4)
    lender.ready_at  # noqa: B018 - as above
    lender.ask()
    lender.lend(3)
    lender.bucket.take(lender.now)
    lender.now += 2.5
    asked = lender.ask()
    assert (asked.held, asked.returned, asked.sent) == (0, 2, (2.5,))
    lender.lend(0)
    assert lender.bucket.due_at(lender.now) == inf
    assert lender.bucket.share == 1


def test_what_is_left_expires() -> None:
    lender = Lender()
    lender.ready_at  # noqa: B018 - as above
    lender.ask()
    lender.lend(3)
    lender.now += 6.5
    assert lender.ready_at == inf


def test_a_refusal_is_told_at_once_and_holds_for_all() -> None:
    lender = Lender()
    lender.ready_at  # noqa: B018 - as above
    lender.ask()
    lender.lend(3)
    lender.bucket.refused(lender.now, 20.0)
    asked = lender.ask()
    assert (asked.held, asked.pause) == (0, 20)
    assert asked.cut_rate == pytest.approx(50 / 60 * 0.7)
    lender.lend(0, others=1.0, rate=0.5, blocked_for=20.0)
    assert lender.ready_at == lender.now + 20
    assert lender.bucket.per_second == 0.25


def test_a_pause_that_another_was_asked_for_holds_here_too() -> None:
    lender = Lender()
    lender.ready_at  # noqa: B018 - as above
    lender.ask()
    lender.lend(0, blocked_for=7.0)
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
    lender.lend(1)
    lender.bucket.take(lender.now)
    assert lender.ready_at == inf


def test_what_was_not_heard_is_told_again() -> None:
    lender = Lender()
    lender.ready_at  # noqa: B018 - as above
    lender.ask()
    lender.lend(2)
    lender.bucket.take(lender.now)
    lender.bucket.refused(lender.now, 10.0)
    lender.ask()
    lender.bucket.got_nothing(lender.now)
    lender.now += 4
    asked = lender.ask()
    assert (asked.sent, asked.pause) == ((4,), 6)
    assert asked.cut_rate == pytest.approx(50 / 60 * 0.7)


def test_at_the_end_everything_is_given_back() -> None:
    lender = Lender()
    assert lender.bucket.farewell(lender.now) is None
    lender.ready_at  # noqa: B018 - as above
    lender.ask()
    lender.lend(3)
    lender.bucket.take(lender.now)
    last = lender.bucket.farewell(lender.now)
    assert last
    assert (last.held, last.returned, last.sent, last.keep) == (0, 2, (0,), 0)
