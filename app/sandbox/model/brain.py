"""What the offline model answers: the same conversation gives the same outputs."""

import re

from app.sandbox.model import house
from app.sandbox.model.answers import answer, cited, help_text, is_about_talk
from app.sandbox.model.conversation import Conversation, Line
from app.sandbox.model.errands import calls_for, report
from app.sandbox.model.house import Wish
from app.sandbox.model.plan import Call, Output, Say

_CALL = re.compile(
    r"\s*call (?P<how>exactly|forever):\s*(?P<name>\S+)[ \t]*(?P<arguments>.*)",
    re.IGNORECASE | re.DOTALL,
)
_THEN = re.compile(
    r"\b(?:story|tale|code|list|table|everything)\b.*\bthen\b",
    re.IGNORECASE | re.DOTALL,
)
_READ_UP_TO = 1_000
_STEPS = "Let me look at the rooms first."
_NO_TOOLS = "I can't reach the rooms from here: nobody gave me the tools for it."


def think(conversation: Conversation) -> tuple[Output, ...]:
    """Plan the outputs: calls while something is still to be read or set, else text."""
    exact = _exact_calls(conversation)
    if exact:
        return exact
    hopes = _hopes(conversation)
    calls = calls_for(hopes, conversation)
    if calls:
        return (*_said_first(conversation), *calls)
    news = report(conversation.results)
    if hopes and not news:
        news = _NO_TOOLS
    words = [
        answer(ask, conversation)
        for ask in conversation.asks
        if _is_words(ask) and not (conversation.results and _comes_first(ask))
    ]
    told = [text for text in (news, *words) if text]
    sources = [address for ask in conversation.asks for address in cited(ask.text)]
    return (Say("\n\n".join(told) or help_text(), sources=tuple(sources)),)


def _exact_calls(conversation: Conversation) -> tuple[Output, ...]:
    asked = [_CALL.match(ask.text) for ask in conversation.asks]
    return tuple(
        Call(match["name"], match["arguments"].strip())
        for match in asked
        if match and (match["how"].lower() == "forever" or not conversation.results)
    )


def _hopes(conversation: Conversation) -> list[Wish]:
    """Gather what the asks want of the rooms; "it" is the room named last before."""
    first = conversation.asks[0].position if conversation.asks else 0
    earlier = [line.text for line in conversation.lines if line.position < first]
    hopes: list[Wish] = []
    for ask in conversation.asks:
        if _is_words(ask) and not is_about_talk(ask.text):
            hopes += house.wishes(ask.text, earlier)
        earlier.append(ask.text)
    return list(dict.fromkeys(hopes))


def _is_words(ask: Line) -> bool:
    return not _CALL.match(ask.text)


def _comes_first(ask: Line) -> bool:
    """Whether something is to be told before the rooms are seen to."""
    return bool(_THEN.search(ask.text[:_READ_UP_TO]))


def _said_first(conversation: Conversation) -> tuple[Say, ...]:
    if conversation.results:
        return ()
    first = [
        answer(ask, conversation) for ask in conversation.asks if _comes_first(ask)
    ]
    told = [Say(text, phase=None) for text in first if text]
    asked = " ".join(ask.text for ask in conversation.asks).lower()
    if "step by step" in asked:
        told.append(Say(_STEPS, phase="commentary"))
    return tuple(told)
