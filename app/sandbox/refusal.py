"""Slack says no."""

from collections.abc import Sequence

from app.sandbox.records import Json


class Refused(Exception):
    """A call is answered with `ok: false`, this code, and details as Slack has them."""

    def __init__(self, code: str, details: Sequence[str] = (), **extra: str) -> None:
        super().__init__(code)
        self.code = code
        self.details = tuple(details)
        self.extra = extra

    def answer(self) -> Json:
        """Return the body that the caller gets."""
        body: Json = {"ok": False, "error": self.code, **self.extra}
        if self.details:
            body["errors"] = list(self.details)
            body["response_metadata"] = {
                "messages": [f"[ERROR] {detail}" for detail in self.details]
            }
        return body
