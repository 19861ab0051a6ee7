"""Who is answered."""

from dataclasses import replace

import pytest

from app.domain import (
    ChannelKind,
    Follow,
    IncomingMessage,
    Person,
    Refusal,
    SlackThread,
)
from app.storage.policy import (
    Answer,
    AnswerPolicy,
    ConversationFacts,
    FollowWord,
    Ignore,
    Overhear,
    Refuse,
    StopWord,
    Verdict,
    decide,
    follow_word,
    is_stop_word,
    refusal_of,
)

ANYBODY = AnswerPolicy()
NOWHERE = ConversationFacts()
ALONE = ConversationFacts(exists=True, humans=("UANA",))
TOGETHER = ConversationFacts(exists=True, humans=("UANA", "UBEN"))
RUNNING = ConversationFacts(exists=True, is_busy=True, humans=("UANA",))
CROWDED = ConversationFacts(exists=True, is_busy=True, humans=("UANA", "UBEN"))


def message(
    text: str = "hello",
    *,
    kind: ChannelKind = ChannelKind.CHANNEL,
    thread: bool = True,
    mentioned: bool = False,
    author: str = "UANA",
    edited: bool = False,
    other_first: bool = False,
    bot: bool = False,
    external: bool = False,
) -> IncomingMessage:
    thread_ts = "1.000000" if thread else "2.000000"
    return IncomingMessage(
        thread=SlackThread(team_id="T1", channel_id="C1", thread_ts=thread_ts),
        ts="2.000000",
        author_id=author,
        author_team_id="T1",
        text=text,
        mentioned=mentioned,
        channel_kind=kind,
        edited_ts="3.000000" if edited else None,
        mentions_other_first=other_first,
        from_bot=bot,
        external=external,
    )


def following(follow: Follow) -> ConversationFacts:
    return ConversationFacts(exists=True, follow=follow, humans=("UANA", "UBEN"))


@pytest.mark.parametrize(
    ("said", "facts", "verdict"),
    [
        pytest.param(
            message(kind=ChannelKind.IM, thread=False),
            NOWHERE,
            Answer(),
            id="a direct message",
        ),
        pytest.param(
            message(kind=ChannelKind.IM, other_first=True),
            TOGETHER,
            Answer(),
            id="a direct message, whatever it says first",
        ),
        pytest.param(
            message(mentioned=True, thread=False),
            NOWHERE,
            Answer(),
            id="a mention in a channel",
        ),
        pytest.param(
            message(mentioned=True, kind=ChannelKind.MPIM),
            TOGETHER,
            Answer(),
            id="a mention in a group DM",
        ),
        pytest.param(
            message(kind=ChannelKind.MPIM, thread=False),
            NOWHERE,
            Ignore(),
            id="no mention in a group DM",
        ),
        pytest.param(message(), NOWHERE, Ignore(), id="a thread of others"),
        pytest.param(message(), ALONE, Answer(), id="the one person in a thread"),
        pytest.param(
            message(author="UBEN"), ALONE, Overhear(), id="a second person joins"
        ),
        pytest.param(message(), TOGETHER, Overhear(), id="two people in a thread"),
        pytest.param(
            message(other_first=True), ALONE, Overhear(), id="opens with somebody else"
        ),
        pytest.param(
            message(other_first=True, mentioned=True),
            ALONE,
            Answer(),
            id="opens with somebody else but mentions the bot",
        ),
        pytest.param(
            message(author="UCAT"),
            following(Follow.ALWAYS),
            Answer(),
            id="a followed thread",
        ),
        pytest.param(
            message(other_first=True),
            following(Follow.ALWAYS),
            Overhear(),
            id="a followed thread, opens with somebody else",
        ),
        pytest.param(
            message(),
            ConversationFacts(exists=True, follow=Follow.MENTIONS, humans=("UANA",)),
            Overhear(),
            id="only when mentioned, alone",
        ),
        pytest.param(
            message(edited=True), ALONE, Overhear(), id="an old message edited now"
        ),
        pytest.param(
            message(edited=True, kind=ChannelKind.IM, thread=False),
            NOWHERE,
            Overhear(),
            id="an old direct message edited now",
        ),
        pytest.param(
            message(edited=True), NOWHERE, Ignore(), id="an old message of others"
        ),
        pytest.param(
            message(edited=True, mentioned=True),
            NOWHERE,
            Answer(),
            id="an edit that mentions the bot",
        ),
        pytest.param(
            message(bot=True, mentioned=True), ALONE, Ignore(), id="another bot"
        ),
        pytest.param(
            message(external=True, mentioned=True),
            NOWHERE,
            Refuse(Refusal.STRANGER),
            id="a stranger who mentions the bot",
        ),
        pytest.param(
            message(external=True), ALONE, Overhear(), id="a stranger who talks"
        ),
        pytest.param(
            message(external=True), NOWHERE, Ignore(), id="a stranger elsewhere"
        ),
        pytest.param(
            message(external=True, mentioned=True, edited=True),
            NOWHERE,
            Refuse(Refusal.STRANGER),
            id="a stranger who edits the mention in",
        ),
        pytest.param(message("stop"), RUNNING, StopWord(), id="stop, alone"),
        pytest.param(message("STOP!"), RUNNING, StopWord(), id="stop, loudly"),
        pytest.param(
            message("stop"),
            ConversationFacts(
                exists=True, is_busy=True, follow=Follow.MENTIONS, humans=("UANA",)
            ),
            StopWord(),
            id="stop, alone, where only mentions are answered",
        ),
        pytest.param(message("stop"), ALONE, Answer(), id="stop, nothing goes on"),
        pytest.param(message("stop"), CROWDED, Overhear(), id="stop among several"),
        pytest.param(
            message("stop", mentioned=True),
            CROWDED,
            StopWord(),
            id="stop among several, with a mention",
        ),
        pytest.param(
            message("stop", author="UBEN"), RUNNING, Overhear(), id="stop by a second"
        ),
        pytest.param(
            message("stop the heating"), RUNNING, Answer(), id="stop and more"
        ),
        pytest.param(
            message("stop", kind=ChannelKind.IM), CROWDED, StopWord(), id="stop in a DM"
        ),
        pytest.param(
            message("stop", external=True, mentioned=True),
            RUNNING,
            Refuse(Refusal.STRANGER),
            id="stop by a stranger",
        ),
        pytest.param(
            message("Follow", mentioned=True),
            TOGETHER,
            FollowWord(Follow.ALWAYS),
            id="follow",
        ),
        pytest.param(
            message("only  when mentioned.", mentioned=True),
            ALONE,
            FollowWord(Follow.MENTIONS),
            id="only when mentioned",
        ),
        pytest.param(message("follow"), ALONE, Answer(), id="follow, no mention"),
        pytest.param(
            message("follow", kind=ChannelKind.IM, mentioned=True),
            ALONE,
            Answer(),
            id="follow in a DM",
        ),
    ],
)
def test_who_is_answered(
    said: IncomingMessage, facts: ConversationFacts, verdict: Verdict
) -> None:
    assert decide(said, facts, None, ANYBODY) == verdict


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        (ChannelKind.IM, Answer()),
        (ChannelKind.CHANNEL, Ignore()),
        (ChannelKind.GROUP, Ignore()),
        (ChannelKind.MPIM, Ignore()),
    ],
)
def test_allowed_channels_bind_all_but_direct_messages(
    kind: ChannelKind, verdict: Verdict
) -> None:
    policy = AnswerPolicy(allowed_channels=frozenset({"C2"}))

    assert decide(message(kind=kind, mentioned=True), ALONE, None, policy) == verdict


