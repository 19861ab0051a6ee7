"""Who is answered in a thread, and what the model gets to know of the others."""

from tests.scenarios.world import World, in_every_setting, line_of

HELLO = "@threadline say exactly: hello"
MORE_PEOPLE = "more people here: mention me to go on"


@in_every_setting
async def test_while_one_person_writes_in_its_thread_no_mention_is_needed(
    world: World,
) -> None:
    root = await world.ask(HELLO)
    await world.answered(root)
    await world.ask("say exactly: still here", thread_ts=root)

    assert await world.answered(root, times=2) == "still here"


async def test_once_a_second_person_writes_a_mention_is_needed(world: World) -> None:
    root = await world.ask(HELLO)
    await world.answered(root)
    await world.remark("I have read it", user="ben", thread_ts=root)
    await world.remark("say exactly: not asked", thread_ts=root)
    await world.ask("@threadline say exactly: asked", thread_ts=root)

    assert await world.answered(root, times=2) == "asked"
    assert len(world.sandbox.model.requests) == 2


async def test_when_a_second_person_joins_the_last_answer_says_once_what_is_needed_now(
    world: World,
) -> None:
    root = await world.ask(HELLO)
    await world.answered(root)
    await world.remark("I have read it", user="ben", thread_ts=root)
    await world.until(lambda: MORE_PEOPLE in line_of(world.said(root)[-1]))
    await world.remark("So have I", user="chloe", thread_ts=root)
    await world.ask("@threadline say exactly: again", user="ben", thread_ts=root)

    assert await world.answered(root, times=2) == "again"
    first, second = world.said(root)
    assert line_of(first).startswith("completed · ")
    assert line_of(first).endswith(f" · {MORE_PEOPLE}")
    assert MORE_PEOPLE not in line_of(second)
    assert first.buttons == {}


async def test_a_second_person_who_joins_by_a_mention_reads_it_under_their_own_answer(
    world: World,
) -> None:
    root = await world.ask(HELLO)
    await world.answered(root)
    await world.ask("@threadline say exactly: welcome", user="ben", thread_ts=root)

    assert await world.answered(root, times=2) == "welcome"
    first, second = world.said(root)
    assert MORE_PEOPLE not in line_of(first)
    assert MORE_PEOPLE in line_of(second)


async def test_a_second_person_who_joins_during_an_answer_reads_it_under_that_answer(
    world: World,
) -> None:
    world.sandbox.model.rate = 20
    root = await world.ask("@threadline tell me a story")
    await world.until(lambda: world.said(root))
    await world.remark("I am reading along", user="ben", thread_ts=root)
    await world.until(lambda: MORE_PEOPLE in line_of(world.said(root)[-1]))
    world.sandbox.model.rate = 2_000

    assert (await world.answered(root)).endswith("The end.")
    assert MORE_PEOPLE in line_of(world.said(root)[-1])


async def test_a_message_that_opens_by_mentioning_somebody_else_is_for_them(
    world: World,
) -> None:
    root = await world.ask(HELLO)
    await world.answered(root)
    await world.remark("@ben say exactly: for Ben", thread_ts=root)
    await world.ask("say exactly: for the bot", thread_ts=root)

    assert await world.answered(root, times=2) == "for the bot"
    assert len(world.sandbox.model.requests) == 2


async def test_a_followed_thread_is_answered_whoever_writes(world: World) -> None:
    root = await world.ask(HELLO)
    await world.answered(root)
    await world.ask("@threadline follow", thread_ts=root)
    confirmation = await world.answered(root, times=2)
    await world.ask("say exactly: for Ben", user="ben", thread_ts=root)

    assert "answer everything in this thread" in confirmation
    assert await world.answered(root, times=3) == "for Ben"
    assert MORE_PEOPLE not in line_of(world.said(root)[-1])


async def test_only_when_mentioned_keeps_it_from_answering_even_one_person(
    world: World,
) -> None:
    root = await world.ask(HELLO)
    await world.answered(root)
    await world.ask("@threadline only when mentioned", thread_ts=root)
    confirmation = await world.answered(root, times=2)
    await world.remark("say exactly: not asked", thread_ts=root)
    await world.ask("@threadline say exactly: asked", thread_ts=root)

    assert "only when I'm mentioned" in confirmation
    assert await world.answered(root, times=3) == "asked"


