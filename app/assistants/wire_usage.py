"""How servers tell what a request took, in either protocol."""

from collections.abc import Mapping
from typing import Any

from app.domain import Usage

# Each by its name in the Responses API, then by those of older ones.
_READ = ("input_tokens", "prompt_tokens")
_WRITTEN = ("output_tokens", "completion_tokens")
_DETAILS = ("input_tokens_details", "prompt_token_details", "prompt_tokens_details")
_CACHED = ("cached_tokens",)


def read_usage(given: object) -> Usage | None:
    """Return the tokens of a usage object; what it leaves out or garbles counts 0."""
    if not isinstance(given, Mapping):
        return None
    read = _count(given, _READ)
    details = _first(given, _DETAILS)
    return Usage(
        input_tokens=read,
        cached_tokens=_count(details, _CACHED) if isinstance(details, Mapping) else 0,
        output_tokens=_count(given, _WRITTEN),
        longest_input=read,
    )


def _count(given: Mapping[str, Any], names: tuple[str, ...]) -> int:
    found = _first(given, names)
    is_number = isinstance(found, int | float) and 0 <= found < 2**53
    return int(found) if is_number else 0


def _first(given: Mapping[str, Any], names: tuple[str, ...]) -> Any:  # noqa: ANN401
    return next((given[name] for name in names if given.get(name) is not None), None)
