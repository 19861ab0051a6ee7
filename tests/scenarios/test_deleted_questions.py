"""Questions that are deleted while they are being answered."""

from tests.scenarios.shown import STATUS, rooms_changed, with_postgres, with_sqlite
from tests.scenarios.world import World, cards_of, in_every_setting, line_of, text_of

GENERAL = "#general"
GONE = "cancelled · question deleted"


@in_every_setting
async def test_an_answer_whose_question_is_deleted_ends_and_keeps_its_words(
    world: World,
) -> None:
    world.sandbox.model.rate = 60
    root = await world.ask("@threadline tell me a very long story")
    await world.until(lambda: [m for m in world.said(root) if text_of(m)])
    await world.sandbox.delete("ana", GENERAL, root)

    text = await world.answered(root)
    (message,) = world.said(root)
    assert line_of(message) == GONE
    assert text.startswith("Once upon a time")
    assert message.buttons == {}
    (request,) = world.sandbox.model.requests
    await world.until(lambda: request.ended)
    assert request.ended == "hung up"


async def test_an_answer_without_a_word_goes_away_with_its_question(
    world: World,
) -> None:
    # Without a status a message is there at once.
    world.sandbox.fault(STATUS, "error", value="unknown_method")
    world.sandbox.model.first_token_delay = 30
    root = await world.ask("@threadline tell me a story")
    await world.until(lambda: world.said(root))
    await world.until(lambda: world.sandbox.model.requests)
    await world.sandbox.delete("ana", GENERAL, root)

    await world.until(lambda: not world.said(root))
    world.sandbox.model.first_token_delay = 0
    other = await world.ask("@threadline say exactly: other")
    assert await world.answered(other) == "other"
    assert world.said(root) == []


@with_postgres
async def test_what_the_tools_did_stays_in_view_when_the_question_goes(
    world: World,
) -> None:
    root = await world.ask("@threadline say exactly: hello")
    await world.answered(root)
    world.sandbox.model.fault("slow_first_token", value=0)
    world.sandbox.model.fault("slow_first_token", value=30)
    question = await world.remark("set the kitchen to 25", thread_ts=root)
    await world.until(lambda: [m for m in world.said(root) if cards_of(m)])
    await world.until(lambda: len(world.sandbox.model.requests) == 3)
    await world.sandbox.delete("ana", GENERAL, question)

    await world.answered(root, times=2)
    _, card, _ = world.said(root)
    assert "Kitchen" in " ".join(cards_of(card))
    assert line_of(world.said(root)[-1]) == GONE
    assert await rooms_changed(world) == [("kitchen", 22.0, 25.0, "ana")]


@with_sqlite
async def test_of_two_questions_answered_together_one_may_go(world: World) -> None:
    world.sandbox.model.rate = 60
    root = await world.ask("@threadline tell me a story")
    await world.until(lambda: world.said(root))
    first = await world.remark("say exactly: one", thread_ts=root)
    await world.remark("say exactly: two", thread_ts=root)
    world.sandbox.model.rate = 0
    world.sandbox.model.first_token_delay = 1
    await world.until(lambda: len(world.sandbox.model.requests) == 2)
    await world.sandbox.delete("ana", GENERAL, first)
    await world.acknowledged(first, times=2)

    await world.answered(root, times=2)
    assert line_of(world.said(root)[-1]).startswith("completed")
