"""The page at `/`: a small Slack, as plain files."""

from pathlib import Path

from aiohttp import web

_PAGE = Path(__file__).parent / "page"
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def add_page_routes(app: web.Application) -> None:
    """Serve the page, its styles and its scripts; nothing else of the folder."""
    app.router.add_get("/", _show_index)
    app.router.add_get("/page/{name}", _show_file)


async def _show_index(_: web.Request) -> web.Response:
    return _file("index.html")


async def _show_file(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    # Only names of the folder itself are served, whatever the path tries.
    if name not in {file.name for file in _PAGE.iterdir()} or "." not in name:
        raise web.HTTPNotFound(headers=_HEADERS)
    return _file(name)


def _file(name: str) -> web.Response:
    file = _PAGE / name
    kind = _TYPES.get(file.suffix)
    if kind is None:
        raise web.HTTPNotFound(headers=_HEADERS)
    text = file.read_text(encoding="utf-8")
    return web.Response(text=text, content_type=kind, charset="utf-8", headers=_HEADERS)
