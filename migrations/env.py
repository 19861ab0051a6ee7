"""Runs migrations on a connection that the app hands over, or on DATABASE_URL."""

import asyncio
import os

from alembic import context
from sqlalchemy.engine import Connection

from app.storage.database import Database
from app.storage.tables import metadata


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


async def _migrate_by_hand() -> None:
    database = await Database.connect(os.environ["DATABASE_URL"])
    try:
        async with database.write() as transaction:
            await transaction.run_sync(_migrate)
    finally:
        await database.close()


given: Connection | None = context.config.attributes.get("connection")
if given is None:
    asyncio.run(_migrate_by_hand())
else:
    _migrate(given)
