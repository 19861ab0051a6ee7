"""Who is answered: pure decisions over one message and what is known of its place."""

from dataclasses import dataclass
from enum import Enum, auto

from app.domain import ChannelKind, Follow, IncomingMessage, Person, Refusal

_ENDING = " \t\r\n.!"

_FOLLOW_WORDS = {"follow": Follow.ALWAYS, "only when mentioned": Follow.MENTIONS}


# Seconds. An answer that comes later is no answer, and after a day not even news.
LATE_AFTER = 600.0
PAST_AFTER = 86_400.0


class Timing(Enum):
    """How long after it was asked for a message came: an answer is due only in time.

    What is late is offered to be answered, what is past is not spoken of.
    """

    IN_TIME = auto()
    LATE = auto()
    PAST = auto()


def timing(age: float) -> Timing:
    """Judge by the seconds between asking and coming here; Slack may be ahead."""
    if age > PAST_AFTER:
        return Timing.PAST
    return Timing.LATE if age > LATE_AFTER else Timing.IN_TIME


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPolicy:
    """What the operator allows.

    `allowed_channels` of None means every place the bot was invited to; it never
    restricts 1:1 direct messages. `allowed_bots` holds user or bot ids.
    """

    allowed_channels: frozenset[str] | None = None
    allow_guests: bool = False
    allow_external: bool = False
    allowed_bots: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationFacts:
    """What a message's place looks like at the moment.

    `exists` once the bot takes part; `is_busy` while something is waiting, running
    or suspended there; `humans` who wrote since, two at most.
    """

    exists: bool = False
    is_busy: bool = False
    follow: Follow = Follow.AUTOMATIC
    humans: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ignore:
    """Not for us; nothing of it is stored."""


@dataclass(frozen=True, slots=True)
class Overhear:
    """Not to be answered; context for the next turn."""


@dataclass(frozen=True, slots=True)
class Answer:
    """To be answered."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Asked for by somebody who is not answered; they are told so once."""

    refusal: Refusal


@dataclass(frozen=True, slots=True)
class StopWord:
    """The word that ends what is running and drops the author's waiting messages."""


@dataclass(frozen=True, slots=True)
class FollowWord:
    """To be answered, and it says what is answered from now on."""

    follow: Follow


Verdict = Ignore | Overhear | Answer | Refuse | StopWord | FollowWord


def decide(
    message: IncomingMessage,
    facts: ConversationFacts,
    person: Person | None,
    policy: AnswerPolicy,
) -> Verdict:
    """Decide what a message is to us; `person` None means that nobody knows yet."""
    if _is_out_of_bounds(message, person, policy):
        return Ignore()
    if refusal := _refusal(message, person, policy):
        is_told = _is_addressed(message) and not _is_old_news(message)
        return Refuse(refusal) if is_told else _overheard(message, facts)
    if facts.is_busy and _is_stop(message, facts):
        return StopWord()
    if _is_old_news(message) or not _is_asked(message, facts):
        return _overheard(message, facts)
    word = follow_word(message.text)
    if word and message.mentioned and message.channel_kind is not ChannelKind.IM:
        return FollowWord(word)
    return Answer()


def refusal_of(person: Person, policy: AnswerPolicy) -> Refusal | None:
    """Return why this person is never answered, if so."""
    is_allowed = policy.allowed_bots & {person.user_id, person.bot_id}
    if person.is_bot and not is_allowed:
        return Refusal.BOT
    if person.is_stranger and not policy.allow_external:
        return Refusal.STRANGER
    if person.is_guest and not policy.allow_guests:
        return Refusal.GUEST
    return None


def is_stop_word(text: str) -> bool:
    """Whether the whole text, the bot's mention taken out before, is the word stop."""
    return _bare(text) == "stop"


def follow_word(text: str) -> Follow | None:
    """Return what the whole text, taken as a command, wants to be answered."""
    return _FOLLOW_WORDS.get(_bare(text))


def _bare(text: str) -> str:
    return " ".join(text.split()).rstrip(_ENDING).casefold()


def _is_out_of_bounds(
    message: IncomingMessage, person: Person | None, policy: AnswerPolicy
) -> bool:
    is_bot = message.from_bot or (person is not None and person.is_bot)
    if is_bot and not policy.allowed_bots & {message.author_id, message.bot_id}:
        return True
    return (
        policy.allowed_channels is not None
        and message.channel_kind is not ChannelKind.IM
        and message.thread.channel_id not in policy.allowed_channels
    )


def _is_asked(message: IncomingMessage, facts: ConversationFacts) -> bool:
    if _is_addressed(message):
        return True
    # Two bots that answer whatever the other says would never end.
    if not facts.exists or message.mentions_other_first or message.from_bot:
        return False
    match facts.follow:
        case Follow.ALWAYS:
            return True
        case Follow.MENTIONS:
            return False
        case Follow.AUTOMATIC:
            return not set(facts.humans) - {message.author_id}


def _is_addressed(message: IncomingMessage) -> bool:
    return message.mentioned or message.channel_kind is ChannelKind.IM


def _is_old_news(message: IncomingMessage) -> bool:
    # An edit of what we never saw: its author does not wait for an answer.
    return message.edited_ts is not None and not message.mentioned


def _is_stop(message: IncomingMessage, facts: ConversationFacts) -> bool:
    is_alone = not set(facts.humans) - {message.author_id}
    return is_stop_word(message.text) and (is_alone or _is_addressed(message))


def _refusal(
    message: IncomingMessage, person: Person | None, policy: AnswerPolicy
) -> Refusal | None:
    if message.external and not policy.allow_external:
        return Refusal.STRANGER
    return refusal_of(person, policy) if person else None


def _overheard(message: IncomingMessage, facts: ConversationFacts) -> Verdict:
    # A 1:1 DM is a place of ours from its first message on.
    is_ours = facts.exists or message.channel_kind is ChannelKind.IM
    return Overhear() if is_ours else Ignore()
