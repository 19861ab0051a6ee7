"""What the app says it is doing, thread by thread."""

from collections.abc import Callable
from dataclasses import dataclass

# Slack: a status goes after two minutes without a message.
LIFE = 120.0


@dataclass(frozen=True, slots=True)
class _Status:
    text: str
    loading_messages: tuple[str, ...]
    ends_at: float


class Statuses:
    """Statuses of `assistant.threads.setStatus` and states of agent sessions."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._statuses: dict[tuple[str, str], _Status] = {}
        self.sessions: dict[tuple[str, str], str] = {}

    def set(
        self, channel_id: str, thread_ts: str, text: str, loading: tuple[str, ...] = ()
    ) -> None:
        """Show a status for two minutes; an empty text clears it."""
        if text:
            ends_at = self._clock() + LIFE
            self._statuses[channel_id, thread_ts] = _Status(text, loading, ends_at)
        else:
            self.clear(channel_id, thread_ts)

    def clear(self, channel_id: str, thread_ts: str) -> bool:
        """Show nothing any more; tells whether there was something."""
        was = self.text(channel_id, thread_ts)
        self._statuses.pop((channel_id, thread_ts), None)
        return bool(was)

    def text(self, channel_id: str, thread_ts: str) -> str:
        """Return the status in view, or nothing."""
        status = self._statuses.get((channel_id, thread_ts))
        return status.text if status and self._clock() < status.ends_at else ""

    def all(self) -> dict[tuple[str, str], str]:
        """Return every status in view by channel and thread."""
        return {key: text for key in self._statuses if (text := self.text(*key))}
