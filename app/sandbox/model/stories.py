"""Stories of any length, and Markdown of every kind; the same at each telling."""

from collections.abc import Iterator
from itertools import count

LONG = 2_600
VERY_LONG = 10_500
SHORT = 500
LONGEST = 200_000
THE_END = "The end."

_OPENING = (
    (
        "Once upon a time there was a house with five rooms and one thermostat, and "
        "the thermostat believed that it was in charge."
    ),
    (
        "Every evening it went round the house, quietly, as warmth does, and asked "
        "each room how it was. The rooms had opinions. They had had them for years."
    ),
)
_ROOMS = (
    ("the kitchen", "smelled of bread and liked its own company", "22 °C"),
    ("the bedroom", "was asleep by nine and asked only not to be woken", "20 °C"),
    ("the living room", "kept the good lamp and all of the gossip", "21 °C"),
    ("the home office", "spoke in deadlines and sighed between them", "21 °C"),
    ("the bathroom", "was warm, and knew it, and hummed", "23 °C"),
)
_VISITS = (
    "“Good evening,” said the thermostat. “{degrees}, as agreed.”",
    "Nobody had opened a window since Tuesday, and it was beginning to tell.",
    "A letter lay on the floor, which said in small letters: one degree more, please.",
    "Ana had been here, for there was a cup, and the cup was still warm.",
    (
        "Ben had left the door open again, so that the draught could come and go as it "
        "pleased, and it pleased."
    ),
    "Chloé had drawn a small sun on the wall, just above the radiator, in case.",
    "The radiator clicked twice, which in the language of radiators means patience.",
    "Outside it had begun to snow, slowly, as if somebody were still deciding.",
    "“Warmer,” said one half of the room. “Cooler,” said the other. They had to share.",
    "The thermostat wrote the number down, looked at it, and drew a line under it.",
)
_PARTINGS = (
    "So it went on, one door further, and left the light as it had found it.",
    "It stayed a moment longer than it had to, which is how one can tell a friend.",
    "“Until tomorrow,” it said, and meant it, and closed the door without a sound.",
    "And because a promise is a promise, not one degree was lost on the way.",
)
_NIGHTS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")

CODE = """Here is some code:

```python
def average(temperatures: dict[str, float]) -> float:
    \"\"\"The mean temperature of the house, in °C.\"\"\"
    return sum(temperatures.values()) / len(temperatures)


print(average({"kitchen": 22, "bedroom": 20}))  # 21.0
```

Call it with the rooms you have, for example `average({"bathroom": 23})`."""

LIST = """Before you leave the house:

1. Turn the **kitchen** down
2. Close the windows
   - the one in the bathroom
   - the one behind the curtain
3. Leave a note

And what can wait:

- [x] water the plants
- [ ] defrost the freezer"""

TABLE = """The rooms as they are when a workspace is new:

| Room | At the start | Feels |
|:--|--:|:-:|
| Bedroom | 20 °C | cool |
| Home office | 21 °C | right |
| Living room | 21 °C | right |
| Kitchen | 22 °C | warm |
| Bathroom | 23 °C | *very* warm |"""

_PROSE = """# Everything at once

Plain words, **bold ones**, *slanted ones*, ~~struck ones~~ and `code` in between.

> A quotation stands apart.
> It may run over two lines.

---

## A link

Slack's own guide is at https://docs.slack.dev/."""

EVERYTHING = f"{_PROSE}\n\n## A list\n\n{LIST}\n\n## A table\n\n{TABLE}\n\n{CODE}"


def story(characters: int) -> str:
    """Tell a story of at least `characters` characters that ends with "The end."."""
    wanted = min(characters, LONGEST)
    told = list(_OPENING)
    length = sum(len(paragraph) + 2 for paragraph in told) + len(THE_END)
    for paragraph in _paragraphs():
        if length >= wanted:
            break
        told.append(paragraph)
        length += len(paragraph) + 2
    return "\n\n".join([*told, THE_END])


def _paragraphs() -> Iterator[str]:
    for visit in count():
        night, room = divmod(visit, len(_ROOMS))
        name, habit, degrees = _ROOMS[room]
        when = _NIGHTS[night] if night < len(_NIGHTS) else f"{night + 1}th"
        start = f"On the {when} night it came to" if room == 0 else "Then it came to"
        seen = [
            _VISITS[(visit * 3 + step) % len(_VISITS)].format(degrees=degrees)
            for step in range(3)
        ]
        parting = _PARTINGS[visit % len(_PARTINGS)]
        yield " ".join([f"{start} {name}, which {habit}.", *seen, parting])
