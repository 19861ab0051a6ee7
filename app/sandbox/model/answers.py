"""What the offline model says when no room is meant."""

import re
from collections.abc import Callable

from app.sandbox.model import house, stories
from app.sandbox.model.conversation import Conversation, Line

_ANY_CASE = re.IGNORECASE
_EXACTLY = re.compile(
    r"\s*say (?P<how>exactly|backwards):[ \t]?(?P<text>.*)", _ANY_CASE | re.DOTALL
)
_STORY = re.compile(
    r"\b(?P<very>very\s+)?(?P<long>long\s+)?(?:story|tale)\b", _ANY_CASE
)
_CHARACTERS = re.compile(r"\b(?P<count>\d[\d,.]*)\s*characters?\b", _ANY_CASE)
_SHOW = re.compile(
    r"\b(?:show|give|write|send|make|draw|let me see|can i see|i want)\b.*?"
    r"\b(?P<what>code|list|table|everything|markdown)\b",
    _ANY_CASE | re.DOTALL,
)
_SAID = re.compile(
    r"\bwhat (?:did|has|have|was)\s+(?P<who>i|we|you|[\w.' -]{1,40}?)\s+"
    r"(?:just\s+)?(?:say|said|ask|asked|write|written|wrote|want|saying)\b",
    _ANY_CASE,
)
_WHO = re.compile(
    r"\bwho(?:'s| is| are| was| were)?\b.*\b(?:here|talking|writing)\b", _ANY_CASE
)
_ME = re.compile(r"\bwho am i\b|\bwhat(?:'s| is) my name\b", _ANY_CASE)
_SUMMARY = re.compile(r"\bsummar(?:y|ise|ize)\b|\bsum (?:it |this )?up\b", _ANY_CASE)
_CITE = re.compile(
    r"^\s*cite\s+(?P<sources>https?://\S+(?:\s+https?://\S+)*)", _ANY_CASE
)
_FOLLOW = re.compile(r"^(?:follow|only when mentioned)\W*$", _ANY_CASE)
_THANKS = re.compile(r"\b(?:thanks|thank you|thx|cheers)\b", _ANY_CASE)
_GO_ON = re.compile(r"^(?:continue|go on)\W*$", _ANY_CASE)
_HELLO = re.compile(
    r"^(?:hi|hello|hey|good (?:morning|evening|afternoon))\b", _ANY_CASE
)
_MEMORY = 5
_SUMMED_UP = 12
_EXCERPT = 160
_READ_UP_TO = 1_000

SUGGESTIONS = (
    "“set the kitchen to 23 and the bedroom to 19”",
    "“how warm are all rooms?”",
    "“tell me a long story”",
    "“show me a table”",
    "“what did Ben say?”",
)
_ABOUT = (
    "I'm the offline model of this sandbox: no key, no network, and only a few things "
    "that I know. Try"
)


def answer(ask: Line, conversation: Conversation) -> str | None:
    """Answer one message in words; None if the rooms' report says it all."""
    text = ask.text
    exact = _EXACTLY.match(text)
    if exact:
        # Backwards: what the model says then is not what somebody wrote.
        is_exact = exact["how"].lower() == "exactly"
        return exact["text"] if is_exact else exact["text"][::-1]
    if not text:
        return _take_up(conversation)
    for pattern, reply in _ANSWERS:
        match = pattern.search(text[:_READ_UP_TO])
        if match:
            return reply(match, ask, conversation)
    earlier = [line.text for line in conversation.lines]
    if house.wishes(text, earlier):
        return None
    if _THANKS.search(text[:_READ_UP_TO]):
        return f"You're welcome{_by_name(ask)}."
    return (
        f"Hello{_by_name(ask)}! {help_text()}" if _HELLO.search(text) else help_text()
    )


def _take_up(conversation: Conversation) -> str:
    """Answer an empty mention by what was said before it."""
    before = [line for line in conversation.lines if line.role == "user" and line.text]
    if not before:
        return help_text()
    return f"{_quote(before[-1])}\n\n{help_text()}"


def _continued(_: re.Match[str], ask: Line, conversation: Conversation) -> str:
    """Say what is missing of the last answer, where that was cut."""
    before = [line for line in conversation.lines if line.position < ask.position]
    said = "".join(line.text for line in before if line.role == "assistant")
    asked = [line for line in before if line.role == "user"]
    if not asked or _GO_ON.match(asked[-1].text):
        return help_text()
    whole = answer(asked[-1], conversation) or ""
    return whole.removeprefix(said).lstrip() or help_text()


