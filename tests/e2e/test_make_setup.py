"""What `make` does on a machine as people have them, in real copies of this folder.

The copies have empty locks and stand-ins for the app and pytest, so that a .venv is
made in seconds and without a network; everything else is the real thing.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Making a .venv is slow work for a machine that is busy with something else.
pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
# Not the one of a virtual environment: it could not make another one on Debian.
REAL_PYTHON = Path(sys.base_prefix, "bin", f"python{VERSION}")
SAYS_SETTING_UP = "Setting up .venv"

STAND_IN = """
import os, signal, sys
names = ("no_proxy", "NO_PROXY", "OPENAI_API_KEY", "DATABASE_URL", "PORT")
try:
    print(" ".join(sys.argv[1:]), {name: os.environ.get(name) for name in names})
    if "--wait" in sys.argv:
        print(os.getpid(), flush=True)
        signal.pause()
    print(os.environ.get("SAYS", ""))
except KeyboardInterrupt:
    print("Stopped.")
"""

REAL = f"""#!/bin/sh
exec "{REAL_PYTHON}" "$@"
"""
SHIM_OF_A_VERSION_NOT_CHOSEN = """#!/bin/sh
echo "python: command not found" >&2
exit 127
"""
OLD = """#!/bin/sh
echo 3.9:
"""
WITHOUT_VENV = f"""#!/bin/sh
if [ "$1 $2" = "-m venv" ]; then
    mkdir -p "$3/bin"
    echo "The virtual environment was not created successfully because ensurepip is not"
    echo "available.  On Debian/Ubuntu systems, you need to install the python3-venv"
    echo "package using the following command."
    exit 1
fi
exec "{REAL_PYTHON}" "$@"
"""


class Project:
    """A copy of this folder, in a path with spaces."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a folder with spaces"
        self.bin = folder / "bin"
        shutil.copytree(ROOT / ".ci", self.folder / ".ci")
        shutil.copy(ROOT / "Makefile", self.folder)
        for lock in ("requirements.lock", "requirements-dev.lock"):
            (self.folder / lock).write_text("# nothing\n")
        (self.folder / "app").mkdir()
        (self.folder / "app" / "__main__.py").write_text(STAND_IN)
        (self.folder / "pytest.py").write_text(STAND_IN)
        self.bin.mkdir()
        for tool in ("sh", "cmp", "echo", "make"):
            found = shutil.which(tool)
            assert found, f"{tool} is not on this machine"
            (self.bin / tool).symlink_to(found)

    def has_pythons(self, **pythons: str) -> None:
        """Put commands on the PATH, by name, and no other Python."""
        for name, script in pythons.items():
            command = self.bin / name.replace("_", ".")
            command.write_text(script)
            command.chmod(0o755)

    def environ(self, environ: dict[str, str]) -> dict[str, str]:
        return {"PATH": str(self.bin), "HOME": str(self.folder)} | environ

    def make(self, *goals: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603
            ["make", *goals],  # noqa: S607
            cwd=self.folder,
            env=self.environ(environ),
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, *goals: str) -> subprocess.Popen[str]:
        # Who runs tests in the background ignores Ctrl-C, and so would what they start.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return subprocess.Popen(  # noqa: S603
            ["make", *goals],  # noqa: S607
            cwd=self.folder,
            env=self.environ({}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("ready"))
    project.has_pythons(python3=REAL)
    made = project.make("runtime", "development")
    assert made.returncode == 0, made.stderr
    yield project
    assert SAYS_SETTING_UP not in project.make("run").stderr


