"""The statement by which tokens are lent: all of its arithmetic is the database's."""

from typing import Any

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    Double,
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
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.dml import ReturningUpdate

from app.storage.database import Database
from app.storage.tables import rate_budgets, workers

# However many answers end soon, so many tokens are there for the others.
_NEVER_RESERVED = 2.0
_SMALLEST_BURST = 2.0
# Slack may count by the minute. A call is on its way for a while, and the second in
# which it was told of here counts whole.
_MINUTE = 60.5
_COUNTED = _MINUTE + 1
_ROUNDING = 1e-6


def _number(name: str) -> BindParameter[float]:
    return bindparam(name, type_=Double)


_HOLDER = bindparam("holder", type_=String)
_HELD, _RETURNED = _number("held"), _number("returned")
_SENT, _ALONE = _number("sent"), _number("alone")
_WANTED, _MUST = _number("wanted"), _number("must")
_DEMAND, _RESERVE = _number("demand"), _number("reserve")
_KEEP, _PAUSE, _REFUSED_AT = _number("keep"), _number("pause"), _number("refused_at")
_CUT_RATE, _CUT_BURST = _number("cut_rate"), _number("cut_burst")
_RATE_UP, _BURST_UP = _number("rate_up"), _number("burst_up")


def lending(clock: ColumnElement[float], longest: float) -> ReturningUpdate[Any]:
    """One statement, in steps: it waits for the row, then works with what it finds.

    `clock` is read once the row is there; no pause is `longest` than that.
    """
    known = _known(clock, longest)
    lent = _lent(_pool(known, _others(known), _calls(known)))
    held, left = lent.c.held + lent.c.granted, lent.c.free - lent.c.granted
    mine = func.jsonb_build_object(
        *("until", lent.c.now + _KEEP),
        *("held", held),
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
            burst=lent.c.burst,
            refused_at=lent.c.refused_at,
            tokens=left,
            as_of=lent.c.quiet_until,
            # A clock that is set back must not make a pause of what was none.
            blocked_until=case((lent.c.is_quiet, lent.c.quiet_until), else_=0.0),
            saved_until=lent.c.saved_until,
            calls=lent.c.calls,
            holders=lent.c.holders.op("||")(func.jsonb_build_object(_HOLDER, mine)),
        )
        .returning(
            held.label("held"),
            left.label("left"),
            lent.c.share,
            lent.c.others,
            lent.c.in_minute,
            living.scalar_subquery().label("living"),
            rate_budgets.c.rate,
            rate_budgets.c.burst,
            rate_budgets.c.refused_at,
            (lent.c.quiet_until - lent.c.now).label("blocked_for"),
        )
    )


def _known(clock: ColumnElement[float], longest: float) -> CTE:
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
    pause = func.greatest(at.c.blocked_until - at.c.now, _PAUSE, 0.0)
    mine = at.c.holders[_HOLDER]["until"].as_float()
    cut_rate = func.least(at.c.rate, func.coalesce(_CUT_RATE, at.c.rate))
    cut_burst = func.least(at.c.burst, func.coalesce(_CUT_BURST, at.c.burst))
    return select(
        at.c.team_id,
        at.c.method,
        at.c.holders,
        at.c.calls,
        at.c.saved_until,
        at.c.now,
        (cut_rate + _RATE_UP).label("rate"),
        func.greatest(_SMALLEST_BURST, cut_burst + _BURST_UP).label("burst"),
        func.coalesce(_REFUSED_AT, at.c.refused_at).label("refused_at"),
        (at.c.tokens + _grown(at)).label("tokens"),
        (at.c.now + func.least(longest, pause)).label("quiet_until"),
        # What is not counted any more can't be given back either.
        func.coalesce(mine > at.c.now, false()).label("is_counted"),
    ).cte("known")


def _grown(at: CTE) -> ColumnElement[float]:
    """A minute in which savings are spent gets fewer new tokens."""
    saved = case((at.c.saved_until > at.c.as_of, at.c.burst / _MINUTE), else_=0.0)
    pace = func.greatest(at.c.rate - saved, at.c.rate / 2)
    return func.greatest(0.0, at.c.now - at.c.as_of) * pace


