"""Who has waited long is called, once, to what has become of the answer."""

from app.sandbox.server import Sandbox
from tests.scenarios import database
from tests.scenarios.conftest import NewWorld, Setting
from tests.scenarios.shown import POST, with_postgres, with_sqlite
from tests.scenarios.world import World, is_finished, line_of, living

HELLO = "@threadline say exactly: hello"
GENERAL = "#general"
# The shortest that there is; the model is given as long.
AT_ONCE = {"NOTIFY_AFTER": "1"}
READY = r"My answer is ready, after 1 s."


async def told(world: World, thread_ts: str, channel: str = GENERAL) -> str:
    """Wait for what follows the end of an answer; return it as people see it."""
    await world.until(
        lambda: [m for m in world.said(thread_ts, channel) if "answer" in m.text]
    )
    end, note = world.said(thread_ts, channel)
    assert is_finished(end)
    return note.seen


async def test_who_asked_is_called_once_to_an_answer_that_took_long(
    new_world: NewWorld,
) -> None:
    world = await new_world(AT_ONCE)
    world.sandbox.model.first_token_delay = 1.1
    root = await world.ask(HELLO, user="ben")

    ben = world.sandbox.people["ben"].user_id
    assert await told(world, root) == f"<@{ben}> {READY}"
    (note,) = [
        each
        for each in world.sandbox.notifications("ben")
        if each.ts == world.said(root)[-1].ts
    ]
    assert note.why == "mention"


@with_postgres
async def test_everybody_who_is_answered_is_called(new_world: NewWorld) -> None:
    world = await new_world(AT_ONCE)
    world.sandbox.model.rate = 200
    root = await world.ask("@threadline tell me a story")
    await world.until(lambda: world.said(root))
    await world.remark("@threadline say exactly: hello", user="ben", thread_ts=root)
    await world.remark("@threadline say exactly: hello", user="ana", thread_ts=root)
    world.sandbox.model.first_token_delay = 1.1
    world.sandbox.model.rate = 0

    ids = {name: world.sandbox.people[name].user_id for name in ("ana", "ben")}
    await world.until(
        lambda: (
            world.said(root)[-1].text
            == f"<@{ids['ben']}> <@{ids['ana']}> My answer is ready, after 1 s."
        )
    )


@with_sqlite
async def test_a_note_whose_answer_was_lost_is_not_posted_again(
    new_world: NewWorld,
) -> None:
    world = await new_world(AT_ONCE)
    world.sandbox.model.first_token_delay = 1.1
    root = await world.ask(HELLO)
    await world.until(lambda: world.sandbox.model.requests)
    world.sandbox.fault(POST, "delay", value=0.0)
    world.sandbox.fault(POST, "drop_after")

    assert READY in await told(world, root)
    again = await world.ask("say exactly: again", thread_ts=root)
    assert await world.answered(again, times=2) == "again"
    assert len([each for each in world.said(root) if READY in each.text]) == 1


async def test_a_failure_after_a_minute_calls_who_asked_also_from_another_process(
    sandbox: Sandbox, setting: Setting
) -> None:
    sandbox.model.first_token_delay = 30
    url, over_http = setting.database_url, setting.over_http
    async with living(sandbox, url, over_http=over_http) as world:
        root = await world.ask(HELLO)
        await world.until(lambda: sandbox.model.requests)
    await database.rows(url, "UPDATE turns SET claimed_at = claimed_at - 90")
    sandbox.model.first_token_delay = 0
    sandbox.model.fault("quota")
    async with living(sandbox, url, over_http=over_http) as world:
        ana = sandbox.people["ana"].user_id
        note = await told(world, root)

    assert note.startswith(f"<@{ana}> I could not answer this, after 1 min 3")
    assert note.endswith("The reason stands above.")
    assert "failed" in line_of(world.said(root)[0])


@with_sqlite
async def test_what_was_stopped_or_was_quick_calls_nobody(
    sandbox: Sandbox, setting: Setting
) -> None:
    sandbox.model.first_token_delay = 30
    url = setting.database_url
    async with living(sandbox, url, over_http=False) as world:
        root = await world.ask("@threadline tell me a story")
        await world.until(lambda: sandbox.model.requests)
    await database.rows(url, "UPDATE turns SET claimed_at = claimed_at - 300")
    async with living(sandbox, url, over_http=False) as world:
        await world.until(lambda: len(sandbox.model.requests) == 2)
        await world.ask("stop", thread_ts=root)
        await world.answered(root)
        sandbox.model.first_token_delay = 0
        await world.ask("say exactly: hello", thread_ts=root)
        assert (await world.answered(root, times=2)).endswith("hello")

    assert len(world.said(root)) == 2
    assert all(is_finished(each) for each in world.said(root))
