"""What lets runs go on, whether anybody reads them or not."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from itertools import chain, count, islice

from aiohttp import web

from app.sandbox.model.assistants import history
from app.sandbox.model.assistants.feed import Feed
from app.sandbox.model.assistants.progress import Progress
from app.sandbox.model.assistants.threads import Run, Thread
from app.sandbox.model.brain import think
from app.sandbox.model.control import Fault, FaultKind, ModelControl
from app.sandbox.model.events import Event
from app.sandbox.model.exchange import SORRY, TROUBLE
from app.sandbox.model.pace import HungUp, is_token, next_due, pause
from app.sandbox.model.plan import Output, Refuse
from app.sandbox.model.refusals import Refused

_AT_ONCE_SECONDS = 0.004
_AT_ONCE_EVENTS = 64
_LOOK_SECONDS = 0.05
_CAN_BE_CANCELLED = frozenset({"queued", "in_progress", "requires_action"})


class Runner:
    """All runs that are going on."""

    def __init__(self, control: ModelControl) -> None:
        self._control = control
        self._going: dict[str, tuple[Progress, Feed]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(
        self, thread: Thread, run: Run, fault: Fault | None, first: Sequence[Event] = ()
    ) -> Feed:
        """Let a queued run begin, with `first` before all other events."""
        progress = self._progress(thread, run, fault)
        opening = chain(first, progress.queued())
        return self._go(progress, _told(progress, opening, fault), fault)

    def go_on(self, thread: Thread, run: Run, fault: Fault | None) -> Feed:
        """Let a run go on that has got the outputs of its calls."""
        progress = self._progress(thread, run, fault)
        told = _told(progress, progress.queued_again(), fault)
        return self._go(progress, told, fault)

    def cancel(self, thread: Thread, run: Run) -> None:
        """Begin to cancel a run; `Refused` (400) if it is too late for that."""
        if run.status not in _CAN_BE_CANCELLED:
            message = f"Cannot cancel run with status '{run.status}'."
            raise Refused(400, message)
        if run.id in self._going:
            progress, feed = self._going[run.id]
            feed.put(progress.move("cancelling"))
        else:
            progress = self._progress(thread, run, None)
            progress.move("cancelling", required_action=None)
            self._go(progress, iter(()), None)

    def settle(self, thread: Thread) -> None:
        """Let the run expire that waited for its outputs for too long."""
        run = thread.active()
        if run and run.id not in self._going and run.is_late(self._control.now()):
            for _ in self._progress(thread, run, None).break_off("expired"):
                pass

    def forget(self, thread: Thread) -> None:
        """End what goes on in a thread that is no more."""
        for run_id in thread.runs.keys() & self._going.keys():
            _, feed = self._going.pop(run_id)
            self._tasks.pop(run_id).cancel()
            feed.close()

    async def stop(self, _: web.Application) -> None:
        """End everything: the server closes."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _progress(self, thread: Thread, run: Run, fault: Fault | None) -> Progress:
        most = run.most_tokens
        if fault and fault.kind is FaultKind.INCOMPLETE:
            most = run.tokens + int(fault.value)
        return Progress(
            thread=thread,
            run=run,
            now=self._control.now,
            prompt=history.prompt_tokens(thread, run),
            most_tokens=most,
        )

    def _go(
        self, progress: Progress, events: Iterator[Event], fault: Fault | None
    ) -> Feed:
        feed, run_id = Feed(), progress.run.id
        drive = self._drive(progress, events, feed, self._control.delay(fault))
        self._going[run_id] = progress, feed
        self._tasks[run_id] = asyncio.create_task(drive)
        return feed

    async def _drive(
        self, progress: Progress, events: Iterator[Event], feed: Feed, delay: float
    ) -> None:
        run = progress.run
        try:
            if await self._tell(run, events, feed, delay):
                return
            ending = "expired"
            if run.status == "cancelling":
                await self._linger()
                ending = "cancelled"
            for event in progress.break_off(ending):
                feed.put(event)
        finally:
            feed.close()
            self._going.pop(run.id, None)
            self._tasks.pop(run.id, None)

    async def _tell(
        self, run: Run, events: Iterator[Event], feed: Feed, delay: float
    ) -> bool:
        """Put out the events, each when it is due; False if the run is over before."""
        due: float | None = None
        for number in count():
            if number % _AT_ONCE_EVENTS == 0:
                await asyncio.sleep(0)
            if self._is_over(run):
                return False
            event = next(events, None)
            if event is None:
                return True
            if is_token(event):
                due = next_due(due, self._control.rate, delay)
                left = due - time.monotonic()
                if left > _AT_ONCE_SECONDS and not await self._wait(left, run):
                    return False
                run.said += _text_in(event)
            feed.put(event)
        return True

    async def _linger(self) -> None:
        """Stay for as long as the knob says, which may be turned meanwhile."""
        began = time.monotonic()
        # The knob is a number that anybody may set, so nothing tells of a change.
        while (left := began + self._control.cancel_delay - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, _LOOK_SECONDS))

    async def _wait(self, seconds: float, run: Run) -> bool:
        """Wait; False if the run is over meanwhile."""
        try:
            await pause(seconds, lambda: self._is_over(run))
        except HungUp:
            return False
        return not self._is_over(run)

    def _is_over(self, run: Run) -> bool:
        return run.status == "cancelling" or run.is_late(self._control.now())


def _told(
    progress: Progress, opening: Iterator[Event], fault: Fault | None
) -> Iterator[Event]:
    """The events of a stretch as far as the fault lets them through."""
    body = chain(opening, progress.answer(_plan(progress, fault)))
    kind = fault.kind if fault else None
    first = int(fault.value) if fault else 0
    error = {"code": "server_error", "message": TROUBLE}
    match kind:
        case FaultKind.FAILED:
            yield from islice(body, first)
            yield from progress.break_off("failed", error)
        case FaultKind.EXPIRED:
            yield from islice(body, first)
            yield from progress.break_off("expired")
        case FaultKind.ERROR_EVENT | FaultKind.ERROR_NESTED:
            yield from islice(body, first)
            for _ in progress.break_off("failed", error):
                pass
            flat = {**error, "type": "server_error", "param": None}
            is_nested = kind is FaultKind.ERROR_NESTED
            yield {"type": "error", "data": {"error": flat} if is_nested else flat}
        case _:
            yield from body
            yield from progress.finish()


def _plan(progress: Progress, fault: Fault | None) -> tuple[Output, ...]:
    if fault and fault.kind is FaultKind.REFUSAL:
        return (Refuse(SORRY),)
    return think(history.read(progress.thread, progress.run))


def _text_in(event: Event) -> str:
    if event["type"] != "thread.message.delta":
        return ""
    part = event["data"]["delta"]["content"][0]
    return str(part["text"]["value"] if part["type"] == "text" else part["refusal"])
