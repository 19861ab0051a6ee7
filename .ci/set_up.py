"""Makes .venv with the Python named first and installs the lock named second."""  # noqa: INP001

import fcntl
import filecmp
import shutil
import subprocess
import sys
from pathlib import Path

VENV = Path(".venv")
PYTHON = VENV / "bin" / "python"
UNFINISHED = VENV / "unfinished"
CANNOT_MAKE_VENV = 3
INSTALL = (
    *("-m", "pip", "install", "--require-hashes", "--no-user", "--quiet"),
    # Its word about newer versions would only hide what matters.
    "--disable-pip-version-check",
)


def main(python: str, lock: str) -> int:
    """Return the exit status; 3 when this Python lacks what a .venv needs."""
    # A second make, in another terminal or with -j, waits here and finds it done.
    with Path(__file__).open(encoding="utf-8") as own:
        fcntl.flock(own, fcntl.LOCK_EX)
        if is_sound() and is_installed(lock):
            return 0
        version = ".".join(map(str, sys.version_info[:3]))
        say(f"Setting up .venv with Python {version}, once; this takes a minute.")
        if not is_sound() and (status := make_venv(python)):
            return status
        return install(lock)


def is_sound() -> bool:
    """Tell whether .venv can be added to; one that was interrupted cannot."""
    if UNFINISHED.exists() or not PYTHON.exists():
        return False
    probe = "import sys, pip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))"
    return run(PYTHON, "-c", probe, capture_output=True).returncode == 0


def is_installed(lock: str) -> bool:
    """Tell whether the lock as it is now was the last one installed under its name."""
    stamp = VENV / lock
    return stamp.exists() and filecmp.cmp(lock, stamp, shallow=False)


def make_venv(python: str) -> int:
    """Make .venv anew, marked as unfinished."""
    clear()
    VENV.mkdir()
    UNFINISHED.touch()
    made = run(python, "-m", "venv", VENV, capture_output=True)
    if made.returncode == 0:
        return 0
    clear()
    told = made.stdout + made.stderr
    # Debian's own words, and those of its python3-minimal.
    if "ensurepip is not" in told or "No module named venv" in told:
        return CANNOT_MAKE_VENV
    say(told)
    return 1


def clear() -> None:
    """Remove .venv, whatever it is."""
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    elif VENV.exists():
        shutil.rmtree(VENV)


def install(lock: str) -> int:
    """Install the lock from wherever pip is configured to look; stamp .venv with it."""
    UNFINISHED.touch()
    status = run(PYTHON, *INSTALL, "-r", lock).returncode
    if status == 0:
        # The development lock holds the runtime's packages in the same versions.
        for done in {lock, "requirements.lock"}:
            shutil.copyfile(done, VENV / done)
        UNFINISHED.unlink()
    return status


def run(
    *command: Path | str, capture_output: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a command of this file's own making, without a shell."""
    return subprocess.run(  # noqa: S603
        command, capture_output=capture_output, text=True, check=False
    )


def say(line: str) -> None:
    """Tell the person in front of the terminal."""
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
