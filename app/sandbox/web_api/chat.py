"""chat.*: posting, editing and deleting messages."""

import re
from dataclasses import replace

from app.sandbox.changes import Why
from app.sandbox.checks import (
    POST_TEXT_LENGTH,
    Content,
    checked_content,
    checked_update_text,
)
from app.sandbox.records import Channel, Edited, Ephemeral, Json, Message
from app.sandbox.refusal import Refused
from app.sandbox.web_api.calls import ApiCall, Method

_WRITE = ("chat:write",)
_WORDS = re.compile(r"(?<!<)@(channel|here|everyone|[a-z0-9._-]+)")


def _post(call: ApiCall) -> Json:
    channel = _target(call)
    call.take_post(channel)
    content = _content(call)
    if content.is_empty:
        raise Refused("no_text")
    workspace, identity = call.workspace, call.workspace.identity
    posted = workspace.post(
        Message(
            channel_id=channel.channel_id,
            ts=workspace.next_ts(),
            user_id=identity.bot_user_id,
            bot_id=identity.bot_id,
            text=(content.text or "")[:POST_TEXT_LENGTH],
            thread_ts=call.thread_ts(),
            blocks=content.blocks or (),
            attachments=content.attachments or (),
            metadata=content.metadata,
            unfurl_links=call.arguments.flag("unfurl_links", default=True),
            unfurl_media=call.arguments.flag("unfurl_media", default=True),
        )
    )
    return {
        "channel": channel.channel_id,
        "ts": posted.ts,
        "message": call.shown(posted),
    }


def _update(call: ApiCall) -> Json:
    channel = call.own_channel()
    message = call.message(channel)
    if message.bot_id != call.workspace.identity.bot_id:
        raise Refused("cant_update_message")
    if call.core.streams.get(message):
        raise Refused("streaming_state_conflict")
    content = _content(call)
    checked_update_text(content.text)
    if content == Content(text=None, blocks=None, attachments=None, metadata=None):
        raise Refused("no_text")
    after = _updated(call, message, content)
    if not (after.text.strip() or after.blocks or after.attachments):
        raise Refused("no_text")
    changed = call.workspace.change(
        message,
        Why.EDIT,
        text=after.text,
        blocks=after.blocks,
        attachments=after.attachments,
        metadata=after.metadata,
        edited=after.edited,
    )
    return {
        "channel": channel.channel_id,
        "ts": changed.ts,
        "text": changed.text,
        "message": call.shown(changed),
    }


def _updated(call: ApiCall, message: Message, content: Content) -> Message:
    """Return the message as Slack edits it.

    Slack: text without blocks removes the blocks and shows "(edited)"; blocks given
    show no such mark; attachments left out are kept, an empty list removes them.
    """
    after = replace(message, metadata=content.metadata or message.metadata)
    if content.text is not None:
        after = replace(after, text=content.text)
    if content.blocks is not None:
        after = replace(after, blocks=content.blocks)
    elif content.text is not None:
        ts = call.workspace.next_ts()
        mark = Edited(user_id=call.workspace.identity.bot_user_id, ts=ts)
        after = replace(after, blocks=(), edited=mark)
    if content.attachments is not None:
        after = replace(after, attachments=content.attachments)
    return after


def _delete(call: ApiCall) -> Json:
    channel = call.channel()
    message = call.message(channel)
    identity = call.workspace.identity
    if message.bot_id != identity.bot_id or call.core.streams.get(message):
        raise Refused("cant_delete_message")
    call.workspace.delete(message, identity.bot_user_id)
    return {"channel": channel.channel_id, "ts": message.ts}


def _post_ephemeral(call: ApiCall) -> Json:
    channel = call.own_channel()
    person = call.person()
    if person.user_id not in channel.members:
        raise Refused("user_not_in_channel")
    content = _content(call)
    if content.is_empty:
        raise Refused("no_text")
    ephemeral = Ephemeral(
        channel_id=channel.channel_id,
        user_id=person.user_id,
        ts=call.workspace.next_ts(),
        text=content.text or "",
        thread_ts=call.thread_ts(),
        blocks=content.blocks or (),
        attachments=content.attachments or (),
    )
    # Slack takes one for a thread without replies as well, and then shows it nowhere.
    thread_ts = ephemeral.thread_ts
    if thread_ts is None or call.workspace.replies(channel.channel_id, thread_ts):
        call.core.told_in_private(ephemeral)
    return {"message_ts": ephemeral.ts}


def _permalink(call: ApiCall) -> Json:
    channel = call.channel()
    message = call.message(channel, "message_ts")
    domain = call.workspace.identity.domain
    place = f"{channel.channel_id}/p{message.ts.replace('.', '')}"
    thread = f"?thread_ts={message.thread_ts}" if message.is_reply else ""
    return {
        "channel": channel.channel_id,
        "permalink": f"https://{domain}.slack.com/archives/{place}{thread}",
    }


def _target(call: ApiCall) -> Channel:
    """Return where to post; a user's id means the DM with them."""
    which = call.arguments.needed("channel")
    if which in call.workspace.people:
        return call.workspace.direct(which)
    return call.own_channel()


def _content(call: ApiCall) -> Content:
    given = call.arguments
    text = given.text("text")
    is_full = given.text("parse") == "full" or given.flag("link_names", default=False)
    if text is not None and is_full:
        text = _WORDS.sub(lambda match: _linked(call, match), text)
    content = checked_content(
        text=text,
        blocks=given.values.get("blocks"),
        attachments=given.values.get("attachments"),
        metadata=given.values.get("metadata"),
        markdown_text=given.text("markdown_text"),
    )
    where = given.text("channel") or ""
    parts = (content.text or "", content.blocks or (), content.attachments or ())
    call.core.note_live(call.method, where, *parts)
    return content


def _linked(call: ApiCall, match: re.Match[str]) -> str:
    word = match.group(1)
    if word in ("channel", "here", "everyone"):
        return f"<!{word}>"
    for person in call.workspace.people.values():
        if person.name == word:
            return f"<@{person.user_id}>"
    return match.group()


METHODS = {
    "chat.delete": Method(handle=_delete, scopes=_WRITE),
    "chat.getPermalink": Method(handle=_permalink, takes_json=False),
    "chat.postEphemeral": Method(handle=_post_ephemeral, scopes=_WRITE),
    "chat.postMessage": Method(handle=_post, scopes=_WRITE),
    "chat.update": Method(handle=_update, scopes=_WRITE),
}
