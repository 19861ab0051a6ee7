"""The schema: brought up to date under a lock, and checked before anything runs."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from app.crash import crash
from app.storage.database import Database, Transaction

# Beside the package, in a checkout as in a wheel or an image.
_SCRIPTS = Path(__file__).resolve().parents[2] / "migrations"

# Any number will do, so long as every version of the program takes the same.
_LOCK = 7_316_204_418

_HOW = "run `python -m app migrate`"


async def migrate(url: str) -> None:
    """Bring the schema of the database at `url` up to date; one process at a time.

    Either the whole of it is done or nothing. Raises DatabaseUnavailable and, for an
    address that is none, SettingsError.
    """
    database = await Database.connect(url)
    try:
        if await _revision(database) == _newest():
            return
        async with database.write() as transaction:
            await _lock(transaction, database)
            await transaction.run_sync(_upgrade)
            crash("C17")
    finally:
        await database.close()


async def schema_fault(database: Database) -> str | None:
    """Return a sentence on what is wrong with the schema, None when it fits."""
    revision = await _revision(database)
    if revision == _newest():
        return None
    if revision is None:
        return f"The database has no tables yet: {_HOW}."
    known = {script.revision for script in _scripts().walk_revisions()}
    if revision in known:
        return f"The database is from an older version: {_HOW}."
    return "The database is from a newer version than this program: update it."


async def _revision(database: Database) -> str | None:
    async with database.read() as transaction:
        return await transaction.run_sync(
            lambda connection: MigrationContext.configure(
                connection
            ).get_current_revision()
        )


async def _lock(transaction: Transaction, database: Database) -> None:
    # On SQLite the transaction is the lock already.
    if not database.is_sqlite:
        await transaction.execute(
            text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK}
        )


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _newest() -> str | None:
    return _scripts().get_current_head()


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config
