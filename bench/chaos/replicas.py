"""The replicas: processes of the program, each behind proxies of its own."""

import asyncio
import json
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench.chaos.proxy import FaultProxy, Streams, Weather
from bench.table import free_port, surroundings

_ROOT = Path(__file__).parents[2]
_READY = "/invite"
_ANSWERS_WITHIN = 20.0
_BEGINS_WITHIN = 60.0
# Who finds no database at its start ends; it is not begun anew without a breath.
_BREATH = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """The end of a process that nobody asked to end well; `at` is epoch seconds."""

    pid: int
    at: float


class Replica:
    """One place in which a process runs, after its end the next one."""

    def __init__(
        self,
        program: Path,
        town: Mapping[str, str],
        database_url: str,
        folder: Path,
        number: int,
    ) -> None:
        self._program = program
        self._town = town
        self._database_url = database_url
        self._folder = folder / f"replica-{number}"
        self._process: Process | None = None
        self._living: asyncio.Task[None] | None = None
        self._is_ready = asyncio.Event()
        self._armed: str | None = None
        self._is_over = False
        self.is_paused = False
        self.deaths: list[Death] = []
        self.crashed_at: list[str] = []
        host, _, port = town["host"].rpartition(":")
        self._slack = FaultProxy(lambda: asyncio.open_connection(host, int(port)))
        self._model = FaultProxy(lambda: asyncio.open_connection(host, int(port)))
        self._database = FaultProxy(self._reach_database)
        self.proxies: dict[str, FaultProxy] = {
            "slack": self._slack,
            "model": self._model,
        }
        if database_url.startswith("postgresql"):
            self.proxies["database"] = self._database

    @property
    def is_ready(self) -> bool:
        """Whether it serves, so that its death would be noticed."""
        return self._is_ready.is_set() and not self.is_paused

    @property
    def is_whole(self) -> bool:
        """Whether it could go on with what another one leaves behind."""
        is_clear = all(proxy.is_clear for proxy in self.proxies.values())
        return self.is_ready and is_clear and not self._armed

    async def start(self) -> None:
        """Begin, and begin anew after each end, until `end`."""
        self._folder.mkdir()
        for proxy in self.proxies.values():
            await proxy.start()
        self._living = asyncio.create_task(self._live())

    async def until_ready(self) -> None:
        """Wait until it serves; TimeoutError if it can't be got to."""
        async with asyncio.timeout(_BEGINS_WITHIN):
            await self._is_ready.wait()

    def kill(self, crash_next_at: str | None = None) -> None:
        """End the process at once; its successor may be armed."""
        self._armed = crash_next_at
        self._send(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask the process to end well."""
        self._armed = None
        self._send(signal.SIGTERM)

    def pause(self) -> None:
        """Let the process do nothing at all until `go_on`."""
        self.is_paused = True
        self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let a paused process go on as if nothing had been."""
        self._send(signal.SIGCONT)
        self.is_paused = False

    def calm(self) -> None:
        """Let nothing go wrong any more; an armed process makes way for another."""
        for proxy in self.proxies.values():
            proxy.turn(Weather.CLEAR)
        self.go_on()
        if self._armed:
            self.kill()

    async def end(self) -> None:
        """End for good, with whatever runs."""
        self._is_over = True
        self.go_on()
        self._send(signal.SIGKILL)
        if self._living:
            await self._living
        for proxy in self.proxies.values():
            await proxy.close()

    async def _live(self) -> None:
        while not self._is_over:
            armed = self._armed
            process = await self._begin(armed)
            self._has_begun(process)
            reading = asyncio.create_task(self._read(process))
            code = await process.wait()
            await reading
            if not self._is_ready.is_set():
                await asyncio.sleep(_BREATH)
            self._is_ready.clear()
            if code == -signal.SIGKILL and not self._is_over:
                self.deaths.append(Death(pid=process.pid, at=time.time()))
            if armed and self._armed == armed:
                self.crashed_at.append(armed)
                self._armed = None

    async def _begin(self, armed: str | None) -> Process:
        more = {"THREADLINE_CRASH_AT": armed} if armed else {}
        with (self._folder / "log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "app",
                "serve",
                cwd=self._folder,
                env={**surroundings(), **self._settings(), **more},
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=log,
                # Ctrl-C is for the storm, which then ends them all.
                start_new_session=True,
            )

    def _has_begun(self, process: Process) -> None:
        self._process = process
        if self._is_over:  # said while it began, so it heard nothing
            self._send(signal.SIGKILL)

    async def _read(self, process: Process) -> None:
        if process.stdout:
            async for line in process.stdout:
                if _READY in line.decode():
                    self._is_ready.set()

    def _send(self, number: signal.Signals) -> None:
        process = self._process
        if process and process.returncode is None:
            process.send_signal(number)

    def _settings(self) -> dict[str, str]:
        slack = f"http://127.0.0.1:{self._slack.port}"
        return {
            "PYTHONPATH": str(self._program),
            "SLACK_BOT_TOKEN": self._town["bot_token"],
            "SLACK_APP_TOKEN": self._town["app_token"],
            "SLACK_API_URL": f"{slack}/api/",
            "OPENAI_BASE_URL": f"http://127.0.0.1:{self._model.port}/v1",
            "DATABASE_URL": self._url(),
            "PORT": str(free_port()),
            "TURNS_PER_PERSON_PER_HOUR": "0",
            "AUTO_MIGRATE": "false",
        }

    def _url(self) -> str:
        if "database" not in self.proxies:
            return self._database_url
        name = urlsplit(self._database_url).path
        return f"postgresql://postgres@127.0.0.1:{self._database.port}{name}"

    async def _reach_database(self) -> Streams:
        (folder,) = parse_qs(urlsplit(self._database_url).query)["host"]
        return await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.5432")


class Town:
    """The process in which the sandbox and its people live."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.addresses: dict[str, str] = {}

    @classmethod
    async def begin(cls, seed: int, pace: float) -> "Town":
        """Start it; it ends with this process."""
        arguments = ["--seed", str(seed), "--pace", str(pace)]
        town = cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "bench.chaos.town",
                *arguments,
                cwd=_ROOT,
                env=surroundings(),
                stdin=PIPE,
                stdout=PIPE,
                start_new_session=True,
            )
        )
        town.addresses = await town._answer()
        return town

    async def ask(self, *words: str) -> Any:  # noqa: ANN401 - JSON
        """Say some words and return the answer."""
        stdin = self._process.stdin
        if stdin is None:
            return None
        stdin.write(f"{' '.join(words)}\n".encode())
        await stdin.drain()
        return await self._answer()

    async def end(self) -> None:
        """End it, however it is."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def _answer(self) -> Any:  # noqa: ANN401 - JSON
        if self._process.stdout is None:
            return None
        async with asyncio.timeout(_ANSWERS_WITHIN):
            return json.loads(await self._process.stdout.readline())
