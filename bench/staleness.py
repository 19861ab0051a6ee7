"""How old the unseen text is while people go on asking: ours, peers, and the bound."""

from itertools import product

from app.sandbox.limits import Shape
from bench.options import Options
from bench.report import Check, Report
from bench.results import FOLDER
from bench.streaming.figures import HEAD, Found, numbers, row
from bench.streaming.measures import Measured
from bench.streaming.plot import BOUNDS, Line, plot
from bench.streaming.runs import MIXED, OURS, POLICIES, Case, simulate_all
from bench.streaming.slack import LATENCY

PEOPLE = (1, 5, 20, 50)
# Mean staleness over the bound: must, goal.
_RATIOS = {1: (2.0, 1.6), 5: (2.0, 1.5), 20: (1.8, 1.4), 50: (1.6, 1.3)}
_MIXED_RATIO = (2.3, 1.8)
# Over the freshest peer that shows more than the end.
_BEST_PEER = {1: (0.6, 0.5), 5: (0.6, 0.5), 20: (0.2, 0.1)}
_NO_STREAMING_PEER = (OURS, MIXED, "final_only")
_MANY = 20
_MOST_REFUSED = 1.0
# Whoever loses more than this share is not fresh, whatever the others' age.
_MANY_LOST = 0.1
_PICTURE = FOLDER / "staleness.svg"
_NOTES = """\
![Age of unseen text against the number of people](staleness.svg)

People ask again some ten seconds after each answer (200 to 800 tokens at 30 to 120 a
second, five people in a channel), for five minutes. A call takes 80 to 150 ms. Slack
counts edits of a workspace by a `bucket` that refills, or by a `window` of a whole
minute. `mixed` is `ours` in direct messages of a workspace that wants Slack's own
streams; `buffer_256` has nothing but those, all others have edits alone.

*stale* is the mean age of the oldest text that is written and not yet seen, *bound* the
least that edits and posts allow, for `mixed` streams as well. *first* is from the first
delta to the first text in view, *lag* from the last delta to the whole answer. *calls*
are those to `chat.*` for each answer, *back* counts texts that became shorter. Answers
that were *lost*, as their sender gave up, count in no other figure."""


def run(options: Options) -> Report:
    """Simulate all cases that are asked for."""
    cases = [
        Case(policy=policy, people=people, shape=shape)
        for shape, people, policy in product(
            options.shapes, options.people or PEOPLE, options.policies or POLICIES
        )
    ]
    found = simulate_all(cases, options.seeds)
    by_case = {
        (case.shape, case.people, case.policy): measured for case, measured in found
    }
    if options.are_default:
        _PICTURE.write_text(plot(_panels(found)), encoding="utf-8")
    return Report(
        name="staleness",
        title="how old unseen text is while people go on asking",
        notes=_NOTES,
        head=("limiter", "people", "policy", *HEAD),
        rows=[
            (case.shape, str(case.people), case.policy, *row(measured))
            for case, measured in found
        ],
        checks=[
            check
            for shape in options.shapes
            for check in targets(
                {key[1:]: each for key, each in by_case.items() if key[0] is shape},
                shape,
            )
        ],
        figures=[numbers(case, measured) for case, measured in found],
    )


def _panels(found: Found) -> dict[Shape, dict[str, Line]]:
    """The lines of the picture: each policy, and the bounds of ours."""
    panels: dict[Shape, dict[str, Line]] = {}
    for case, measured in found:
        lines = panels.setdefault(case.shape, {})
        line = lines.setdefault(case.policy, Line())
        line.points.append((case.people, measured.stale))
        line.loses |= measured.lost > _MANY_LOST * measured.replies
        if case.policy in BOUNDS:
            least = lines.setdefault(BOUNDS[case.policy], Line())
            least.points.append((case.people, measured.bound))
    return panels


def targets(found: dict[tuple[int, str], Measured], shape: Shape) -> list[Check]:
    """The targets for one shape of limit; `found` is by people and policy."""
    ours = {people: each for (people, policy), each in found.items() if policy == OURS}
    mixed = {
        people: each for (people, policy), each in found.items() if policy == MIXED
    }
    checks = [
        Check(
            what=f"{shape}: stale / bound, {people}",
            was=ours[people].ratio,
            must=must,
            goal=goal,
            unit=" x",
        )
        for people, (must, goal) in _RATIOS.items()
        if people in ours
    ]
    for people, each in mixed.items():
        checks += _mixed_checks(found, shape, people, each)
    if 1 in ours:
        what, was = f"{shape}: first p95, 1", ours[1].first_p95
        checks.append(Check(what=what, was=was, must=2 * LATENCY + 0.1, unit=" s"))
    if _MANY in ours:
        checks += _lag_checks(found, shape)
    if both := [*ours.values(), *mixed.values()]:
        refused = max(each.refused for each in both) * 100
        what = f"{shape}: refused calls"
        checks.append(Check(what=what, was=refused, must=_MOST_REFUSED, unit=" %"))
        checks += never_checks(both, shape)
    return checks


def _mixed_checks(
    found: dict[tuple[int, str], Measured], shape: Shape, people: int, mixed: Measured
) -> list[Check]:
    must, goal = _MIXED_RATIO
    what = f"{shape}: stale / bound, {people}, mixed"
    checks = [Check(what=what, was=mixed.ratio, must=must, goal=goal, unit=" x")]
    peers = [
        each.stale
        for (there, policy), each in found.items()
        if there == people
        and policy not in _NO_STREAMING_PEER
        and each.lost <= _MANY_LOST * each.replies
    ]
    if peers and people in _BEST_PEER:
        must, goal = _BEST_PEER[people]
        what = f"{shape}: stale / best peer, {people}, mixed"
        was = mixed.stale / min(peers)
        checks.append(Check(what=what, was=was, must=must, goal=goal, unit=" x"))
    return checks


def _lag_checks(found: dict[tuple[int, str], Measured], shape: Shape) -> list[Check]:
    lag = found[_MANY, OURS].lag_p95
    what = f"{shape}: lag p95, {_MANY}"
    checks = [Check(what=what, was=lag, must=4.0, goal=3.0, unit=" s")]
    if peer := found.get((_MANY, "interval_1s")):
        what = f"{what} / interval_1s"
        checks.append(Check(what=what, was=lag / peer.lag_p95, must=0.1, unit=" x"))
    return checks


def never_checks(found: list[Measured], where: str) -> list[Check]:
    """What must not happen to a single answer."""
    counts = {
        "unfinished": sum(each.unfinished for each in found),
        "lost": sum(each.lost for each in found),
        "texts that went back": sum(each.backwards for each in found),
    }
    return [
        Check(what=f"{where}: {what}", was=count, must=0)
        for what, count in counts.items()
    ]
