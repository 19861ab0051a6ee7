"""A small Slack on this machine, with or without the bot in it."""

import errno
import fcntl
import secrets
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.bootstrap.bot import RunningBot, running_bot
from app.sandbox.model.assistants.threads import ASSISTANT_ID
from app.sandbox.server import Sandbox
from app.settings import Settings

_PORTS_TRIED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSandbox:
    """A small Slack, and the bot in it if there is one, with its web token."""

    sandbox: Sandbox
    bot: RunningBot | None = None
    web_api_token: str = ""


@asynccontextmanager
async def running_sandbox(
    state: Path, port: int, *, with_bot: bool, model: Mapping[str, str]
) -> AsyncGenerator[RunningSandbox]:
    """Serve a small Slack from the folder `state` until the block is left.

    Where the port is taken the next free one is used. With the bot in it, the bot's
    database lives in the same folder, so that both begin and end together. `model`
    are settings of another model than the sandbox's own, if any. Raises OSError when
    a sandbox is running in that folder already, or no port is free.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(_alone_in(state))
        sandbox = await _free_sandbox(state, port)
        stack.push_async_callback(sandbox.close)
        if not with_bot:
            yield RunningSandbox(sandbox=sandbox)
            return
        token = f"web-sandbox-{secrets.token_hex(8)}"
        settings = _sandbox_settings(sandbox, state, model, token)
        bot = await stack.enter_async_context(running_bot(settings))
        yield RunningSandbox(sandbox=sandbox, bot=bot, web_api_token=token)


@contextmanager
def _alone_in(state: Path) -> Generator[None]:
    """Hold the folder: two sandboxes in it would write over each other."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(f"A sandbox is running already in {state}.") from None
        yield


async def _free_sandbox(state: Path, port: int) -> Sandbox:
    for candidate in range(port, port + _PORTS_TRIED):
        try:
            return await Sandbox.start(port=candidate, state_dir=state)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise OSError(f"The ports {port} to {port + _PORTS_TRIED - 1} are all taken.")


def _sandbox_settings(
    sandbox: Sandbox, state: Path, model: Mapping[str, str], web_api_token: str
) -> Settings:
    is_offline = model.keys().isdisjoint({"openai_base_url", "openai_api_key"})
    offline = {
        "openai_base_url": sandbox.model_url,
        "openai_api_key": "none",
        "assistant_id": ASSISTANT_ID,
    }
    settings = Settings.model_validate(
        {
            "slack_bot_token": sandbox.bot_token,
            "slack_app_token": sandbox.app_token,
            "slack_api_url": sandbox.api_url,
            "web_api_token": web_api_token,
            **(offline if is_offline else {}),
            **model,
            "database_url": f"sqlite:///{state / 'threadline.db'}",
            # Nobody pays for what people try out here.
            "turns_per_person_per_hour": "0",
        }
    )
    return settings.model_copy(update={"port": 0})
