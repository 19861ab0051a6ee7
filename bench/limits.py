"""What becomes of answers when Slack allows half or twice of what is documented."""

from itertools import product

from bench.options import Options
from bench.report import Check, Report
from bench.staleness import never_checks
from bench.streaming.figures import HEAD, numbers, row
from bench.streaming.measures import Measured
from bench.streaming.runs import OURS, Case, simulate_all

PEOPLE = (5, 20)
# With the documented limit it is what `staleness` simulates.
SCALES = (0.5, 2.0)
# Refused calls, in percent.
_MOST_REFUSED = {0.5: 3.0, 2.0: 1.0}
_NOTES = """\
As above, but Slack takes half or twice as many posts and edits as is documented; nobody
is told. The bound knows."""


def run(options: Options) -> Report:
    """Simulate all cases that are asked for."""
    cases = [
        Case(policy=policy, people=people, shape=shape, scale=scale)
        for shape, people, scale, policy in product(
            options.shapes, options.people or PEOPLE, SCALES, options.policies or [OURS]
        )
    ]
    found = simulate_all(cases, options.seeds)
    return Report(
        name="limits",
        title="Slack's true limit is another one",
        notes=_NOTES,
        head=("limiter", "people", "true limit", "policy", *HEAD),
        rows=[
            (
                case.shape,
                str(case.people),
                f"{case.scale:g} x",
                case.policy,
                *row(measured),
            )
            for case, measured in found
        ],
        checks=_checks([each for each in found if each[0].policy == OURS]),
        figures=[numbers(case, measured) for case, measured in found],
    )


def _checks(ours: list[tuple[Case, Measured]]) -> list[Check]:
    checks = [
        Check(
            what=f"{case.shape}: refused calls, {case.people}, {case.scale:g} x",
            was=measured.refused * 100,
            must=_MOST_REFUSED[case.scale],
            unit=" %",
        )
        for case, measured in ours
    ]
    if ours:
        checks += never_checks([measured for _, measured in ours], "all")
    return checks
