"""The request that the sandbox prints, sent as it stands."""

import shlex
from pathlib import Path

import aiohttp

from tests.e2e.program import free_port, running


async def test_the_printed_request_is_answered_line_by_line(tmp_path: Path) -> None:
    arguments = ("sandbox", "--with-bot", "--port", str(free_port()))
    async with running(*arguments, folder=tmp_path, settings={}) as program:
        curl, _, url, _, header, _, body = shlex.split(await program.says("curl "))
        name, _, value = header.partition(": ")
        async with (
            aiohttp.ClientSession(headers={name: value}) as session,
            session.post(url, data=body.encode()) as answer,
        ):
            said = (await answer.text()).splitlines()

    assert curl == "curl"
    assert answer.status == 200
    assert said[0].startswith('5:{"threadId":"thread_')
    assert any('"newTemperature":23.0' in line for line in said)
    assert said[-1].startswith("0:")
