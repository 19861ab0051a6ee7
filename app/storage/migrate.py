"""The schema: brought up to date under a lock, and checked before anything runs."""

import asyncio
import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from app.crash import crash
from app.errors import DatabaseUnavailable, SchemaUnfit
from app.storage.database import Database

# Beside the package, in a checkout as in a wheel or an image.
_SCRIPTS = Path(__file__).resolve().parents[2] / "migrations"

# Any number will do, so long as every version of the program takes the same.
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(7316204418)")
_LIMIT_WAITING = text("SELECT set_config('lock_timeout', :milliseconds, true)")

_HOW = "run `python -m app migrate`"
_NEWER = "The database is from a newer version than this program: update it."
_HELD = "The schema can't be changed: somebody holds the database's tables."

# Seconds. One statement may take long on large tables.
_LONGEST = 600.0
_PAUSE = 0.5


async def migrate(
    url: str, *, lock_timeout: float = 3.0, patience: float = 60.0
) -> None:
    """Bring the schema of the database at `url` up to date; one process at a time.

    Either the whole of it is done or nothing. Who serves meanwhile waits for it no
    longer than `lock_timeout`: so long a change waits for a table that is in use, then
    it steps back and tries again, for `patience` seconds. Raises SchemaUnfit for a
    schema from a newer version, DatabaseUnavailable and, for an address that is none,
    SettingsError.
    """
    database = await Database.connect(url, patience=_LONGEST)
    give_up_at = time.monotonic() + patience
    try:
        while (revision := await _revision(database)) != _newest():
            _require_known(revision)
            try:
                is_done = await _upgrade_alone(database, lock_timeout)
            except DatabaseUnavailable as error:
                if time.monotonic() > give_up_at:
                    raise DatabaseUnavailable(_HELD) from error
                is_done = False
            if not is_done:
                await asyncio.sleep(_PAUSE)
    finally:
        await database.close()


async def require_schema(database: Database) -> None:
    """Raise SchemaUnfit, with a sentence on what to do, unless the schema fits."""
    revision = await _revision(database)
    if revision == _newest():
        return
    if revision is None:
        raise SchemaUnfit(f"The database has no tables yet: {_HOW}.")
    _require_known(revision)
    raise SchemaUnfit(f"The database is from an older version: {_HOW}.")


def _require_known(revision: str | None) -> None:
    known = {script.revision for script in _scripts().walk_revisions()}
    if revision is not None and revision not in known:
        raise SchemaUnfit(_NEWER)


async def _upgrade_alone(database: Database, lock_timeout: float) -> bool:
    """Do it, unless another process is about to; whether it is done."""
    async with database.write() as transaction:
        # On SQLite the transaction is the lock already.
        if not database.is_sqlite:
            limit = {"milliseconds": f"{lock_timeout * 1000:.0f}"}
            await transaction.execute(_LIMIT_WAITING, limit)
            if not (await transaction.execute(_TRY_LOCK)).scalar_one():
                return False
        await transaction.run_sync(_upgrade)
        crash("C17")
    return True


async def _revision(database: Database) -> str | None:
    async with database.read() as transaction:
        return await transaction.run_sync(
            lambda connection: MigrationContext.configure(
                connection
            ).get_current_revision()
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
