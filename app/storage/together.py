"""Many small writes in one transaction: its cost is then shared by all of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from app.errors import DatabaseUnavailable, LeaseLost

Asked = TypeVar("Asked")
Told = TypeVar("Told")

_MOST = 100


@dataclass(eq=False, slots=True)
class _Request(Generic[Asked, Told]):
    asked: Asked
    told: list[Told | LeaseLost | DatabaseUnavailable] = field(default_factory=list)
    # Set when it was told, or is to lead.
    called: asyncio.Event = field(default_factory=asyncio.Event)


class Together(Generic[Asked, Told]):
    """Does what is asked for: at once, or with all else that came meanwhile.

    `do` answers requests in one transaction, each with what its asker is told, or with
    the LeaseLost that it raises there. Who asks waits for that transaction alone: one
    of those asking leads it for all, and when that one is cancelled the next begins
    anew.
    """

    def __init__(
        self, do: Callable[[Sequence[Asked]], Awaitable[Sequence[Told | LeaseLost]]]
    ) -> None:
        self._do = do
        self._waiting: list[_Request[Asked, Told]] = []
        self._leader: _Request[Asked, Told] | None = None

    async def ask(self, asked: Asked) -> Told:
        """Return what `do` tells. Raises LeaseLost and DatabaseUnavailable."""
        request = _Request[Asked, Told](asked)
        self._waiting.append(request)
        if self._leader is None:
            self._call_the_next()
        try:
            await request.called.wait()
            if not request.told:
                # Who asks in the same moment comes along.
                await asyncio.sleep(0)
                await self._lead(request)
        finally:
            if request in self._waiting:
                self._waiting.remove(request)
            if self._leader is request:
                self._call_the_next()
        (told,) = request.told
        if isinstance(told, LeaseLost | DatabaseUnavailable):
            raise told
        return told

    def _call_the_next(self) -> None:
        self._leader = self._waiting[0] if self._waiting else None
        if self._leader:
            self._leader.called.set()

    async def _lead(self, own: _Request[Asked, Told]) -> None:
        together = self._waiting[:_MOST]
        if len(together) > 1:
            # What is wrong with one of them must not keep the others.
            with suppress(SQLAlchemyError):
                await self._tell(together)
                return
        await self._tell([own])

    async def _tell(self, requests: Sequence[_Request[Asked, Told]]) -> None:
        told: Sequence[Told | LeaseLost | DatabaseUnavailable]
        try:
            told = await self._do([each.asked for each in requests])
        except DatabaseUnavailable as error:
            told = [error] * len(requests)
        for request, its in zip(requests, told, strict=True):
            request.told.append(its)
            request.called.set()
        self._waiting = [each for each in self._waiting if not each.told]
