"""Short words for those who ask for tokens."""

from typing import Any

from app.storage.rate_budgets import Request

KEEP = 6.0


def asks(holder: str, **its: Any) -> Request:  # noqa: ANN401
    """Ask with nothing special about it but what is named."""
    usual = {
        "held": 0,
        "returned": 0,
        "sent": (),
        "alone": 0,
        "wanted": 3,
        "soon": 0.0,
        "lasting": 0,
        "must": 1,
        "demand": 1.0,
        "reserve": 0.0,
        "keep": KEEP,
    }
    return Request(holder=holder, **{**usual, **its})
