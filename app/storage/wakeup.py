"""Hints between processes, and within one: something is ready, something has changed.

What is so stands in the tables; a hint only says when to look. On Postgres it is sent
within the statement that makes it true, and arrives when that is committed; a hint that
is lost costs at most the time until the next look. On SQLite there is one process.
"""

import asyncio
import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FunctionElement, case, func, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import NULLTYPE

from app.storage.tables import READY, RUNNING, conversations

CHANNEL = "threadline"

_ABOUT = re.compile(r"(changed|joined) ([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Ready:
    """A conversation can be claimed."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A conversation with a turn under way has one more message, or is to stop."""

    conversation_id: int


@dataclass(frozen=True, slots=True)
class Joined:
    """A second person has joined a conversation, and its last answer could say so."""

    conversation_id: int


@dataclass(frozen=True, slots=True)
class Missed:
    """Any of them may have been sent while nobody listened."""


Hint = Ready | Changed | Joined | Missed


def hint_of(payload: str) -> Hint | None:
    """Return what a payload says; anybody may send one, so most strings say nothing."""
    if payload == "ready":
        return Ready()
    about = _ABOUT.fullmatch(payload)
    if about is None:
        return None
    kind = Changed if about[1] == "changed" else Joined
    return kind(int(about[2]))


class Tell(FunctionElement[Any]):
    """Sends its one argument to all processes with the commit; nothing on SQLite."""

    name = "tell"
    type = NULLTYPE
    inherit_cache = True


@compiles(Tell, "postgresql")
def _notify(element: Tell, compiler: Any, **more: Any) -> str:  # noqa: ANN401
    return f"pg_notify('{CHANNEL}', {compiler.process(element.clauses, **more)})"


@compiles(Tell, "sqlite")
def _nothing(*_: object, **__: object) -> str:
    return "NULL"


# For the RETURNING of whatever may make a conversation ready, or change a running one.
_TELL_READY = Tell(literal_column("'ready'"))
TELL_IF_READY: ColumnElement[Any] = case((conversations.c.state == READY, _TELL_READY))
TELL_IF_RUNNING: ColumnElement[Any] = case(
    (
        conversations.c.state == RUNNING,
        Tell(func.concat(literal_column("'changed '"), conversations.c.id)),
    )
)


class Wakeup:
    """Many wake-ups before a wait count as one; none is lost between two waits."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """End the current wait, or else the next one at once."""
        self._woken.set()

    async def wait(self, timeout: float) -> None:  # noqa: ASYNC109
        """Return when woken, or after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._woken.wait()
        except TimeoutError:
            return
        finally:
            self._woken.clear()
