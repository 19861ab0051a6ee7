"""Looks for posts of a turn whose answer was lost, as patiently as limits ask."""

from collections.abc import Callable

from app import telemetry
from app.domain import Turn
from app.errors import PostUnconfirmed, RateLimited, SlackError, SlackUnavailable
from app.slack.outbound import Outbound, StreamSought

# Some apps may read a thread once a minute: a few such minutes.
_PATIENCE = 300.0
# A refusal is seldom taken back.
_PATIENCE_WITH_NO = 3.0
# The times of messages are Slack's, those of turns the database's.
_CLOCKS_APART = 300.0


class Lookup:
    """Tells whether a post stands in the thread of a turn, or that nobody can tell.

    A look-up has a budget of its own: that it has to wait holds no post of others back.
    """

    def __init__(
        self, outbound: Outbound, turn: Turn, now: Callable[[], float]
    ) -> None:
        self._outbound = outbound
        self._turn = turn
        self._now = now
        self._since = _before(turn)
        self._asked_since: dict[str, float] = {}
        self._not_before = 0.0

    async def find(
        self, post_key: str, *, besides: frozenset[str] | None = None
    ) -> str | None:
        """Return the ts of the post with this key, None when there is none.

        It may be a stream where `besides` tells which messages are others. Raises
        SlackUnavailable while that is not known, so that the caller comes again a
        little later, and at last PostUnconfirmed.
        """
        began = self._asked_since.setdefault(post_key, self._now())
        waited = self._now() - began
        if self._now() < self._not_before:
            if waited > _PATIENCE:
                raise PostUnconfirmed
            raise SlackUnavailable("look_up_limited")
        try:
            found = await self._outbound.find(
                self._turn.thread,
                post_key,
                since=self._since,
                stream=self._stream_sought(besides),
            )
        except RateLimited as error:
            self._not_before = self._now() + error.retry_after
            if waited > _PATIENCE:
                raise PostUnconfirmed from error
            raise SlackUnavailable("look_up_limited") from error
        except SlackError as error:
            is_outage = isinstance(error, SlackUnavailable)
            if waited > (_PATIENCE if is_outage else _PATIENCE_WITH_NO):
                raise PostUnconfirmed from error
            raise SlackUnavailable("look_up_refused") from error
        if found:
            telemetry.count("slack.posts_adopted")
        return found

    def _stream_sought(self, besides: frozenset[str] | None) -> StreamSought | None:
        if besides is None:
            return None
        asked_at = min((float(each.ts) for each in self._turn.wanted), default=0.0)
        return StreamSought(asked_at, besides)


def _before(turn: Turn) -> str:
    """A time before which nothing of this turn was posted, in Slack's form."""
    first = min((float(each.ts) for each in turn.wanted), default=_CLOCKS_APART)
    return f"{max(0.0, first - _CLOCKS_APART):.6f}"
