"""Data messages as a page reads them: our own fields, and what its readers know."""

from collections.abc import Mapping
from typing import Any

from app.domain import DataMessage


def data_of(message: DataMessage) -> dict[str, Any]:
    """Return the `data` of a data message, with a sentence for people in it.

    A temperature change has the keys at its top that pages of this protocol read:
    `oldTemperature`, `newTemperature` and `description`.
    """
    kind = {"type": message.type, "version": message.version}
    return {**_known(message), **message.data, **kind}


def _known(message: DataMessage) -> dict[str, Any]:
    data = message.data
    match message.type:
        case "temperature_change" | "temperature_unchanged":
            return _temperature(data)
        case "notice":
            return {"description": data.get("text", "")}
        case "sources":
            return {"description": _sources(data)}
    return {}


def _temperature(data: Mapping[str, Any]) -> dict[str, Any]:
    room, old, new = data.get("room"), data.get("old"), data.get("new")
    unit = data.get("unit", "°C")
    if old == new:
        told = f"The {room} is at {_number(new)} {unit} already."
    else:
        told = f"The {room} went from {_number(old)} to {_number(new)} {unit}."
    return {"oldTemperature": old, "newTemperature": new, "description": told}


def _sources(data: Mapping[str, Any]) -> str:
    sources = [each.get("title") or each.get("url") for each in data.get("sources", ())]
    return "Sources: " + ", ".join(filter(None, sources))


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)
