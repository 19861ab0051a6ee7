"""Budgets of Slack's methods: lent to several processes, kept over restarts."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import combinations, count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import Double, bindparam, select

from app.storage.database import Database
from app.storage.leases import Leases
from app.storage.rate_budgets import (
    BudgetKey,
    Learnt,
    Loan,
    RateBudgets,
)
from app.storage.tables import rate_budgets
from tests.contracts.budget_words import KEEP, asks
from tests.contracts.orders import THOROUGH
from tests.contracts.statements import watched
from tests.postgres import empty

KEY = BudgetKey(team_id="T0TEAM", method="chat.update")
# So many in a minute, however they are counted.
MOST = 30
START = Learnt(rate=0.5, burst=10.0)
# A second's growth in the minute after savings were spent.
SLOW = START.rate - START.burst / 60.5
TEAMS = count()


@dataclass
class Budgets:
    """The budgets of several processes, on a clock that is moved by hand."""

    database: Database
    key: BudgetKey = KEY
    now: float = 1_000.0

    def __post_init__(self) -> None:
        clock = bindparam("clock", callable_=lambda: self.now, type_=Double)
        self.kept = RateBudgets(self.database, clock)

    async def lend(self, holder: str, **its: Any) -> Loan:  # noqa: ANN401
        return await self.kept.lend(self.key, asks(holder, **its), START)


def has(loan: Loan) -> list[float]:
    """How many tokens are there, and after how many seconds each that is to come."""
    return [loan.held, *loan.promised]


@pytest.fixture
async def budgets(migrated_postgres: str) -> AsyncIterator[Budgets]:
    empty(migrated_postgres)
    database = await Database.connect(migrated_postgres)
    yield Budgets(database)
    await database.close()


async def test_what_one_process_holds_no_other_gets(budgets: Budgets) -> None:
    first = await budgets.lend("a", wanted=8, must=8)
    second = await budgets.lend("b", wanted=8, must=8)
    third = await budgets.lend("c", wanted=8, must=8)

    assert (first.held, second.held, third.held) == (8, 2, 0)


async def test_it_grows_again_as_time_goes_by_but_never_over_what_is_held(
    budgets: Budgets,
) -> None:
    await budgets.lend("a", wanted=8, must=8, keep=600)
    budgets.now += 3
    soon = await budgets.lend("b", wanted=0, must=0)
    budgets.now += 300
    late = await budgets.lend("b", wanted=0, must=0)

    assert (soon.left, late.left) == (2, 2)


async def test_who_sends_it_all_gets_what_grows_meanwhile(budgets: Budgets) -> None:
    await budgets.lend("a", wanted=10, must=10)
    budgets.now += 4
    again = await budgets.lend("a", held=0, wanted=10, must=10)

    assert [again.held, again.left] == pytest.approx([1, 4 * SLOW - 1])


async def test_what_is_given_back_is_there_for_the_others(budgets: Budgets) -> None:
    await budgets.lend("a", wanted=10, must=10)
    budgets.now += 1
    await budgets.lend("a", held=1, returned=7, wanted=1, must=0)
    other = await budgets.lend("b", wanted=10, must=10)

    assert [other.held, other.left] == pytest.approx([7, SLOW])


async def test_what_a_dead_process_held_is_not_lent_again_and_soon_not_missed(
    budgets: Budgets,
) -> None:
    await budgets.lend("dead", wanted=9, must=9)
    budgets.now += KEEP - 1
    before = await budgets.lend("a", wanted=0, must=0)
    budgets.now += 2
    after = await budgets.lend("a", wanted=0, must=0)
    budgets.now += 100
    later = await budgets.lend("a", wanted=0, must=0)

    lefts = [each.left for each in (before, after, later)]
    assert lefts == [1, pytest.approx(1 + 2 * SLOW), 10]


async def test_what_comes_back_too_late_is_not_counted_twice(budgets: Budgets) -> None:
    await budgets.lend("slow", wanted=8, must=8)
    budgets.now += 300
    await budgets.lend("a", wanted=9, must=9)
    back = await budgets.lend("slow", held=2, returned=6, wanted=2, must=0)

    assert (back.held, back.left) == (1, 0)


async def test_a_token_is_promised_for_the_moment_at_which_it_will_be_there(
    budgets: Budgets,
) -> None:
    await budgets.lend("a", wanted=10, must=10)
    budgets.now += 1
    loan = await budgets.lend("a", wanted=5, must=0, soon=4.0, lasting=1)
    later = await budgets.lend("b", wanted=5, must=0, soon=4.0, lasting=1)

    # The second would come after four seconds, but that is not soon.
    assert has(loan) == pytest.approx([0, 1 / SLOW - 1])
    assert has(later) == pytest.approx([0, 2 / SLOW - 1])
    assert later.left == pytest.approx(SLOW - 2)


async def test_who_asks_again_keeps_its_place_and_fills_a_gap(
    budgets: Budgets,
) -> None:
    await budgets.lend("a", wanted=10, must=10)
    turns = {
        name: (await budgets.lend(name, wanted=1, must=0, lasting=1, keep=20))
        for name in "abcd"
    }
    same = await budgets.lend("c", returned=1, wanted=1, must=0, lasting=1, keep=20)
    await budgets.lend("b", returned=1, wanted=0, must=0)
    sooner = await budgets.lend("d", returned=1, wanted=1, must=0, lasting=1, keep=20)

    assert [each.promised[0] * SLOW for each in turns.values()] == pytest.approx(
        [1, 2, 3, 4]
    )
    assert same.promised == turns["c"].promised
    assert sooner.promised[0] == pytest.approx(turns["b"].promised[0])


async def test_what_can_not_wait_takes_nothing_that_was_promised(
    budgets: Budgets,
) -> None:
    await budgets.lend("a", wanted=9, must=9)
    promised = await budgets.lend("b", wanted=2, must=0, lasting=2, keep=20)
    urgent = await budgets.lend("c", wanted=1, must=1, lasting=1, keep=20)

    assert has(promised) == pytest.approx([1, 1 / SLOW])
    assert has(urgent) == pytest.approx([0, 2 / SLOW])


async def test_what_a_dead_process_was_promised_is_not_lent_again(
    budgets: Budgets,
) -> None:
    await budgets.lend("a", wanted=10, must=10)
    dead = await budgets.lend("dead", wanted=2, must=0, lasting=2)
    budgets.now += KEEP + 1
    after = await budgets.lend("a", wanted=0, must=0)

    assert len(dead.promised) == 2
    assert after.left == pytest.approx((KEEP + 1) * SLOW - 2)


async def test_an_older_process_finds_nothing_where_all_is_promised(
    budgets: Budgets,
) -> None:
    await budgets.lend("a", wanted=10, must=10)
    await budgets.lend("a", wanted=2, must=0, lasting=2)
    async with budgets.database.read() as transaction:
        row = (await transaction.execute(select(rate_budgets))).one()

    assert (row.tokens, row.owed) == (0, 2)
    assert row.holders["a"]["held"] == 2


async def test_a_reserve_is_for_what_can_not_wait_whoever_asks(
    budgets: Budgets,
) -> None:
    await budgets.lend("a", wanted=7, must=7, reserve=1.5, keep=600)
    usual = await budgets.lend("b", wanted=3, must=0, lasting=1, reserve=0.5)
    urgent = await budgets.lend("c", wanted=3, must=2)

    assert has(usual) == pytest.approx([0, 1 / SLOW])
    assert (usual.others, urgent.held) == (1, 2)


async def test_a_minute_in_which_savings_are_spent_gets_less(
    budgets: Budgets,
) -> None:
    await budgets.lend("a", wanted=10, must=10)
    grown = []
    for _ in range(12):
        budgets.now += 6
        grown.append((await budgets.lend("a", wanted=10, must=10)).held)

    assert grown[0] == int(6 * SLOW)
    assert grown[-1] == 6 * START.rate


async def test_a_minute_that_is_full_is_waited_for(budgets: Budgets) -> None:
    await budgets.lend("b", cut_rate=0.1, refused_at=0.1, wanted=0, must=0)
    held = [
        (await budgets.lend("a", wanted=4, must=4, sent=sent)).held
        for sent in ((), (0.0,) * 4, (0.0,) * 2)
    ]
    other = await budgets.lend("b", wanted=4, must=4)
    budgets.now += 62
    later = await budgets.lend("b", wanted=4, must=4)

    assert held == [4, 2, 0]
    assert (other.held, later.held) == (0, 4)


async def test_what_the_others_hold_may_be_calls_of_this_minute(
    budgets: Budgets,
) -> None:
    await budgets.lend("b", cut_rate=0.1, refused_at=0.1, wanted=0, must=0)
    held = [
        (await budgets.lend(name, wanted=4, must=4)).held for name in ("a", "b", "c")
    ]

    assert held == [4, 2, 0]


async def test_a_full_minute_is_over_when_its_first_calls_are_a_minute_old(
    budgets: Budgets,
) -> None:
    await budgets.lend("b", cut_rate=0.1, refused_at=0.1, wanted=0, must=0)
    await budgets.lend("a", wanted=6, must=6)
    sent = (58.0, 57.0, 57.0, 3.0, 2.0, 1.0)
    loan = await budgets.lend("a", sent=sent, wanted=3, must=3, lasting=3)

    assert (loan.held, loan.promised) == (0, (3.5, 4.5, 4.5))


async def test_calls_without_tokens_are_made_up_for(budgets: Budgets) -> None:
    first = await budgets.lend("a", wanted=0, must=0, alone=4)
    second = await budgets.lend("b", wanted=0, must=0, alone=9)
    third = await budgets.lend("b", wanted=1, must=1)

    assert (first.left, second.left, third.held) == (6, 0, 0)


async def test_a_pause_holds_for_all_and_then_lets_one_call_through(
    budgets: Budgets,
) -> None:
    await budgets.lend("a", pause=30.0, wanted=0, must=0)
    budgets.now += 10
    during = await budgets.lend("b", wanted=5, must=5)
    budgets.now += 20
    after = [await budgets.lend(name, wanted=5, must=5) for name in ("b", "c")]

    assert (during.held, during.learnt.blocked_for) == (0, 20)
    assert [each.held for each in after] == [1, 0]


async def test_what_several_learnt_of_one_limit_counts_once(budgets: Budgets) -> None:
    await budgets.lend("a", cut_rate=0.35, cut_burst=5)
    cut = await budgets.lend("b", cut_rate=0.35, cut_burst=5)
    await budgets.lend("a", rate_up=0.1, burst_up=1)
    raised = await budgets.lend("b", rate_up=0.1, burst_up=0.5)
    both = await budgets.lend("a", cut_rate=0.2, cut_burst=0.5, rate_up=0.1)

    found = [(each.learnt.rate, each.learnt.burst) for each in (cut, raised, both)]
    assert found == [
        (0.35, 5),
        (pytest.approx(0.55), 6.5),
        (pytest.approx(0.3), 2),
    ]


async def test_a_clock_that_is_set_back_stops_nothing(budgets: Budgets) -> None:
    await budgets.lend("a", wanted=10, must=10)
    budgets.now -= 500
    await budgets.lend("a", wanted=0, must=0)
    budgets.now += 4
    again = await budgets.lend("a", wanted=10, must=10)

    assert [again.held, again.left] == pytest.approx([1, 4 * SLOW - 1])


async def test_it_tells_how_many_live(budgets: Budgets) -> None:
    alone = await budgets.lend("a")
    leases = Leases(budgets.database)
    for name in ("a", "b", "c"):
        await leases.beat(name, "1", 60.0)
    three = await budgets.lend("a")

    assert (alone.replicas, three.replicas) == (1, 3)


async def test_a_loan_takes_one_statement(budgets: Budgets) -> None:
    await budgets.lend("a")
    with watched(budgets.database) as seen:
        await budgets.lend("a")

    assert len(seen) == 1


async def test_many_at_once_never_get_more_than_there_is(
    migrated_postgres: str,
) -> None:
    empty(migrated_postgres)
    async with AsyncExitStack() as stack:
        processes = []
        for _ in range(4):
            database = await Database.connect(migrated_postgres)
            stack.push_async_callback(database.close)
            processes.append(RateBudgets(database))
        begun = time.monotonic()

        async def borrow(budgets: RateBudgets, holder: str) -> int:
            sent = 0
            for _ in range(20):
                request = asks(holder, wanted=2, must=2)
                start = Learnt(rate=20.0, burst=5.0)
                loan = await budgets.lend(KEY, request, start)
                sent += loan.held
            return sent

        sent = await asyncio.gather(
            *(
                borrow(budgets, f"{number}-{twin}")
                for number, budgets in enumerate(processes)
                for twin in range(3)
            )
        )

    most = 5 + 20 * (time.monotonic() - begun)
    assert 5 <= sum(sent) <= most


# Who asks, how long after the one before, how many calls it has made until then, how
# many tokens it wants, for how many it would wait, and whether they can't wait.
Step = tuple[str, float, int, int, int, bool]
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from([0.0, 0.3, 1.0, 2.0, 5.0, 9.0, 40.0]),
        st.integers(0, 4),
        st.integers(0, 11),
        st.integers(0, 4),
        st.booleans(),
    ),
    max_size=25,
)


@dataclass
class Holder:
    """What one process believes to have, from when on, and until when."""

    tokens: list[float] = field(default_factory=list)
    until: float = 0.0

    def spend(self, now: float, most: int) -> list[float]:
        """Send as many calls as that, each as soon as its token was there."""
        if self.until <= now:
            self.tokens.clear()
        there = [at for at in self.tokens if at <= now]
        calls, self.tokens = there[:most], self.tokens[len(there[:most]) :]
        return calls

    def held(self, now: float) -> int:
        return sum(at <= now for at in self.tokens)


async def sent_by(steps: Iterable[Step], budgets: Budgets) -> list[float]:
    """When three processes send that take these steps."""
    holders = {name: Holder() for name in "abc"}
    sent: list[float] = []
    for name, pause, spend, wanted, lasting, is_urgent in steps:
        budgets.now += pause
        holder = holders[name]
        calls = holder.spend(budgets.now, spend)
        sent += calls
        held = holder.held(budgets.now)
        returned = max(0, held - wanted)
        loan = await budgets.lend(
            name,
            held=held - returned,
            returned=returned + len(holder.tokens) - held,
            sent=tuple(budgets.now - at for at in calls),
            wanted=wanted,
            soon=2.0,
            lasting=lasting,
            must=wanted if is_urgent else 0,
            demand=1.0 + spend,
        )
        later = [budgets.now + each for each in loan.promised]
        holder.tokens = [budgets.now] * loan.held + later
        holder.until = budgets.now + KEEP
    return sorted(sent)


def assert_one_bucket_would_do(sent: list[float]) -> None:
    for first, last in combinations(range(len(sent)), 2):
        seconds = sent[last] - sent[first]
        count = last - first + 1
        assert count <= START.burst + START.rate * seconds + 1e-6
        assert seconds > 60 or count <= MOST


@settings(
    max_examples=500 if THOROUGH else 30,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
async def test_no_window_ever_holds_more_than_one_bucket_allows(
    migrated_postgres: str, steps: list[Step]
) -> None:
    database = await Database.connect(migrated_postgres)
    key = BudgetKey(team_id=f"T{next(TEAMS)}", method="chat.update")
    sent = await sent_by(steps, Budgets(database, key))
    await database.close()

    assert_one_bucket_would_do(sent)


async def test_who_sends_whatever_it_gets_leaves_nothing_unused(
    budgets: Budgets,
) -> None:
    steps = [("abc"[n % 3], 0.7, 9, 4, 4, n % 5 == 0) for n in range(120)]
    sent = await sent_by(steps, budgets)

    assert_one_bucket_would_do(sent)
    seconds = sent[-1] - sent[0]
    assert len(sent) >= 0.9 * (START.burst + SLOW * seconds)


async def test_what_was_learnt_is_kept(database: Database, database_url: str) -> None:
    nothing = await RateBudgets(database).learnt(KEY)
    other = BudgetKey(team_id="T0ELSE", method="chat.update")
    first = [(KEY, START), (other, START)]
    await RateBudgets(database).keep(first)
    newer = Learnt(rate=0.2, burst=4.0, refused_at=0.3, blocked_for=30.0)
    await RateBudgets(database).keep([(KEY, newer)])

    restarted = await Database.connect(database_url)
    kept = await RateBudgets(restarted).learnt(KEY)
    left_alone = await RateBudgets(restarted).learnt(other)
    await restarted.close()

    assert nothing is None
    assert left_alone == START
    assert kept
    assert (kept.rate, kept.burst, kept.refused_at) == (0.2, 4.0, 0.3)
    assert 25 < kept.blocked_for <= 30


async def test_only_postgres_is_for_several_processes(database: Database) -> None:
    assert RateBudgets(database).are_lent is not database.is_sqlite
