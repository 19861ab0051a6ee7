"""From Slack's payload to the rows that are left of it, on both databases."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy import func, select, text

from app.domain import Turn
from app.slack.bolt import build_bolt, dispatch
from app.slack.intake import Intake
from app.storage.database import Database
from app.storage.inbox import Inbox
from app.storage.leases import Leases
from app.storage.policy import AnswerPolicy
from app.storage.tables import metadata
from app.storage.turns import TurnStore
from tests.contracts.intake_double import Told, clicks_around, intake_around
from tests.unit.slack.inward.recorded import ANA, BOT, event, recorded


@dataclass
class Parts:
    bolt: AsyncApp
    intake: Intake
    told: Told
    database: Database

    async def deliver(self, *payloads: dict[str, Any]) -> list[int]:
        return [(await dispatch(self.bolt, each)).status for each in payloads]

    async def turns(self) -> list[Turn]:
        await Leases(self.database).beat("worker", "1", 60)
        return await TurnStore(self.database).claim("worker", 10)

    async def rows(self) -> dict[str, int]:
        async with self.database.read() as transaction:
            return {
                table.name: count
                for table in metadata.sorted_tables
                if (
                    count := (
                        await transaction.execute(
                            select(func.count()).select_from(table)
                        )
                    ).scalar_one()
                )
            }


@pytest.fixture
async def parts(database: Database) -> AsyncGenerator[Parts]:
    client = AsyncWebClient(token="xoxb-test", base_url="http://127.0.0.1:9/api/")
    policy = AnswerPolicy()
    intake, told = intake_around(Inbox(database, policy), client, policy)
    yield Parts(
        build_bolt(client, BOT, intake, clicks_around(intake)), intake, told, database
    )
    await intake.close()


@pytest.mark.parametrize("mention_first", [True, False])
async def test_the_two_events_of_a_mention_are_one_message(
    mention_first: bool, parts: Parts
) -> None:
    twins = [recorded("app_mention"), recorded("message_channel_mention")]
    statuses = await parts.deliver(*(twins if mention_first else twins[::-1]))

    (turn,) = await parts.turns()
    assert statuses == [200, 200]
    assert [message.text for message in turn.messages] == ["set the kitchen to 23"]
    assert turn.messages[0].mentioned


async def test_nothing_is_left_of_a_message_that_is_none_of_ours(parts: Parts) -> None:
    await parts.deliver(
        recorded("message_channel_unrelated"),
        recorded("message_channel_thread_reply"),
        recorded("message_group_thread_broadcast"),
        recorded("message_changed_unfurl"),
        recorded("message_changed_reply_count"),
        recorded("message_changed_own_echo"),
        recorded("message_own"),
        recorded("message_other_bot"),
        recorded("message_classic_bot"),
        recorded("message_channel_join"),
        recorded("message_deleted_unrelated"),
        recorded("reaction_added"),
        recorded("team_join"),
    )

    assert await parts.rows() == {}


async def test_a_reply_in_our_thread_is_kept(parts: Parts) -> None:
    await parts.deliver(
        recorded("app_mention"), recorded("message_channel_thread_reply")
    )

    (turn,) = await parts.turns()
    assert len(turn.messages) == 2


async def test_an_edit_before_the_answer_changes_the_question(parts: Parts) -> None:
    await parts.deliver(
        recorded("app_mention"),
        recorded("message_changed_edit"),
        recorded("app_mention_after_edit"),
    )

    (turn,) = await parts.turns()
    assert [message.text for message in turn.messages] == ["set the kitchen to 21"]


@pytest.mark.parametrize("name", ["message_deleted", "message_changed_tombstone"])
@pytest.mark.parametrize("is_overtaken", [False, True])
async def test_a_removed_question_is_not_answered(
    name: str, is_overtaken: bool, parts: Parts
) -> None:
    payloads = [recorded("app_mention"), recorded(name)]
    await parts.deliver(*(payloads[::-1] if is_overtaken else payloads))

    assert await parts.turns() == []


async def test_a_stranger_is_told_once_for_both_events_of_a_mention(
    parts: Parts,
) -> None:
    message = recorded("message_external_author")
    mention = event("message_external_author", type="app_mention", channel_type=...)
    await parts.deliver(message, mention, message)
    await parts.intake.close()

    assert len(parts.told.notices) == 1
    assert await parts.turns() == []


async def test_stop_ends_the_turn_of_its_button_and_no_other(parts: Parts) -> None:
    await parts.deliver(recorded("app_mention"))
    (turn,) = await parts.turns()
    parts.told.here = {turn.turn_id}
    click = recorded("block_actions_stop")
    click["actions"][0]["value"] = str(turn.turn_id + 1)
    await parts.deliver(click)
    click["actions"][0]["value"] = str(turn.turn_id)
    await parts.deliver(click)
    await parts.intake.close()

    assert [stop.turn_id for stop in parts.told.stopped] == [turn.turn_id]
    assert [user_id for _, user_id, _ in parts.told.notices] == [ANA]


async def test_what_the_database_refuses_is_not_acknowledged(parts: Parts) -> None:
    async with parts.database.write() as transaction:
        await transaction.execute(text("ALTER TABLE inbox RENAME TO elsewhere"))
    refused = await parts.deliver(recorded("app_mention"))
    async with parts.database.write() as transaction:
        await transaction.execute(text("ALTER TABLE elsewhere RENAME TO inbox"))
    taken = await parts.deliver(recorded("app_mention"))

    assert refused + taken == [500, 200]
    assert len(await parts.turns()) == 1