def test_an_allowed_channel_is_answered() -> None:
    policy = AnswerPolicy(allowed_channels=frozenset({"C1"}))

    assert decide(message(mentioned=True), NOWHERE, None, policy) == Answer()


ANA = Person(team_id="T1", user_id="UANA", name="Ana")


@pytest.mark.parametrize(
    ("person", "refusal", "allowing"),
    [
        pytest.param(
            replace(ANA, is_guest=True),
            Refusal.GUEST,
            AnswerPolicy(allow_guests=True),
            id="a guest",
        ),
        pytest.param(
            replace(ANA, is_stranger=True),
            Refusal.STRANGER,
            AnswerPolicy(allow_external=True),
            id="a stranger",
        ),
        pytest.param(
            replace(ANA, is_bot=True),
            Refusal.BOT,
            AnswerPolicy(allowed_bots=frozenset({"UANA"})),
            id="a bot",
        ),
    ],
)
def test_some_are_refused_unless_allowed(
    person: Person, refusal: Refusal, allowing: AnswerPolicy
) -> None:
    assert refusal_of(person, ANYBODY) is refusal
    assert refusal_of(person, allowing) is None
    assert decide(message(mentioned=True), ALONE, person, allowing) == Answer()


def test_a_known_guest_is_refused_where_they_ask_and_heard_where_they_talk() -> None:
    guest = Person(team_id="T1", user_id="UANA", name="Ana", is_guest=True)

    asks = decide(message(mentioned=True), ALONE, guest, ANYBODY)
    talks = decide(message(), ALONE, guest, ANYBODY)

    assert asks == Refuse(Refusal.GUEST)
    assert talks == Overhear()


@pytest.mark.parametrize("allowed_id", ["UBOT", "BBOT"])
def test_an_allowed_bot_is_answered_when_it_mentions_us_and_at_no_other_time(
    allowed_id: str,
) -> None:
    policy = AnswerPolicy(allowed_bots=frozenset({allowed_id}))
    known = Person(team_id="T1", user_id="UBOT", name="B", is_bot=True, bot_id="BBOT")
    talk = replace(message(author="UBOT", bot=True), bot_id="BBOT")
    ask = replace(talk, mentioned=True)

    for person in (None, known):
        assert decide(ask, ALONE, person, policy) == Answer()
        assert decide(talk, ALONE, person, policy) == Overhear()
        followed = decide(talk, following(Follow.ALWAYS), person, policy)
        assert followed == Overhear()


@pytest.mark.parametrize("text", ["stop", " Stop. ", "STOP!!", "stop\n"])
def test_the_word_stop(text: str) -> None:
    assert is_stop_word(text)


@pytest.mark.parametrize("text", ["", "stopp", "don't stop", "<@UBEN> stop", "stop?"])
def test_other_words(text: str) -> None:
    assert not is_stop_word(text)
    assert follow_word(text) is None
