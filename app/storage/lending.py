"""The statement by which tokens are lent: all of its arithmetic is the database's.

A token is lent for now, or for a moment at which it will have grown. The latter are
promised: `tokens` of the row are without them at once, so they may be less than none,
which the row keeps as `owed`. A moment is promised only if at that moment, and at all
that were promised before, there is a whole token, and a reserve for what can't wait.
"""

from math import inf
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    BindParameter,
    ColumnElement,
    Double,
    Integer,
    ScalarSelect,
    String,
    bindparam,
    case,
    cast,
    column,
    false,
    func,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.dml import ReturningUpdate

from app.storage.database import Database
from app.storage.tables import rate_budgets, workers

# However many answers end soon, so many tokens are there for the others.
_NEVER_RESERVED = 2.0
# What was promised to one process can't make room for another's end.
_AMONG_SEVERAL = 1.0
_SMALLEST_BURST = 2.0
# Slack may count by the minute. A call is on its way for a while, and a second in which
# calls were made counts whole.
_MINUTE = 60.5
_COUNTED = _MINUTE + 1
_ROUNDING = 1e-6


def _number(name: str) -> BindParameter[float]:
    return bindparam(name, type_=Double)


_HOLDER = bindparam("holder", type_=String)
_HELD, _RETURNED = _number("held"), _number("returned")
_SENT, _ALONE = bindparam("sent", type_=ARRAY(Double)), _number("alone")
_WANTED, _LASTING = _number("wanted"), _number("lasting")
_MUST, _SOON = _number("must"), _number("soon")
_DEMAND, _RESERVE = _number("demand"), _number("reserve")
_KEEP, _PAUSE, _REFUSED_AT = _number("keep"), _number("pause"), _number("refused_at")
_CUT_RATE, _CUT_BURST = _number("cut_rate"), _number("cut_burst")
_RATE_UP, _BURST_UP = _number("rate_up"), _number("burst_up")


def lending(clock: ColumnElement[float], longest: float) -> ReturningUpdate[Any]:
    """One statement, in steps: it waits for the row, then works with what it finds.

    `clock` is read once the row is there; no pause is `longest` than that.
    """
    known = _known(clock, longest)
    others, seconds = _others(known), _seconds(known)
    promised = _promised(known, others)
    pool = _pool(known, others, promised, seconds)
    lent = _lent(pool, _waits(pool, promised, seconds))
    mine = func.jsonb_build_object(
        *("until", lent.c.now + _KEEP),
        *("held", lent.c.held + lent.c.granted),
        *("demand", _DEMAND),
        *("reserve", _RESERVE),
        *("dates", lent.c.dates),
    )
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
            tokens=func.greatest(0.0, lent.c.left),
            owed=func.greatest(0.0, -lent.c.left),
            as_of=lent.c.quiet_until,
            # A clock that is set back must not make a pause of what was none.
            blocked_until=case((lent.c.is_quiet, lent.c.quiet_until), else_=0.0),
            saved_until=lent.c.saved_until,
            calls=lent.c.calls,
            holders=lent.c.holders.op("||")(func.jsonb_build_object(_HOLDER, mine)),
        )
        .returning(
            (lent.c.held + lent.c.at_once).label("held"),
            lent.c.waits,
            lent.c.left,
            lent.c.demand,
            lent.c.others,
            lent.c.in_minute,
            _living().label("living"),
            rate_budgets.c.rate,
            rate_budgets.c.burst,
            rate_budgets.c.refused_at,
            (lent.c.quiet_until - lent.c.now).label("blocked_for"),
        )
    )


def _living() -> ScalarSelect[int]:
    alive = select(func.count()).where(workers.c.expires_at > Database.now)
    return alive.scalar_subquery()


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
        (at.c.tokens - at.c.owed + _grown(at)).label("tokens"),
        (at.c.now + func.least(longest, pause)).label("quiet_until"),
        (pause > 0).label("is_quiet"),
        # What is not counted any more can't be given back either.
        func.coalesce(mine > at.c.now, false()).label("is_counted"),
    ).cte("known")


