"""conversations.*: channels, who is in them, and what was said."""

from app.sandbox.records import Channel, ChannelKind, Json, Message
from app.sandbox.refusal import Refused
from app.sandbox.shapes import channel_json
from app.sandbox.web_api.calls import ApiCall, Method
from app.sandbox.web_api.pages import page

_WORD = {
    ChannelKind.CHANNEL: "channels",
    ChannelKind.GROUP: "groups",
    ChannelKind.IM: "im",
    ChannelKind.MPIM: "mpim",
}
_TYPES = {
    "public_channel": ChannelKind.CHANNEL,
    "private_channel": ChannelKind.GROUP,
    "im": ChannelKind.IM,
    "mpim": ChannelKind.MPIM,
}
# Slack: apps that are sold outside of its Marketplace read one page a minute, of at
# most 15 messages; all others pages of up to 999.
_MOST, _MOST_OF_FEW = 999, 15
_READ = tuple(f"{word}:read" for word in _WORD.values())
_HISTORY = tuple(f"{word}:history" for word in _WORD.values())


def _info(call: ApiCall) -> Json:
    channel = call.channel()
    call.needs_scope(f"{_WORD[channel.kind]}:read")
    return {"channel": _shown_channel(call, channel)}


def _list(call: ApiCall) -> Json:
    asked = (call.arguments.text("types") or "public_channel").split(",")
    if not set(asked) <= set(_TYPES):
        raise Refused("invalid_types")
    kinds = {_TYPES[name] for name in asked}
    leaves_out = call.arguments.flag("exclude_archived", default=False)
    channels = [
        _shown_channel(call, channel)
        for channel in call.workspace.channels.values()
        if channel.kind in kinds
        and f"{_WORD[channel.kind]}:read" in call.core.scopes
        and (channel.kind is ChannelKind.CHANNEL or call.workspace.is_bot_in(channel))
        and not (leaves_out and channel.is_archived)
    ]
    return page(call, channels, "channels", default=100)


def _members(call: ApiCall) -> Json:
    channel = call.channel()
    call.needs_scope(f"{_WORD[channel.kind]}:read")
    return page(call, sorted(channel.members), "members", default=100)


def _open(call: ApiCall) -> Json:
    given = call.arguments
    if given.text("channel"):
        channel = call.channel()
        return {"channel": _shown_channel(call, channel)}
    users = [user for user in (given.text("users") or "").split(",") if user]
    if not users:
        raise Refused("users_list_not_supplied")
    if any(user not in call.workspace.people for user in users):
        raise Refused("user_not_found")
    if len(users) > 1:
        return _open_group(call, frozenset(users))
    call.needs_scope("im:write")
    return {"channel": {"id": call.workspace.direct(users[0]).channel_id}}


def _open_group(call: ApiCall, users: frozenset[str]) -> Json:
    call.needs_scope("mpim:write")
    members = users | {call.workspace.identity.bot_user_id}
    for channel in call.workspace.channels.values():
        if channel.kind is ChannelKind.MPIM and channel.members == members:
            return {"channel": {"id": channel.channel_id}}
    raise Refused("not_enough_users")


def _history(call: ApiCall) -> Json:
    channel = _readable(call)
    roots = [
        message
        for message in call.workspace.messages(channel.channel_id)
        if not message.is_reply
    ]
    newest_first = _between(call, roots)[::-1]
    return _messages(call, newest_first)


def _replies(call: ApiCall) -> Json:
    channel = _readable(call)
    root = call.workspace.message(channel.channel_id, call.arguments.needed("ts"))
    if root is None:
        raise Refused("thread_not_found")
    if root.is_reply:
        return _messages(call, [root])
    replies = call.workspace.replies(channel.channel_id, root.ts)
    return _messages(call, [root, *_between(call, replies)])


def _readable(call: ApiCall) -> Channel:
    channel = call.channel()
    call.needs_scope(f"{_WORD[channel.kind]}:history")
    if not call.workspace.is_bot_in(channel):
        raise Refused("not_in_channel")
    return channel


def _between(call: ApiCall, messages: list[Message]) -> list[Message]:
    given = call.arguments
    oldest, latest = given.text("oldest") or "0", given.text("latest") or "inf"
    try:
        start, end = float(oldest), float(latest)
    except ValueError:
        raise Refused("invalid_ts_latest") from None
    is_inclusive = given.flag("inclusive", default=False)
    return [
        message
        for message in messages
        if start < float(message.ts) < end
        or (is_inclusive and message.ts in (oldest, latest))
    ]


def _messages(call: ApiCall, messages: list[Message]) -> Json:
    most = _MOST_OF_FEW if call.is_one_a_minute else _MOST
    answer = page(call, messages, "messages", default=min(100, most), most=most)
    with_metadata = call.arguments.flag("include_all_metadata", default=False)
    shown = [
        call.shown(message, with_metadata=with_metadata)
        for message in answer["messages"]
    ]
    has_more = bool(answer["response_metadata"]["next_cursor"])
    if not has_more:
        del answer["response_metadata"]
    return {**answer, "messages": shown, "has_more": has_more}


def _shown_channel(call: ApiCall, channel: Channel) -> Json:
    is_shared = call.workspace.is_shared(channel)
    return channel_json(channel, call.workspace.identity, is_shared=is_shared)


METHODS = {
    "conversations.history": Method(handle=_history, scopes=_HISTORY, takes_json=False),
    "conversations.info": Method(handle=_info, scopes=_READ, takes_json=False),
    "conversations.list": Method(handle=_list, scopes=_READ, takes_json=False),
    "conversations.members": Method(handle=_members, scopes=_READ, takes_json=False),
    "conversations.open": Method(handle=_open, scopes=("im:write", "mpim:write")),
    "conversations.replies": Method(handle=_replies, scopes=_HISTORY, takes_json=False),
}
