"""Tools that were added in files of their own, in `app/tools/own/`."""

import importlib
import pkgutil
import traceback
from types import ModuleType

from app.errors import FaultyTools
from app.tools import home, own
from app.tools.lint import lint, told
from app.tools.tool import Tool

_LONGEST = 200


def own_tools(package: ModuleType = own) -> tuple[Tool, ...]:
    """Return the tools of all files in `own`, by file name, then as written there.

    Raises FaultyTools, with a line for each file that can't be read or has no tool, and
    for all that keeps a tool from being offered. Files that begin with _ are left out.
    """
    tools: list[Tool] = []
    faults: list[str] = []
    for name in sorted(found.name for found in pkgutil.iter_modules(package.__path__)):
        if name.startswith("_"):
            continue
        place = f"{package.__name__.replace('.', '/')}/{name}.py"
        try:
            module = importlib.import_module(f"{package.__name__}.{name}")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - anybody's own code
            faults.append(_fault(place, error))
            continue
        found = _tools_of(module)
        if not found:
            faults.append(f"{place}: no tool in it; write @tool(…) above a function")
        tools += found
    faults += [
        told(tool.module, f"{tool.name}: the name is taken; choose another one")
        for tool in tools
        if tool.name in (home.GET, home.SET)
    ]
    try:
        lint(tools)
    except FaultyTools as error:
        faults += error.faults
    if faults:
        raise FaultyTools(faults)
    return tuple(tools)


def _tools_of(module: ModuleType) -> list[Tool]:
    # What a file imports from another one is offered there.
    return [
        value
        for value in vars(module).values()
        if isinstance(value, Tool) and value.module == module.__name__
    ]


def _fault(place: str, error: BaseException) -> str:
    """Say where in the file, and what: the file is the reader's own."""
    if isinstance(error, SyntaxError):
        line = error.lineno
    else:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [each.lineno for each in frames if each.filename.endswith(place)]
        line = lines[-1] if lines else None
    where = f"{place}, line {line}" if line else place
    words = " ".join(str(error).split())[:_LONGEST]
    return f"{where}: {type(error).__name__}: {words}"
