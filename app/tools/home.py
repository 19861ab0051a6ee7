"""The rooms' temperatures: read and set."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from app.domain import DataMessage, RoomChange
from app.storage.rooms import ROOMS, Rooms, room_named
from app.tools.tool import Tool, ToolContext, shown, tool

GET, SET = "getRoomTemperature", "setRoomTemperature"
LOWEST = 5.0
HIGHEST = 35.0


def _room(text: str) -> str:
    room = room_named(text)
    if room is None:
        raise ValueError(f"there is no {text[:40]!r}; the rooms are {', '.join(ROOMS)}")
    return room


def _temperature(value: object) -> float:
    # JSON as read here knows NaN, which is in no range, and a bool is 0 or 1.
    if isinstance(value, int | float) and LOWEST <= value <= HIGHEST:
        return float(value)
    raise ValueError(f"must be a plain number of °C from {LOWEST:g} to {HIGHEST:g}")


Room = Annotated[
    str,
    AfterValidator(_room),
    Field(description="The room's name.", json_schema_extra={"enum": list(ROOMS)}),
]
Temperature = Annotated[
    float,
    BeforeValidator(_temperature),
    Field(description=f"In °C, from {LOWEST:g} to {HIGHEST:g}."),
]


def home_tools(rooms: Rooms) -> tuple[Tool, ...]:
    """Return the tools that read and set the temperatures of a workspace's rooms."""

    @tool(name=GET, effect="read", label="reading {room}", trusted=True)
    async def get_room_temperature(context: ToolContext, room: Room) -> str:
        """Get the temperature of a room, in °C."""
        now = await rooms.temperature(context.turn.lease.team_id, room)
        return f"The {room} is at {shown(now)} °C."

    @tool(
        name=SET,
        effect="write",
        label="setting {room}",
        outcome="the {room} was set to {temperature} °C",
        stored=True,
        trusted=True,
        time_limit=5.0,
    )
    async def set_room_temperature(
        context: ToolContext, room: Room, temperature: Temperature
    ) -> str:
        """Set the temperature of a room, in °C."""
        change = await rooms.set_temperature(
            context.transaction,
            context.turn.lease,
            context.pass_no,
            context.call.call_id,
            room,
            temperature,
            context.asked_by,
        )
        context.send_data_message(_data_message(change, context.asked_by))
        old, new = shown(change.old), shown(change.new)
        if change.old == change.new:
            return f"The {room} was at {new} °C already."
        return f"The {room} is at {new} °C now; it was at {old} °C."

    return (get_room_temperature, set_room_temperature)


def _data_message(change: RoomChange, asked_by: str) -> DataMessage:
    is_changed = change.old != change.new
    return DataMessage(
        type="temperature_change" if is_changed else "temperature_unchanged",
        data={
            "room": change.room,
            "old": change.old,
            "new": change.new,
            "unit": "°C",
        },
        caused_by=asked_by,
    )
