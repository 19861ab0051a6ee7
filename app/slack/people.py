"""Who people are, asked of Slack once in a while."""

import asyncio
import re
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient

from app import telemetry
from app.domain import Person
from app.errors import RateLimited, SlackError
from app.slack.payloads import Payload, object_at, text_at
from app.slack.reads import ask

MAX_PEOPLE = 5_000
MAX_NAME = 40

_FRESH = 600.0
_FRESH_AFTER_FAILURE = 30.0
_AT_ONCE = 8
_NOT_OURS = frozenset({"user_not_found", "user_not_visible", "users_not_found"})
# Format characters (bidi, zero-width, tags), controls, surrogates, private use.
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class _Known:
    person: Person
    until: float
    is_sure: bool


class People:
    """A cache over `users.info`, which is Tier 4: some hundred calls a minute.

    At most 5,000 people are kept, each for ten minutes. `now` is a monotonic clock in
    seconds.
    """

    def __init__(
        self, client: AsyncWebClient, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._now = now
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._asking: dict[tuple[str, str], asyncio.Task[Person]] = {}
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._paused_until = 0.0

    def cached(self, team_id: str, user_id: str) -> Person | None:
        """Return what is known without asking; None when nothing sure is."""
        known = self._fresh((team_id, user_id))
        return known.person if known and known.is_sure else None

    async def name_of(self, team_id: str, user_id: str) -> str:
        """Return somebody's name, their id where Slack does not tell it."""
        return (await self.resolve(team_id, user_id)).name

    async def is_bot(self, team_id: str, user_id: str) -> bool:
        """Whether this is a program, as far as Slack tells."""
        return (await self.resolve(team_id, user_id)).is_bot

    async def resolve(self, team_id: str, user_id: str) -> Person:
        """Return who this is; where Slack does not tell, somebody named by the id.

        Never raises for what Slack answers. Callers at the same time share one call.
        """
        key = (team_id, user_id)
        if known := self._fresh(key):
            return known.person
        if key not in self._asking:
            task = asyncio.create_task(self._ask(key))
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        # A caller that is cancelled must not take the answer from the others.
        return await asyncio.shield(self._asking[key])

    async def close(self) -> None:
        """Give up what is still being asked."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        if asking:
            await asyncio.wait(asking)

    def _fresh(self, key: tuple[str, str]) -> _Known | None:
        known = self._known.get(key)
        if known is None or known.until <= self._now():
            return None
        self._known.move_to_end(key)
        return known

    async def _ask(self, key: tuple[str, str]) -> Person:
        team_id, user_id = key
        if user_id.startswith("B"):
            # users.info knows users only; a bot without one is known by its id.
            person = Person(team_id=team_id, user_id=user_id, name=user_id, is_bot=True)
            return self._remember(key, person, _FRESH, is_sure=True)
        async with self._at_once:
            if self._now() < self._paused_until:
                return _unknown(key)
            try:
                answer = await ask("users.info", self._client.users_info(user=user_id))
            except SlackError as error:
                return self._failed(key, error)
        person = read_person(object_at(answer.data, "user"), team_id, user_id)
        return self._remember(key, person, _FRESH, is_sure=True)

    def _failed(self, key: tuple[str, str], error: SlackError) -> Person:
        telemetry.count("people.not_resolved")
        if isinstance(error, RateLimited):
            self._paused_until = self._now() + error.retry_after
            return _unknown(key)
        is_stranger = error.code in _NOT_OURS
        person = _unknown(key, is_stranger=is_stranger)
        return self._remember(key, person, _FRESH_AFTER_FAILURE, is_sure=is_stranger)

    def _remember(
        self, key: tuple[str, str], person: Person, seconds: float, *, is_sure: bool
    ) -> Person:
        self._known[key] = _Known(person, self._now() + seconds, is_sure)
        self._known.move_to_end(key)
        while len(self._known) > MAX_PEOPLE:
            self._known.popitem(last=False)
        return person


def read_person(user: Payload, team_id: str, user_id: str) -> Person:
    """Return what a `users.info` answer says about somebody, seen from `team_id`."""
    profile = object_at(user, "profile")
    names = (
        text_at(profile, "display_name"),
        text_at(profile, "real_name"),
        text_at(user, "real_name"),
        text_at(user, "name"),
    )
    return Person(
        team_id=team_id,
        user_id=user_id,
        name=next(filter(None, map(clean_name, names)), user_id),
        is_bot=user.get("is_bot") is True or user_id == "USLACKBOT",
        bot_id=text_at(profile, "bot_id"),
        is_guest=True in (user.get("is_restricted"), user.get("is_ultra_restricted")),
        is_stranger=_is_stranger(user, team_id),
    )


def clean_name(name: str | None) -> str:
    """Return a name that can neither hide nor imitate anything, in one short line."""
    seen = (
        " " if unicodedata.category(letter) in _UNSEEN else letter
        for letter in (name or "")[: 10 * MAX_NAME]
    )
    return re.sub(r"\s+", " ", "".join(seen)).strip()[:MAX_NAME].rstrip()


def _is_stranger(user: Payload, team_id: str) -> bool:
    if user.get("is_stranger") is True:
        return True
    home = text_at(user, "team_id")
    # Enterprise Grid: a colleague may have another workspace for a home.
    teams = object_at(user, "enterprise_user").get("teams")
    return (
        home is not None
        and home != team_id
        and not (isinstance(teams, list) and team_id in teams)
    )


def _unknown(key: tuple[str, str], *, is_stranger: bool = False) -> Person:
    team_id, user_id = key
    return Person(
        team_id=team_id, user_id=user_id, name=user_id, is_stranger=is_stranger
    )
