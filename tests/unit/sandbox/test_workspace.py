"""The state of the workspace: messages, threads, members, and what is told of them."""

from dataclasses import replace

import pytest

from app.sandbox.changes import Change, Changed, Deleted, MemberMoved, Posted, Why
from app.sandbox.records import Message, clickable
from app.sandbox.workspace import Workspace

ANA = "U0ANA00001"
GENERAL = "C0GENERAL1"


@pytest.fixture
def workspace() -> Workspace:
    return Workspace(lambda: 1_800_000_000.0, None)


@pytest.fixture
def changes(workspace: Workspace) -> list[Change]:
    told: list[Change] = []
    workspace.listen(told.append)
    return told


def post(workspace: Workspace, text: str, thread_ts: str | None = None) -> Message:
    return workspace.post(
        Message(
            channel_id=GENERAL,
            ts=workspace.next_ts(),
            user_id=ANA,
            text=text,
            thread_ts=thread_ts,
        )
    )


def test_no_two_messages_share_a_ts_even_while_the_clock_stands(
    workspace: Workspace,
) -> None:
    stamps = [workspace.next_ts() for _ in range(1000)]
    assert stamps == sorted(set(stamps))


def test_a_reply_tells_of_itself_and_of_its_root(
    workspace: Workspace, changes: list[Change]
) -> None:
    root = post(workspace, "root")
    reply = post(workspace, "reply", root.ts)
    assert changes == [Posted(root), Posted(reply), Changed(root, root, Why.REPLY)]
    assert workspace.replies(GENERAL, root.ts) == [reply]


def test_a_reply_to_a_reply_to_nothing_or_to_a_tombstone_stands_in_the_channel(
    workspace: Workspace,
) -> None:
    root = post(workspace, "root")
    reply = post(workspace, "reply", root.ts)
    assert not post(workspace, "a", reply.ts).is_reply
    assert not post(workspace, "b", "1.000001").is_reply
    workspace.delete(root, ANA)
    assert not post(workspace, "c", root.ts).is_reply


def test_a_deleted_root_keeps_its_place_only_for_replies(
    workspace: Workspace, changes: list[Change]
) -> None:
    lone, root = post(workspace, "lone"), post(workspace, "secret")
    reply = post(workspace, "reply", root.ts)
    workspace.delete(lone, ANA)
    assert changes[-1] == Deleted(lone, ANA)
    workspace.delete(root, ANA)
    tombstone = workspace.message(GENERAL, root.ts)
    assert tombstone is not None
    assert tombstone.is_tombstone
    assert "secret" not in repr(tombstone)
    assert workspace.messages(GENERAL) == [tombstone, reply]


def test_a_deleted_reply_is_no_reply_any_more(workspace: Workspace) -> None:
    root = post(workspace, "root")
    reply = post(workspace, "reply", root.ts)
    workspace.delete(reply, ANA)
    assert workspace.replies(GENERAL, root.ts) == []
    workspace.delete(root, ANA)
    assert workspace.messages(GENERAL) == []


def test_repeating_what_is_so_already_changes_nothing(
    workspace: Workspace, changes: list[Change]
) -> None:
    message = post(workspace, "hello")
    workspace.react(message, ANA, "eyes", added=False)
    workspace.move(workspace.channel(GENERAL), ANA, joined=True, by=ANA)
    assert changes == [Posted(message)]


def test_members_come_and_go(workspace: Workspace, changes: list[Change]) -> None:
    bot = workspace.identity.bot_user_id
    workspace.move(workspace.channel("random"), bot, joined=True, by=ANA)
    assert workspace.is_bot_in(workspace.channel("random"))
    assert changes == [MemberMoved("C0RANDOM01", bot, joined=True, by=ANA)]


@pytest.mark.parametrize(
    ("name", "channel_id"),
    [
        ("#general", GENERAL),
        ("General", GENERAL),
        (GENERAL, GENERAL),
        ("dm:ana", "D0ANA00001"),
        ("mpdm", "C0GROUPDM1"),
    ],
)
def test_channels_go_by_several_names(
    workspace: Workspace, name: str, channel_id: str
) -> None:
    assert workspace.channel(name).channel_id == channel_id


def test_nobody_and_nothing_else_is_found(workspace: Workspace) -> None:
    with pytest.raises(LookupError, match="eve"):
        workspace.person("eve")
    with pytest.raises(LookupError, match="#secret"):
        workspace.channel("#secret")


def test_a_channel_with_somebody_from_elsewhere_is_shared(
    workspace: Workspace,
) -> None:
    assert not workspace.is_shared(workspace.channel("general"))
    workspace.put_person(replace(workspace.person("chloe"), team_id="T0ELSEWHERE"))
    assert workspace.is_shared(workspace.channel("general"))
    assert not workspace.is_shared(workspace.channel("home-team"))


def test_what_a_reader_sees_is_the_blocks_then_the_attachments() -> None:
    label = {"type": "plain_text", "text": "Stop"}
    button = {"type": "button", "text": label, "action_id": "stop"}
    line = {"type": "context", "elements": [{"type": "mrkdwn", "text": "in progress"}]}
    card = {"type": "section", "text": {"type": "mrkdwn", "text": "Kitchen 23 °C"}}
    message = Message(
        channel_id=GENERAL,
        ts="1.000001",
        user_id=ANA,
        text="only for the notification",
        blocks=(
            {"type": "markdown", "text": "**hi**"},
            line,
            {"type": "actions", "block_id": "b1", "elements": [button]},
        ),
        attachments=({"color": "good", "fallback": "x", "blocks": [card]},),
    )
    assert message.seen == "**hi**\nin progress\nStop\nKitchen 23 °C"
    assert message.buttons == {"stop": "Stop"}
    assert clickable(message)[0]["block_id"] == "b1"
