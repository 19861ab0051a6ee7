"""The word stop: what it ends, whose it must be, and where it is only a word."""

from tests.scenarios.world import World, in_every_setting, line_of, text_of

STORY = "@threadline tell me a long story"


async def telling(world: World, channel: str = "#general", user: str = "ana") -> str:
    """Let a story be under way, slowly; return its thread."""
    world.sandbox.model.rate = 150
    root = await world.ask(STORY, channel=channel, user=user)
    await world.until(
        lambda: any(len(text_of(each)) > 30 for each in world.said(root, channel))
    )
    return root


@in_every_setting
async def test_stop_ends_the_answer_and_what_was_written_stays(world: World) -> None:
    root = await telling(world)
    await world.ask("stop", thread_ts=root)

    text = await world.answered(root)
    assert text.startswith("Once upon a time")
    assert not text.endswith("The end.")
    assert line_of(world.said(root)[-1]).startswith("cancelled · stopped by Ana after ")
    assert world.said(root)[-1].buttons == {"threadline_retry": "Retry"}


async def test_stop_is_not_answered_itself(world: World) -> None:
    root = await telling(world)
    await world.ask("Stop!", thread_ts=root)
    await world.answered(root)
    await world.ask("say exactly: on we go", thread_ts=root)

    assert await world.answered(root, times=2) == "on we go"
    assert len(world.sandbox.model.requests) == 2
    assert not any("Stop!" in said for said in world.heard)


async def test_stop_in_a_direct_message_ends_the_answer(world: World) -> None:
    root = await telling(world, "dm:ana")
    await world.ask("stop", channel="dm:ana", thread_ts=root)

    await world.answered(root, "dm:ana")
    line = line_of(world.said(root, "dm:ana")[-1])
    assert line.startswith("cancelled · stopped by Ana after ")


async def test_with_two_people_stop_without_a_mention_ends_nothing(
    world: World,
) -> None:
    root = await telling(world)
    await world.remark("nice", user="ben", thread_ts=root)
    await world.remark("stop", user="ben", thread_ts=root)
    await world.remark("stop", thread_ts=root)
    world.sandbox.model.rate = 0

    assert (await world.answered(root)).endswith("The end.")


async def test_with_two_people_stop_with_a_mention_ends_the_answer(
    world: World,
) -> None:
    root = await telling(world)
    await world.remark("nice", user="ben", thread_ts=root)
    await world.ask("@threadline stop", user="ben", thread_ts=root)

    await world.answered(root)
    line = line_of(world.said(root)[-1])
    assert line.startswith("cancelled · stopped by Ben after ")


async def test_stop_is_ordinary_text_where_nothing_runs(world: World) -> None:
    root = await world.ask("@threadline stop")

    await world.answered(root)
    assert world.heard == ["Ana: stop"]


async def test_a_sentence_with_stop_in_it_is_ordinary_text(world: World) -> None:
    root = await telling(world)
    await world.ask("stop the heating, say exactly: no", thread_ts=root)
    world.sandbox.model.rate = 0

    assert (await world.answered(root)).endswith("The end.")
    await world.answered(root, times=2)
    assert world.heard[-1] == "Ana: stop the heating, say exactly: no"


async def test_stop_also_drops_what_its_author_has_waiting_and_nobody_elses(
    world: World,
) -> None:
    root = await telling(world)
    await world.remark("@threadline say exactly: Ana's", thread_ts=root)
    await world.remark("@threadline say exactly: Ben's", user="ben", thread_ts=root)
    await world.ask("@threadline stop", thread_ts=root)
    await world.answered(root)
    world.sandbox.model.rate = 0

    assert await world.answered(root, times=2) == "Ben's"
    assert world.heard[-1] == "Ben: say exactly: Ben's"
    assert not any("Ana's" in said for said in world.heard)
