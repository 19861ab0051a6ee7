"""From what a person types to the text that Slack keeps."""

import re
import secrets

from app.sandbox.records import Json
from app.sandbox.shapes import escaped
from app.sandbox.workspace import Workspace

_NAME = re.compile(r"(?<![\w<])@([a-z0-9._-]*[a-z0-9])", re.IGNORECASE)
_CHANNEL = re.compile(r"(?<![\w&<])#([a-z0-9_-]+)")
_LINK = re.compile(r"(?<![<|])https?://[^\s<>]*[^\s<>.,;:!?)\]'\"`]")
_TOKEN = re.compile(r"(<[^<>]*>)")
_KNOWN_TOKEN = re.compile(r"&lt;@([UW][A-Z0-9]+)&gt;")
_BROADCASTS = ("channel", "here", "everyone")


def typed(text: str, workspace: Workspace) -> str:
    """Return the text as Slack keeps it: escaped, with live mentions and links.

    `@name`, `#channel`, `@here` and web addresses come alive; `<@U…>` of a member is
    taken for a mention picked from Slack's menu.
    """
    kept = _LINK.sub(lambda match: f"<{match.group()}>", escaped(text))
    kept = _KNOWN_TOKEN.sub(
        lambda match: f"<@{match[1]}>" if match[1] in workspace.people else match[0],
        kept,
    )
    # Names count outside addresses only: every other piece is a finished token.
    pieces = _TOKEN.split(kept)
    pieces[::2] = [_named(piece, workspace) for piece in pieces[::2]]
    return "".join(pieces)


def uploaded(file: str | Json, user_id: str) -> Json:
    """Return a file as Slack describes it; a plain string is its name."""
    given = {"name": file} if isinstance(file, str) else file
    file_id = f"F{secrets.token_hex(5).upper()}"
    return {
        "id": file_id,
        "mimetype": "text/plain",
        "filetype": "text",
        "user": user_id,
        "size": 0,
        "mode": "hosted",
        "file_access": "visible",
        "url_private": f"https://files.slack.com/files-pri/{file_id}",
        **given,
    }


def _named(text: str, workspace: Workspace) -> str:
    named = _NAME.sub(lambda match: _mention(match, workspace), text)
    return _CHANNEL.sub(lambda match: _place(match, workspace), named)


def _mention(match: re.Match[str], workspace: Workspace) -> str:
    name = match[1].lower()
    if name in _BROADCASTS:
        return f"<!{name}>"
    for person in workspace.people.values():
        if person.name == name:
            return f"<@{person.user_id}>"
    return match[0]


def _place(match: re.Match[str], workspace: Workspace) -> str:
    for channel in workspace.channels.values():
        if channel.name == match[1]:
            return f"<#{channel.channel_id}|{channel.name}>"
    return match[0]
