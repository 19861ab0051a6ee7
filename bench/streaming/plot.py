"""A picture of staleness against the number of people, as SVG."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.sandbox.limits import Shape

# In seconds, and in people.
_LOWEST, _HIGHEST = 0.1, 10_000.0
_MARKS = (0.1, 1, 10, 100, 1_000, 10_000)
_WIDTH, _HEIGHT = 470, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 108, 46, 52
_LINE = 15
# By the policy that has no better one.
BOUNDS = {"ours": "edits_bound", "mixed": "streams_bound"}
_COLOURS = {
    "ours": ("#1d4ed8", "#7db2ff"),
    "mixed": ("#6d28d9", "#c4a7ff"),
    "edits_bound": ("#57606a", "#a5b0bb"),
    "streams_bound": ("#8250df", "#b39ddb"),
    "final_only": ("#0f766e", "#4fd1c0"),
    "chunks20": ("#9d174d", "#f28bb8"),
    "interval_1s": ("#b91c1c", "#ff8f8f"),
    "interval_3s": ("#c2410c", "#ffa566"),
    "buffer_256": ("#3f6212", "#a8d45c"),
    "window45": ("#854d0e", "#e0b64a"),
}
_OTHER = ("#57606a", "#a5b0bb")
_OURS = ("ours", "mixed")

_LOSES = "†"


@dataclass(slots=True, kw_only=True)
class Line:
    """(people, seconds) for each point; it `loses` what its points do not count."""

    points: list[tuple[int, float]] = field(default_factory=list)
    loses: bool = False


Lines = Mapping[str, Line]


def plot(panels: Mapping[Shape, Lines]) -> str:
    """One panel for each shape of limit, with a line for each policy."""
    width = _WIDTH * len(panels)
    drawn = [
        f'<g transform="translate({at * _WIDTH} 0)">{_panel(shape, lines)}</g>'
        for at, (shape, lines) in enumerate(panels.items())
    ]
    names = {name for lines in panels.values() for name in lines}
    size = f'width="{width}" height="{_HEIGHT}"'
    box = f'viewBox="0 0 {width} {_HEIGHT}"'
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" {box} {size} role="img">',
            "<title>Age of unseen text against the number of people</title>",
            f"<style>{_style(names)}</style>",
            f'<rect class="paper" {size}/>',
            *drawn,
            "</svg>\n",
        )
    )


def _style(names: Iterable[str]) -> str:
    colours = {name: _COLOURS.get(name, _OTHER) for name in sorted(names)}
    return (
        "text{font:12px system-ui,sans-serif;fill:#1f2328}"
        ".title{font-weight:600;font-size:14px}.paper{fill:#fff}"
        ".grid{stroke:#d8dee4;stroke-width:1}"
        ".line{fill:none;stroke-width:1.5;stroke-linejoin:round}"
        ".strong{stroke-width:3.5}.dashed{stroke-dasharray:5 4}"
        f"{_paint(colours, 0)}"
        "@media(prefers-color-scheme:dark){"
        "text{fill:#e6edf3}.paper{fill:#0d1117}.grid{stroke:#30363d}"
        f"{_paint(colours, 1)}}}"
    )


def _paint(colours: Mapping[str, tuple[str, str]], theme: int) -> str:
    return "".join(
        f".{name}{{stroke:{each[theme]}}}"
        f"circle.{name},text.{name}{{fill:{each[theme]};stroke:none}}"
        for name, each in colours.items()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """Places values on a logarithmic scale."""

    lowest: float
    highest: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The place of `value`; what is beyond the scale stands at its end."""
        inside = min(max(value, self.lowest), self.highest)
        share = math.log(inside / self.lowest) / math.log(self.highest / self.lowest)
        return self.start + share * (self.end - self.start)


def _panel(shape: Shape, lines: Lines) -> str:
    people = sorted({people for line in lines.values() for people, _ in line.points})
    across = _Axis(
        lowest=people[0],
        highest=max(people[-1], people[0] + 1),
        start=_LEFT,
        end=_WIDTH - _RIGHT,
    )
    up = _Axis(lowest=_LOWEST, highest=_HIGHEST, start=_HEIGHT - _BOTTOM, end=_TOP)
    return "".join(
        (
            (
                f'<text class="title" x="{_LEFT}" y="24">'
                f"Age of unseen text, where Slack counts by a {shape}</text>"
            ),
            *_grid(people, across, up),
            *(_line(name, lines[name], across, up) for name in _upwards(lines)),
            *_labels(lines, up),
            *_note(lines),
        )
    )


def _upwards(names: Iterable[str]) -> Sequence[str]:
    """Ours over all others."""
    return sorted(names, key=lambda name: name in _OURS)


def _grid(people: Sequence[int], across: _Axis, up: _Axis) -> Iterable[str]:
    for mark in _MARKS:
        y = up.at(mark)
        yield (
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" '
            f'y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{mark:g}'
            f"{' s' if mark == _HIGHEST else ''}</text>"
        )
    for each in people:
        yield (
            f'<text x="{across.at(each):.1f}" y="{_HEIGHT - _BOTTOM + 20}" '
            f'text-anchor="middle">{each}</text>'
        )
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    yield (
        f'<text x="{middle:.1f}" y="{_HEIGHT - 12}" text-anchor="middle">'
        "people who go on asking</text>"
    )


def _note(lines: Lines) -> Iterable[str]:
    if any(line.loses for line in lines.values()):
        yield (
            f'<text x="{_WIDTH - _RIGHT + 10}" y="{_HEIGHT - 12}">'
            f"{_LOSES} loses answers</text>"
        )


def _line(name: str, line: Line, across: _Axis, up: _Axis) -> str:
    points = [(across.at(people), up.at(seconds)) for people, seconds in line.points]
    kind = " strong" if name in _OURS else " dashed" if name in BOUNDS.values() else ""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(
        f'<circle class="{name}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points
    )
    return f'<polyline class="line {name}{kind}" points="{path}"/>{dots}'


def _labels(lines: Lines, up: _Axis) -> Iterable[str]:
    """Each line's name at its end, none over another."""
    lowest = _HEIGHT - _BOTTOM + _LINE
    ends = sorted(((up.at(line.points[-1][1]), name) for name, line in lines.items()))
    for left, (y, name) in zip(range(len(ends), 0, -1), _apart(ends), strict=True):
        place = min(y, lowest - left * _LINE)
        mark = f" {_LOSES}" if lines[name].loses else ""
        yield (
            f'<text class="{name}" x="{_WIDTH - _RIGHT + 10}" y="{place + 4:.1f}">'
            f"{name.replace('_', ' ')}{mark}</text>"
        )


def _apart(ends: Sequence[tuple[float, str]]) -> Iterable[tuple[float, str]]:
    before = -math.inf
    for y, name in ends:
        before = max(y, before + _LINE)
        yield before, name
