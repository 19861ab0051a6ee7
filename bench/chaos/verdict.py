"""What a storm has come to, in one line."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.table import percentile
from tests.invariants import Broken, SlackHistory, Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The figures of one storm; takeovers in seconds."""

    db: Stored
    slack: SlackHistory
    broken: Sequence[Broken]
    kills: int
    faults: int
    takeovers: Sequence[float]

    @property
    def line(self) -> str:
        """All of it in one line."""
        fate = Counter(row["outcome"] for row in self.db.rows("inbox") if row["wanted"])
        taken_back = fate.total() - fate["answered"]
        crashed = sum(row["error"] == "crashed" for row in self.db.rows("turns"))
        rules = Counter(broken.rule for broken in self.broken)
        return (
            f"{len(self.slack.acknowledged)} sent, {fate['answered']} answered "
            f"({crashed} of them with a word after three crashes), "
            f"{taken_back} deleted or stopped before, "
            f"{self._lost} lost, {rules['I2'] + rules['I7']} doubled, "
            f"{rules['I4']} out of order, {rules['I6']} written twice, "
            f"{rules['I3'] + rules['I5'] - self._lost + rules['I8']} not well ended; "
            f"{self.kills} kills, {self.faults} faults; {self._takeover}"
        )

    @property
    def _lost(self) -> int:
        return sum(each.rule == "I1" or " is lost" in each.says for each in self.broken)

    @property
    def _takeover(self) -> str:
        if not self.takeovers:
            return "nothing taken over"
        p50, p95 = (percentile(self.takeovers, share) for share in (0.5, 0.95))
        return f"{len(self.takeovers)} takeovers, p50 {p50:.1f} s, p95 {p95:.1f} s"


def told(broken: Sequence[Broken], most: int = 20) -> str:
    """The broken invariants with their histories, the first ones of many."""
    lines = [str(each) for each in broken[:most]]
    if len(broken) > most:
        lines.append(f"and {len(broken) - most} more")
    return "\n".join(lines)


def sums(counts: Sequence[Mapping[str, int]]) -> Counter[str]:
    """All counts together."""
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return total
