"""Says in a thread, once, that something there came late, and offers to answer it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from app import telemetry
from app.domain import SlackThread
from app.errors import (
    CredentialsRefused,
    DatabaseUnavailable,
    LeaseLost,
    RateLimited,
    SlackError,
    SlackUnavailable,
    UnsafePayload,
)
from app.slack.blocks import Action, Button, Payload, line_payload
from app.slack.outbound import Outbound
from app.slack.replies.message import Method, Send
from app.storage.late_notes import LateNote, LateNotes, NoteState
from app.storage.wakeup import Wakeup

log = logging.getLogger(__name__)

_AWAY = "I was away when you asked this."

# Also finds what other processes have found late, or have left undone.
_LOOK_EVERY = 5.0
# After a downtime many threads may be told: one after another, and slowly.
_PACE = 1.0
_TRY_AGAIN_AFTER, _LONGEST_PAUSE = 30.0, 600.0
# The times of messages are Slack's, that of a note the database's.
_CLOCKS_APART = 300.0


class SendAside(Protocol):
    """Sends what is no part of a reply, when the budgets allow it and it is quiet."""

    async def __call__(
        self, thread: SlackThread, method: Method, send: Send, /
    ) -> None:
        """Raises what `send` has raised."""


class LateLines:
    """Brings the lines up to date in Slack, one at a time, the newest first.

    Several processes share the work: each line is held by one of them, in the database,
    while it is sent. `is_alive` says whether this process may still send, `pace` how
    many seconds lie between two lines.
    """

    def __init__(
        self,
        *,
        worker_id: str,
        notes: LateNotes,
        outbound: Outbound,
        send_aside: SendAside,
        name_of: Callable[[str, str], Awaitable[str]],
        is_alive: Callable[[], bool],
        pace: float = _PACE,
    ) -> None:
        self._worker_id = worker_id
        self._notes = notes
        self._outbound = outbound
        self._send_aside = send_aside
        self._name_of = name_of
        self._is_alive = is_alive
        self._pace = pace
        self._wakeup = Wakeup()

    def hurry(self) -> None:
        """Look at once: there is something to be shown."""
        self._wakeup.wake()

    async def bring_next_up_to_date(self) -> None:
        """Show one line as it is to be by now; where there is none, wait for one."""
        try:
            note = await self._take()
            if note is None:
                await self._wakeup.wait(_LOOK_EVERY)
                return
            await self._show(note)
        except DatabaseUnavailable:
            log.warning("no late line shown, the database does not answer")
        await asyncio.sleep(self._pace)

    async def _take(self) -> LateNote | None:
        return await self._notes.take(self._worker_id) if self._is_alive() else None

    async def _show(self, note: LateNote) -> None:
        try:
            await self._send(note, await self._where(note))
        except RateLimited as error:
            await self._notes.later(note, self._worker_id, error.retry_after)
        except (SlackUnavailable, CredentialsRefused, LeaseLost):
            seconds = min(_LONGEST_PAUSE, _TRY_AGAIN_AFTER * max(1, note.attempts))
            await self._notes.later(note, self._worker_id, seconds)
        except (SlackError, UnsafePayload):
            # Nobody there can be told, or it can't be known whether they were.
            telemetry.count("late.not_told")
            await self._notes.give_up(note, self._worker_id)

    async def _where(self, note: LateNote) -> str | None:
        """Where the line stands, looked for if nobody knows whether it was posted."""
        if note.ts is None and note.may_be_posted:
            since = f"{note.made_at - _CLOCKS_APART:.6f}"
            return await self._outbound.find(note.thread, note.post_key, since=since)
        return note.ts

    async def _send(self, note: LateNote, ts: str | None) -> None:
        is_shown = ts is not None and note.state is NoteState.OFFERED
        is_nowhere = ts is None and note.state is not NoteState.OFFERED
        if is_shown or is_nowhere:
            await self._notes.shown(note, self._worker_id, ts)
            return
        delivery = _Delivery(self._outbound, note, ts, self._is_alive)
        payload = await self._payload(note)
        method = Method.POST if ts is None else Method.UPDATE

        async def send() -> bool:
            await delivery.send(payload)
            return True

        await self._send_aside(note.thread, method, send)
        if delivery.error:
            raise delivery.error
        await self._notes.shown(note, self._worker_id, delivery.ts)
        telemetry.count(f"late.{note.state}")

    async def _payload(self, note: LateNote) -> Payload:
        if note.asked_by is None:
            button = Button(Action.ANSWER_NOW, note.note_id)
            return line_payload(_AWAY, note.post_key, button)
        name = await self._name_of(note.thread.team_id, note.asked_by)
        says = f"{_AWAY} {name} asked me to answer it now."
        return line_payload(says, note.post_key)


class _Delivery:
    """One call for one line; `ts` is where it stands once Slack has it."""

    def __init__(
        self,
        outbound: Outbound,
        note: LateNote,
        ts: str | None,
        is_alive: Callable[[], bool],
    ) -> None:
        self.ts = ts
        self.error: SlackError | None = None
        self._outbound = outbound
        self._note = note
        self._is_alive = is_alive

    async def send(self, payload: Payload) -> None:
        """Post, edit or remove the line, as its state says."""
        thread, may_send = self._note.thread, self._is_alive
        try:
            if self.ts is None:
                self.ts = await self._outbound.post(thread, payload, may_send=may_send)
            elif self._note.state is NoteState.WITHDRAWN:
                await self._outbound.delete(thread, self.ts, may_send=may_send)
            else:
                await self._outbound.update(thread, self.ts, payload, may_send=may_send)
        except SlackUnavailable as error:
            # Slack may have it all the same: it is not for a second try to find out.
            self.error = error
