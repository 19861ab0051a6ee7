"""Server-sent events, decoded from bytes as they come (WHATWG HTML, section 9.2)."""

from typing import NamedTuple

from app.assistants import failures

MAX_EVENT_BYTES = 16 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_CR, _LF = 13, 10


class ServerEvent(NamedTuple):
    """One event; `name` is empty when the server gave none."""

    name: str
    data: bytes


class EventDecoder:
    """Turns the bytes of one stream, split anywhere, into its events.

    An event comes out with the line end that completes it, never later. One that the
    stream's end leaves open never comes out. `id` and `retry` are read over: no stream
    of these can be taken up again.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._rest = bytearray()
        self._name = ""
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._is_first_line = True
        self._is_after_cr = False

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the events that `chunk` completes.

        Raises AssistantRefused when an event outgrows its limit.
        """
        lines = self._complete_lines(chunk)
        events = []
        for line in lines:
            if not line:
                if self._data:
                    events.append(self._dispatch())
                self._name = ""
            elif line.startswith(b"data:"):
                self._add_data(line[6:] if line[5:6] == b" " else line[5:])
            elif line.startswith(b"event:"):
                self._name = line[6:].removeprefix(b" ").decode("utf-8", "replace")
            elif line == b"data":
                self._add_data(b"")
            elif line == b"event":
                self._name = ""
        if len(self._rest) + self._data_bytes > self._max:
            raise failures.too_large()
        return events

    def _complete_lines(self, chunk: bytes) -> list[bytes]:
        if self._is_after_cr and chunk:
            # The line ended at its CR already, so that no event waits for the LF.
            self._is_after_cr = False
            if chunk[0] == _LF:
                chunk = chunk[1:]
        if not chunk:
            return []
        lines = chunk.splitlines()
        last = chunk[-1]
        if len(lines) == 1 and last not in (_CR, _LF):
            self._rest += chunk
            return []
        if self._rest:
            self._rest += lines[0]
            lines[0] = bytes(self._rest)
            self._rest.clear()
        self._is_after_cr = last == _CR
        if last not in (_CR, _LF):
            self._rest += lines.pop()
        if self._is_first_line:
            self._is_first_line = False
            lines[0] = lines[0].removeprefix(_BOM)
        return lines

    def _add_data(self, line: bytes) -> None:
        self._data.append(line)
        self._data_bytes += len(line) + 1

    def _dispatch(self) -> ServerEvent:
        event = ServerEvent(self._name, b"\n".join(self._data))
        self._data.clear()
        self._data_bytes = 0
        return event
