"""The schema that the migrations make is the one that the program expects."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, Table, insert, select, text, update

from app.errors import DatabaseUnavailable, SchemaUnfit, SettingsError
from app.storage.database import Database
from app.storage.migrate import migrate, require_schema
from app.storage.tables import metadata
from tests.postgres import NewDatabase

MIGRATIONS = Path(__file__).parents[2] / "migrations"


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
    await require_schema(database)
    await database.close()


async def test_a_database_without_tables_is_told_in_a_sentence(empty_url: str) -> None:
    database = await Database.connect(empty_url)

    with pytest.raises(SchemaUnfit) as unfit:
        await require_schema(database)

    await database.close()
    assert str(unfit.value) == (
        "The database has no tables yet: run `python -m app migrate`."
    )


@asynccontextmanager
async def at_revision(database: Database, revision: str) -> AsyncGenerator[None]:
    async def note(what: str) -> None:
        async with database.write() as transaction:
            set_ = text("UPDATE alembic_version SET version_num = :what")
            await transaction.execute(set_, {"what": what})

    async with database.read() as transaction:
        known = text("SELECT version_num FROM alembic_version")
        ours = (await transaction.execute(known)).scalar_one()
    await note(revision)
    try:
        yield
    finally:
        await note(ours)


@pytest.mark.parametrize(
    ("revision", "says"),
    [
        (
            "9999",
            "The database is from a newer version than this program: update it.",
        ),
        (
            "0001",
            "The database is from an older version: run `python -m app migrate`.",
        ),
    ],
)
async def test_a_database_from_another_version_is_told_in_a_sentence(
    revision: str, says: str, database: Database
) -> None:
    async with at_revision(database, revision):
        with pytest.raises(SchemaUnfit) as unfit:
            await require_schema(database)

    assert str(unfit.value) == says


async def test_a_database_from_a_newer_version_is_not_migrated(
    database: Database, database_url: str
) -> None:
    async with at_revision(database, "9999"):
        with pytest.raises(SchemaUnfit, match="newer version"):
            await migrate(database_url)


async def test_a_change_waits_for_a_table_in_use_and_nobody_waits_for_it_long(
    new_postgres: NewDatabase,
) -> None:
    url = new_postgres()
    await to_revision(url, "0001")
    reader, server = await Database.connect(url), await Database.connect(url)
    read = text("SELECT count(*) FROM turns")

    async with reader.read() as transaction:
        await transaction.execute(read)
        migrating = asyncio.create_task(migrate(url, lock_timeout=0.1))
        for _ in range(5):
            async with server.read() as other:
                await asyncio.wait_for(other.execute(read), 5)
            await asyncio.wait([migrating], timeout=0.05)
        assert not migrating.done()
    await migrating

    await require_schema(server)
    await reader.close()
    await server.close()


async def test_a_table_that_is_never_free_is_told_in_a_sentence(
    new_postgres: NewDatabase,
) -> None:
    url = new_postgres()
    await to_revision(url, "0001")
    reader = await Database.connect(url)

    async with reader.read() as transaction:
        await transaction.execute(text("SELECT count(*) FROM turns"))
        with pytest.raises(DatabaseUnavailable, match="holds the database's tables"):
            await migrate(url, lock_timeout=0.05, patience=0.0)

    await reader.close()


async def to_revision(url: str, revision: str) -> None:
    """Make the tables as an older version made them."""

    def upgrade(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    database = await Database.connect(url)
    async with database.write() as transaction:
        await transaction.run_sync(upgrade)
    await database.close()


def _reflected(connection: Connection) -> MetaData:
    found = MetaData()
    found.reflect(connection)
    return found


async def test_what_the_first_version_wrote_may_still_be_written(
    empty_url: str,
) -> None:
    await to_revision(empty_url, "0001")
    database = await Database.connect(empty_url)
    async with database.read() as transaction:
        first = await transaction.run_sync(_reflected)
    await migrate(empty_url)

    async with database.write() as transaction:
        for table in first.sorted_tables:
            if table.name != "alembic_version":
                await transaction.execute(insert(table).values(_a_row_of(table)))
                await transaction.execute(update(table).values(_a_row_of(table)))
                await transaction.execute(select(table))

    await database.close()


def _a_row_of(table: Table) -> dict[str, object]:
    """Values for all columns; each id is 1, so that rows find each other."""
    values = {int: 1, float: 1.0, str: "1", bool: True}
    return {each.name: values[each.type.python_type] for each in table.columns}


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
