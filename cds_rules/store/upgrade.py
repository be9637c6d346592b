"""Bringing a schema to this version with Alembic; imported by a start that finds it at another one.

Flows in: a connection inside a transaction that nobody else may enter. Flows out: nothing. Floor: edge (store).
"""

from __future__ import annotations

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from cds_rules.store.errors import StoreError
from cds_rules.store.migrations import FOLDER, VERSIONS
from cds_rules.store.tables import metadata


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing.

    Raises:
        StoreError: a newer version of this package made the database.
    """
    script = ScriptDirectory(str(FOLDER), version_locations=[str(VERSIONS)])
    with EnvironmentContext(
        Config(), script, fn=lambda revision, _: script._upgrade_revs("head", revision)
    ) as environment:
        environment.configure(connection=connection, target_metadata=metadata)
        try:
            environment.run_migrations()
        except CommandError:
            raise StoreError(
                "store: the database was made by a newer version of cds-rules; install that version, or use another database"
            ) from None
