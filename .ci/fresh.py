"""Empties .sandbox/, unless a sandbox is using it."""  # noqa: INP001

import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

SANDBOX = Path(".sandbox")


def is_open(database: Path) -> bool:
    """Tell whether another process has this SQLite database open."""
    try:
        with closing(sqlite3.connect(database, timeout=0)) as connection:
            # SQLite leaves its write-ahead log only while nobody else is connected.
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError:
        return True
    except sqlite3.DatabaseError:
        return False
    return False


def main() -> None:
    """Remove what .sandbox/ holds."""
    if any(is_open(database) for database in SANDBOX.rglob("*.db")):
        sys.exit("The sandbox is running: stop it first, with Ctrl-C where it runs.")
    for entry in SANDBOX.iterdir() if SANDBOX.is_dir() else ():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    sys.stdout.write("The sandbox is empty.\n")


if __name__ == "__main__":
    main()
