"""What is wrong with tools, each fault with where it stands and what to do."""

import re
import string
from collections import Counter
from collections.abc import Iterator, Sequence
from inspect import iscoroutinefunction
from math import isfinite

from app.errors import FaultyTools
from app.tools.schema import schema_faults
from app.tools.tool import Tool

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
# OpenAI takes no more of either.
_LONGEST_DESCRIPTION = 1024
_MOST_TOOLS = 128
# Seconds; its thread can take in nothing meanwhile, and SQLite nothing at all.
_STORED_LIMIT = 5.0


def lint(tools: Sequence[Tool]) -> None:
    """Raise FaultyTools with all that is wrong with `tools`, if anything is."""
    faults = [*_together(tools)]
    for tool in tools:
        faults += [told(tool.module, f"{tool.name}: {each}") for each in _alone(tool)]
    if faults:
        raise FaultyTools(faults)


def told(module: str, fault: str) -> str:
    """Name the file of `module` before a fault in it."""
    return f"{module.replace('.', '/')}.py: {fault}"


def _together(tools: Sequence[Tool]) -> Iterator[str]:
    counts = Counter(tool.name for tool in tools)
    for name, count in counts.items():
        if count > 1:
            modules = dict.fromkeys(each.module for each in tools if each.name == name)
            files = ", ".join(f"{module.replace('.', '/')}.py" for module in modules)
            yield f"{files}: {count} tools are called {name}; rename all but one"
    if len(tools) > _MOST_TOOLS:
        yield f"{len(tools)} tools are too many; a model takes {_MOST_TOOLS}"


def _alone(tool: Tool) -> Iterator[str]:
    if not _NAME.fullmatch(tool.name):
        yield "a name is 1 to 64 letters, digits, _ or -; give one with name="
    if not tool.description:
        yield "it has no docstring; say there what it does, for the model to read"
    if len(tool.description) > _LONGEST_DESCRIPTION:
        yield f"its docstring is longer than {_LONGEST_DESCRIPTION} characters"
    yield from tool.faults
    yield from schema_faults(tool.parameters)
    yield from _limits(tool)
    if not tool.faults:
        yield from _texts(tool)


def _limits(tool: Tool) -> Iterator[str]:
    if tool.effect not in ("read", "write"):
        yield "effect must be read or write"
    if not (tool.time_limit > 0 and isfinite(tool.time_limit)):
        yield "time_limit must be a number of seconds above 0"
    if tool.result_limit <= 0:
        yield "result_limit must be a number of bytes above 0"
    if tool.stored and not tool.is_write:
        yield "a read has nothing to store; leave stored out"
    if tool.stored and tool.is_write and tool.time_limit > _STORED_LIMIT:
        yield f"it keeps others waiting; give it a time_limit of {_STORED_LIMIT:g} s"
    if tool.check and (tool.stored or not tool.is_write):
        yield "only a write with effects elsewhere needs a check; leave it out"
    if tool.check and not iscoroutinefunction(tool.check):
        yield "its check is not async; begin it with `async def`"


def _texts(tool: Tool) -> Iterator[str]:
    arguments = tool.parameters["properties"].keys()
    for name, text in (("label", tool.label), ("outcome", tool.outcome)):
        if not text.strip():
            yield f"its {name} is empty; say in a few words what it does"
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError:
            yield f"its {name} has a single brace; write {{argument}}, or two"
            continue
        fields = [(field, form or how) for _, field, form, how in parts]
        named = {field: form for field, form in fields if field is not None}
        if unknown := named.keys() - arguments:
            words = ", ".join(sorted(each or "{}" for each in unknown))
            yield f"its {name} speaks of unknown arguments: {words}"
        if any(named.values()):
            yield f"its {name} may hold {{argument}} and nothing more in the braces"
