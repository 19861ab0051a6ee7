"""What a method is given, and what it says about itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.sandbox.checks import decoded
from app.sandbox.core import Core
from app.sandbox.limits import PER_CHANNEL
from app.sandbox.records import Channel, ChannelKind, Json, Message, Person
from app.sandbox.refusal import Refused
from app.sandbox.shapes import message_json
from app.sandbox.workspace import TS, Workspace


@dataclass(frozen=True, slots=True)
class RateLimited(Exception):
    """Too many calls; `seconds` goes into `Retry-After`."""

    seconds: int


class Arguments:
    """What the caller sent: strings from forms and queries, anything from JSON."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def text(self, name: str) -> str | None:
        """Return a string; numbers and booleans count as theirs."""
        value = self.values.get(name)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, bool | int | float):
            return str(value).lower() if isinstance(value, bool) else str(value)
        raise Refused("invalid_arguments", [f"must be a string: {name}"])

    def needed(self, name: str) -> str:
        """Return a string that must be there; raises Refused."""
        value = self.text(name)
        if not value:
            raise Refused("invalid_arguments", [f"missing required field: {name}"])
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a boolean in any of its spellings."""
        value = self.text(name)
        return default if value is None else value.lower() in ("true", "1")

    def number(self, name: str, default: int, most: int) -> int:
        """Return a whole number between 1 and `most`; raises Refused."""
        value = self.text(name)
        if value is None:
            return default
        if not value.isdecimal() or int(value) < 1:
            raise Refused("invalid_limit")
        return min(int(value), most)

    def items(self, name: str) -> list[Any] | None:
        """Return an array, also one sent as JSON in a string; raises Refused."""
        value = decoded(self.values.get(name), "invalid_arguments")
        if value is None or isinstance(value, list):
            return value
        raise Refused("invalid_arguments", [f"must be an array: {name}"])

    def thing(self, name: str) -> Json:
        """Return an object, also one sent as JSON in a string; raises Refused."""
        value = decoded(self.values.get(name), "invalid_arguments")
        if isinstance(value, dict):
            return value
        raise Refused("invalid_arguments", [f"must be an object: {name}"])


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One call of one method by the app; `host` is where it has reached Slack."""

    core: Core
    method: str
    arguments: Arguments
    host: str = ""

    @property
    def workspace(self) -> Workspace:
        """The workspace that the token belongs to."""
        return self.core.workspace

    @property
    def is_one_a_minute(self) -> bool:
        """Whether the app may call this once a minute, as those that are sold may."""
        rule = self.core.limiter.rules().get(self.method)
        return rule is not None and rule.enabled and rule.per_minute <= 1

    def channel(self, name: str = "channel") -> Channel:
        """Return the channel that an argument names, if the bot may know of it."""
        which = self.arguments.text(name) or ""
        try:
            found = self.workspace.channel(which)
        except LookupError:
            raise Refused("channel_not_found") from None
        is_open = found.kind is ChannelKind.CHANNEL
        if which.startswith("dm:") or not (is_open or self.workspace.is_bot_in(found)):
            raise Refused("channel_not_found")
        return found

    def shown(self, message: Message, *, with_metadata: bool = True) -> Json:
        """Return a message as the caller is told of it."""
        workspace = self.workspace
        return message_json(
            message,
            workspace.people.get(message.user_id),
            workspace.identity,
            parent=workspace.message(message.channel_id, message.thread_ts or ""),
            replies=workspace.replies(message.channel_id, message.ts),
            with_metadata=with_metadata,
        )

    def own_channel(self, name: str = "channel") -> Channel:
        """Return a channel in which the bot may write; raises Refused."""
        channel = self.channel(name)
        if not self.workspace.is_bot_in(channel):
            raise Refused("not_in_channel")
        if channel.is_archived:
            raise Refused("is_archived")
        return channel

    def message(self, channel: Channel, name: str = "ts") -> Message:
        """Return the message that an argument names; raises Refused."""
        message = self.workspace.message(
            channel.channel_id, self.arguments.text(name) or ""
        )
        if message is None or message.is_tombstone:
            raise Refused("message_not_found")
        return message

    def thread_ts(self) -> str | None:
        """Return the thread that is asked for; raises Refused for what is no ts."""
        thread_ts = self.arguments.text("thread_ts") or None
        if thread_ts is not None and not TS.match(thread_ts):
            raise Refused("invalid_thread_ts")
        return thread_ts

    def person(self, name: str = "user", code: str = "user_not_found") -> Person:
        """Return the member whose id an argument gives; raises Refused."""
        person = self.workspace.people.get(self.arguments.text(name) or "")
        if person is None:
            raise Refused(code)
        return person

    def needs_scope(self, *any_of: str) -> None:
        """Raise Refused unless the token has one of these scopes."""
        if not self.core.scopes.intersection(any_of):
            raise missing_scope(any_of, self.core.scopes)

    def take_post(self, channel: Channel) -> None:
        """Count a post in its channel; raises RateLimited."""
        team_id = self.workspace.identity.team_id
        wait = self.core.limiter.take(team_id, PER_CHANNEL, channel.channel_id)
        if wait:
            raise RateLimited(wait)


def missing_scope(needed: Sequence[str], provided: set[str]) -> Refused:
    """Return what Slack says to a token which lacks a scope."""
    return Refused(
        "missing_scope",
        needed=",".join(needed),
        provided=",".join(sorted(provided)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method: any one of `scopes` is enough, none means that none is needed.

    `takes_json` is false where Slack reads forms and queries only.
    """

    handle: Callable[[ApiCall], Json]
    scopes: tuple[str, ...] = ()
    takes_json: bool = True
    is_for_app_token: bool = False