def _grown(at: CTE) -> ColumnElement[float]:
    """A minute in which savings are spent gets fewer new tokens."""
    pace = case((at.c.saved_until > at.c.as_of, _slow(at)), else_=at.c.rate)
    return func.greatest(0.0, at.c.now - at.c.as_of) * pace


def _slow(its: CTE) -> ColumnElement[float]:
    return func.greatest(its.c.rate - its.c.burst / _MINUTE, its.c.rate / 2)


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


def _promised(known: CTE, others: CTE) -> CTE:
    """The moments that the others wait for, and how many there are `after` each."""
    each = func.jsonb_each(others.c.holders).table_valued(
        "key", column("value", JSONB), name="its"
    )
    dates = func.coalesce(each.c.value["dates"], cast([], JSONB))
    date = func.jsonb_array_elements_text(dates).table_valued("value", name="date")
    at = cast(date.c.value, Double)
    return (
        select(
            (at - known.c.now).label("wait"),
            (func.row_number().over(order_by=at.desc()) - 1).label("after"),
        )
        .select_from(known.join(others, true()).join(each, true()).join(date, true()))
        .where(at > known.c.now)
        .cte("promised")
    )


def _seconds(known: CTE) -> CTE:
    """The calls of the last minute, those `upto` each second of it."""
    each = func.jsonb_each_text(known.c.calls).table_valued("key", "value", name="told")
    age = (
        func.unnest(_SENT)
        .table_valued(column("value", Double), name="age")
        .render_derived()
    )
    calls = union_all(
        select(
            cast(each.c.key, Double).label("second"),
            cast(each.c.value, Double).label("count"),
        ).select_from(known.join(each, true())),
        select(func.floor(known.c.now - age.c.value), cast(1, Double)).select_from(
            known.join(age, true())
        ),
        select(func.floor(known.c.now), _ALONE).where(_ALONE > 0),
    ).cte("calls")
    second, count = calls.c.second, func.sum(calls.c.count)
    return (
        select(
            second,
            count.label("count"),
            func.sum(count).over(order_by=second).label("upto"),
        )
        .select_from(known.join(calls, true()))
        .where(second > known.c.now - _COUNTED)
        .group_by(second)
        .cte("seconds")
    )


def _free(known: CTE, others: CTE, promised: CTE) -> CTE:
    """What nobody holds and nobody was promised; less than none if it has to grow."""
    count = select(func.count()).select_from(promised).scalar_subquery()
    counted = case((known.c.is_counted, 1.0), else_=0.0)
    # Who hears of a pause only now has nothing any more.
    held = case((known.c.is_quiet, 0.0), else_=counted * _HELD)
    # Calls without tokens may cost all that is there, but not what was promised.
    rest = func.greatest(known.c.tokens - _ALONE, func.least(known.c.tokens, -count))
    tokens = rest + counted * _RETURNED
    room_in_burst = func.greatest(0.0, known.c.burst - others.c.held - held)
    # As for one process alone: after a pause one call, then the usual pace.
    most = case((known.c.is_quiet, 1.0 - others.c.held), else_=room_in_burst)
    return (
        select(
            func.least(tokens, most).label("free"),
            held.label("held"),
            count.label("promised"),
        )
        .select_from(known.join(others, true()))
        .cte("free")
    )


def _pool(known: CTE, others: CTE, promised: CTE, seconds: CTE) -> CTE:
    """What of it may be lent, and how fast it grows."""
    free, calls = _free(known, others, promised), _calls_of(seconds)
    # What was refused last may be true, even if less is kept to by now.
    highest = func.greatest(known.c.rate, known.c.refused_at)
    most = func.floor(highest * 60 + _ROUNDING)
    are_savings = free.c.free > known.c.burst / 2 + 1
    is_slow = are_savings | (known.c.saved_until > known.c.now)
    return (
        select(
            *(each for each in known.c if each.name not in {"holders", "calls"}),
            *free.c,
            (most - calls.c.count - others.c.ready - free.c.held).label("room"),
            _reserve(known, others).label("reserve"),
            are_savings.label("are_savings"),
            _slow(known).label("slow"),
            case((is_slow, _slow(known)), else_=known.c.rate).label("pace"),
            others.c.holders,
            others.c.others,
            others.c.demand,
            calls.c.calls,
            calls.c.count.label("in_minute"),
        )
        .select_from(known.join(others, true()).join(calls, true()).join(free, true()))
        .cte("pool")
    )