def _others(known: CTE) -> CTE:
    """Those who hold tokens beside who asks; `ready` could be calls at any moment."""
    each = func.jsonb_each(known.c.holders).table_valued(
        "key", column("value", JSONB), name="each"
    )
    held, demand, reserve, until = (
        each.c.value[name].as_float() for name in ("held", "demand", "reserve", "until")
    )
    sums = {
        "held": func.sum(held),
        "ready": func.sum(func.floor(held)),
        "demand": func.sum(demand),
        "reserve": func.sum(reserve),
    }
    them = func.jsonb_object_agg(each.c.key, each.c.value)
    return (
        select(
            func.coalesce(them, cast({}, JSONB)).label("holders"),
            func.count().label("others"),
            *(func.coalesce(its, 0.0).label(name) for name, its in sums.items()),
        )
        .select_from(known.join(each, true()))
        .where(each.c.key != _HOLDER, until > known.c.now)
        .cte("others")
    )


def _calls(known: CTE) -> CTE:
    """The calls of the last minute; those not yet told of were tokens until now."""
    each = func.jsonb_each(known.c.calls).table_valued(
        "key", column("value", JSONB), name="second"
    )
    count, second = cast(each.c.value, Double), cast(each.c.key, Double)
    earlier = (
        select(
            func.coalesce(
                func.jsonb_object_agg(each.c.key, each.c.value), cast({}, JSONB)
            ).label("seconds"),
            func.coalesce(func.sum(count), 0.0).label("count"),
        )
        .select_from(known.join(each, true()))
        .where(second > known.c.now - _COUNTED)
        .cte("earlier")
    )
    now = cast(func.floor(known.c.now), String)
    there = func.coalesce(cast(earlier.c.seconds[now], Double), 0.0)
    new = _SENT + _ALONE
    with_new = earlier.c.seconds.op("||")(func.jsonb_build_object(now, there + new))
    return (
        select(
            case((new > 0, with_new), else_=earlier.c.seconds).label("calls"),
            (earlier.c.count + new).label("count"),
        )
        .select_from(known.join(earlier, true()))
        .cte("calls")
    )


def _pool(known: CTE, others: CTE, calls: CTE) -> CTE:
    """What nobody holds, and which part of it is whose."""
    held = case((known.c.is_counted, _HELD), else_=0.0)
    returned = case((known.c.is_counted, _RETURNED), else_=0.0)
    tokens = func.greatest(0.0, known.c.tokens - _ALONE) + returned
    room_in_burst = known.c.burst - others.c.held - held
    free = func.greatest(0.0, func.least(tokens, room_in_burst))
    is_quiet = known.c.quiet_until > known.c.now
    # What was refused last may be true, even if less is kept to by now.
    highest = func.greatest(known.c.rate, known.c.refused_at)
    most = func.floor(highest * 60 + _ROUNDING)
    room_in_minute = most - calls.c.count - others.c.ready - func.floor(held)
    reserve = func.least(others.c.reserve + _RESERVE, known.c.burst - _NEVER_RESERVED)
    names = ("team_id", "method", "now", "quiet_until", "saved_until")
    learnt = ("rate", "burst", "refused_at")
    return (
        select(
            *(known.c[name] for name in (*names, *learnt)),
            is_quiet.label("is_quiet"),
            held.label("held"),
            # As for one process alone: after a pause one call, then the usual pace.
            case((is_quiet, func.least(free, 1.0)), else_=free).label("free"),
            case((is_quiet, 0.0), else_=func.greatest(0.0, room_in_minute)).label(
                "room"
            ),
            reserve.label("reserve"),
            (_DEMAND / (others.c.demand + _DEMAND)).label("share"),
            others.c.holders,
            others.c.others,
            calls.c.calls,
            calls.c.count.label("in_minute"),
        )
        .select_from(known.join(others, true()).join(calls, true()))
        .cte("pool")
    )


def _lent(pool: CTE) -> CTE:
    """What of it is lent now: for what can't wait all, else a share."""
    spare = func.greatest(0.0, pool.c.free - pool.c.reserve)
    urgent = func.least(pool.c.free, _MUST - pool.c.held)
    usual = func.least(spare * pool.c.share, _WANTED - pool.c.held)
    granted = func.least(pool.c.room, func.greatest(0.0, urgent, usual))
    are_savings = pool.c.free > pool.c.burst / 2 + 1
    return select(
        *(each for each in pool.c if each.name != "saved_until"),
        granted.label("granted"),
        case(
            (are_savings & (granted > 0), pool.c.now + _MINUTE),
            else_=pool.c.saved_until,
        ).label("saved_until"),
    ).cte("lent")
