"""chat.startStream, chat.appendStream and chat.stopStream.

Slack: docs.slack.dev/reference/methods/chat.startStream says what they take; lifetime,
size and the words of refusals are those that others have met.
"""

from app.sandbox import blocks as block_kit
from app.sandbox.changes import Why
from app.sandbox.checks import checked_content
from app.sandbox.records import Channel, ChannelKind, Json, Message
from app.sandbox.refusal import Refused
from app.sandbox.streams import MOST_BYTES, Mode, Stream
from app.sandbox.web_api.agents import SESSION_STATES
from app.sandbox.web_api.calls import ApiCall, Method

_WRITE = ("chat:write",)
_CHUNKS = ("markdown_text", "task_update", "plan_update", "blocks")
_FIELD_LENGTH = 256


def _start(call: ApiCall) -> Json:
    channel = call.own_channel()
    if channel.kind is ChannelKind.MPIM:
        raise Refused("channel_type_not_supported")
    call.arguments.needed("thread_ts")
    thread_ts = call.thread_ts()
    for name in ("recipient_team_id", "recipient_user_id"):
        if not call.arguments.text(name):
            raise Refused(f"missing_{name}")
    mode, text = _given(call) or (Mode.TEXT, "")
    _check_size(text)
    workspace, identity = call.workspace, call.workspace.identity
    message = Message(
        channel_id=channel.channel_id,
        ts=workspace.next_ts(),
        user_id=identity.bot_user_id,
        bot_id=identity.bot_id,
        text=text,
        thread_ts=thread_ts,
        blocks=_body(text),
        streaming_state="in_progress",
    )
    stream = call.core.streams.begin(message, mode)
    stream.text = text
    call.core.note_live(call.method, channel.channel_id, text)
    posted = workspace.post(message)
    return {"channel": channel.channel_id, "ts": posted.ts}


def _append(call: ApiCall) -> Json:
    channel, message, stream = _streamed(call)
    text = _added(call, stream)
    if text is None:
        raise Refused("no_text")
    stream.text = _with(stream, text)
    # A token may come in two halves, so the whole text is looked at each time.
    call.core.note_live(call.method, message.channel_id, stream.text)
    call.workspace.change(
        message, Why.STREAM, text=stream.text, blocks=_body(stream.text)
    )
    return {"channel": channel.channel_id, "ts": message.ts}


def _stop(call: ApiCall) -> Json:
    channel, message, stream = _streamed(call)
    given = call.arguments
    whole = _with(stream, _added(call, stream) or "")
    content = checked_content(
        text=None,
        blocks=given.values.get("blocks"),
        attachments=None,
        metadata=given.values.get("metadata"),
        markdown_text=None,
    )
    status = given.text("session_status")
    if status is not None and status not in SESSION_STATES:
        raise Refused("invalid_arguments", ["must be one of the session statuses"])
    # Slack: the blocks come after the text.
    blocks = (*_body(whole), *(content.blocks or ()))
    if block_kit.length([dict(each) for each in blocks]) > block_kit.ALL_BLOCKS_LENGTH:
        raise Refused("msg_blocks_too_long")
    call.core.note_live(call.method, channel.channel_id, blocks)
    ended = call.core.end_stream(
        stream, text=whole, blocks=blocks, metadata=content.metadata
    )
    if status is not None and ended.thread_ts:
        call.core.statuses.sessions[channel.channel_id, ended.thread_ts] = status
    return {"channel": channel.channel_id, "ts": message.ts}


def _streamed(call: ApiCall) -> tuple[Channel, Message, Stream]:
    """Return the message that is being streamed; raises Refused when none is."""
    channel = call.own_channel()
    message = call.message(channel)
    if message.bot_id != call.workspace.identity.bot_id:
        raise Refused("message_not_owned_by_app")
    if call.core.streams.was_stopped(message):
        raise Refused("stopped_by_user")
    stream = call.core.streams.get(message)
    if stream is None:
        raise Refused("message_not_in_streaming_state")
    return channel, message, stream


def _with(stream: Stream, text: str) -> str:
    """Return all text of a stream with some more; raises Refused."""
    # Slack: white space at a seam is not kept for certain, so here it never is.
    whole = stream.text + (text.lstrip() if stream.text else text)
    _check_size(whole)
    return whole


def _added(call: ApiCall, stream: Stream) -> str | None:
    given = _given(call)
    if given is None:
        return None
    mode, text = given
    if mode is not stream.mode:
        raise Refused("streaming_mode_mismatch")
    return text


def _given(call: ApiCall) -> tuple[Mode, str] | None:
    """Return the text of a call and the shape it came in; raises Refused."""
    text, chunks = call.arguments.text("markdown_text"), call.arguments.items("chunks")
    if text is not None and chunks is not None:
        raise Refused("cannot_provide_both_markdown_text_and_chunks")
    if chunks is not None:
        return Mode.CHUNKS, "".join(_chunk_text(chunk) for chunk in chunks)
    if text is None:
        return None
    if len(text) > block_kit.MARKDOWN_LENGTH:
        raise Refused("msg_too_long")
    return Mode.TEXT, text


def _chunk_text(chunk: object) -> str:
    match chunk:
        case {"type": "markdown_text", "text": str() as text}:
            if len(text) > block_kit.MARKDOWN_LENGTH:
                raise Refused("msg_too_long")
            return text
        case {"type": str() as kind, **fields} if kind in _CHUNKS:
            if any(
                isinstance(value, str) and len(value) > _FIELD_LENGTH
                for value in fields.values()
            ):
                raise Refused("msg_too_long")
            return ""
        case _:
            raise Refused("invalid_chunks")


def _check_size(text: str) -> None:
    if len(text.encode()) > MOST_BYTES:
        raise Refused("msg_too_long")


def _body(text: str) -> tuple[Json, ...]:
    if not text:
        return ()
    return ({"type": "markdown", "text": text, "block_id": "stream"},)


METHODS = {
    "chat.appendStream": Method(handle=_append, scopes=_WRITE),
    "chat.startStream": Method(handle=_start, scopes=_WRITE),
    "chat.stopStream": Method(handle=_stop, scopes=_WRITE),
}
