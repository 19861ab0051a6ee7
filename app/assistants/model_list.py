"""What a server's list of models tells about the one that was chosen."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import httpx2
import msgspec
from openai import AsyncOpenAI

from app.assistants.responses_profile import Profile
from app.assistants.wire_errors import UNREADABLE
from app.errors import AssistantRefused

# Long enough before the end to try another model in peace.
_SOON = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What to know about a model; one that `is_gone` answers nobody."""

    is_gone: bool
    says: str


class ListedModel(msgspec.Struct):
    """One that the server has; servers leave out or rewrite all but the id."""

    id: str
    shutdown_date: Any = None


class _List(msgspec.Struct):
    data: list[ListedModel] | None = None


_list = msgspec.json.Decoder(_List)


async def list_models(client: AsyncOpenAI) -> list[ListedModel]:
    """Return the models that the server lists, none where its answer is no list.

    Raises openai's errors when the server can't be reached or refuses.
    """
    if Profile.of(str(client.base_url)) is Profile.AZURE:
        # It lists models, but is asked for deployments, whatever their names.
        return []
    try:
        answer = await client.get("/models", cast_to=httpx2.Response)
        return _list.decode(answer.content).data or []
    except (AssistantRefused, *UNREADABLE):
        return []


def outlook(
    model: str,
    listed: Iterable[ListedModel],
    today: date,
    *,
    is_openai: bool = False,
) -> Outlook | None:
    """Return what the operator should know about `model`, None if nothing.

    OpenAI's list has a `shutdown_date` (https://platform.openai.com/docs/api-reference/models);
    an empty list, or one without dates, tells nothing. Other servers without dates may
    take models that they do not list.
    """
    known = {each.id: each for each in listed}
    if not known:
        return None
    if model not in known:
        if is_openai or any(each.shutdown_date for each in known.values()):
            return Outlook(is_gone=True, says=f"OPENAI_MODEL: no {model} there.")
        says = f"The model's server answers; it may take {model}, but does not list it."
        return Outlook(is_gone=False, says=says)
    ends = _date(known[model].shutdown_date)
    if ends is None or ends - today > _SOON:
        return None
    day = f"{ends.day} {ends:%B %Y}"
    if ends <= today:
        says = f"OPENAI_MODEL: {model} was shut down on {day}; choose another."
        return Outlook(is_gone=True, says=says)
    says = (
        f"The model {model} shuts down on {day}; choose another OPENAI_MODEL by then."
    )
    return Outlook(is_gone=False, says=says)


def _date(given: object) -> date | None:
    """Return the day of a date or a time as servers write it (RFC 3339)."""
    if not isinstance(given, str):
        return None
    try:
        return date.fromisoformat(given[:10])
    except ValueError:
        return None
