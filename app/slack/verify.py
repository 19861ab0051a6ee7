"""Whether a request really comes from Slack, judged on its raw bytes."""

import hashlib
import hmac
import re
from collections.abc import Mapping

MAX_AGE = 300.0

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")


def header_refusal(headers: Mapping[str, str], now: float) -> str | None:
    """Return why the headers alone rule a request out, before its body is read.

    `now` in epoch seconds. Slack: a request more than five minutes old is a replay.
    """
    timestamp = headers.get("X-Slack-Request-Timestamp", "")
    if not _TIMESTAMP.fullmatch(timestamp):
        return "bad timestamp"
    # compare_digest raises for anything but ASCII, so the form is checked first.
    if not _SIGNATURE.fullmatch(headers.get("X-Slack-Signature", "")):
        return "bad signature"
    if abs(now - int(timestamp)) > MAX_AGE:
        return "stale"
    return None


def refusal(
    headers: Mapping[str, str], body: bytes, secret: str, now: float
) -> str | None:
    """Return why a request is not Slack's, or None when its signature holds."""
    if reason := header_refusal(headers, now):
        return reason
    expected = signature(headers["X-Slack-Request-Timestamp"], body, secret)
    if not hmac.compare_digest(expected, headers["X-Slack-Signature"]):
        return "bad signature"
    return None


def signature(timestamp: str, body: bytes, secret: str) -> str:
    """Return Slack's v0 signature: HMAC-SHA256 over version, time and raw body."""
    signed = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
