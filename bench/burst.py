"""How long it takes until all have their answers when many ask at once."""

from itertools import product

from bench.options import Options
from bench.report import Check, Report
from bench.staleness import never_checks
from bench.streaming.figures import HEAD, numbers, row, short
from bench.streaming.measures import Measured
from bench.streaming.runs import MIXED, OURS, POLICIES, Case, simulate_all

PEOPLE = (20, 100, 500, 1_000)
# Peers whose calls are refused again and again cost more to simulate than they tell.
_MANY = 100
_EVERYWHERE = (OURS, "final_only")
# Of a great many people one seed tells as much as five of few.
_SEEDS_FOR_MANY = 1
_MOST_DRAIN = 1.1
_NOTES = """\
All ask once, within five seconds, and whoever has no whole answer 15 minutes later has
none. *drained* is from the first delta of all to the last whole answer; *x least* is
that over the longer of two times which nobody can beat: until the last answer is
written, and until Slack has taken one post for each."""


def run(options: Options) -> Report:
    """Simulate all cases that are asked for."""
    cases = [
        Case(policy=policy, people=people, shape=shape, burst=True)
        for shape, people, policy in product(
            options.shapes, options.people or PEOPLE, options.policies or POLICIES
        )
        if options.policies or people <= _MANY or policy in _EVERYWHERE
    ]
    few = [case for case in cases if case.people <= _MANY]
    many = [case for case in cases if case.people > _MANY]
    found = [
        *simulate_all(few, options.seeds),
        *simulate_all(many, options.seeds[:_SEEDS_FOR_MANY]),
    ]
    return Report(
        name="burst",
        title="many people ask at once",
        notes=_NOTES,
        head=("limiter", "people", "policy", "drained s", "x least", *HEAD),
        rows=[
            (
                case.shape,
                str(case.people),
                case.policy,
                short(measured.drained),
                short(measured.drained / _least(measured)),
                *row(measured),
            )
            for case, measured in found
        ],
        checks=_checks([each for each in found if each[0].policy in (OURS, MIXED)]),
        figures=[numbers(case, measured) for case, measured in found],
    )


def _least(measured: Measured) -> float:
    return max(measured.written, measured.posted)


def _checks(ours: list[tuple[Case, Measured]]) -> list[Check]:
    checks = [
        Check(
            what=f"{case.shape}: drained / least, {case.people}",
            was=measured.drained / _least(measured),
            must=_MOST_DRAIN,
            unit=" x",
        )
        for case, measured in ours
        if case.people == _MANY and case.policy == OURS
    ]
    if ours:
        checks += never_checks([measured for _, measured in ours], "all")
    return checks
