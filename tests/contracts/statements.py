"""The statements that storage sends, and how the database means to answer them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from app.storage.database import Database

Statement = tuple[str, Any]


@contextmanager
def watched(database: Database) -> Iterator[list[Statement]]:
    """Note all statements sent within the block, each with its values."""
    seen: list[Statement] = []

    def note(
        _connection: object,
        _cursor: object,
        statement: str,
        parameters: Any,  # noqa: ANN401
        _context: object,
        is_many: bool,
    ) -> None:
        if re.match(r"SELECT|INSERT|UPDATE|DELETE|WITH", statement):
            seen.append((statement, parameters[0] if is_many else parameters))

    ways = (database._writer, database._reader, database._urgent)
    engines = {each.sync_engine for each in ways if each}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield seen
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


async def plan_of(database: Database, statement: str, parameters: Any) -> list[str]:  # noqa: ANN401
    """Return the lines of the database's plan; on Postgres that for any values."""
    async with database.write() as transaction:
        if database.is_sqlite:
            explain = "EXPLAIN QUERY PLAN " + statement
            rows = await transaction.exec_driver_sql(explain, parameters)
        else:
            await transaction.exec_driver_sql(f"PREPARE its_plan AS {statement}")
            values = ", ".join("NULL" for _ in parameters)
            explain = f"EXPLAIN EXECUTE its_plan({values})".removesuffix("()")
            rows = await transaction.exec_driver_sql(explain)
            await transaction.exec_driver_sql("DEALLOCATE its_plan")
        return [str(row[-1]) for row in rows]