@pytest.fixture(scope="module")
def quick(ready: Project, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a Python that makes a .venv as a copy of one, which is 20 times faster."""
    made = tmp_path_factory.mktemp("quick") / "venv"
    shutil.copytree(
        ready.folder / ".venv",
        made,
        symlinks=True,
        ignore=shutil.ignore_patterns("requirements*.lock"),
    )
    return f"""#!/bin/sh
if [ "$1 $2" = "-m venv" ]; then
    exec {shutil.which("cp")} -R "{made}/." "$3"
fi
exec "{REAL_PYTHON}" "$@"
"""


def own_words(made: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what was said besides make's own last line."""
    return [line for line in made.stderr.splitlines() if not line.startswith("make")]


def test_the_first_command_sets_up_and_the_second_has_nothing_to_do(
    project: Project, quick: str
) -> None:
    project.has_pythons(python3=quick)

    first, second = project.make("run"), project.make("run")

    assert first.returncode == second.returncode == 0
    assert first.stdout.startswith("run ")
    assert SAYS_SETTING_UP in first.stderr
    assert second.stdout == first.stdout
    assert second.stderr == ""


def test_tests_bring_what_a_run_needs(ready: Project) -> None:
    for stamp in (ready.folder / ".venv").glob("requirements*.lock"):
        stamp.unlink()

    tested, ran = ready.make("test"), ready.make("run", "sandbox")

    assert SAYS_SETTING_UP in tested.stderr
    assert own_words(ran) == []


def test_a_changed_lock_is_installed(ready: Project) -> None:
    (ready.folder / "requirements.lock").write_text("# still nothing\n")

    first, second = ready.make("run"), ready.make("run")

    assert SAYS_SETTING_UP in first.stderr
    assert own_words(second) == []


def test_what_has_no_hash_is_not_installed(ready: Project, tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "setup.py").touch()
    lock = ready.folder / "requirements-dev.lock"
    lock.write_text(f"{package}\n")

    made = ready.make("test")

    lock.write_text("# nothing\n")
    assert made.returncode != 0
    assert "hashes" in made.stderr
    assert made.stdout == ""


def test_several_commands_at_once_set_up_once(project: Project, quick: str) -> None:
    project.has_pythons(python3=quick)

    with project.start("-j4", "run", "sandbox", "test") as one:
        with project.start("-j4", "test", "run") as other:
            _, other_errors = other.communicate()
        _, one_errors = one.communicate()

    assert (one.returncode, other.returncode) == (0, 0)
    # Once for the runtime's lock, and once at most to add what only tests need.
    assert 1 <= (one_errors + other_errors).count(SAYS_SETTING_UP) <= 2


def test_commands_that_only_pretend_to_be_python_are_passed_over(
    project: Project, quick: str
) -> None:
    project.has_pythons(
        python3_11=SHIM_OF_A_VERSION_NOT_CHOSEN, python3_12=OLD, python3_14=quick
    )

    made = project.make("run", PYTHON="/nowhere/python")

    assert made.returncode == 0
    assert own_words(made)[0].startswith(SAYS_SETTING_UP)


def test_without_any_python_one_line_says_what_to_install(project: Project) -> None:
    project.has_pythons(
        python3_11=SHIM_OF_A_VERSION_NOT_CHOSEN, python3=SHIM_OF_A_VERSION_NOT_CHOSEN
    )

    made = project.make("run")

    assert made.returncode != 0
    [line] = own_words(made)
    assert "the package python3-venv" in line
    assert not (project.folder / ".venv").exists()


def test_a_python_that_is_too_old_is_named(project: Project) -> None:
    project.has_pythons(python3=OLD)

    made = project.make("run")

    [line] = own_words(made)
    assert "python3 is 3.9" in line
    assert "the package python3.11-venv" in line


def test_a_python_without_venv_names_the_one_package_to_install(
    project: Project,
) -> None:
    project.has_pythons(python3_11=WITHOUT_VENV, python3=WITHOUT_VENV)

    made = project.make("test")

    assert made.returncode != 0
    assert own_words(made)[-1].count(f"the package python{VERSION}-venv,") == 1
    assert "ensurepip" not in made.stderr
    assert not (project.folder / ".venv").exists()


def test_another_python_helps_out_when_the_first_cannot_make_a_venv(
    project: Project, quick: str
) -> None:
    project.has_pythons(python3_11=WITHOUT_VENV, python3=quick)

    made = project.make("run")

    assert made.returncode == 0
    assert made.stdout.startswith("run ")


def test_a_venv_whose_python_is_gone_is_made_anew(project: Project, quick: str) -> None:
    project.has_pythons(python3=quick)
    venv = project.folder / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to("/nowhere/python3.11")
    shutil.copy(project.folder / "requirements.lock", venv)

    made = project.make("run")

    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("run ")


def test_an_interrupted_set_up_is_begun_anew_even_with_its_venv_active(
    project: Project, quick: str
) -> None:
    project.has_pythons(python3=quick)
    venv = project.folder / ".venv"
    project.make("run")
    # As it is left when the first packages were there already.
    (venv / "requirements.lock").rename(venv / "unfinished")
    (venv / "half_a_package").mkdir()

    made = project.make("run", PATH=f"{venv / 'bin'}:{project.bin}")

    assert made.returncode == 0, made.stderr
    assert not (venv / "half_a_package").exists()
    assert own_words(project.make("run")) == []


def test_what_a_shell_has_lying_around_does_not_break_the_set_up(
    project: Project, quick: str
) -> None:
    project.has_pythons(python3=quick)

    made = project.make(
        "run",
        PYTHONHOME="/nowhere",
        PYTHONSAFEPATH="1",
        PIP_USER="1",
        CDPATH="/",
    )

    assert made.returncode == 0, made.stderr


@pytest.mark.parametrize(
    ("given", "result"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": "corp.example"}, "corp.example,127.0.0.1,localhost"),
        ({"no_proxy": "corp.example"}, "corp.example,127.0.0.1,localhost"),
        ({"no_proxy": "*", "NO_PROXY": "*"}, "*"),
    ],
)
def test_loopback_goes_round_the_proxy(
    ready: Project, given: dict[str, str], result: str
) -> None:
    made = ready.make("run", HTTP_PROXY="http://127.0.0.1:9", **given)

    assert f"'no_proxy': '{result}', 'NO_PROXY': '{result}'" in made.stdout


def test_settings_in_the_shell_do_not_reach_the_tests(ready: Project) -> None:
    stray = {"OPENAI_API_KEY": "sk-1", "DATABASE_URL": "x", "PORT": "1"}

    tested, ran = ready.make("test", **stray), ready.make("run", **stray)

    assert "'OPENAI_API_KEY': None, 'DATABASE_URL': None, 'PORT': None" in tested.stdout
    assert "'OPENAI_API_KEY': 'sk-1', 'DATABASE_URL': 'x', 'PORT': '1'" in ran.stdout


def test_arguments_are_passed_on(ready: Project) -> None:
    made = ready.make("test", "ARGS=-k 'stop or follow'")

    assert " -k stop or follow {" in made.stdout


def test_without_a_goal_the_commands_are_listed_and_nothing_is_done(
    project: Project,
) -> None:
    made = project.make()

    assert made.returncode == 0
    for goal in ("run", "sandbox", "fresh", "test", "check", "bench", "chaos"):
        assert f"make {goal} " in made.stdout
    assert not (project.folder / ".venv").exists()


def test_one_ctrl_c_ends_everything(ready: Project) -> None:
    with ready.start("run", "ARGS=--wait") as made:
        assert made.stdout
        made.stdout.readline()
        child = int(made.stdout.readline())

        os.killpg(made.pid, signal.SIGINT)
        out, _ = made.communicate(timeout=10)

    assert out.startswith("Stopped.\n")
    assert made.returncode in {-signal.SIGINT, 2, 130}
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_fresh_empties_the_sandbox(ready: Project) -> None:
    sandbox = ready.folder / ".sandbox"
    (sandbox / "files").mkdir(parents=True)
    for left_over in ("files/one", "threadline.db", "lock"):
        (sandbox / left_over).touch()

    made = ready.make("fresh")

    assert made.stdout == "The sandbox is empty.\n"
    assert list(sandbox.iterdir()) == []


def test_fresh_leaves_a_running_sandbox_alone(ready: Project) -> None:
    sandbox = ready.folder / ".sandbox"
    sandbox.mkdir(exist_ok=True)
    (sandbox / "threadline.db").touch()
    with (sandbox / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        made = ready.make("fresh")

    assert made.returncode != 0
    assert "The sandbox is running" in own_words(made)[0]
    assert (sandbox / "threadline.db").exists()


@pytest.mark.parametrize(
    ("says", "status"),
    [
        ("==== 12 passed, 1 skipped in 3.21s ====", 0),
        ("==== 3 skipped in 0.10s ====", 1),
        ("==== no tests ran in 0.10s ====", 1),
    ],
)
def test_ci_fails_when_no_test_ran(ready: Project, says: str, status: int) -> None:
    for tool in ("ruff.py", "mypy.py", ".venv/bin/lint-imports"):
        (ready.folder / tool).write_text(STAND_IN)

    ran = subprocess.run(
        ["bash", ".ci/run"],  # noqa: S607
        cwd=ready.folder,
        env={
            "PATH": f"{ready.bin}:{os.environ['PATH']}",
            "CHROMIUM": str(REAL_PYTHON),
            "SAYS": says,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert says in ran.stdout
    assert ran.returncode == status
    assert ("No test ran." in ran.stderr) == bool(status)
