"""What every reply promises, whoever reads it: people in Slack, or a page."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

import pytest

from app.domain import Ending, RunError, RunStatus
from app.errors import PlaceClosed
from app.turns.reply import Reply
from app.web.lines import Lines
from app.web.reply import LineReply
from tests.contracts.reply_stage import (
    DONE,
    House,
    a_change,
    a_run,
    a_turn,
    in_a_house,
)
from tests.scenarios.use_assistant import parse_line


class Stage(Protocol):
    """A reply, and what its reader sees of it: texts and rooms, in order."""

    @property
    def reply(self) -> Reply: ...

    def seen(self) -> Sequence[str]: ...

    def shut(self) -> None:
        """Let the reader be out of reach from now on."""


Story = Callable[[Stage], Coroutine[Any, Any, None]]


class InSlack:
    def __init__(self, house: House, reply: Reply) -> None:
        self.reply = reply
        self._house = house

    def seen(self) -> Sequence[str]:
        return [
            "card: kitchen" if "▌" in message else message.split("\n")[0]
            for message in self._house.seen
        ]

    def shut(self) -> None:
        for method in ("chat.postMessage", "chat.update", "chat.startStream"):
            for _ in range(9):
                self._house.slack.fail(method, PlaceClosed("is_archived"))


class OnAPage:
    def __init__(self) -> None:
        self._lines = Lines()
        self._seen: list[str] = []
        self.reply = LineReply(a_turn(), self._lines, lambda: None)

    def seen(self) -> Sequence[str]:
        for line in self._lines.take().decode().splitlines():
            match parse_line(line):
                case "4", _:
                    self._seen.append("")
                case "0", text:
                    self._seen[-1] += text
                case "6", message:
                    self._seen.append(f"card: {message['data']['room']}")
        return self._seen

    def shut(self) -> None:
        self._lines.give_up()


@pytest.fixture(params=["slack", "stream", "page"])
def tell(request: pytest.FixtureRequest) -> Callable[[Story], None]:
    """Let a story happen to one kind of reply."""

    def in_slack(story: Story) -> None:
        async def main(house: House) -> None:
            await story(InSlack(house, await house.open()))

        in_a_house(main, is_streaming=request.param == "stream")

    def on_a_page(story: Story) -> None:
        asyncio.run(story(OnAPage()))

    return on_a_page if request.param == "page" else in_slack


Tell = Callable[[Story], None]


def test_text_and_data_messages_stand_in_the_order_of_the_calls(tell: Tell) -> None:
    async def story(stage: Stage) -> None:
        stage.reply.start_message("m")
        stage.reply.append("I'll set ")
        stage.reply.append("it.")
        stage.reply.attach(a_change(0))
        stage.reply.start_message("m2")
        stage.reply.append("It is set.")
        await stage.reply.finish(DONE)
        assert stage.seen() == ["I'll set it.", "card: kitchen", "It is set."]

    tell(story)


def test_a_data_message_is_shown_once(tell: Tell) -> None:
    async def story(stage: Stage) -> None:
        stage.reply.attach(a_change(0))
        stage.reply.attach(a_change(0))
        stage.reply.append("Done.")
        await stage.reply.finish(DONE)
        assert stage.seen() == ["card: kitchen", "Done."]

    tell(story)


def test_the_whole_text_wins_over_its_pieces(tell: Tell) -> None:
    async def story(stage: Stage) -> None:
        stage.reply.start_message("m")
        stage.reply.append("The kitchen")
        stage.reply.replace("The kitchen is warm.")
        await stage.reply.finish(DONE)
        assert stage.seen() == ["The kitchen is warm."]

    tell(story)


def test_a_text_begun_without_a_message_is_shown(tell: Tell) -> None:
    async def story(stage: Stage) -> None:
        stage.reply.append("Hello.")
        assert await stage.reply.finish(DONE) is None
        assert stage.seen() == ["Hello."]

    tell(story)


def test_what_was_said_stays_when_the_run_fails(tell: Tell) -> None:
    async def story(stage: Stage) -> None:
        stage.reply.show_status(a_run(RunStatus.IN_PROGRESS))
        stage.reply.show_step("setting kitchen")
        stage.reply.show_waiting(2)
        stage.reply.append("So far.")
        error = RunError(code="x", message="The model is not answering.")
        ending = Ending(status=RunStatus.FAILED, error=error, error_id="7f3a")
        assert await stage.reply.finish(ending) is None
        assert stage.seen() == ["So far."]

    tell(story)


def test_a_withdrawn_reply_leaves_nothing(tell: Tell) -> None:
    async def story(stage: Stage) -> None:
        await stage.reply.withdraw()
        assert stage.seen() == []

    tell(story)


def test_a_reader_out_of_reach_is_a_reason_and_no_error(tell: Tell) -> None:
    async def story(stage: Stage) -> None:
        stage.shut()
        stage.reply.start_message("m")
        stage.reply.append("Hello.")
        stage.reply.attach(a_change(0))
        assert await stage.reply.finish(DONE)
        assert stage.seen() == []

    tell(story)
