"""Whether a column is one of a list that is given as one parameter.

A list with a place for each value is another statement for each length. Postgres would
have to prepare and plan them all; it takes arrays. SQLite does neither ahead, and finds
its way best when it sees the values.
"""

from typing import Any

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    FunctionElement,
    any_,
    bindparam,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler


def among(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Say that `column` is one of the values that are given as `name`, a list."""
    array = bindparam(name, type_=ARRAY(column.type))
    values: BindParameter[Any] = bindparam(name, expanding=True)
    return _Among(column == any_(array), column.in_(values))


class _Among(FunctionElement[bool]):
    # Of no type: a boolean would be compared with 1 where there are no booleans.
    name = "among"
    inherit_cache = True


@compiles(_Among, "postgresql")
def _in_array(element: _Among, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return _one_of(element, 0, compiler, options)


@compiles(_Among, "sqlite")
def _in_list(element: _Among, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return _one_of(element, 1, compiler, options)


def _one_of(
    element: _Among, which: int, compiler: SQLCompiler, options: dict[str, Any]
) -> str:
    """Write one of the two, in brackets, as it may be denied."""
    words: str = compiler.process(list(element.clauses)[which], **options)
    return f"({words})"
