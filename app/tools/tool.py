"""Tools: async functions that the model may call, described by their signatures."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import msgspec
from pydantic import BaseModel, ValidationError

from app.domain import (
    ChannelKind,
    DataMessage,
    Lease,
    SlackThread,
    ToolCall,
    Turn,
)
from app.errors import ToolError
from app.storage.database import Transaction
from app.tools.signature import read_signature

Effect = Literal["read", "write"]
Found = Literal["done", "not_done", "unknown"]
ToolResult: TypeAlias = str | Mapping[str, Any]

MAX_ARGUMENTS = 64_000
MAX_RESULT_BYTES = 16_000

_FAULTS_TOLD = 3
_LONGEST_FAULT = 500
_LONGEST_SHOWN = 60
_MOST_DATA = 20
_MAX_DATA_BYTES = 8_000


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

    @classmethod
    def by_hand(cls, asked_by: str = "U1") -> "ToolContext":
        """Return a context for trying a tool without a thread, a model or a database.

        The data messages that the tool sends are in `data` then.
        """
        turn = Turn(
            lease=Lease(team_id="T1", conversation_id=1, turn_id=1, epoch=1),
            thread=SlackThread(team_id="T1", channel_id="C1", thread_ts="1.000001"),
            assistant_thread_id=1,
            messages=(),
            channel_kind=ChannelKind.CHANNEL,
        )
        call = ToolCall(call_id="call_1", name="", arguments="{}")
        return cls(turn=turn, call=call, pass_no=1, asked_by=asked_by)

    @property
    def transaction(self) -> Transaction:
        """The transaction that will commit the result; only a stored tool has one."""
        if self.open_transaction is None:
            raise RuntimeError("only a stored tool has a transaction")
        return self.open_transaction

    @property
    def key(self) -> str:
        """The same for the same call, also after a crash, and for no other call.

        Given to a service as its idempotency key, or kept beside what was changed, it
        lets a check find out whether the call was done.
        """
        return f"{self.turn.turn_id}-{self.pass_no}-{self.call.call_id}"

    def send_data_message(self, message: DataMessage) -> None:
        """Show `message` to the people once the call's result is committed.

        Raises ValueError or TypeError for more than 20 messages of one call, or data
        that are no JSON of at most 8 kB.
        """
        encoded = msgspec.json.encode(dict(message.data))
        if len(self.data) >= _MOST_DATA or len(encoded) > _MAX_DATA_BYTES:
            raise ValueError("too many data messages, or too much in one")
        self.data.append(replace(message, data=msgspec.json.decode(encoded)))


Check: TypeAlias = Callable[..., Awaitable[Found]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function that the model may call.

    `label` and `outcome` are templates over the arguments, for people: "setting
    {room}", "the {room} was set to {temperature} °C". `time_limit` is in seconds,
    `result_limit` in bytes. A `stored` tool changes nothing but our database, through
    its context's transaction. Results of a `trusted` tool hold nothing that outsiders
    can write. `check`, with the call's own arguments, finds out whether a call that was
    cut off has taken effect. `module` is where the tool was written, and `faults` are
    what its signature gets wrong.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    effect: Effect
    label: str
    outcome: str
    time_limit: float
    result_limit: int
    stored: bool
    trusted: bool
    check: Check | None
    model: type[BaseModel]
    body: Callable[..., Awaitable[ToolResult]]
    module: str
    faults: tuple[str, ...] = ()

    @property
    def is_write(self) -> bool:
        """Whether a call may change something."""
        return self.effect == "write"

    def parse(self, arguments: str) -> dict[str, Any]:
        """Return the validated arguments by name.

        Raises ToolError, one line for the model, when they are not what was declared.
        """
        if len(arguments) > MAX_ARGUMENTS:
            raise ToolError(f"the arguments are longer than {MAX_ARGUMENTS} characters")
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
    result_limit: int = MAX_RESULT_BYTES,
    stored: bool = False,
    trusted: bool = False,
    check: Check | None = None,
) -> Callable[[Callable[..., Awaitable[ToolResult]]], Tool]:
    """Make a Tool of `async def f(context, …)`.

    The signature is the schema, the docstring the description, the function's name
    the tool's unless `name` is given. Faults are kept for `lint` to tell together.
    """

    def made(body: Callable[..., Awaitable[ToolResult]]) -> Tool:
        called = name or str(getattr(body, "__name__", ""))
        signature = read_signature(called, body, ToolContext)
        return Tool(
            name=called,
            description=" ".join((inspect.getdoc(body) or "").split()),
            parameters=signature.parameters,
            effect=effect,
            label=label,
            outcome=outcome or f"{called} took effect",
            time_limit=time_limit,
            result_limit=result_limit,
            stored=stored,
            trusted=trusted,
            check=check,
            model=signature.model,
            body=body,
            module=str(getattr(body, "__module__", "")),
            faults=signature.faults,
        )

    return made


def filled(template: str, values: Mapping[str, Any]) -> str:
    """Fill a template for people: in one line, each value no longer than 60."""
    return template.format_map({name: shown(value) for name, value in values.items()})


def shown(value: object) -> str:
    """Return an argument as people write it; whole numbers without ".0"."""
    words = f"{value:g}" if isinstance(value, float) else str(value)
    line = one_line(words[: _LONGEST_SHOWN * 10])
    return line if len(line) <= _LONGEST_SHOWN else f"{line[:_LONGEST_SHOWN]}…"


def one_line(text: str) -> str:
    """Return `text` with single spaces for breaks, and without control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _told(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False)
    lines = []
    for fault in faults[:_FAULTS_TOLD]:
        place = ".".join(str(part)[:_LONGEST_SHOWN] for part in fault["loc"])
        ours = fault["msg"].removeprefix("Value error, ")
        is_whole = not place or ours.startswith("there is no")
        lines.append(ours if is_whole else f"{place}: {ours}")
    return one_line("; ".join(lines)[:_LONGEST_FAULT])
