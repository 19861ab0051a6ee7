"""How often Slack may be called: one budget for all processes, kept over restarts.

On Postgres a budget is a bucket of tokens in one row for each (team, method), out of
which processes borrow, also such as will have grown at some moment soon. What they hold
counts as if it were still in there, so all of them together can never send more than
one bucket allows; what a dead process held is not given to others, it merely stops to
count.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.dialects.postgresql import insert

from app.storage.database import Database, Transaction
from app.storage.lending import lending
from app.storage.tables import rate_budgets

# No pause is longer, whatever becomes of a clock.
LONGEST_PAUSE = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetKey:
    """Slack counts the calls of a method for each workspace."""

    team_id: str
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What is known of a limit: calls per second, how many at once, seconds to wait.

    `refused_at` is the rate at which calls were last refused, 0 if none were.
    """

    rate: float
    burst: float
    refused_at: float = 0.0
    blocked_for: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A process asks for tokens, and says what it has seen since it asked last.

    It has `held` left of those that it was lent and gives `returned` back, among them
    all that were promised and are not there yet. So many seconds ago it has `sent` each
    of its calls, and it made `alone` calls without a token. It wants to have `wanted`
    that are there `soon`, in so many seconds; for the first `lasting` of them it would
    wait longer. The first `must` are for what can't wait: for that everybody's
    `reserve` is kept. Its `demand` is told to the others. Tokens are lent for `keep`
    seconds.

    If Slack has refused calls, at the rate `refused_at`, the limit was cut to
    `cut_rate` and `cut_burst`, and for `pause` seconds there should be no call; since
    then, or at all, calls that went well raised it by `rate_up` and `burst_up`.
    """

    holder: str
    held: int
    returned: int
    sent: tuple[float, ...]
    alone: int
    wanted: int
    soon: float
    lasting: int
    must: int
    demand: float
    reserve: float
    keep: float
    pause: float = 0.0
    cut_rate: float | None = None
    cut_burst: float | None = None
    refused_at: float | None = None
    rate_up: float = 0.0
    burst_up: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """What a process has after it asked.

    `held` are its tokens, `promised` the seconds after which it has each one more;
    `others` is the demand of all others, `replicas` are all processes that live, at
    least 1; `left` are the tokens that nobody has, less than none if more are promised
    than there are; `calls` are those of the last minute, everybody's.
    """

    held: int
    promised: tuple[float, ...]
    others: float
    replicas: int
    left: float
    calls: int
    learnt: Learnt


class RateBudgets:
    """What all processes may send together, and what they learnt about it.

    `clock` is the database's own, in seconds.
    """

    def __init__(
        self, database: Database, clock: ColumnElement[float] = Database.now
    ) -> None:
        self._database = database
        self._clock = clock
        self._lend = lending(clock, LONGEST_PAUSE)

    @property
    def are_lent(self) -> bool:
        """Whether several processes may share them; else each is alone."""
        return not self._database.is_sqlite

    async def lend(self, key: BudgetKey, request: Request, start: Learnt) -> Loan:
        """Lend tokens, by one statement; the first time the budget begins as `start`.

        Raises DatabaseUnavailable.
        """
        its = {"its_team": key.team_id, "its_method": key.method}
        values = {**its, **asdict(request)}
        async with self._database.write() as transaction:
            row = (await transaction.execute(self._lend, values)).one_or_none()
            if row is None:
                await self._begin(transaction, key, start)
                row = (await transaction.execute(self._lend, values)).one()
        return _loan(row)

    async def learnt(self, key: BudgetKey) -> Learnt | None:
        """What was last kept, None for nothing. Raises DatabaseUnavailable."""
        its = rate_budgets.c
        blocked_for = its.blocked_until - self._clock
        its_row = select(
            its.rate, its.burst, its.refused_at, blocked_for.label("blocked_for")
        ).where(its.team_id == key.team_id, its.method == key.method)
        async with self._database.read() as transaction:
            row = (await transaction.execute(its_row)).one_or_none()
        return row and Learnt(
            rate=row.rate,
            burst=row.burst,
            refused_at=row.refused_at,
            blocked_for=min(LONGEST_PAUSE, max(0.0, row.blocked_for)),
        )

    async def keep(self, learnt: Sequence[tuple[BudgetKey, Learnt]]) -> None:
        """Keep what was learnt, in one transaction. Raises DatabaseUnavailable."""
        async with self._database.write() as transaction:
            for key, its in learnt:
                values = self._new(key, its)
                kept = ("rate", "burst", "refused_at", "blocked_until")
                await transaction.execute(
                    insert(rate_budgets)
                    .values(values)
                    .on_conflict_do_update(
                        index_elements=["team_id", "method"],
                        set_={name: values[name] for name in kept},
                    )
                )

    async def _begin(
        self, transaction: Transaction, key: BudgetKey, start: Learnt
    ) -> None:
        await transaction.execute(
            insert(rate_budgets).values(self._new(key, start)).on_conflict_do_nothing()
        )

    def _new(self, key: BudgetKey, its: Learnt) -> dict[str, Any]:
        return {
            "team_id": key.team_id,
            "method": key.method,
            "rate": its.rate,
            "burst": its.burst,
            "refused_at": its.refused_at,
            "tokens": its.burst,
            "owed": 0.0,
            "as_of": self._clock,
            "blocked_until": self._clock + its.blocked_for,
            "saved_until": 0.0,
            "calls": {},
            "holders": {},
        }


def _loan(row: Row[Any]) -> Loan:
    return Loan(
        held=int(row.held),
        promised=tuple(sorted(row.waits)),
        others=row.demand,
        replicas=max(row.living, row.others + 1),
        left=row.left,
        calls=int(row.in_minute),
        learnt=Learnt(
            rate=row.rate,
            burst=row.burst,
            refused_at=row.refused_at,
            blocked_for=row.blocked_for,
        ),
    )