def _calls_of(seconds: CTE) -> CTE:
    by_second = func.jsonb_object_agg(cast(seconds.c.second, String), seconds.c.count)
    return select(
        func.coalesce(by_second, cast({}, JSONB)).label("calls"),
        func.coalesce(func.sum(seconds.c.count), 0.0).label("count"),
    ).cte("all_calls")


def _reserve(known: CTE, others: CTE) -> ColumnElement[float]:
    asked = others.c.reserve + _RESERVE
    more = case((others.c.others > 0, asked + _AMONG_SEVERAL), else_=asked)
    most = known.c.burst - _NEVER_RESERVED
    return case((asked > 0, func.least(more, most)), else_=0.0)


def _waits(pool: CTE, promised: CTE, seconds: CTE) -> CTE:
    """In how many seconds the first token could be had, the second, and so on."""
    each = (
        func.generate_series(1, cast(_WANTED - pool.c.held, Integer))
        .table_valued("nth", name="each")
        .render_derived()
    )
    nth, had = cast(each.c.nth, Double), pool.c.held + cast(each.c.nth, Double)
    none_missing = _grown_in(nth - pool.c.free, pool.c.slow, pool, promised)
    missing = nth + pool.c.reserve - pool.c.free
    reserve_kept = _grown_in(missing, pool.c.pace, pool, promised)
    over = nth - pool.c.room
    its = select(func.min(seconds.c.second)).where(seconds.c.upto >= over)
    gone = func.coalesce(its.scalar_subquery(), inf) + _COUNTED - pool.c.now
    return (
        select(
            had.label("nth"),
            func.greatest(
                0.0,
                none_missing,
                case((had > _MUST, reserve_kept), else_=0.0),
                case((over > 0, gone), else_=0.0),
            ).label("wait"),
        )
        .select_from(pool.join(each, true()))
        .where(~pool.c.is_quiet)
        .cte("waits")
    )


def _grown_in(
    missing: ColumnElement[float],
    pace: ColumnElement[float],
    pool: CTE,
    promised: CTE,
) -> ColumnElement[float]:
    """The seconds until so many are there, then and whenever others get theirs.

    Until its moment a token that was promised is there, too. So the last such moment
    counts at which, with those `after` it, there would be too few.
    """
    at_theirs = promised.c.wait * pace + promised.c.after
    last = select(func.min(promised.c.after)).where(at_theirs < missing - _ROUNDING)
    there = func.coalesce(last.scalar_subquery(), pool.c.promised)
    return (missing - there) / pace


def _lent(pool: CTE, waits: CTE) -> CTE:
    """What is lent now: all that is there or will be soon, if it lasts so long."""
    soon = case((waits.c.nth <= _LASTING, _KEEP), else_=func.least(_SOON, _KEEP))
    is_later = waits.c.wait > 0
    granted = (
        select(
            func.count().label("granted"),
            func.count().filter(~is_later).label("at_once"),
            func.coalesce(
                func.jsonb_agg(waits.c.wait).filter(is_later), cast([], JSONB)
            ).label("waits"),
            func.coalesce(
                func.jsonb_agg(pool.c.now + waits.c.wait).filter(is_later),
                cast([], JSONB),
            ).label("dates"),
        )
        .select_from(waits.join(pool, true()))
        .where(waits.c.wait <= soon)
        .cte("granted")
    )
    are_spent = pool.c.are_savings & (granted.c.granted > 0)
    return (
        select(
            *(each for each in pool.c if each.name != "saved_until"),
            *granted.c,
            (pool.c.free - granted.c.granted).label("left"),
            case((are_spent, pool.c.now + _MINUTE), else_=pool.c.saved_until).label(
                "saved_until"
            ),
        )
        .select_from(pool.join(granted, true()))
        .cte("lent")
    )
