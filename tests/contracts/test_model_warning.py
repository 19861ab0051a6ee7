"""What the start and the doctor say of the model, by what its server lists."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from app.doctor import examine, model_warning
from app.settings import Settings, read_settings

from .replaying import served

Answer = Callable[[], web.Response]


def models(**more: object) -> Answer:
    model = {"id": "gpt-6-luna", "object": "model", "created": 1, "owned_by": "openai"}
    page = {"object": "list", "data": [model | more]}
    return lambda: web.json_response(page)


def in_days(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


@asynccontextmanager
async def listing(answer: Answer) -> AsyncIterator[Settings]:
    async def list_models(_: web.Request) -> web.Response:
        return answer()

    app = web.Application()
    app.router.add_get("/v1/models", list_models)
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(served(app))
        given = {
            "SLACK_BOT_TOKEN": "xoxb-nobody",
            "SLACK_SIGNING_SECRET": "nothing",
            "SLACK_API_URL": f"{address}/api/",
            "OPENAI_BASE_URL": f"{address}/v1",
            "OPENAI_MODEL": "gpt-6-luna",
            "DATABASE_URL": "sqlite:////nowhere/at/all",
        }
        yield read_settings(given, env_file=None)


async def test_a_model_that_ends_soon_is_no_fault_but_said():
    async with listing(models(shutdown_date=in_days(30))) as settings:
        warning = await model_warning(settings)
        found = (await examine(settings))[-1]

    assert warning
    assert warning.startswith("The model gpt-6-luna shuts down on ")
    assert (found.is_fine, found.says) == (True, warning)


async def test_a_model_that_has_ended_is_amiss():
    async with listing(models(shutdown_date=in_days(-1))) as settings:
        warning = await model_warning(settings)
        found = (await examine(settings))[-1]

    assert warning
    assert warning.startswith("OPENAI_MODEL: gpt-6-luna was shut down on ")
    assert (found.is_fine, found.says) == (False, warning)


async def test_a_model_that_is_listed_no_more_is_gone():
    async with listing(models(id="newer", shutdown_date=in_days(400))) as settings:
        assert await model_warning(settings) == "OPENAI_MODEL: no gpt-6-luna there."


async def test_a_server_that_takes_any_name_is_fine_whatever_it_lists():
    async with listing(models(id="whatever.gguf")) as settings:
        found = (await examine(settings))[-1]

    assert found.is_fine
    assert found.says == (
        "The model's server answers; it may take gpt-6-luna, but does not list it."
    )


@pytest.mark.parametrize(
    "answer",
    [
        models(),
        models(shutdown_date=None),
        models(shutdown_date=in_days(400)),
        models(id="whatever.gguf"),
        lambda: web.json_response({"object": "list", "data": []}),
        lambda: web.json_response({}),
        lambda: web.json_response(["gpt-6-luna"]),
        lambda: web.Response(text="<html>hello</html>", content_type="text/html"),
        lambda: web.Response(text="{", content_type="application/json"),
        lambda: web.Response(status=404),
        lambda: web.Response(status=500),
        lambda: web.Response(status=401),
    ],
)
async def test_a_server_that_tells_no_date_is_no_reason_to_say_anything(answer: Answer):
    async with listing(answer) as settings:
        assert await model_warning(settings) is None
        await examine(settings)


async def test_a_server_that_is_away_is_no_reason_either():
    async with listing(models()) as settings:
        pass

    assert await model_warning(settings) is None
