"""Whom a refusal holds back, as Slack does not say whose limit it was."""

import asyncio

from app.errors import RateLimited
from app.slack.replies.budget import POSTS, UPDATES, Bucket
from app.slack.replies.message import Method, Priority
from tests.unit.slack.outward.board import Board, Writer, on_a_board

SLOW_DOWN = RateLimited(Method.POST, 20)


def the_bucket(board: Board, method: Method) -> Bucket:
    return board.scheduler._places.lane("T1", method).bucket


def test_a_second_post_in_a_channel_that_is_refused_holds_back_only_that_channel() -> (
    None
):
    async def story(board: Board) -> None:
        first, second = Writer(board, "first"), Writer(board, "second")
        second.faults = [SLOW_DOWN]
        first.write("x")
        second.write("x")
        await asyncio.sleep(1)
        elsewhere = Writer(board, "elsewhere", "C2")
        elsewhere.write("x")
        await elsewhere.finish()
        assert board.clock.now() < 1.5
        assert the_bucket(board, Method.POST).per_second >= POSTS.per_second
        await second.finish()
        assert board.clock.now() >= 20

    on_a_board(story)


def test_a_post_alone_in_its_channel_that_is_refused_holds_back_the_workspace() -> None:
    async def story(board: Board) -> None:
        first, elsewhere = Writer(board, "first"), Writer(board, "elsewhere", "C2")
        first.faults = [SLOW_DOWN]
        first.write("x")
        await asyncio.sleep(1)
        elsewhere.write("x")
        await elsewhere.finish()
        assert board.clock.now() >= 20
        assert the_bucket(board, Method.POST).per_second < POSTS.per_second

    on_a_board(story)


def test_refusals_in_two_busy_channels_are_about_the_workspace() -> None:
    async def story(board: Board) -> None:
        writers = [Writer(board, f"{n}", f"C{n % 2}") for n in range(4)]
        for writer in writers[2:]:
            writer.faults = [SLOW_DOWN]
        for writer in writers:
            writer.write("x")
        await asyncio.sleep(1)
        elsewhere = Writer(board, "elsewhere", "C9")
        elsewhere.write("x")
        await elsewhere.finish()
        assert board.clock.now() >= 20
        assert the_bucket(board, Method.POST).per_second < POSTS.per_second

    on_a_board(story)


def test_a_refused_look_up_teaches_nothing_about_what_it_was_made_for() -> None:
    async def story(board: Board) -> None:
        looking, other = Writer(board, "looking"), Writer(board, "other", "C2")
        for writer in (looking, other):
            writer.message.method = Method.UPDATE
        looking.faults = [RateLimited("conversations.replies", 30)]
        looking.write("x", Priority.FINAL)
        await asyncio.sleep(1)
        other.write("x", Priority.FINAL)
        await other.finish()
        assert board.clock.now() < 1.5
        assert the_bucket(board, Method.UPDATE).per_second >= UPDATES.per_second
        await looking.finish()
        assert 30 <= board.clock.now() < 32

    on_a_board(story)
