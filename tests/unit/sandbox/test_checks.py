"""What Slack takes in a message and with which word it refuses the rest."""

import json
from typing import Any

import pytest

from app.sandbox.blocks import faults
from app.sandbox.checks import Content, checked_content, checked_update_text
from app.sandbox.refusal import Refused

Json = dict[str, Any]


def content(
    *,
    text: str | None = None,
    blocks: object = None,
    attachments: object = None,
    metadata: object = None,
    markdown_text: str | None = None,
) -> Content:
    return checked_content(
        text=text,
        blocks=blocks,
        attachments=attachments,
        metadata=metadata,
        markdown_text=markdown_text,
    )


def refusal(
    *,
    text: str | None = None,
    blocks: object = None,
    attachments: object = None,
    metadata: object = None,
    markdown_text: str | None = None,
) -> str:
    with pytest.raises(Refused) as refused:
        content(
            text=text,
            blocks=blocks,
            attachments=attachments,
            metadata=metadata,
            markdown_text=markdown_text,
        )
    return refused.value.code


def markdown(text: str, **more: str) -> Json:
    return {"type": "markdown", "text": text, **more}


def button(**more: object) -> Json:
    label = {"type": "plain_text", "text": "Stop"}
    return {"type": "button", "text": label, "action_id": "stop", **more}


def actions(*elements: Json) -> Json:
    return {"type": "actions", "elements": list(elements)}


def section(text: str) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def context(*texts: str) -> Json:
    elements = [{"type": "mrkdwn", "text": text} for text in texts]
    return {"type": "context", "elements": elements}


GOOD = [
    markdown("# Title"),
    section("*bold*"),
    context("in progress"),
    actions(button(value="1", style="danger")),
    {"type": "divider"},
    {"type": "header", "text": {"type": "plain_text", "text": "Rooms"}},
]

BAD: dict[str, Json] = {
    "no type": {"text": "x"},
    "an unknown type": {"type": "hologram"},
    "a block for modals only": {
        "type": "alert",
        "text": {"type": "plain_text", "text": "x"},
    },
    "an unknown field": {"type": "divider", "text": "x"},
    "an empty text": markdown(""),
    "a text that is no string": {"type": "markdown", "text": 5},
    "a markdown block of 12,001 characters": markdown("x" * 12_001),
    "a section of 3,001 characters": section("x" * 3001),
    "a section without text": {"type": "section"},
    "a header in mrkdwn": {"type": "header", "text": {"type": "mrkdwn", "text": "x"}},
    "no element": actions(),
    "26 buttons": actions(*(button(action_id=f"a{n}") for n in range(26))),
    "11 texts in a context": context(*"elevenparts"),
    "an action_id of 256 characters": actions(button(action_id="x" * 256)),
    "an action_id twice": actions(button(), button()),
    "a block_id of 256 characters": markdown("x", block_id="y" * 256),
    "a label of 76 characters": actions(
        button(text={"type": "plain_text", "text": "x" * 76})
    ),
    "a label in mrkdwn": actions(button(text={"type": "mrkdwn", "text": "x"})),
    "a value of 2,001 characters": actions(button(value="x" * 2001)),
    "a style of its own": actions(button(style="pink")),
    "a text element in actions": actions({"type": "mrkdwn", "text": "x"}),
    "a button in a context": {"type": "context", "elements": [button()]},
    "an image without alt_text": {"type": "image", "image_url": "https://x.y/z.png"},
    "a table of 101 rows": {"type": "table", "rows": [[]] * 101},
}


def test_good_blocks_are_taken_and_get_ids() -> None:
    blocks = content(blocks=GOOD).blocks
    assert blocks is not None
    assert len({block["block_id"] for block in blocks}) == len(GOOD)


def test_the_longest_block_of_each_kind_is_taken() -> None:
    assert content(blocks=[markdown("x" * 12_000)]).blocks
    assert content(blocks=[section("x" * 3000)]).blocks
    assert content(blocks=[actions(button(action_id="x" * 255))]).blocks
    label = {"type": "plain_text", "text": "x" * 75}
    assert content(blocks=[actions(button(text=label))]).blocks
    assert content(blocks=[{"type": "divider"}] * 50).blocks


@pytest.mark.parametrize("what", BAD)
def test_a_bad_block_is_refused(what: str) -> None:
    assert refusal(blocks=[BAD[what]]) == "invalid_blocks"


@pytest.mark.parametrize("what", BAD)
def test_a_bad_block_is_refused_inside_an_attachment_too(what: str) -> None:
    bad = {"color": "#fff000", "blocks": [BAD[what]]}
    assert refusal(attachments=[bad]) == "invalid_attachments"


