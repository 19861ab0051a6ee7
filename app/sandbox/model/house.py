"""What people want of the rooms, read from their words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

ROOMS = ("bedroom", "home office", "living room", "kitchen", "bathroom")

_KNOWN = re.compile(
    r"\b(bed|bath|home[\s_-]?office|office|living)(?:[\s_-]?room)?\b|\b(kitchen)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_NUMBER = r"(?P<value>-?\d+(?:\.\d+)?)(?!\d|\s*(?:o'clock|am|pm)\b)"
_VERB = re.compile(
    r"\b(?:set|turn|heat|cool|warm|make|change|put|bring|adjust)\b", re.IGNORECASE
)
_SET = re.compile(
    rf"(?P<rooms>[^.!?;\d]{{1,160}}?)\s*(?:\b(?:to|at)\b|=|:)\s*(?:about\s+)?{_NUMBER}"
    r"\s*(?:°\s*c?|degrees?(?:\s+celsius)?|c\b)?",
    re.IGNORECASE,
)
_SHIFT = re.compile(
    r"\b(?P<up>warmer|hotter|turn\s+(?:\S+\s+){0,4}up)\b"
    r"|\b(?:cooler|colder|turn\s+(?:\S+\s+){0,4}down)\b",
    re.IGNORECASE,
)
_SHIFTED = re.compile(
    r"\b(?:the|our|my)\s+(?P<room>[a-z][a-z _-]{0,30}?)\s+"
    r"(?:an?|one|two|three|four|five|half|\d\S*|up|down|by|warmer|hotter|cooler|colder)\b",
    re.IGNORECASE,
)
_STEP = re.compile(
    r"\b(?P<step>half a|one|two|three|four|five|\d+(?:\.\d+)?)\s*(?:°|degrees?\b)"
    r"|\bby\s+(?P<by>\d+(?:\.\d+)?)",
    re.IGNORECASE,
)
_STEPS = {"half a": 0.5, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_READ = re.compile(
    r"\bhow\s+(?:warm|hot|cold|cool|chilly)|\btemperatures?\b|\bhow many degrees\b"
    r"|\bis it (?:too )?(?:warm|hot|cold|cool)|\b(?:what|how) about\b|\bread the\b"
    r"|\bcheck the\b|^\s*and the\b",
    re.IGNORECASE,
)
_PLACE = re.compile(
    r"\b(?:in|of|is|about|and|read|check)\s+(?:the|our|my)\s+"
    r"(?P<room>[a-z][a-z _-]{1,30}?)"
    r"(?=\s+(?:and|or|right|now|today|at|please)\b|\s*[?.!,]|\s*$)",
    re.IGNORECASE,
)
_ALL = re.compile(
    r"\b(?:all|every|each|everywhere|everything|rooms|house|flat|home)\b(?![\s_-]?office)",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"\b(?:please|the|our|my|temperature|temperatures|of|in|then|also|both|it's"
    r"|can|could|would|you|i|want|like|set|turn|heat|cool|warm|make|change|put|bring"
    r"|adjust|up|down|to|be|so|ok|okay|hi|hello|hey|no|yes|and then)\b",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"\b(?:it|that|this|there|same)\b", re.IGNORECASE)
_MOST_WORDS = 4
# People say what they want early; a whole book is not searched for it.
_READ_UP_TO = 1_000


class Aim(StrEnum):
    """What somebody wants of a room."""

    READ = "read"
    SET = "set"
    SHIFT = "shift"


@dataclass(frozen=True, slots=True)
class Wish:
    """One aim for one room; `value` is a temperature or a step, in °C."""

    aim: Aim
    room: str
    value: float = 0


def wishes(text: str, before: Sequence[str] = ()) -> list[Wish]:
    """Find what `text` wants of the rooms.

    `before` is what was said earlier, oldest first: "it" means the room named last.
    """
    last = _last_room(before)
    found: list[Wish] = []
    words = re.sub(r"(?<=\d),(?=\d)", ".", text[:_READ_UP_TO])
    for sentence in _SENTENCE.split(words):
        new = _settings(sentence, last) or _shifts(sentence, last)
        rest = _SET.sub(" ", sentence) if new else sentence
        if not (new and new[0].aim is Aim.SHIFT):
            new = [*new, *_readings(rest, last, needs_room=bool(new))]
        found.extend(new)
        last = found[-1].room if found else last
    return list(dict.fromkeys(found))


def known_rooms(text: str) -> list[str]:
    """Name the house's own rooms that `text` speaks of, in its order."""
    return list(dict.fromkeys(_canonical(match) for match in _KNOWN.finditer(text)))


def _canonical(match: re.Match[str]) -> str:
    word = match[0].lower()
    return next(room for room in ROOMS if word[:3] in room)


def _last_room(before: Sequence[str]) -> str | None:
    for text in reversed(before):
        if named := known_rooms(text[:_READ_UP_TO]):
            return named[-1]
    return None


def _settings(sentence: str, last: str | None) -> list[Wish]:
    if not any(character.isdigit() for character in sentence):
        return []
    has_verb = bool(_VERB.search(sentence))
    found = []
    for match in _SET.finditer(sentence):
        rooms = _rooms_named(match["rooms"], last, guess=has_verb)
        found += [Wish(Aim.SET, room, float(match["value"])) for room in rooms]
    return found


def _rooms_named(phrase: str, last: str | None, *, guess: bool) -> list[str]:
    verb = list(_VERB.finditer(phrase))
    phrase = phrase[verb[-1].end() :] if verb else phrase
    if _ALL.search(phrase):
        return list(ROOMS)
    rooms = []
    for piece in re.split(r",|&|\band\b|\bplus\b", phrase, flags=re.IGNORECASE):
        known = known_rooms(piece)
        words = " ".join(_FILLER.sub(" ", piece).split()).strip(" '\"`*_@")
        if known:
            rooms += known
        elif _BEFORE.fullmatch(words):
            rooms += [last] if last else []
        elif guess and words and len(words.split()) <= _MOST_WORDS:
            rooms.append(words[:40])
    return rooms or ([last] if guess and last and not phrase.strip() else [])


def _shifts(sentence: str, last: str | None) -> list[Wish]:
    match = _SHIFT.search(sentence)
    if not match or re.search(r"\bis\b|\bwhy\b", sentence, re.IGNORECASE):
        return []
    step = _STEP.search(sentence)
    size = 1.0
    if step:
        word = (step["step"] or step["by"]).lower()
        size = float(_STEPS.get(word) or word)
    rooms = known_rooms(sentence)
    if not rooms and not _ALL.search(sentence):
        named = _SHIFTED.search(sentence)
        rooms = [named["room"]] if named else [last] if last else []
    rooms = rooms or list(ROOMS)
    return [Wish(Aim.SHIFT, room, size if match["up"] else -size) for room in rooms]


def _readings(sentence: str, last: str | None, *, needs_room: bool) -> list[Wish]:
    if not _READ.search(sentence):
        return []
    if _ALL.search(sentence):
        return [Wish(Aim.READ, room) for room in ROOMS]
    rooms = known_rooms(sentence)
    if not rooms:
        places = (match["room"].strip() for match in _PLACE.finditer(sentence))
        rooms = [place for place in places if not _READ.search(place)]
    if not rooms and needs_room:
        return []
    if not rooms and _BEFORE.search(sentence) and last:
        rooms = [last]
    if not rooms and re.search(r"\babout\b|^\s*and\b", sentence, re.IGNORECASE):
        return []
    return [Wish(Aim.READ, room) for room in rooms or ROOMS]
