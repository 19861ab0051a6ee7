"""Keeps a workspace's state in a directory, so that it survives a restart."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from app.sandbox.records import Json

_NAME = "workspace.jsonl"
# An answer that grows is many records, all but one of them out of date.
_LONG = 20_000


class Store:
    """An append-only file of records; the latest one about a thing counts."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / _NAME
        self._file: TextIO | None = None
        self._added = 0

    @property
    def is_long(self) -> bool:
        """Whether so much was appended that it is time to begin again."""
        return self._added >= _LONG

    def load(self) -> Iterator[Json]:
        """Yield what was written; a line cut short by a crash ends the reading."""
        if not self._path.exists():
            return
        with self._path.open(encoding="utf-8") as lines:
            for line in lines:
                if not line.endswith("\n"):
                    return
                yield json.loads(line)

    def begin(self, records: Iterable[Json]) -> None:
        """Replace the file by these records and go on appending to it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        # The file holds the tokens of this workspace: for its owner's eyes.
        with os.fdopen(
            os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            "w",
            encoding="utf-8",
        ) as file:
            file.writelines(_line(record) for record in records)
        self.close()
        fresh.replace(self._path)
        self._added = 0
        self._file = self._path.open("a", encoding="utf-8")

    def add(self, record: Json) -> None:
        """Append one record; it is the operating system's when this returns."""
        if self._file is not None:
            self._file.write(_line(record))
            self._file.flush()
            self._added += 1

    def close(self) -> None:
        """Stop appending."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _line(record: Json) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"