def _tell(match: re.Match[str], ask: Line, _: Conversation) -> str:
    counted = _CHARACTERS.search(ask.text)
    if counted:
        return stories.story(int(re.sub(r"\D", "", counted["count"])))
    if match["very"] and match["long"]:
        return stories.story(stories.VERY_LONG)
    return stories.story(stories.LONG if match["long"] else stories.SHORT)


def _show(match: re.Match[str], _ask: Line, _: Conversation) -> str:
    samples = {"code": stories.CODE, "list": stories.LIST, "table": stories.TABLE}
    return samples.get(match["what"].lower(), stories.EVERYTHING)


def _recall(match: re.Match[str], ask: Line, conversation: Conversation) -> str:
    who = match["who"].strip().lower()
    if who == "you":
        said = [line for line in conversation.lines if line.role == "assistant"]
        whose = "I"
    else:
        said = [line for line in _earlier(conversation) if _is_by(line, who, ask)]
        whose = {"i": "you", "we": "anybody"}.get(who, match["who"].strip())
    if not said:
        return f"I can't find anything that {whose} said in this thread before."
    return "\n".join(_quote(line) for line in said[-_MEMORY:])


def _is_by(line: Line, who: str, ask: Line) -> bool:
    if who == "we":
        return True
    author = (line.author or "").lower()
    wanted = (ask.author or "").lower() if who == "i" else who
    return author == wanted or wanted in author.split()


def _earlier(conversation: Conversation) -> list[Line]:
    people = [line for line in conversation.lines if line.role == "user"]
    return [line for line in people if line not in conversation.asks]


def _people(_: re.Match[str], _ask: Line, conversation: Conversation) -> str:
    names = [line.author for line in conversation.lines if line.author]
    counted = {name: names.count(name) for name in names}
    if not counted:
        return "Somebody whose name I was not told."
    lines = [
        f"- {name}: {number} message{'s' if number != 1 else ''}"
        for name, number in counted.items()
    ]
    return "\n".join(["In this thread I have heard from", *lines])


def _name(_: re.Match[str], ask: Line, __: Conversation) -> str:
    return f"You are {ask.author}." if ask.author else "I was not told your name."


def _summarise(_: re.Match[str], __: Line, conversation: Conversation) -> str:
    said = [line for line in conversation.lines if line not in conversation.asks]
    if not said:
        return "There is nothing to sum up yet: this is the first message I see here."
    return "\n".join(["So far:", *(f"- {_plain(line)}" for line in said[-_SUMMED_UP:])])


def _quote(line: Line) -> str:
    return f"> {_plain(line)}"


def _plain(line: Line) -> str:
    who = line.author or ("I" if line.role == "assistant" else "Somebody")
    words = " ".join(line.text.split())
    short = words if len(words) <= _EXCERPT else f"{words[:_EXCERPT].rstrip()} …"
    return f"**{who}**: {short}"


def _by_name(ask: Line) -> str:
    return f", {ask.author}" if ask.author else ""


def _follow(match: re.Match[str], _: Line, __: Conversation) -> str:
    if match[0].lower().startswith("follow"):
        return "All right, I'll answer every message in this thread."
    return "All right, I'll answer in this thread only when I'm mentioned."


def cited(text: str) -> list[str]:
    """Name the addresses that somebody wants cited."""
    match = _CITE.match(text[:_READ_UP_TO])
    return match["sources"].split() if match else []


def _cite(_: re.Match[str], _ask: Line, __: Conversation) -> str:
    return "So it is written."


def help_text() -> str:
    """Say what this model is and what to try."""
    return "\n".join([_ABOUT, *(f"- {sentence}" for sentence in SUGGESTIONS)])


_ANSWERS: tuple[
    tuple[re.Pattern[str], Callable[[re.Match[str], Line, Conversation], str]], ...
] = (
    (_CITE, _cite),
    (_STORY, _tell),
    (_SHOW, _show),
    (_SAID, _recall),
    (_SUMMARY, _summarise),
    (_WHO, _people),
    (_ME, _name),
    (_FOLLOW, _follow),
    (_GO_ON, _continued),
)


def is_about_talk(text: str) -> bool:
    """Whether a message speaks of what was said, so that rooms in it are not meant."""
    patterns = (_SAID, _SUMMARY, _WHO, _ME)
    return bool(_EXACTLY.match(text)) or any(
        pattern.search(text[:_READ_UP_TO]) for pattern in patterns
    )