async def test_the_word_follow_without_a_mention_is_an_ordinary_message(
    world: World,
) -> None:
    root = await world.ask(HELLO)
    await world.answered(root)
    await world.ask("follow", thread_ts=root)
    await world.answered(root, times=2)
    await world.remark("I am here too", user="ben", thread_ts=root)
    await world.remark("say exactly: not asked", thread_ts=root)
    await world.ask("@threadline say exactly: asked", thread_ts=root)

    assert await world.answered(root, times=3) == "asked"


async def test_what_was_not_answered_is_context_for_the_next_turn(
    world: World,
) -> None:
    root = await world.ask(HELLO)
    await world.answered(root)
    await world.remark("I'd like 19 in the bedroom", user="ben", thread_ts=root)
    await world.ask("@threadline what did Ben say?", thread_ts=root)

    assert "I'd like 19 in the bedroom" in await world.answered(root, times=2)
    assert world.heard[1:] == [
        "(overheard) Ben: I'd like 19 in the bedroom",
        "Ana: what did Ben say?",
    ]


async def test_the_model_learns_who_says_what(world: World) -> None:
    root = await world.ask("@threadline who am I?")
    first = await world.answered(root)
    await world.ask("@threadline who am I?", user="chloe", thread_ts=root)
    second = await world.answered(root, times=2)

    assert first == "You are Ana."
    assert second == "You are Chloé."


async def test_people_who_are_mentioned_are_named_to_the_model(world: World) -> None:
    root = await world.ask("@threadline what does @ben want?")
    await world.answered(root)

    assert world.heard == ["Ana: what does @Ben want?"]


async def test_a_first_mention_in_a_thread_reads_what_was_said_there_once(
    world: World,
) -> None:
    root = await world.remark("Who has the key?")
    await world.remark("I gave it to Chloe", user="ben", thread_ts=root)
    await world.ask("@threadline what did Ben say?", thread_ts=root)
    first = await world.answered(root)
    await world.ask("@threadline say exactly: again", thread_ts=root)
    await world.answered(root, times=2)

    assert "I gave it to Chloe" in first
    assert world.heard[:3] == [
        "(overheard) Ana: Who has the key?",
        "(overheard) Ben: I gave it to Chloe",
        "Ana: what did Ben say?",
    ]
    assert len(world.sandbox.calls("conversations.replies")) == 1


async def test_of_a_long_thread_the_newest_fifty_messages_are_read(
    world: World,
) -> None:
    root = await world.ask("message 0")
    for number in range(1, 60):
        await world.ask(f"message {number}", thread_ts=root)
    # Else some of them arrive after the mention, and are overheard as they come.
    await world.sandbox.settle()
    await world.ask("@threadline say exactly: read", user="ben", thread_ts=root)
    await world.answered(root)

    earlier = world.heard[:-1]
    assert earlier == [f"(overheard) Ana: message {number}" for number in range(10, 60)]


async def test_where_the_thread_may_not_be_read_it_says_so_and_answers(
    world: World,
) -> None:
    world.sandbox.fault("conversations.replies", "error", value="missing_scope")
    root = await world.remark("Who has the key?")
    await world.ask("@threadline say exactly: hello", user="ben", thread_ts=root)

    assert await world.answered(root) == "hello"
    assert any(
        "can't read what was said earlier" in message.seen
        for message in world.said(root)
    )


async def test_an_empty_mention_answers_what_was_said_before_it(world: World) -> None:
    root = await world.remark("Who has the key?", user="ben")
    await world.ask("@threadline", thread_ts=root)

    assert "Who has the key?" in await world.answered(root)


async def test_an_empty_mention_in_an_empty_thread_gives_a_hint(world: World) -> None:
    root = await world.ask("@threadline")

    assert "Ask me something after the mention" in await world.answered(root)
    assert len(world.sandbox.model.requests) == 0


async def test_a_mention_with_nothing_but_emoji_is_answered(world: World) -> None:
    root = await world.ask("@threadline :wave: 🎉🎉")

    assert await world.answered(root)
    assert len(world.heard) == 1
