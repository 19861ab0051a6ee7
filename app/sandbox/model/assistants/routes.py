"""The routes of the Assistants API: `/v1/threads`, `/v1/assistants`, `/v1/models`."""

from aiohttp import web

from app.sandbox.model.assistants.asked import (
    Answered,
    Asked,
    Handler,
    page,
    served,
)
from app.sandbox.model.assistants.checks import (
    check_changes,
    check_free,
    check_message,
    check_thread,
)
from app.sandbox.model.assistants.runner import Runner
from app.sandbox.model.assistants.runs import Runs
from app.sandbox.model.assistants.threads import (
    ASSISTANT_ID,
    MODEL,
    Thread,
    Threads,
    Wire,
    add_message,
    new_thread,
    not_found,
    the_assistant,
)
from app.sandbox.model.control import ModelControl
from app.sandbox.model.refusals import Refused

# All names are answered by the one offline model.
_MODELS = (MODEL, "gpt-6-luna", "gpt-6.1-terra", "gpt-6.1-sol", "gpt-6-astra", "gpt-4o")
# The last day of models that OpenAI has announced the end of.
_ENDS = {"gpt-4o": "2027-01-14"}
_THREAD = "/v1/threads/{thread}"
_MESSAGE = f"{_THREAD}/messages/{{message}}"
_RUN = f"{_THREAD}/runs/{{run}}"


def add_assistant_routes(app: web.Application, control: ModelControl) -> None:
    """Serve threads and runs from `app`; what goes on ends when `app` closes."""
    threads, runner = Threads(), Runner(control)
    rooms, runs = _Threads(control, threads, runner), Runs(control, threads, runner)
    table: list[tuple[str, str, Handler]] = [
        ("POST", "/v1/threads", rooms.create),
        ("POST", "/v1/threads/runs", runs.create_with_thread),
        ("GET", _THREAD, rooms.show),
        ("POST", _THREAD, rooms.change),
        ("DELETE", _THREAD, rooms.delete),
        ("GET", f"{_THREAD}/messages", rooms.messages),
        ("POST", f"{_THREAD}/messages", rooms.say),
        ("GET", _MESSAGE, rooms.message),
        ("DELETE", _MESSAGE, rooms.delete_message),
        ("GET", f"{_THREAD}/runs", runs.index),
        ("POST", f"{_THREAD}/runs", runs.create),
        ("GET", _RUN, runs.show),
        ("POST", _RUN, runs.change),
        ("POST", f"{_RUN}/cancel", runs.cancel),
        ("POST", f"{_RUN}/submit_tool_outputs", runs.submit),
        ("GET", f"{_RUN}/steps", runs.steps),
        ("GET", f"{_RUN}/steps/{{step}}", runs.step),
        ("GET", "/v1/assistants/{assistant}", _assistant),
    ]
    for method, path, handler in table:
        app.router.add_route(method, path, served(control, handler))
    models: list[tuple[str, Handler]] = [
        ("/v1/models", _models),
        ("/v1/models/{model}", _model),
    ]
    for path, handler in models:
        app.router.add_get(path, served(control, handler, is_beta=False))
    app.on_shutdown.append(runner.stop)


class _Threads:
    def __init__(self, control: ModelControl, threads: Threads, runner: Runner) -> None:
        self._control = control
        self._threads = threads
        self._runner = runner

    async def create(self, asked: Asked) -> Answered:
        thread = new_thread(check_thread(asked.body), self._control.now())
        self._threads.add(thread)
        return thread.wire

    async def show(self, asked: Asked) -> Answered:
        return self._find(asked).wire

    async def change(self, asked: Asked) -> Answered:
        thread = self._find(asked)
        thread.wire |= check_changes(asked.body)
        return thread.wire

    async def delete(self, asked: Asked) -> Answered:
        thread = self._threads.remove(asked.id("thread"))
        self._runner.forget(thread)
        return {"id": thread.id, "object": "thread.deleted", "deleted": True}

    async def messages(self, asked: Asked) -> Answered:
        messages = self._find(asked).messages
        run_id = asked.request.query.get("run_id")
        if run_id is not None:
            messages = [one for one in messages if one["run_id"] == run_id]
        return page(asked, messages)

    async def say(self, asked: Asked) -> Answered:
        thread = self._find(asked)
        body = check_message(asked.body)
        check_free(thread)
        return add_message(thread, body, self._control.now())

    async def message(self, asked: Asked) -> Answered:
        return _message(self._find(asked), asked.id("message"))

    async def delete_message(self, asked: Asked) -> Answered:
        thread = self._find(asked)
        message = _message(thread, asked.id("message"))
        thread.log.remove(message)
        return {"id": message["id"], "object": "thread.message.deleted"} | {
            "deleted": True
        }

    def _find(self, asked: Asked) -> Thread:
        thread = self._threads.find(asked.id("thread"))
        self._runner.settle(thread)
        return thread


def _message(thread: Thread, message_id: str) -> Wire:
    for message in thread.messages:
        if message["id"] == message_id:
            return message
    raise not_found("message", message_id)


async def _assistant(asked: Asked) -> Answered:
    if asked.id("assistant") != ASSISTANT_ID:
        raise not_found("assistant", asked.id("assistant"))
    return the_assistant()


async def _models(_: Asked) -> Answered:
    return {"object": "list", "data": [_described(model) for model in _MODELS]}


async def _model(asked: Asked) -> Answered:
    model = asked.id("model")
    if model not in _MODELS:
        message = f"The model '{model}' does not exist"
        raise Refused(404, message, param="model", code="model_not_found")
    return _described(model)


def _described(model: str) -> Wire:
    return {
        "id": model,
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "sandbox",
        "shutdown_date": _ENDS.get(model),
    }
