"""What would reach out of a message: pings, and links that Slack would fetch."""

from collections.abc import Callable

import pytest

from app.sandbox.mentions import followers_by, images, links, live_tokens, notifications
from app.sandbox.records import Channel, ChannelKind, Json, Message

Say = Callable[[str], Message]

ANA, BEN, CHLOE, BOT = "U0ANA", "U0BEN", "U0CHLOE", "U0BOT"
HUMANS = frozenset({ANA, BEN, CHLOE})


def channel(kind: ChannelKind = ChannelKind.CHANNEL, *members: str) -> Channel:
    inside = frozenset(members or (ANA, BEN, CHLOE, BOT))
    return Channel(channel_id="C1", name="general", kind=kind, members=inside)


def message(
    text: str = "",
    *,
    by: str = BOT,
    blocks: tuple[Json, ...] = (),
    attachments: tuple[Json, ...] = (),
) -> Message:
    return Message(
        channel_id="C1",
        ts="1.000001",
        user_id=by,
        text=text,
        blocks=blocks,
        attachments=attachments,
    )


def told(
    said: Message, *thread: Message, where: Channel | None = None
) -> dict[str, str]:
    followers = {who for earlier in thread for who in followers_by(earlier)}
    found = notifications(said, where or channel(), followers, HUMANS)
    return {one.user_id: one.why for one in found}


def in_markdown(text: str) -> Message:
    return message(blocks=({"type": "markdown", "text": text},))


def in_section(text: str) -> Message:
    inside = {"type": "mrkdwn", "text": text}
    return message(blocks=({"type": "section", "text": inside},))


def in_attachment(text: str) -> Message:
    return message(attachments=({"color": "good", "text": text},))


def in_attached_block(text: str) -> Message:
    block = {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}
    return message(attachments=({"blocks": [block]},))


def in_fallback(text: str) -> Message:
    return message(attachments=({"text": "x", "fallback": text},))


EVERYWHERE = [
    message,
    in_markdown,
    in_section,
    in_attachment,
    in_attached_block,
    in_fallback,
]


@pytest.mark.parametrize("place", EVERYWHERE)
def test_a_mention_pings_its_person_wherever_it_stands(place: Say) -> None:
    assert told(place(f"ask <@{BEN}> or <@{CHLOE}|chloe>")) == {
        BEN: "mention",
        CHLOE: "mention",
    }


@pytest.mark.parametrize("place", EVERYWHERE)
@pytest.mark.parametrize("word", ["channel", "here", "everyone"])
def test_a_broadcast_pings_everybody_wherever_it_stands(place: Say, word: str) -> None:
    assert told(place(f"<!{word}> look")) == dict.fromkeys(HUMANS, word)


def test_a_user_group_pings_and_so_do_the_elements_of_rich_text() -> None:
    assert told(message("<!subteam^S123|@team>"))[ANA] == "usergroup"
    elements = [{"type": "user", "user_id": BEN}]
    section = {"type": "rich_text_section", "elements": elements}
    assert told(message(blocks=({"type": "rich_text", "elements": [section]},))) == {
        BEN: "mention"
    }


@pytest.mark.parametrize(
    "harmless",
    [
        "&lt;!channel&gt; &lt;@U0BEN&gt;",
        "@channel @ben",
        "< @U0BEN> < !channel>",
        "\\<\u200b!here>",
    ],
)
def test_what_is_escaped_or_broken_pings_nobody(harmless: str) -> None:
    assert told(message(harmless)) == {}
    assert live_tokens(harmless) == []


def test_plain_text_is_never_parsed() -> None:
    header = {"type": "header", "text": {"type": "plain_text", "text": "<!here>"}}
    assert told(message(blocks=(header,))) == {}


def test_nobody_is_pinged_who_is_not_there_and_the_author_never() -> None:
    where = channel(ChannelKind.CHANNEL, ANA, BOT)
    assert told(message(f"<@{BEN}>"), where=where) == {}
    assert told(message(f"<@{ANA}>", by=ANA)) == {}


def test_a_direct_message_tells_its_reader_and_a_thread_those_who_take_part() -> None:
    direct = channel(ChannelKind.IM, ANA, BOT)
    assert told(message("hello"), where=direct) == {ANA: "dm"}
    root, reply = message("a", by=ANA), message(f"ask <@{CHLOE}>", by=BEN)
    assert told(message("hello"), root, reply) == dict.fromkeys(HUMANS, "thread")
    assert told(message("hello"), root) == {ANA: "thread"}
    assert told(message("hello")) == {}


def test_every_live_token_of_a_payload_is_found() -> None:
    parts = [{"type": "markdown", "text": "<!here> and <https://x.y|click>"}]
    assert live_tokens("see <#C1|general>", parts) == [
        "<#C1|general>",
        "<!here>",
        "<https://x.y|click>",
    ]


def test_links_are_found_in_every_spelling_and_not_in_code() -> None:
    said = in_markdown(
        "https://a.example/x, [b](https://b.example) ![c](https://c.example/i.png) "
        "`https://code.example` <https://d.example|here>\n```\nhttps://e.example\n```"
    )
    assert set(links(said)) == {
        "https://a.example/x",
        "https://b.example",
        "https://c.example/i.png",
        "https://d.example",
    }


def test_the_pictures_of_a_message_are_fetched_wherever_they_stand() -> None:
    image = {"type": "image", "image_url": "https://a.example/a.png", "alt_text": "a"}
    said = message(
        blocks=({"type": "context", "elements": [image]},),
        attachments=({"text": "x", "thumb_url": "https://b.example/b.png"},),
    )
    assert images(said) == ["https://a.example/a.png", "https://b.example/b.png"]
