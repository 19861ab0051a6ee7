"""Tools that were added in files of their own, in `app/tools/own/`."""

import importlib
import pkgutil
import traceback
from types import ModuleType

from app.errors import FaultyTools
from app.tools import own
from app.tools.tool import Tool

# What goes wrong while a file is read; anything else is not about the file.
_MISTAKES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


def own_tools() -> tuple[Tool, ...]:
    """Return the tools of all files in `own`, by file name, then as written there.

    Raises FaultyTools, with a line for each file that can't be read.
    """
    tools: list[Tool] = []
    faults: list[str] = []
    for name in sorted(found.name for found in pkgutil.iter_modules(own.__path__)):
        try:
            module = importlib.import_module(f"{own.__name__}.{name}")
        except _MISTAKES as error:
            faults.append(_fault(name, error))
        else:
            tools += _tools_of(module)
    if faults:
        raise FaultyTools(faults)
    return tuple(tools)


def _tools_of(module: ModuleType) -> list[Tool]:
    # What a file imports from another one is offered there.
    return [
        value
        for value in vars(module).values()
        if isinstance(value, Tool) and value.body.__module__ == module.__name__
    ]


def _fault(name: str, error: Exception) -> str:
    """Say where in the file, and what: the file is the reader's own."""
    place = f"app/tools/own/{name}.py"
    if isinstance(error, SyntaxError):
        line = error.lineno
    else:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [each.lineno for each in frames if each.filename.endswith(place)]
        line = lines[-1] if lines else None
    where = f"{place}, line {line}" if line else place
    return f"{where}: {type(error).__name__}: {error}"
