"""Lists, and whole tables, that are given as one parameter or few.

A list with a place for each value is another statement for each length. Postgres would
have to prepare and plan them all; it takes arrays. SQLite does neither ahead, and finds
its way best when it sees the values.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    BindParameter,
    ColumnElement,
    FunctionElement,
    Insert,
    Table,
    any_,
    bindparam,
    func,
    insert,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from app.storage.database import Transaction


def among(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Say that `column` is one of the values that are given as `name`, a list."""
    array = bindparam(name, type_=ARRAY(column.type))
    values: BindParameter[Any] = bindparam(name, expanding=True)
    return _Among(column == any_(array), column.in_(values))


def mapped(name: str, key: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return what `name`, a dict of whole numbers, says for `key`, else NULL."""
    return _Mapped(bindparam(name, type_=JSON), key)


async def insert_rows(
    transaction: Transaction, table: Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert rows, at least one, that name the same columns."""
    names = tuple(rows[0])
    if transaction.dialect.name == "sqlite":
        await transaction.execute(insert(table), rows)
    else:
        columns = {name: [row[name] for row in rows] for name in names}
        await transaction.execute(_insert_columns(table, names), columns)


@cache
def _insert_columns(table: Table, names: tuple[str, ...]) -> Insert:
    arrays = (bindparam(name, type_=ARRAY(table.c[name].type)) for name in names)
    rows = func.unnest(*arrays).table_valued(*names).render_derived()
    return insert(table).from_select(names, select(*rows.c))


class _Mapped(FunctionElement[Any]):
    name = "mapped"
    type = BigInteger()
    inherit_cache = True


@compiles(_Mapped, "postgresql")
def _in_jsonb(element: _Mapped, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    mapping, key = (_words(each, compiler, options) for each in element.clauses)
    return f"(({mapping})::JSONB ->> ({key})::TEXT)::BIGINT"


@compiles(_Mapped, "sqlite")
def _in_json(element: _Mapped, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    mapping, key = (_words(each, compiler, options) for each in element.clauses)
    return f"""json_extract({mapping}, '$."' || {key} || '"')"""


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
    return f"({_words(list(element.clauses)[which], compiler, options)})"


def _words(
    element: ColumnElement[Any], compiler: SQLCompiler, options: dict[str, Any]
) -> str:
    words: str = compiler.process(element, **options)
    return words
