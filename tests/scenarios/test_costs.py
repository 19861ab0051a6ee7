"""What answers cost, who is told, and what happens when the budget is used up."""

import logging
import re

import pytest

from tests.scenarios import database
from tests.scenarios.conftest import NewWorld, Setting
from tests.scenarios.shown import with_postgres, with_sqlite
from tests.scenarios.world import World, line_of

HELLO = "@threadline say exactly: hello"


async def test_what_an_answer_took_is_kept_and_not_shown(
    world: World, setting: Setting
) -> None:
    root = await world.ask("@threadline set the kitchen to 24")
    await world.answered(root)

    assert re.fullmatch(r"completed · \d s", line_of(world.said(root)[-1]))
    took = "SELECT input_tokens, output_tokens FROM turns"
    ((read, written),) = await database.rows(setting.database_url, took)
    assert read > written > 0


@with_sqlite
async def test_with_show_usage_the_line_tells_tokens_and_dollars(
    new_world: NewWorld,
) -> None:
    world = await new_world({"SHOW_USAGE": "true"})
    root = await world.ask(HELLO)
    await world.answered(root)

    assert re.fullmatch(
        r"completed · \d s · [\d,]+ tokens · \$0\.\d{4}", line_of(world.said(root)[-1])
    )


@with_sqlite
async def test_of_a_model_without_a_known_price_tokens_alone_are_told(
    new_world: NewWorld,
) -> None:
    world = await new_world({"SHOW_USAGE": "true", "OPENAI_MODEL": "llama4:70b"})
    root = await world.ask(HELLO)
    await world.answered(root)

    assert re.fullmatch(
        r"completed · \d s · [\d,]+ tokens", line_of(world.said(root)[-1])
    )


@with_postgres
async def test_once_the_budget_is_used_up_others_are_told_without_asking_again(
    world: World,
) -> None:
    world.sandbox.model.fault("quota")
    first = await world.ask(HELLO)
    await world.answered(first)
    second = await world.ask(HELLO, user="ben")
    await world.answered(second)

    told = "The budget for the model is used up. Please tell whoever runs me."
    assert told in line_of(world.said(second)[-1])
    assert len(world.sandbox.model.requests) == 1


@with_sqlite
async def test_the_id_that_people_see_is_in_the_log_beside_the_servers_own(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.sandbox.model.fault("quota")
    with caplog.at_level(logging.WARNING):
        root = await world.ask(HELLO)
        await world.answered(root)

    shown = re.search(r"id ([0-9a-f]{4})", line_of(world.said(root)[-1]))
    assert shown
    (record,) = [each for each in caplog.records if each.message == "run failed"]
    assert vars(record)["error_id"] == shown[1]
    assert vars(record)["request_id"].startswith("req_")
    theirs = "exceeded your current quota"
    assert theirs not in line_of(world.said(root)[-1])
    assert theirs not in repr([vars(each) for each in caplog.records])
