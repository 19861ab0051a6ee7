"""One request as the handlers see it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from app.sandbox.model.assistants.threads import Wire
from app.sandbox.model.control import ModelControl, RequestRecord
from app.sandbox.model.exchange import check_key, read_json, recorded, request_id
from app.sandbox.model.refusals import Refused, bad_value

_LONGEST_PAGE, _USUAL_PAGE = 100, 20
_NO_BETA = (
    "You must provide the 'OpenAI-Beta' header to access the Assistants API. Please try"
    " again by setting the header 'OpenAI-Beta: assistants=v2'."
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with a key and the right header."""

    request: web.Request
    record: RequestRecord
    body: object

    def id(self, what: str) -> str:
        """The id of the thread, run, … that the path names."""
        return self.request.match_info[what]


Answered = Wire | web.StreamResponse
Handler = Callable[[Asked], Awaitable[Answered]]


def served(
    control: ModelControl, handler: Handler, *, is_beta: bool = True
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Make a route of a handler."""

    async def answer(request: web.Request, record: RequestRecord) -> web.StreamResponse:
        check_key(request)
        if is_beta:
            _check_beta(request)
        record.body = await read_json(request) if request.can_read_body else {}
        answered = await handler(Asked(request, record, record.body))
        record.ended = record.ended or "answered"
        if isinstance(answered, dict):
            return web.json_response(answered, headers=request_id())
        return answered

    async def route(request: web.Request) -> web.StreamResponse:
        return await recorded(request, control, answer)

    return route


def _check_beta(request: web.Request) -> None:
    betas = request.headers.get("OpenAI-Beta", "").replace(" ", "").split(",")
    if "assistants=v2" not in betas:
        raise Refused(400, _NO_BETA, code="invalid_beta")


def page(asked: Asked, oldest_first: Sequence[Wire]) -> Wire:
    """The page of a list that the request asks for; newest first unless it says so."""
    query = asked.request.query
    order = query.get("order", "desc")
    if order not in {"asc", "desc"}:
        raise bad_value("order", order, ("asc", "desc"))
    items = list(oldest_first if order == "asc" else reversed(oldest_first))
    if "after" in query:
        items = items[_place(items, query["after"]) + 1 :]
    limit = _limit(query.get("limit"))
    is_backwards = "before" in query
    if is_backwards:
        items = items[: _place(items, query["before"])]
    shown = items[-limit:] if is_backwards else items[:limit]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(items) > limit,
    }


def _place(items: Sequence[Wire], wanted: str) -> int:
    for place, item in enumerate(items):
        if item["id"] == wanted:
            return place
    raise Refused(404, f"No object found with id '{wanted}'.")


def _limit(given: str | None) -> int:
    if given is None:
        return _USUAL_PAGE
    if not given.isdecimal() or not 1 <= int(given) <= _LONGEST_PAGE:
        message = f"Invalid 'limit': expected an integer from 1 to 100, got '{given}'."
        raise Refused(400, message, param="limit", code="invalid_value")
    return int(given)
