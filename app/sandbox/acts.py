"""What people do in the workspace: write, edit, delete, react, click, command."""

import uuid
from collections.abc import Sequence

from app.sandbox.changes import Why
from app.sandbox.core import Core
from app.sandbox.delivery import Answer
from app.sandbox.records import Channel, ChannelKind, Edited, Json, Message, Person
from app.sandbox.shapes import message_json
from app.sandbox.typing_in import typed, uploaded

_NO_ANSWER = 504


class Acts:
    """Each act names people and channels by id or name.

    LookupError says that nobody and nothing is called so, ValueError that Slack would
    not let this person do it.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._workspace = core.workspace

    def say(
        self,
        user: str,
        channel: str,
        text: str,
        *,
        thread_ts: str | None = None,
        files: Sequence[str | Json] = (),
        client_msg_id: str | None = None,
    ) -> str:
        """Write a message and return its ts."""
        person, place = self._at(user, channel)
        if not text and not files:
            raise ValueError("an empty message cannot be sent")
        said = self._workspace.post(
            Message(
                channel_id=place.channel_id,
                ts=self._workspace.next_ts(),
                user_id=person.user_id,
                bot_id=person.bot_id,
                text=typed(text, self._workspace),
                thread_ts=thread_ts,
                files=tuple(uploaded(file, person.user_id) for file in files),
                client_msg_id=client_msg_id or str(uuid.uuid4()),
            )
        )
        return said.ts

    def edit(self, user: str, channel: str, ts: str, text: str) -> None:
        """Change the words of one's own message."""
        person, message = self._own(user, channel, ts)
        mark = Edited(user_id=person.user_id, ts=self._workspace.next_ts())
        words = typed(text, self._workspace)
        self._workspace.change(message, Why.EDIT, text=words, edited=mark)

    def delete(self, user: str, channel: str, ts: str) -> None:
        """Delete one's own message."""
        person, message = self._own(user, channel, ts)
        self._workspace.delete(message, person.user_id)

    def remove(self, user: str, channel: str, ts: str) -> None:
        """Delete anybody's message, as those may whom the workspace lets do so."""
        person, place = self._at(user, channel)
        self._workspace.delete(self._there(place, ts), person.user_id)

    def react(
        self, user: str, channel: str, ts: str, name: str, *, added: bool = True
    ) -> None:
        """Put an emoji on a message or take it away."""
        person, place = self._at(user, channel)
        message = self._there(place, ts)
        self._workspace.react(message, person.user_id, name, added=added)

    def move_bot(self, user: str, channel: str, *, joined: bool) -> None:
        """Invite the bot into a channel or remove it."""
        bot = self._workspace.identity.bot_user_id
        person, place = self._at(user, channel)
        self._workspace.move(place, bot, joined=joined, by=person.user_id)

    def archive(self, channel: str) -> None:
        """Close a channel."""
        place = self._workspace.channel(channel)
        self._workspace.archive(place, next(iter(place.members)))

    async def click(self, user: str, channel: str, ts: str, action_id: str) -> int:
        """Press a button that a message shows or has shown, as on a slow screen.

        Returns the status of the app's answer; 504 when none came within 3 s, where
        Slack shows a warning sign. A click is never delivered twice.
        """
        person, place = self._at(user, channel)
        known = self._core.buttons.get((place.channel_id, ts), {})
        if action_id not in known:
            raise LookupError(f"that message never had a button {action_id}")
        payload = self._interaction("block_actions", person, place)
        payload |= {
            "container": {
                "type": "message",
                "message_ts": ts,
                "channel_id": place.channel_id,
                "is_ephemeral": False,
            },
            "state": {"values": {}},
            "actions": [{**known[action_id], "action_ts": self._workspace.next_ts()}],
        }
        message = self._workspace.message(place.channel_id, ts)
        if message is not None:
            payload["message"] = self._shown(message)
            if message.thread_ts is not None:
                payload["container"]["thread_ts"] = message.thread_ts
        else:
            payload["container"]["is_ephemeral"] = True
        return _status(await self._core.dispatcher.interaction("interactive", payload))

    async def command(self, user: str, channel: str, command: str, text: str) -> int:
        """Type a slash command; returns as `click` does."""
        person, place = self._at(user, channel)
        identity = self._workspace.identity
        payload: Json = {
            "token": "sandbox-verification-token",
            "team_id": identity.team_id,
            "team_domain": identity.domain,
            "channel_id": place.channel_id,
            "channel_name": _name(place),
            "user_id": person.user_id,
            "user_name": person.name,
            "command": command,
            "text": text,
            "api_app_id": identity.app_id,
            "is_enterprise_install": "false",
            "trigger_id": self._core.views.new_trigger(person.user_id),
        }
        answer = await self._core.dispatcher.interaction("slash_commands", payload)
        return _status(answer)

    async def shortcut(self, user: str, channel: str, ts: str, callback_id: str) -> int:
        """Pick a message shortcut; returns as `click` does."""
        person, place = self._at(user, channel)
        payload = self._interaction("message_action", person, place)
        payload |= {
            "callback_id": callback_id,
            "action_ts": self._workspace.next_ts(),
            "message_ts": ts,
            "message": self._shown(self._there(place, ts)),
        }
        return _status(await self._core.dispatcher.interaction("interactive", payload))

    def open_home(self, user: str, tab: str = "home") -> None:
        """Open the app's page in Slack, at the tab `home` or `messages`."""
        person = self._workspace.person(user)
        channel = self._workspace.direct(person.user_id)
        event: Json = {
            "type": "app_home_opened",
            "user": person.user_id,
            "channel": channel.channel_id,
            "tab": tab,
            "event_ts": self._workspace.next_ts(),
        }
        view = self._core.views.home(person.user_id)
        if view is not None and tab == "home":
            event["view"] = view
        self._send("app_home_opened", event)

    def stop_session(
        self,
        user: str,
        channel: str,
        thread_ts: str,
        streaming: Sequence[str] = (),
    ) -> None:
        """Press Slack's own Stop of an agent session.

        What is being streamed there ends at once; `streaming` are further messages that
        Slack is to name, by their ts.
        """
        person, place = self._at(user, channel)
        ended = self._end_streams(place, thread_ts)
        event = {
            "type": "agent_session_stopped",
            "channel": place.channel_id,
            "thread_ts": thread_ts,
            "user": person.user_id,
            "streaming_message_ts": [*ended, *streaming],
            "event_ts": self._workspace.next_ts(),
        }
        self._send("agent_session_stopped", event)

    def _end_streams(self, place: Channel, thread_ts: str) -> list[str]:
        streams = [
            stream
            for message in self._workspace.replies(place.channel_id, thread_ts)
            if (stream := self._core.streams.get(message))
        ]
        for stream in streams:
            self._core.end_stream(stream, by_person=True)
        return [stream.ts for stream in streams]

    def uninstall(self) -> None:
        """Remove the app from the workspace, its token with it."""
        core, identity = self._core, self._workspace.identity
        core.token_refused = core.token_refused or "account_inactive"
        revoked = {"oauth": [], "bot": [identity.bot_user_id]}
        for event in (
            {"type": "tokens_revoked", "tokens": revoked},
            {"type": "app_uninstalled"},
        ):
            told = {**event, "event_ts": self._workspace.next_ts()}
            self._send(str(event["type"]), told)

    def _send(self, name: str, event: Json) -> None:
        if name in self._core.subscriptions:
            self._core.dispatcher.event(self._core.events.wrapped(event))

    def _at(self, user: str, channel: str) -> tuple[Person, Channel]:
        person = self._workspace.person(user)
        place = self._workspace.channel(channel)
        if person.user_id not in place.members:
            raise ValueError(f"{person.name} is not in {place.name}")
        if place.is_archived:
            raise ValueError(f"{place.name} is archived")
        return person, place

    def _there(self, place: Channel, ts: str) -> Message:
        message = self._workspace.message(place.channel_id, ts)
        if message is None or message.is_tombstone:
            raise LookupError(f"there is no message {ts} in {place.name}")
        return message

    def _own(self, user: str, channel: str, ts: str) -> tuple[Person, Message]:
        person, place = self._at(user, channel)
        message = self._there(place, ts)
        if message.user_id != person.user_id:
            raise ValueError(f"{person.name} did not write that message")
        return person, message

    def _interaction(self, kind: str, person: Person, place: Channel) -> Json:
        identity = self._workspace.identity
        return {
            "type": kind,
            "user": {
                "id": person.user_id,
                "username": person.name,
                "name": person.name,
                "team_id": person.team_id,
            },
            "api_app_id": identity.app_id,
            "token": "sandbox-verification-token",
            "trigger_id": self._core.views.new_trigger(person.user_id),
            "team": {"id": identity.team_id, "domain": identity.domain},
            "enterprise": None,
            "is_enterprise_install": False,
            "channel": {"id": place.channel_id, "name": _name(place)},
        }

    def _shown(self, message: Message) -> Json:
        return message_json(
            message,
            self._workspace.people.get(message.user_id),
            self._workspace.identity,
            parent=self._workspace.message(message.channel_id, message.thread_ts or ""),
            replies=self._workspace.replies(message.channel_id, message.ts),
        )


def _name(channel: Channel) -> str:
    """Return the name under which Slack's payloads speak of a channel."""
    return "directmessage" if channel.kind is ChannelKind.IM else channel.name


def _status(answer: Answer) -> int:
    return answer.status or _NO_ANSWER
