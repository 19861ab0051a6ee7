"""Empties .sandbox/, unless a sandbox is using it."""  # noqa: INP001

import fcntl
import shutil
import sys
from pathlib import Path

SANDBOX = Path(".sandbox")


def is_in_use() -> bool:
    """Tell whether a sandbox holds the folder."""
    try:
        with (SANDBOX / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def main() -> None:
    """Remove what .sandbox/ holds."""
    if is_in_use():
        sys.exit("The sandbox is running: stop it first, with Ctrl-C where it runs.")
    for entry in SANDBOX.iterdir() if SANDBOX.is_dir() else ():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    sys.stdout.write("The sandbox is empty.\n")


if __name__ == "__main__":
    main()
