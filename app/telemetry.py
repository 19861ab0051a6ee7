"""Logs without message text or secrets, and counters; imports nothing of ours."""

import json
import logging
import re
import sys
import traceback
from collections import Counter
from pathlib import Path

_SECRETS = re.compile(
    r"(xox[a-z]-|xapp-|xoxe[.-]|sk-|Bearer\s+|://[^/\s:@]+:)[^\s\"',;@]+",
)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

_PLACES = 6

counters: Counter[str] = Counter()


def count(name: str) -> None:
    """Add one to the counter called `name`."""
    counters[name] += 1


def fault(error: BaseException) -> dict[str, str]:
    """Return an error's kind and its innermost places, for a log.

    Not its own words: a database or a server may quote in them what somebody wrote.
    """
    frames = traceback.extract_tb(error.__traceback__)[-_PLACES:]
    places = [
        f"{Path(each.filename).stem}.{each.name}:{each.lineno}" for each in frames
    ]
    return {"error": type(error).__name__, "where": " > ".join(places)}


def redact(text: str) -> str:
    """Return `text` with everything that looks like a token or password left out."""
    return _SECRETS.sub(r"\1…", text)


class _Line(logging.Formatter):
    """One line an entry: the fixed phrase, then its facts as JSON."""

    def format(self, record: logging.LogRecord) -> str:
        facts = {
            key: value for key, value in vars(record).items() if key not in _STANDARD
        }
        line = f"{self.formatTime(record)} {record.levelname} {record.getMessage()}"
        if facts:
            line += " " + json.dumps(facts, default=str, ensure_ascii=False)
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return redact(line)


def configure_logging() -> None:
    """Log to standard error; libraries that log bodies or tokens stay at WARNING."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("app").setLevel(logging.INFO)
    # slack_sdk logs tokens and message text at DEBUG, slack_bolt whole bodies at INFO.
    # aiohttp.server shows tracebacks for requests that are not even HTTP.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    # It shows tracebacks for connections that are too dead to be closed.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    for name in ("slack_sdk", "slack_bolt", "openai", "httpx2", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
