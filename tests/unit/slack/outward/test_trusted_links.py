"""Which addresses a turn's own messages make trustworthy."""

from dataclasses import replace

import pytest

from app.domain import ChannelKind, Lease, SlackThread, Turn, TurnMessage
from app.slack.replies.replies import link_policy
from app.slack.text import neutralise

TEAM = "T0HOME"
ROOT = "1700000000.000100"


def turn(text: str) -> Turn:
    message = TurnMessage(
        seq=1,
        ts=ROOT,
        author_id="U0ANA",
        author_team_id=TEAM,
        text=text,
        files=(),
        mentioned=True,
        wanted=True,
    )
    return Turn(
        lease=Lease(team_id=TEAM, conversation_id=1, turn_id=1, epoch=1),
        thread=SlackThread(team_id=TEAM, channel_id="C0ONE", thread_ts=ROOT),
        assistant_thread_id=1,
        messages=(message,),
        channel_kind=ChannelKind.CHANNEL,
        is_first_turn=True,
    )


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("see <https://example.org/a>", "https://example.org/a"),
        ("see <https://example.org/a|the page>", "https://example.org/a"),
        ("<https://example.org/?x=1&amp;y=2>", "https://example.org/?x=1&y=2"),
    ],
)
def test_an_address_that_was_asked_about_is_live_as_the_model_reads_it(
    written: str, address: str
) -> None:
    assert link_policy(turn(written), frozenset()).allows(address)


def test_an_address_inside_another_is_not_trusted() -> None:
    policy = link_policy(
        turn("<https://example.org/?to=https://e.example>"), frozenset()
    )

    assert not policy.allows("https://e.example")


@pytest.mark.parametrize(
    ("has_read", "shown"),
    [(True, "`https://e.example/page`"), (False, "https://e.example/page")],
)
def test_a_plain_address_of_the_models_own_is_live_only_where_all_is_trusted(
    has_read: bool, shown: str
) -> None:
    asked = replace(turn("hello"), has_read_untrusted=has_read)

    text = neutralise("https://e.example/page", link_policy(asked, frozenset()))

    assert text == shown


def test_no_address_of_the_models_own_is_live_beside_a_tool_that_is_not_trusted() -> (
    None
):
    asked = replace(turn("hello"), has_read_untrusted=False)
    policy = link_policy(asked, frozenset(), trusts_tools=False)

    assert neutralise("https://e.example/page", policy) == "`https://e.example/page`"
