"""What it costs to show a growing answer once more, and all looks at one answer."""

import gc
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from markdown_it import MarkdownIt

from app.slack.cutting import next_cut
from app.slack.healing import heal
from app.slack.rendering import Rendering
from app.slack.replies.story import FULL
from app.slack.text import LinkPolicy, neutralise
from bench.report import Check, judged
from bench.table import median, show

ROUNDS = 7
MOST_GROWTH = 2.0
MOST_OF_EACH_DELTA = 0.02

_LENGTHS = (1_000, 2_000, 4_000, 7_500)
# An edit a second or two apart, at 60 tokens a second.
_STEP = 250
# 800 tokens, edited as often as a workspace's budget allows one answer.
_REPLY, _DELTA, _EDITS = 3_200, 4, 17

_LINKS = LinkPolicy(read_untrusted=False)
_TEXT = """\
The **kitchen** is at `22 °C`, two degrees more than last week, and the bedroom was \
warmed from 19 to 21 °C this morning. That is *more than usual* for the time of the \
year; see [the log](https://wiki.acme.example/log) for each hour.

- the living room: **21 °C**, nobody has changed it
- the bathroom: 23 °C, as at the start
- the home office: `21 °C`, with the window open at noon

```python
for room in rooms:
    print(room.name, room.temperature)
```
## What to do

Close the window before eight, or say https://example.org/heat in the channel. If \
somebody complains, set the room *one degree* lower and wait.

"""
_ANSWER = (_TEXT * 20)[:FULL]

Look = Callable[[str], object]


def _from_scratch(text: str) -> str:
    next_cut(text, "", FULL, lambda part: len(neutralise(part, _LINKS)))
    return neutralise(heal(text), _LINKS)


def _kept() -> Look:
    """Look at one text again and again, as an answer that grows is looked at."""
    rendering = Rendering(_LINKS, FULL)

    def look(text: str) -> None:
        rendering.cut(text, "")
        rendering.interim(text)

    return look


@dataclass(frozen=True, slots=True)
class _Way:
    """One way of rendering; `begin` gives the look at one answer."""

    name: str
    begin: Callable[[], Look]


_WAYS = (
    _Way("ours", _kept),
    _Way("from scratch", lambda: _from_scratch),
    _Way("markdown-it", lambda: MarkdownIt("commonmark").enable("table").render),
)


def _seconds(look: Look, ends: Iterable[int]) -> list[float]:
    """CPU seconds of each look at the text up to these ends, one after another."""
    took = []
    for end in ends:
        text = _ANSWER[:end]
        began = time.process_time_ns()
        look(text)
        took.append((time.process_time_ns() - began) / 1e9)
    return took


def _each_edit(way: _Way) -> dict[int, float]:
    """Microseconds of one edit around each length, all steps before it made too."""
    ends = range(_STEP, FULL, _STEP)
    rounds = [_seconds(way.begin(), ends) for _ in range(ROUNDS)]
    each = [median(took) for took in zip(*rounds, strict=True)]
    # One step may end in the middle of a list, the next after a paragraph.
    return {
        length: median(
            [took for end, took in zip(ends, each, strict=True) if _near(end, length)]
        )
        * 1e6
        for length in _LENGTHS
    }


def _near(end: int, length: int) -> bool:
    return abs(end - length) <= 2 * _STEP


def _whole_reply(way: _Way, step: int, rounds: int = ROUNDS) -> float:
    """Milliseconds of all looks at one answer."""
    ends = range(step, _REPLY + 1, step)
    return median([sum(_seconds(way.begin(), ends)) for _ in range(rounds)]) * 1e3


def run() -> bool:
    """Print the tables; false when a target is missed."""
    gc.freeze()
    edits = {way.name: _each_edit(way) for way in _WAYS}
    growth = edits["ours"][_LENGTHS[-1]] / edits["ours"][_LENGTHS[0]]
    show(
        f"render: CPU of one edit, by the length of the text (must: ours at "
        f"{_LENGTHS[-1]:,} signs ≤ {MOST_GROWTH:.0f}x at {_LENGTHS[0]:,})",
        ("way", *(f"{length:,} µs" for length in _LENGTHS), "last / first"),
        [
            (
                name,
                *(f"{took:.0f}" for took in by_length.values()),
                f"{by_length[_LENGTHS[-1]] / by_length[_LENGTHS[0]]:.1f}",
            )
            for name, by_length in edits.items()
        ],
    )
    replies = {way.name: _whole_reply(way, _REPLY // _EDITS) for way in _WAYS}
    each_delta = _whole_reply(_WAYS[1], _DELTA, rounds=1)
    share = replies["ours"] / each_delta
    show(
        f"render: CPU for one answer of {_REPLY:,} signs in {_EDITS} edits (must: ours "
        f"≤ {MOST_OF_EACH_DELTA:.0%} of rendering at each delta)",
        ("way", "ms", "of each delta"),
        [
            *(
                (name, f"{took:.2f}", f"{took / each_delta:.1%}")
                for name, took in replies.items()
            ),
            (f"from scratch, {_REPLY // _DELTA} deltas", f"{each_delta:.0f}", "100%"),
        ],
    )
    return judged(
        [
            Check(
                what="an edit, last / first", was=growth, must=MOST_GROWTH, unit=" x"
            ),
            Check(
                what="all edits, of each delta",
                was=share * 100,
                must=MOST_OF_EACH_DELTA * 100,
                unit=" %",
            ),
        ]
    )
