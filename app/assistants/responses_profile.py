"""What a server is sent: as little as it may refuse, as much as it can use."""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from app.domain import Turn
from app.tools.schema import is_strict
from app.tools.tool import Tool

# Models of before GPT-5, those trained further, and those for chats alone refuse what
# concerns reasoning.
_PLAIN = re.compile(r"(?:ft:)?(?:gpt-[34]|chatgpt-)|.*-chat\b", re.IGNORECASE)
_THINKING = re.compile(r"(?!.*-chat\b)(?:gpt-(?:[5-9]|1\d)|o\d)", re.IGNORECASE)


class Profile(StrEnum):
    """The kinds of servers that are told apart."""

    OPENAI = "openai"
    AZURE = "azure"
    COMPATIBLE = "compatible"

    @classmethod
    def of(cls, base_url: str) -> "Profile":
        """Return that of the server at `base_url`; one not known is `compatible`."""
        host = f".{urlsplit(base_url).hostname or ''}"
        if host.endswith(".api.openai.com"):
            return cls.OPENAI
        if host.endswith((".openai.azure.com", ".services.ai.azure.com")):
            return cls.AZURE
        return cls.COMPATIBLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a server takes beside the fields that all of them take.

    `effort` is how hard a model thinks, None for the server's own choice. With
    `identifiers` it is told, in a form that says nothing to others, which thread and
    which person a request is for. `most_characters` bounds what is sent of a history.
    """

    encrypted_reasoning: bool
    effort: str | None
    identifiers: bool
    most_characters: int

    @classmethod
    def of(cls, base_url: str, model: str) -> "Capabilities":
        """Return those of `model` at `base_url`; unknown servers are sent little."""
        match Profile.of(base_url):
            case Profile.OPENAI:
                is_thinking = _PLAIN.match(model) is None
            case Profile.AZURE:
                # There a model has whatever name its deployment was given.
                is_thinking = _THINKING.match(model) is not None
            case Profile.COMPATIBLE:
                return COMPATIBLE
        return OPENAI if is_thinking else OPENAI_WITHOUT_REASONING


OPENAI = Capabilities(
    encrypted_reasoning=True, effort="low", identifiers=True, most_characters=400_000
)
OPENAI_WITHOUT_REASONING = replace(OPENAI, encrypted_reasoning=False, effort=None)
COMPATIBLE = Capabilities(
    encrypted_reasoning=False, effort=None, identifiers=False, most_characters=60_000
)


def common_fields(
    model: str, instructions: str, tools: Sequence[Tool], capabilities: Capabilities
) -> dict[str, Any]:
    """Return the fields that are the same in each request."""
    fields: dict[str, Any] = {
        "model": model,
        "instructions": instructions,
        "stream": True,
    }
    if tools:
        fields["tools"] = [_flat(tool) for tool in tools]
        fields["parallel_tool_calls"] = True
    if capabilities.effort:
        fields["reasoning"] = {"effort": capabilities.effort}
    return fields


class Identifiers:
    """Names threads and people to a provider.

    The safety identifier is the same for a person in all threads, and nobody who lacks
    the key finds out who it is.
    """

    def __init__(self, api_key: str) -> None:
        self._key = hmac.digest(api_key.encode(), b"threadline people", "sha256")

    def fields(self, turn: Turn) -> Mapping[str, str]:
        """Return the fields that name the thread and who asked last."""
        named = {"prompt_cache_key": f"threadline-{turn.assistant_thread_id}"}
        if turn.wanted:
            person = f"{turn.lease.team_id}:{turn.wanted[-1].author_id}"
            mac = hmac.new(self._key, person.encode(), "sha256")
            named["safety_identifier"] = mac.hexdigest()
        return named


def _flat(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": is_strict(tool.parameters),
    }
