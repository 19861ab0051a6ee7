"""Tools: async functions that the model may call, described by their signatures."""

import inspect
import string
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_type_hints

import msgspec
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from app.domain import DataMessage, ToolCall, Turn
from app.errors import ToolError
from app.storage.database import Transaction
from app.tools.schema import plain_schema

Effect = Literal["read", "write"]
ToolResult: TypeAlias = str | Mapping[str, Any]
Found = Literal["done", "not_done", "unknown"]
Check = Callable[..., Awaitable[Found]]

_FAULTS_TOLD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """What a tool's body knows beside its arguments.

    `asked_by` is the Slack user id of whoever wrote the newest message answered.
    """

    turn: Turn
    call: ToolCall
    pass_no: int
    asked_by: str
    open_transaction: Transaction | None = None
    data: list[DataMessage] = field(default_factory=list)

    @property
    def transaction(self) -> Transaction:
        """The transaction that will commit the result; only a stored tool has one."""
        if self.open_transaction is None:
            raise RuntimeError("only a stored tool has a transaction")
        return self.open_transaction

    def send_data_message(self, message: DataMessage) -> None:
        """Show `message` to the people once the call's result is committed."""
        self.data.append(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function that the model may call.

    `label` and `outcome` are templates over the arguments, for people: "setting
    {room}", "the {room} was set to {temperature} °C". `time_limit` is in seconds. A
    `stored` tool changes nothing but our database, through its context's transaction.
    `check`, with the call's own arguments, finds out whether a call has taken effect.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    effect: Effect
    label: str
    outcome: str
    time_limit: float
    stored: bool
    model: type[BaseModel]
    body: Callable[..., Awaitable[ToolResult]]
    check: Check | None

    @property
    def is_write(self) -> bool:
        """Whether a call may change something."""
        return self.effect == "write"

    def parse(self, arguments: str) -> dict[str, Any]:
        """Return the validated arguments by name.

        Raises ToolError, one line for the model, when they are not what was declared.
        """
        try:
            parsed = self.model.model_validate_json(arguments.strip() or "{}")
        except ValidationError as error:
            raise ToolError(_told(error)) from None
        return {name: getattr(parsed, name) for name in self.model.model_fields}

    async def call(self, context: ToolContext, values: Mapping[str, Any]) -> str:
        """Run the body and return its result as the model will read it."""
        result = await self.body(context, **values)
        if isinstance(result, str):
            return result
        return msgspec.json.encode(result).decode()


def tool(
    *,
    effect: Effect,
    label: str,
    name: str | None = None,
    outcome: str | None = None,
    time_limit: float = 30.0,
    stored: bool = False,
    check: Check | None = None,
) -> Callable[[Callable[..., Awaitable[ToolResult]]], Tool]:
    """Make a Tool of `async def f(context, …)`.

    The signature is the schema, the docstring the description, the function's name
    the tool's unless `name` is given. Raises TypeError for a function that is not
    async, takes no context first, or has an argument without a type.
    """

    def made(body: Callable[..., Awaitable[ToolResult]]) -> Tool:
        called = name or str(getattr(body, "__name__", ""))
        model = _model_of(called, body)
        return Tool(
            name=called,
            description=" ".join((inspect.getdoc(body) or "").split()),
            parameters=plain_schema(model.model_json_schema()),
            effect=effect,
            label=label,
            outcome=outcome or f"{called} took effect",
            time_limit=time_limit,
            stored=stored,
            model=model,
            body=body,
            check=check,
        )

    return made


def filled(template: str, values: Mapping[str, Any]) -> str:
    """Fill a template for people; whole numbers are shown without ".0"."""
    return template.format_map({name: shown(value) for name, value in values.items()})


def shown(value: object) -> str:
    """Return an argument as people write it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def fields_of(template: str) -> set[str]:
    """Name the arguments that a template speaks of."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def _model_of(name: str, body: Callable[..., Awaitable[ToolResult]]) -> type[BaseModel]:
    if not inspect.iscoroutinefunction(body):
        raise TypeError(f"{name} must be an async function")
    hints = get_type_hints(body, include_extras=True)
    context, *parameters = inspect.signature(body).parameters.values() or (None,)
    if context is None or hints.get(context.name) is not ToolContext:
        raise TypeError(f"the first argument of {name} must be a ToolContext")
    for parameter in parameters:
        if parameter.name not in hints:
            raise TypeError(f"the argument {parameter.name} of {name} has no type")
    fields: dict[str, Any] = {
        parameter.name: (
            hints[parameter.name],
            ... if parameter.default is parameter.empty else parameter.default,
        )
        for parameter in parameters
    }
    config = ConfigDict(extra="forbid", strict=True)
    return create_model(name, __config__=config, **fields)


def _told(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False)
    lines = []
    for fault in faults[:_FAULTS_TOLD]:
        place = ".".join(str(part) for part in fault["loc"])
        ours = fault["msg"].removeprefix("Value error, ")
        is_whole = not place or ours.startswith("there is no")
        lines.append(ours if is_whole else f"{place}: {ours}")
    return " ".join("; ".join(lines).split())