def test_the_refusal_says_where_the_fault_is() -> None:
    with pytest.raises(Refused) as refused:
        content(blocks=[GOOD[0], BAD["an action_id of 256 characters"]])
    (message,) = refused.value.answer()["response_metadata"]["messages"]
    assert "[json-pointer:/blocks/1/elements/0/action_id]" in message


def test_a_block_id_twice_is_refused() -> None:
    twice = [markdown("a", block_id="same"), markdown("b", block_id="same")]
    assert refusal(blocks=twice) == "invalid_blocks"


def test_51_blocks_are_refused() -> None:
    assert refusal(blocks=[{"type": "divider"}] * 51) == "invalid_blocks"


def test_all_blocks_together_have_a_limit_of_their_own() -> None:
    assert content(blocks=[section("x" * 2500)] * 5).blocks
    assert refusal(blocks=[section("x" * 2600)] * 5) == "msg_blocks_too_long"


def test_blocks_in_attachments_count_with_the_others() -> None:
    inside = [{"color": "good", "blocks": [section("x" * 2600)]}] * 4
    long = refusal(blocks=[section("x" * 2600)], attachments=inside)
    assert long == "msg_blocks_too_long"


def test_markdown_blocks_share_one_limit() -> None:
    assert content(blocks=[markdown("x" * 6000)] * 2).blocks
    assert refusal(blocks=[markdown("x" * 6001)] * 2) == "msg_blocks_too_long"


TABLE = "| a | b |\n|---|---|\n| 1 | 2 |\n"


def test_one_table_is_shown_and_two_are_refused_however_they_are_written() -> None:
    assert content(blocks=[markdown(TABLE)]).blocks
    assert refusal(blocks=[markdown(TABLE + "\ntext\n\n" + TABLE)]) == "invalid_blocks"
    table = {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}]]}
    assert refusal(blocks=[table, table]) == "invalid_blocks"


def test_a_table_inside_code_is_no_table() -> None:
    assert content(blocks=[markdown(f"{TABLE}\n```\n{TABLE}```\n")]).blocks


def test_forms_send_blocks_as_json() -> None:
    assert content(blocks=json.dumps(GOOD)).blocks
    assert refusal(blocks="[{") == "invalid_blocks_format"
    assert refusal(blocks={"type": "divider"}) == "invalid_blocks_format"


def test_attachments_have_a_limit_a_colour_and_something_to_show() -> None:
    assert content(attachments=[{"color": "#1f2937", "text": "x"}]).attachments
    assert refusal(attachments=[{"text": "x"}] * 101) == "too_many_attachments"
    assert refusal(attachments=[{"color": "good"}]) == "invalid_attachments"
    assert refusal(attachments=[{"color": "nice", "text": "x"}])
    assert refusal(attachments=[{"text": "x", "footer": "y" * 301}])
    assert refusal(attachments="nonsense") == "invalid_attachments"


def test_metadata_has_two_fields_and_a_size() -> None:
    good = {"event_type": "reply", "event_payload": {"key": "a"}}
    assert content(text="x", metadata=good).metadata == good
    assert content(text="x", metadata=json.dumps(good)).metadata == good
    assert refusal(metadata={"event_type": "reply"}) == "invalid_metadata_format"
    assert refusal(metadata=["reply"]) == "invalid_metadata_format"
    large = {"event_type": "reply", "event_payload": {"key": "a" * 20_000}}
    assert refusal(metadata=large) == "metadata_too_large"


def test_markdown_text_becomes_a_block_and_stands_alone() -> None:
    blocks = content(markdown_text="**hi**").blocks
    assert blocks is not None
    assert blocks[0]["text"] == "**hi**"
    assert refusal(markdown_text="a", text="b") == "markdown_text_conflict"
    assert refusal(markdown_text="a", blocks=GOOD) == "markdown_text_conflict"
    assert refusal(markdown_text="x" * 12_001) == "msg_too_long"


def test_an_update_takes_4000_bytes_of_text_counted_after_escaping() -> None:
    assert checked_update_text("x" * 4000)
    assert checked_update_text("&amp;" * 800)
    for long in ("x" * 4001, "é" * 2001, "&" * 801):
        with pytest.raises(Refused, match="msg_too_long"):
            checked_update_text(long)


def test_a_view_may_hold_what_a_message_may_not() -> None:
    label = {"type": "plain_text", "text": "Name"}
    asked = {"type": "input", "label": label, "element": {"type": "plain_text_input"}}
    assert faults([asked] * 100, where="/view/blocks", in_view=True) == []
    assert faults([asked], where="/blocks")
    assert faults([asked] * 101, where="/view/blocks", in_view=True)
