"""Keeps the sandbox to this machine and to its own page."""

import ipaddress

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine, without asking a resolver."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 403 to a foreign Host (DNS rebinding) and to a foreign page's requests."""
    try:
        host = URL(f"http://{request.host}").host or ""
    except ValueError:
        host = ""
    if not is_loopback(host):
        raise web.HTTPForbidden(text="This sandbox answers only on this machine.")
    origin = request.headers.get("Origin")
    is_own = origin is None or origin == f"http://{request.host}"
    site = request.headers.get("Sec-Fetch-Site", "none")
    # Following a link to the page shows nothing to the page that holds the link.
    is_visit = request.method == "GET" and (
        request.headers.get("Sec-Fetch-Mode") == "navigate"
    )
    if not is_own or (site not in ("none", "same-origin") and not is_visit):
        raise web.HTTPForbidden(text="This sandbox answers only to its own page.")
    return await handler(request)
