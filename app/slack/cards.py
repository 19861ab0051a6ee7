"""Data messages as coloured attachments: a renderer for each type and version."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain import DataMessage
from app.slack.text import escape_mrkdwn

# Slack takes more, but people don't read more at once.
MAX_CARDS = 10

# Under a text they are shown as Markdown, as only there a link can be live.
SOURCES = "sources"

_WARM = "#e8912d"
_COOL = "#1d9bd1"
_GREY = "#9aa0a6"
# Slack: a section has at most 10 fields.
_MAX_FIELDS = 10
_MAX_NAME = 60
_MAX_VALUE = 200
_MAX_NOTICE = 600
_MAX_ADDRESS = 400


@dataclass(frozen=True, slots=True)
class Card:
    """How one data message looks; `counted` names it in the heading, one and many."""

    color: str
    section: Mapping[str, Any]
    fallback: str
    counted: tuple[str, str] | None = None

    @property
    def attachment(self) -> dict[str, Any]:
        """The card as Slack takes it."""
        section = {"type": "section", **self.section}
        return {"color": self.color, "blocks": [section], "fallback": self.fallback}


Renderer = Callable[[Mapping[str, Any], str | None], Card]


def card(message: DataMessage, asked_by: str | None) -> Card:
    """How `message` looks; what no renderer can show is shown as its fields."""
    renderer = _RENDERERS.get((message.type, message.version))
    if renderer is not None:
        try:
            return renderer(message.data, asked_by)
        except (KeyError, TypeError, ValueError):
            return _fields(message)
    return _fields(message)


def is_quiet(message: DataMessage) -> bool:
    """Whether `message` is a mere line that deserves no Slack message of its own."""
    return message.type in ("temperature_unchanged", "notice", SOURCES)


def heading(cards: Sequence[Card]) -> str:
    """What some cards say together, as "2 temperatures changed"."""
    counts: dict[tuple[str, str], int] = {}
    for each in cards:
        if each.counted:
            counts[each.counted] = counts.get(each.counted, 0) + 1
    if not counts:
        return "Nothing was changed"
    return ", ".join(
        f"{count} {one if count == 1 else many}"
        for (one, many), count in counts.items()
    )


def _temperature_change(data: Mapping[str, Any], asked_by: str | None) -> Card:
    room, old, new = _room(data), _number(data["old"]), _number(data["new"])
    unit = escape_mrkdwn(str(data["unit"]))
    by = f"  asked by {escape_mrkdwn(asked_by)}" if asked_by else ""
    is_warmer = float(data["new"]) > float(data["old"])
    return Card(
        _WARM if is_warmer else _COOL,
        _mrkdwn(f"{room}  {old} → *{new} {unit}*{by}"),
        f"{room}: {old} → {new} {unit}",
        ("temperature changed", "temperatures changed"),
    )


def _temperature_unchanged(data: Mapping[str, Any], _asked_by: str | None) -> Card:
    value = next(data[key] for key in ("new", "temperature", "old") if key in data)
    unit = escape_mrkdwn(str(data.get("unit", "°C")))
    line = f"{_room(data)} is at {_number(value)} {unit} already"
    return Card(_GREY, _mrkdwn(line), line)


def _notice(data: Mapping[str, Any], _asked_by: str | None) -> Card:
    line = escape_mrkdwn(str(data["text"])[:_MAX_NOTICE])
    return Card(_GREY, _mrkdwn(line), line)


def sources_markdown(messages: Sequence[DataMessage]) -> str:
    """Name what an answer is based on, each source once, as Markdown not yet safe."""
    named: dict[str, str] = {}
    for message in messages:
        for title, url in _named_sources(message.data):
            named.setdefault(url or title, f"[{title}]({url})" if url else title)
    return " · ".join(["Sources", *named.values()]) if named else ""


def _sources(data: Mapping[str, Any], _asked_by: str | None) -> Card:
    named = [f"{title} {url}".strip() for title, url in _named_sources(data)]
    line = escape_mrkdwn(" · ".join(["Sources", *named])[:_MAX_NOTICE])
    return Card(_GREY, _mrkdwn(line), line)


def _named_sources(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for source in data.get("sources") or ():
        match source:
            case {"title": str(title), "url": str(url)}:
                found.append((_label(title), _address(url)))
    return found


def _label(title: str) -> str:
    # Brackets would end the label of a link before its time.
    words = " ".join(title.translate(_NO_BRACKETS).split())
    return words[:_MAX_NAME].rstrip() or "source"


def _address(url: str) -> str:
    is_plain = len(url) <= _MAX_ADDRESS and not set(url) & set(" ()<>[]\n")
    return url if is_plain else ""


_NO_BRACKETS = str.maketrans("[]", "()")

_RENDERERS: Mapping[tuple[str, int], Renderer] = {
    ("temperature_change", 1): _temperature_change,
    ("temperature_unchanged", 1): _temperature_unchanged,
    ("notice", 1): _notice,
    (SOURCES, 1): _sources,
}


def _fields(message: DataMessage) -> Card:
    shown = list(message.data.items())[:_MAX_FIELDS]
    name = escape_mrkdwn(message.type.replace("_", " "))[:_MAX_NAME]
    fields = [
        _text(f"*{_bounded(key, _MAX_NAME)}*\n{_bounded(value, _MAX_VALUE)}")
        for key, value in shown
    ]
    section = {"fields": fields} if fields else _mrkdwn(name or "data")
    facts = ", ".join(f"{key}: {value}" for key, value in shown)
    return Card(_GREY, section, _bounded(facts, _MAX_VALUE) or name, (name, name))


def _bounded(value: object, most: int) -> str:
    text = str(value)
    cut = text if len(text) <= most else text[:most] + " (cut)"
    return escape_mrkdwn(cut)


def _mrkdwn(text: str) -> dict[str, Any]:
    return {"text": _text(text)}


def _text(text: str) -> dict[str, Any]:
    # Slack: with `verbatim` it makes no links of its own.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _room(data: Mapping[str, Any]) -> str:
    room = escape_mrkdwn(str(data["room"])[:_MAX_NAME])
    return room[:1].upper() + room[1:]


def _number(value: Any) -> str:  # noqa: ANN401 - as JSON has it
    return f"{float(value):g}"
