"""How often Slack may be called: one budget for all processes, kept over restarts.

On Postgres a budget is a bucket of tokens in one row for each (team, method), out of
which processes borrow. What they hold counts as if it were still in there, so all of
them together can never send more than one bucket allows; what a dead process held is
not given to others, it merely stops to count.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    Double,
    Row,
    String,
    bindparam,
    case,
    cast,
    column,
    false,
    func,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.sql.dml import ReturningUpdate

from app.storage.database import Database, Transaction
from app.storage.tables import rate_budgets, workers

# No pause is longer, whatever becomes of a clock.
_LONGEST_PAUSE = 3_600.0
# However many answers end soon, so many tokens are there for the others.
_NEVER_RESERVED = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetKey:
    """Slack counts the calls of a method for each workspace."""

    team_id: str
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What is known of a limit: calls per second, how many at once, seconds to wait."""

    rate: float
    burst: float
    blocked_for: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What a process learnt since it asked last.

    The limit as it was cut to, None if it was not, by how many calls a second it was
    raised after that, and for how many seconds Slack wants silence. The rate stays
    between `floor` and `ceiling`.
    """

    floor: float
    ceiling: float
    cut_to: float | None = None
    raised: float = 0.0
    pause: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A process asks for tokens.

    It has `held` left of those that it was lent, gives `returned` back, and wants to
    have `wanted`, of which `must` are for what can't wait. For that everybody's
    `reserve` is kept; the rest is shared by `demand`, which is above 0. Tokens are
    lent for `keep` seconds.
    """

    holder: str
    held: float
    returned: float
    wanted: float
    must: float
    demand: float
    reserve: float
    keep: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """What a process has after it asked.

    `held` are its tokens, `share` (0 to 1) is its part of the demand, `replicas` are
    all processes that live, at least 1; `left` are the tokens that nobody has.
    """

    held: float
    share: float
    replicas: int
    left: float
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
        self._lend = _lend(clock)

    @property
    def are_lent(self) -> bool:
        """Whether several processes may share them; else each is alone."""
        return not self._database.is_sqlite

    async def lend(
        self, key: BudgetKey, request: Request, lesson: Lesson, start: Learnt
    ) -> Loan:
        """Lend tokens, by one statement; the first time the budget begins as `start`.

        Raises DatabaseUnavailable.
        """
        values = {
            "its_team": key.team_id,
            "its_method": key.method,
            **asdict(request),
            **asdict(lesson),
        }
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
        its_row = select(its.rate, its.burst, blocked_for.label("blocked_for")).where(
            its.team_id == key.team_id, its.method == key.method
        )
        async with self._database.read() as transaction:
            row = (await transaction.execute(its_row)).one_or_none()
        return row and Learnt(
            rate=row.rate,
            burst=row.burst,
            blocked_for=min(_LONGEST_PAUSE, max(0.0, row.blocked_for)),
        )

    async def keep(self, learnt: Sequence[tuple[BudgetKey, Learnt]]) -> None:
        """Keep what was learnt, in one transaction. Raises DatabaseUnavailable."""
        async with self._database.write() as transaction:
            for key, its in learnt:
                values = self._new(key, its)
                kept = {name: values[name] for name in ("rate", "burst")}
                await transaction.execute(
                    insert(rate_budgets)
                    .values(values)
                    .on_conflict_do_update(
                        index_elements=["team_id", "method"],
                        set_={**kept, "blocked_until": values["blocked_until"]},
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
            "tokens": its.burst,
            "as_of": self._clock,
            "blocked_until": self._clock + its.blocked_for,
            "holders": {},
        }


def _number(name: str) -> BindParameter[float]:
    return bindparam(name, type_=Double)


_HOLDER = bindparam("holder", type_=String)
_HELD, _RETURNED, _WANTED = _number("held"), _number("returned"), _number("wanted")
_MUST, _DEMAND, _RESERVE = _number("must"), _number("demand"), _number("reserve")
_KEEP, _CUT_TO, _RAISED = _number("keep"), _number("cut_to"), _number("raised")
_FLOOR, _CEILING, _PAUSE = _number("floor"), _number("ceiling"), _number("pause")


def _lend(clock: ColumnElement[float]) -> ReturningUpdate[Any]:
    """One statement, in steps: it waits for the row, then works with what it finds."""
    known = _known(clock)
    lent = _lent(_pool(known, _others(known)))
    left = lent.c.free - lent.c.granted
    mine = func.jsonb_build_object(
        *("until", lent.c.now + _KEEP),
        *("held", lent.c.held + lent.c.granted),
        *("demand", _DEMAND),
        *("reserve", _RESERVE),
    )
    living = select(func.count()).where(workers.c.expires_at > Database.now)
    return (
        update(rate_budgets)
        .where(
            rate_budgets.c.team_id == lent.c.team_id,
            rate_budgets.c.method == lent.c.method,
        )
        .values(
            rate=lent.c.rate,
            tokens=left,
            as_of=lent.c.quiet_until,
            # A clock that is set back must not make a pause of what was none.
            blocked_until=case((lent.c.is_quiet, lent.c.quiet_until), else_=0.0),
            holders=lent.c.holders.op("||")(func.jsonb_build_object(_HOLDER, mine)),
        )
        .returning(
            (lent.c.held + lent.c.granted).label("held"),
            lent.c.share,
            living.scalar_subquery().label("living"),
            lent.c.others,
            left.label("left"),
            lent.c.rate,
            rate_budgets.c.burst,
            (lent.c.quiet_until - lent.c.now).label("blocked_for"),
        )
    )


def _known(clock: ColumnElement[float]) -> CTE:
    """The row, locked, with what is new about its limit, and when that is."""
    row = (
        select(rate_budgets)
        .where(
            rate_budgets.c.team_id == bindparam("its_team"),
            rate_budgets.c.method == bindparam("its_method"),
        )
        .with_for_update()
        .cte("budget")
    )
    # Its clock is read when the row is there, not when the statement began to wait.
    at = select(row, clock.label("now")).cte("at").prefix_with("MATERIALIZED")
    mine = at.c.holders[_HOLDER]["until"].as_float()
    cut = func.least(at.c.rate, func.coalesce(_CUT_TO, at.c.rate))
    pause = func.greatest(at.c.blocked_until - at.c.now, _PAUSE, 0.0)
    grown = func.greatest(0.0, at.c.now - at.c.as_of) * at.c.rate
    return select(
        at.c.team_id,
        at.c.method,
        at.c.holders,
        at.c.now,
        (at.c.tokens + grown).label("tokens"),
        at.c.burst,
        func.greatest(_FLOOR, func.least(_CEILING, cut + _RAISED)).label("rate"),
        (at.c.now + func.least(_LONGEST_PAUSE, pause)).label("quiet_until"),
        # What is not counted any more can't be given back either.
        func.coalesce(mine > at.c.now, false()).label("is_counted"),
    ).cte("known")


def _others(known: CTE) -> CTE:
    """Those who hold tokens beside who asks."""
    each = func.jsonb_each(known.c.holders).table_valued(
        "key", column("value", JSONB), name="each"
    )
    names = ("until", "held", "demand", "reserve")
    its = {name: each.c.value[name].as_float() for name in names}
    them = func.jsonb_object_agg(each.c.key, each.c.value)
    return (
        select(
            func.coalesce(them, cast({}, JSONB)).label("holders"),
            func.count().label("others"),
            *(
                func.coalesce(func.sum(its[name]), 0.0).label(name)
                for name in names[1:]
            ),
        )
        .select_from(known.join(each, true()))
        .where(each.c.key != _HOLDER, its["until"] > known.c.now)
        .cte("others")
    )


def _pool(known: CTE, others: CTE) -> CTE:
    """What nobody holds, and which part of it is whose."""
    held = case((known.c.is_counted, _HELD), else_=0.0)
    returned = case((known.c.is_counted, _RETURNED), else_=0.0)
    room = known.c.burst - others.c.held - held
    free = func.greatest(0.0, func.least(known.c.tokens + returned, room))
    is_quiet = known.c.quiet_until > known.c.now
    reserve = func.least(others.c.reserve + _RESERVE, known.c.burst - _NEVER_RESERVED)
    return (
        select(
            known.c.team_id,
            known.c.method,
            known.c.now,
            known.c.rate,
            known.c.quiet_until,
            is_quiet.label("is_quiet"),
            held.label("held"),
            # As for one process alone: after a pause one call, then the usual pace.
            case((is_quiet, func.least(free, 1.0)), else_=free).label("free"),
            reserve.label("reserve"),
            (_DEMAND / (others.c.demand + _DEMAND)).label("share"),
            others.c.holders,
            others.c.others,
        )
        .select_from(known.join(others, true()))
        .cte("pool")
    )


def _lent(pool: CTE) -> CTE:
    """What of it is lent now: for what can't wait all, else a share."""
    spare = func.greatest(0.0, pool.c.free - pool.c.reserve)
    urgent = func.least(pool.c.free, _MUST - pool.c.held)
    usual = func.least(spare * pool.c.share, _WANTED - pool.c.held)
    granted = func.greatest(0.0, urgent, usual)
    return select(
        pool, case((pool.c.is_quiet, 0.0), else_=granted).label("granted")
    ).cte("lent")


def _loan(row: Row[Any]) -> Loan:
    return Loan(
        held=row.held,
        share=row.share,
        replicas=max(row.living, row.others + 1),
        left=row.left,
        learnt=Learnt(rate=row.rate, burst=row.burst, blocked_for=row.blocked_for),
    )
