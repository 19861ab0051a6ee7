"""Long replies: cut into parts, and replaced."""

import asyncio
from itertools import pairwise

from app.domain import (
    DataMessage,
    RunStatus,
    StoredDataMessage,
)
from tests.contracts.reply_stage import (
    DONE,
    House,
    a_run,
    a_turn,
    in_a_house,
    type_in,
)
from tests.unit.slack.outward.slack_in_memory import (
    read,
)


def test_a_long_text_goes_on_in_more_messages_and_nothing_is_lost() -> None:
    async def story(house: House) -> None:
        words = [f"word{number}" for number in range(4_000)]
        reply = await house.open()
        await type_in(reply, " ".join(words), pace=0.02, size=300)
        await reply.finish(DONE)
        bodies = [seen.split("\n— ")[0] for seen in house.seen]
        assert " ".join(bodies).split() == words
        assert all(len(body) <= 8_000 for body in bodies)
        assert [("completed" in seen) for seen in house.seen] == [False] * 4 + [True]
        assert not any("[Stop]" in seen for seen in house.seen)

    in_a_house(story)


def test_a_fence_is_closed_and_opened_again_where_a_message_is_full() -> None:
    async def story(house: House) -> None:
        code = "".join(f"line_{number} = {number}\n" for number in range(900))
        reply = await house.open()
        reply.append(f"Here:\n\n```python\n{code}```\nThat is all.")
        await reply.finish(DONE)
        first, second = (seen.split("\n— ")[0] for seen in house.seen[:2])
        assert first.endswith("\n```")
        assert second.startswith("```python\nline_")

    in_a_house(story)


def test_each_message_has_one_table_at_most() -> None:
    async def story(house: House) -> None:
        table = "| a | b |\n|---|---|\n| 1 | 2 |\n\n"
        reply = await house.open()
        reply.append(f"One:\n\n{table}Two:\n\n{table}")
        await reply.finish(DONE)
        assert [seen.count("|---|") for seen in house.seen] == [1, 1]

    in_a_house(story)


def test_a_long_message_is_edited_every_three_seconds_at_most() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "Some words. " * 660, pace=0.1, size=30)
        long = [
            call.at
            for call in house.slack.of("chat.update")
            if call.payload and len(read(call.payload)) > 4_200
        ]
        gaps = [later - earlier for earlier, later in pairwise(long)]
        assert len(gaps) > 2
        assert min(gaps) >= 3
        await reply.finish(DONE)

    in_a_house(story)


def test_a_shorter_replacement_is_shown_only_when_its_pass_is_done() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "A rather long text, which is wrong in parts.")
        await asyncio.sleep(2)
        reply.replace("Short.")
        await asyncio.sleep(2)
        assert house.seen[0].startswith("A rather long text")
        reply.show_status(a_run(RunStatus.COMPLETED))
        await asyncio.sleep(2)
        assert house.seen[0].startswith("Short.")
        await reply.finish(DONE)
        assert house.seen == ["Short.\n— completed · 9 s"]

    in_a_house(story)


def test_a_replacement_that_is_as_long_is_shown_in_one_edit() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "Sixteen signs xx")
        await asyncio.sleep(2)
        edits = len(house.slack.of("chat.update"))
        reply.replace("Others")
        reply.append(" that grow on")
        await asyncio.sleep(2)
        assert house.seen[0].startswith("Others that grow on")
        assert len(house.slack.of("chat.update")) == edits + 1
        await reply.finish(DONE)

    in_a_house(story)


def test_a_message_too_many_after_a_replacement_is_removed() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "Some words. " * 1_500, size=600)
        await asyncio.sleep(5)
        assert len(house.seen) == 3
        reply.replace("Short.")
        await reply.finish(DONE)
        assert house.seen == ["Short.\n— completed · 9 s"]
        assert list(house.parts.rows) == [0]

    in_a_house(story)


def test_a_long_replacement_is_cut_anew_without_a_word_twice() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "Some words. " * 1_500, size=600)
        await asyncio.sleep(5)
        words = [f"word{number}." for number in range(2_500)]
        reply.replace(" ".join(words))
        await reply.finish(DONE)
        bodies = [seen.split("\n— ")[0] for seen in house.seen]
        assert " ".join(bodies).split() == words
        assert len(house.slack.of("chat.postMessage")) == len(bodies) == 3

    in_a_house(story)


def test_sources_stand_once_below_the_text_and_are_live_only_where_trusted() -> None:
    trusted, other = "https://wiki.example/kitchen", "https://outside.example"
    sources = [
        {"title": "The [wiki]", "url": trusted},
        {"title": "Outside", "url": other},
        {"title": "plan.pdf", "url": ""},
    ]
    message = DataMessage(type="sources", data={"sources": sources})

    async def story(house: House) -> None:
        reply = await house.open(a_turn(f"what does {trusted} say?"))
        reply.append("It says 22 °C.")
        # The same again, as after a takeover.
        for seq in (1, 2):
            reply.attach(StoredDataMessage(seq=seq, message=message))
        await reply.finish(DONE)
        [payload] = house.slack.messages.values()
        assert [block["text"] for block in payload.blocks[:2]] == [
            "It says 22 °C.",
            f"Sources · [The (wiki)]({trusted}) · Outside (`{other}`) · plan.pdf",
        ]
        assert not payload.attachments

    in_a_house(story)
