"""reactions.*: emoji on messages."""

import re

from app.sandbox.records import Json
from app.sandbox.refusal import Refused
from app.sandbox.web_api.calls import ApiCall, Method

_NAME = re.compile(r"^[a-z0-9_+'-]+(?:::skin-tone-[2-6])?$")


def _change(call: ApiCall, *, added: bool) -> Json:
    channel = call.own_channel()
    name = call.arguments.text("name") or ""
    if not _NAME.match(name):
        raise Refused("invalid_name")
    message = call.message(channel, "timestamp")
    bot = call.workspace.identity.bot_user_id
    if (bot in message.reactions.get(name, ())) == added:
        raise Refused("already_reacted" if added else "no_reaction")
    call.workspace.react(message, bot, name, added=added)
    return {}


def _add(call: ApiCall) -> Json:
    return _change(call, added=True)


def _remove(call: ApiCall) -> Json:
    return _change(call, added=False)


METHODS = {
    "reactions.add": Method(handle=_add, scopes=("reactions:write",)),
    "reactions.remove": Method(handle=_remove, scopes=("reactions:write",)),
}
