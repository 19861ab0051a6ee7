"""When edits are sent: on a virtual clock, whatever happens in whatever order."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st

from app.errors import (
    DatabaseUnavailable,
    LeaseLost,
    MessageGone,
    RateLimited,
    SlackUnavailable,
)
from app.slack.replies.message import LAST_GAP, Method, Priority
from app.slack.replies.scheduler import EditScheduler
from tests.unit.slack.outward.board import (
    Board,
    LentBucket,
    Writer,
    at_most,
    on_a_board,
)


def test_a_change_is_sent_at_once_and_the_newest_text_wins() -> None:
    async def story(board: Board) -> None:
        writer = Writer(board, "a")
        writer.write("one")
        writer.write(" two")
        await writer.finish()
        assert writer.shown == ["one two"]
        assert board.clock.now() == pytest.approx(0.1)

    on_a_board(story)


def test_a_text_is_cut_when_it_is_sent_and_not_when_it_is_marked() -> None:
    async def story(board: Board) -> None:
        writer = Writer(board, "a")
        writer.write("one")
        await asyncio.sleep(0.5)
        writer.write(" two")
        await asyncio.sleep(0.3)
        writer.text += " three"
        await writer.finish()
        assert writer.shown == ["one", "one two three"]

    on_a_board(story)


def test_what_changes_during_a_call_is_sent_after_it() -> None:
    async def story(board: Board) -> None:
        writer = Writer(board, "a")
        writer.latency = 5
        writer.write("one")
        await asyncio.sleep(1)
        writer.write(" two")
        await writer.finish()
        assert writer.shown == ["one", "one two"]
        assert board.calls[1][0] >= 5 + LAST_GAP

    on_a_board(story)


def test_the_same_text_is_not_sent_twice_and_costs_nothing() -> None:
    async def story(board: Board) -> None:
        writer = Writer(board, "a")
        writer.write("one")
        await writer.message.settled()
        for _ in range(50):
            writer.write("")
            await asyncio.sleep(0.05)
        assert len(board.calls) == 1
        started = board.clock.now()
        for _ in range(10):
            each = Writer(board, "c")
            each.message.method = Method.UPDATE
            each.write("x", Priority.DATA)
        await asyncio.sleep(0.5)
        assert len(board.calls) == 11
        assert board.calls[-1][0] - started < 0.1

    on_a_board(story)


def test_edits_of_one_message_are_a_second_apart_and_slower_if_it_says_so() -> None:
    async def story(board: Board) -> None:
        writer = Writer(board, "a")
        for _ in range(60):
            writer.write("x")
            await asyncio.sleep(0.1)
        times = [at for at, *_ in board.calls]
        assert min(later - sooner for sooner, later in pairwise(times)) >= 1
        writer.message.gap = 3.0
        count = len(times)
        for _ in range(100):
            writer.write("x")
            await asyncio.sleep(0.1)
        slow = [at for at, *_ in board.calls][count:]
        assert min(later - sooner for sooner, later in pairwise(slow)) >= 3

    on_a_board(story)


def test_an_end_does_not_wait_for_the_slower_pace() -> None:
    async def story(board: Board) -> None:
        writer = Writer(board, "a")
        writer.message.gap = 30.0
        writer.write("x")
        await writer.message.settled()
        writer.text += "y"
        await writer.finish()
        assert board.clock.now() < 1.5

    on_a_board(story)


def test_nothing_is_sent_before_its_time_unless_it_becomes_urgent() -> None:
    async def story(board: Board) -> None:
        early, late = Writer(board, "early"), Writer(board, "late", "C2")
        for writer in (early, late):
            writer.text = "x"
            board.scheduler.mark_dirty(
                writer.message, Priority.FIRST_PAINT, not_before=2.0
            )
        board.scheduler.mark_dirty(early.message, Priority.FIRST_PAINT, not_before=0.5)
        await asyncio.sleep(3)
        assert [round(at, 1) for at, *_ in board.calls] == [0.5, 2.0]

    on_a_board(story)


def test_a_channel_gets_two_posts_then_one_a_second_and_others_do_not_wait() -> None:
    async def story(board: Board) -> None:
        same = [Writer(board, f"a{n}") for n in range(5)]
        other = Writer(board, "b", "C2")
        for writer in (*same, other):
            writer.write("x")
        await asyncio.gather(*(each.finish() for each in (*same, other)))
        times = [at for at, name, *_ in board.calls if name != "b"]
        assert at_most(times, 2, 1)
        assert times[-1] >= 3
        assert next(at for at, name, *_ in board.calls if name == "b") < 0.1

    on_a_board(story)


def test_one_teams_rush_does_not_slow_another() -> None:
    async def story(board: Board) -> None:
        rush = [Writer(board, f"a{n}", f"C{n}") for n in range(40)]
        for writer in rush:
            writer.message.method = Method.UPDATE
            writer.write("x")
        other = Writer(board, "b", team="T2")
        other.message.method = Method.UPDATE
        other.write("x")
        await other.finish()
        assert board.clock.now() < 0.2

    on_a_board(story)


def test_ends_go_first_then_cards_then_first_words_then_text_then_lines() -> None:
    async def story(board: Board) -> None:
        for n in range(10):
            full = Writer(board, f"full{n}")
            full.message.method = Method.UPDATE
            full.write("x", Priority.FINAL)
        await asyncio.sleep(0)
        for priority in reversed(Priority):
            writer = Writer(board, priority.name)
            writer.message.method = Method.UPDATE
            writer.write("x", priority)
        await asyncio.sleep(60)
        names = [name for _, name, *_ in board.calls][10:]
        assert names == [priority.name for priority in Priority]

    on_a_board(story)


def test_of_two_texts_the_one_unseen_longest_goes_first() -> None:
    async def story(board: Board) -> None:
        for n in range(10):
            full = Writer(board, f"full{n}")
            full.message.method = Method.UPDATE
            full.write("x", Priority.FINAL)
        writers = [Writer(board, f"w{n}") for n in range(4)]
        for writer in writers:
            writer.message.method = Method.UPDATE
            writer.write("x")
            await asyncio.sleep(0.01)
        writers[0].write("more")
        await asyncio.sleep(60)
        assert [name for _, name, *_ in board.calls][10:] == ["w0", "w1", "w2", "w3"]

    on_a_board(story)


def test_a_line_waits_for_all_text_but_not_for_ever() -> None:
    async def story(board: Board) -> None:
        writers = [Writer(board, f"w{n}") for n in range(20)]
        line = Writer(board, "line")
        for writer in (*writers, line):
            writer.message.method = Method.UPDATE
        for second in range(90):
            for writer in writers:
                writer.write("x")
            if second == 20:
                line.write("x", Priority.STATUS)
            await asyncio.sleep(1)
        at = next(at for at, name, *_ in board.calls if name == "line")
        assert 50 <= at < 53

    on_a_board(story)


def test_a_pause_that_slack_asks_for_holds_for_the_whole_budget() -> None:
    async def story(board: Board) -> None:
        first, second = Writer(board, "a"), Writer(board, "b", "C2")
        for writer in (first, second):
            writer.message.method = Method.UPDATE
        first.faults = [RateLimited("chat.update", 20)]
        first.write("x")
        await asyncio.sleep(0.2)
        second.write("y", Priority.FINAL)
        first.write("z", Priority.FINAL)
        await asyncio.gather(first.finish(), second.finish())
        assert [at for at, *_ in board.calls][1] >= 20
        assert (first.shown, second.shown) == (["xz"], ["y"])

    on_a_board(story)


def test_a_token_is_kept_for_the_ends_of_growing_messages() -> None:
    async def story(board: Board) -> None:
        writers = [Writer(board, f"a{n}", f"C{n}") for n in range(8)]
        for _ in range(300):
            for writer in writers:
                writer.write("x")
            await asyncio.sleep(0.1)
        started = board.clock.now()
        await asyncio.gather(*(each.finish() for each in writers[:4]))
        assert board.clock.now() - started < 1.5

    on_a_board(story)


@pytest.mark.parametrize("error", [SlackUnavailable("timeout"), DatabaseUnavailable()])
def test_a_final_text_arrives_after_an_outage(error: Exception) -> None:
    async def story(board: Board) -> None:
        writer = Writer(board, "a")
        writer.faults = [error] * 8
        writer.write("x")
        await writer.finish()
        assert writer.shown == ["x"]
        gaps = [later[0] - sooner[0] for sooner, later in pairwise(board.calls)]
        assert all(later > sooner - 0.01 for sooner, later in pairwise(gaps))
        assert max(gaps) < 32

    on_a_board(story)


def test_patience_ends_after_a_quarter_of_an_hour() -> None:
    async def story(board: Board) -> None:
        writer = Writer(board, "a")
        writer.faults = [SlackUnavailable("timeout")] * 1_000
        writer.write("x")
        await writer.finish()
        assert isinstance(writer.message.error, SlackUnavailable)
        assert 900 <= board.clock.now() < 940
        assert len(board.calls) < 60

    on_a_board(story)


@pytest.mark.parametrize(
    "error", [MessageGone("message_not_found"), LeaseLost(), ZeroDivisionError()]
)
def test_an_error_that_stays_ends_the_message_and_nothing_else(
    error: Exception,
) -> None:
    async def story(board: Board) -> None:
        broken, whole = Writer(board, "a"), Writer(board, "b", "C2")
        broken.faults = [error]
        for writer in (broken, whole):
            writer.write("x")
        await asyncio.gather(broken.finish(), whole.finish())
        broken.write("more")
        await asyncio.sleep(10)
        assert (broken.message.error, broken.shown) == (error, [])
        assert whole.shown == ["x"]
        assert [name for _, name, *_ in board.calls] == ["a", "b"]

    on_a_board(story)


def test_nothing_happens_while_nothing_changes() -> None:
    async def story(board: Board) -> None:
        wakes = 0

        async def sleep_until(moment: float) -> None:
            nonlocal wakes
            wakes += 1
            await board.clock.sleep_until(moment)

        board.scheduler = EditScheduler(now=board.clock.now, sleep_until=sleep_until)
        writer = Writer(board, "a")
        writer.write("x")
        await writer.finish()
        before = wakes
        await asyncio.sleep(10_000)
        assert wakes - before <= 1

    on_a_board(story)


def test_thousands_of_messages_settle_and_are_forgotten() -> None:
    async def story(board: Board) -> None:
        writers = [
            Writer(board, f"a{n}", f"C{n % 50}", f"T{n % 20}") for n in range(1_000)
        ]
        for writer in writers:
            writer.latency = 0
            writer.write("x")
        await asyncio.gather(*(each.finish() for each in writers))
        for writer in writers:
            board.scheduler.close_message(writer.message)
        await asyncio.sleep(100)
        assert board.scheduler._timers == []
        workspaces = board.scheduler._places._workspaces.values()
        assert all(each.is_idle(board.clock.now()) for each in workspaces)

    on_a_board(story)


def test_tokens_from_elsewhere_are_waited_for_and_used_as_they_come() -> None:
    async def story(board: Board) -> None:
        lent = LentBucket()
        board.use(lambda _team, _method: lent)
        writers = [Writer(board, f"w{n}", f"C{n}") for n in range(3)]
        for writer in writers:
            writer.message.method = Method.UPDATE
            writer.write("x", Priority.FINAL)
        await asyncio.sleep(7)
        assert board.calls == []
        lent.lend(2)
        await asyncio.sleep(7)
        lent.lend(1)
        await asyncio.sleep(0.5)
        assert [round(at) for at, *_ in board.calls] == [7, 7, 14]

    on_a_board(story)


def test_a_bucket_hears_how_its_calls_went() -> None:
    async def story(board: Board) -> None:
        lent = LentBucket()
        lent.lent = 9
        board.use(lambda _team, _method: lent)
        writer = Writer(board, "a")
        writer.message.method = Method.UPDATE
        writer.faults = [RateLimited("chat.update", 5), SlackUnavailable("timeout")]
        writer.write("x")
        await writer.finish()
        heard = [(round(at), seconds) for at, seconds in lent.heard]
        assert heard == [(0, 5), (7, None)]

    on_a_board(story)


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.sampled_from(["write", "write", "write", "429", "503", "db", "slow"]),
        st.floats(0, 3),
    ),
    max_size=60,
)


@settings(max_examples=60)
@given(EVENTS)
def test_whatever_happens_texts_only_grow_and_the_last_one_arrives(
    events: list[tuple[int, str, float]],
) -> None:
    async def story(board: Board) -> None:
        writers = [Writer(board, f"w{n}", f"C{n % 2}") for n in range(5)]
        for number, event, wait in events:
            writer = writers[number]
            match event:
                case "write":
                    writer.write(f"{len(writer.text)} ")
                case "429":
                    writer.faults.append(RateLimited("chat.update", 1 + wait))
                case "503":
                    writer.faults.append(SlackUnavailable("http_503"))
                case "db":
                    writer.faults.append(DatabaseUnavailable())
                case _:
                    writer.latency = wait
            await asyncio.sleep(wait)
        for writer in writers:
            writer.text += "the end"
        await asyncio.gather(*(each.finish() for each in writers))
        for writer in writers:
            own = [at for at, name, *_ in board.calls if name == writer.name]
            assert writer.shown[-1] == writer.text
            assert writer.shown == sorted(writer.shown, key=len)
            assert all(after - before >= LAST_GAP for before, after in pairwise(own))
        for channel in ("C0", "C1"):
            names = {
                each.name for each in writers if each.message.channel_id == channel
            }
            posts = [
                at
                for at, name, method, _ in board.calls
                if method is Method.POST and name in names
            ]
            assert at_most(posts, 2, 1)

    on_a_board(story)


@settings(max_examples=15)
@given(st.integers(1, 40), st.floats(0.05, 2))
def test_a_minute_never_holds_more_edits_than_slack_takes(
    count: int, pace: float
) -> None:
    async def story(board: Board) -> None:
        writers = [Writer(board, f"w{n}") for n in range(count)]
        for writer in writers:
            writer.message.method = Method.UPDATE
        for _ in range(int(90 / pace)):
            for writer in writers:
                writer.write("x")
            await asyncio.sleep(pace)
        # What Slack has taken without a word, more of it is tried.
        assert at_most(board.all(Method.UPDATE), 60, 60)

    on_a_board(story)
