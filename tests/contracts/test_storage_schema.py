"""The schema that the migrations make is the one that the program expects."""

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, select, text

from app.errors import DatabaseUnavailable, SettingsError
from app.storage.database import Database
from app.storage.migrate import migrate, schema_fault
from app.storage.tables import metadata
from tests.postgres import NewDatabase


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/threadline.db"
    new_postgres: NewDatabase = request.getfixturevalue("new_postgres")
    return new_postgres()


async def test_migrations_make_the_tables_that_the_program_uses(
    database: Database,
) -> None:
    async with database.read() as transaction:
        assert await transaction.run_sync(_differences) == []


async def test_migrating_twice_at_once_makes_one_schema(empty_url: str) -> None:
    await asyncio.gather(*(migrate(empty_url) for _ in range(3)))

    database = await Database.connect(empty_url)
    assert await schema_fault(database) is None
    await database.close()


async def test_a_database_without_tables_is_told_in_a_sentence(empty_url: str) -> None:
    database = await Database.connect(empty_url)
    fault = await schema_fault(database)
    await database.close()

    assert fault == ("The database has no tables yet: run `python -m app migrate`.")


_VERSION = text("SELECT version_num FROM alembic_version")


async def test_a_database_from_a_newer_version_is_told_in_a_sentence(
    database: Database,
) -> None:
    async with database.write() as transaction:
        ours = (await transaction.execute(_VERSION)).scalar_one()
        await transaction.execute(text("UPDATE alembic_version SET version_num='9999'"))

    fault = await schema_fault(database)

    async with database.write() as transaction:
        back = text("UPDATE alembic_version SET version_num = :ours")
        await transaction.execute(back, {"ours": ours})
    assert fault == (
        "The database is from a newer version than this program: update it."
    )


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://x/y", "nonsense", ""]
)
async def test_an_address_that_cannot_work_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        await Database.connect(url)


async def test_a_postgres_that_is_not_there_is_an_outage(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable):
        await Database.connect(f"postgresql://postgres@/x?host={tmp_path}")


async def test_a_directory_is_no_sqlite_file(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable):
        await Database.connect(f"sqlite:///{tmp_path}")


async def test_the_clock_is_the_databases_and_moves_in_seconds(
    database: Database,
) -> None:
    async with database.read() as transaction:
        first = (await transaction.execute(select(database.now))).scalar_one()
        then = (await transaction.execute(select(database.now + 5.0))).scalar_one()

    assert 4.9 < then - first < 6.0


async def test_a_statement_of_ours_that_is_wrong_is_no_outage(
    database: Database,
) -> None:
    with pytest.raises(Exception, match="nowhere") as caught:
        async with database.write() as transaction:
            await transaction.execute(text("SELECT * FROM nowhere"))

    assert not isinstance(caught.value, DatabaseUnavailable)


async def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    async def fail_half_way() -> None:
        async with database.write() as transaction:
            await transaction.execute(
                text("INSERT INTO workers VALUES ('w', 1.0, '1')")
            )
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await fail_half_way()

    async with database.read() as transaction:
        kept = await transaction.execute(text("SELECT id FROM workers"))
        assert kept.all() == []


async def test_a_cancelled_transaction_leaves_nothing_and_blocks_nobody(
    database: Database,
) -> None:
    begun = asyncio.Event()

    async def insert_and_linger() -> None:
        async with database.write() as transaction:
            await transaction.execute(
                text("INSERT INTO workers VALUES ('w', 1.0, '1')")
            )
            begun.set()
            while True:
                await transaction.execute(text("SELECT 1"))

    for _ in range(3):
        begun.clear()
        lingering = asyncio.create_task(insert_and_linger())
        await begun.wait()
        lingering.cancel()
        await asyncio.wait([lingering])

    async with database.write() as transaction:
        kept = await transaction.execute(text("SELECT id FROM workers"))
        assert kept.all() == []


async def test_writers_get_their_turn_in_the_order_in_which_they_came(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}/threadline.db"
    database = await Database.connect(url)
    order: list[int] = []

    async def write(number: int) -> None:
        for _ in range(3):
            async with database.write() as transaction:
                await transaction.execute(text("SELECT 1"))
                order.append(number)

    await asyncio.gather(*(write(number) for number in range(5)))
    await database.close()

    assert order == [*range(5)] * 3


async def test_another_process_that_writes_is_waited_for(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/threadline.db"
    one, other = await Database.connect(url), await Database.connect(url)

    async with one.write() as transaction:
        await transaction.execute(text("CREATE TABLE t (n INTEGER)"))
        waiting = asyncio.create_task(_insert(other))
        await asyncio.wait([waiting], timeout=0.05)
        assert not waiting.done()
    await waiting

    async with one.read() as transaction:
        assert (await transaction.execute(text("SELECT n FROM t"))).all() == [(1,)]
    await one.close()
    await other.close()


async def _insert(database: Database) -> None:
    async with database.write() as transaction:
        await transaction.execute(text("INSERT INTO t VALUES (1)"))
