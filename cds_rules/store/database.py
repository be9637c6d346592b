"""A database: opened, brought to the schema of this version, read and written in transactions.

SQLite: write-ahead log, every commit flushed to disk, readers never wait for a writer. PostgreSQL: by URL, with psycopg.
Flows in: a URL. Flows out: connections inside a transaction. Errors of the driver become ours, without their text, which
may quote a row. Floor: edge (store).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cds_rules.store.errors import StoreError, StoreUnavailable
from cds_rules.store.migrations import VERSION_TABLE, heads
from cds_rules.store.tables import chain

LOCK = 0x6364_7372
"""Number of the PostgreSQL advisory lock under which one process migrates while others wait."""
PATIENCE_SECONDS = 5
"""How long a connection waits for a lock, for a free connection, and to connect."""


def read_url(said: str) -> URL:
    """A database URL of a kind we serve.

    Raises:
        StoreError: what was found and what belongs there; never the URL, which may hold a password.
    """
    try:
        url = make_url(said)
    except ArgumentError:
        raise StoreError(
            "store url: not a database URL; sqlite:///FILE or postgresql://HOST/NAME belongs here"
        ) from None
    kind = url.get_backend_name()
    if kind == "sqlite":
        if not url.database or url.database == ":memory:" or url.query:
            raise StoreError("store url: sqlite:///FILE, a plain file, belongs here; several processes share it")
        return url.set(drivername="sqlite+pysqlite")
    if kind in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    raise StoreError(f'store url: found "{kind}"; sqlite:///FILE or postgresql://HOST/NAME belongs here')


class Database:
    """Transactions on one database; safe for threads. Nothing is opened until the first of them."""

    def __init__(self, url: str) -> None:
        self.url = read_url(url)
        self.engine = _engine(self.url)
        self.sqlite = self.engine.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads; it sees one state of the database and waits for no writer.

        Raises:
            StoreUnavailable: the database does not answer, or is locked.
        """
        with _said(), self.engine.connect().execution_options(reads=True) as connection, connection.begin():
            if not self.sqlite:
                connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes; it has been flushed to disk when this returns.

        Raises:
            StoreUnavailable: the database does not answer, or is locked; nothing was written, as far as is known.
        """
        with _said(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """`writing`, one writer at a time over all processes: what was read inside stays true until the end."""
        with self.writing() as connection:
            if not self.sqlite:  # SQLite has one writer anyway
                connection.execute(select(chain.c.id).with_for_update())
            yield connection

    def finds(self, statement: str, values: Sequence[str]) -> bool:
        """Whether there is a row for a question so small that the toolkit around it would take ten times as long.

        Args:
            statement: SQL as both databases read it, `{}` for the values in a list.

        Raises:
            StoreUnavailable: the database does not answer, or is locked.
        """
        marks = ", ".join(["?" if self.sqlite else "%s"] * len(values))
        try:
            with _said(), closing(self.engine.raw_connection()) as connection:
                return bool(connection.cursor().execute(statement.format(marks), values).fetchall())
        except self.engine.dialect.loaded_dbapi.Error as error:
            raise _unavailable(error) from None

    def insert(self, table: Any) -> Any:
        """An INSERT that knows ON CONFLICT."""
        if self.sqlite:
            return sqlite.insert(table)
        from sqlalchemy.dialects import postgresql  # and all its drivers: none of them for SQLite

        return postgresql.insert(table)

    def migrate(self) -> None:
        """Bring the schema to this version; of several processes that start at once one works and the others wait.

        Raises:
            StoreError: the folder cannot be written, or a newer version of this package made the database.
            StoreUnavailable: the database does not answer.
        """
        if self.sqlite:
            file = Path(str(self.url.database)).absolute()
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch(0o600)  # its log and shared memory take their rights from it
            except OSError as error:
                raise StoreError(f"store url: its file cannot be made ({error.strerror})") from None
        with self.writing() as connection:
            if not self.sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            if _revisions(connection) != heads():
                from cds_rules.store.upgrade import upgrade  # Alembic: a start that finds all in order needs none of it

                upgrade(connection)

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def _revisions(connection: Connection) -> frozenset[str]:
    """What the schema of a database is, as its migrations wrote it down; empty for one without a schema."""
    if not connection.dialect.has_table(connection, VERSION_TABLE):
        return frozenset()
    return frozenset(connection.scalars(text(f"SELECT version_num FROM {VERSION_TABLE}")))


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": PATIENCE_SECONDS}, pool_timeout=PATIENCE_SECONDS)
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
        return engine
    try:
        return create_engine(
            url,
            connect_args={
                "connect_timeout": PATIENCE_SECONDS,
                "options": f"-c lock_timeout={PATIENCE_SECONDS}s -c statement_timeout=60s -c timezone=UTC",
            },
            pool_pre_ping=True,
            pool_timeout=PATIENCE_SECONDS,
        )
    except (ModuleNotFoundError, NoSuchModuleError):
        raise StoreError(
            "store url: psycopg is not installed; `pip install 'cds-rules[postgresql]'` brings it"
        ) from None


def _prepare(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver begins no transaction of its own: `_begin` does
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # a transaction that began by reading cannot always become a writing one: those that write say so at once
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get("reads") else "BEGIN IMMEDIATE")


@contextmanager
def _said() -> Iterator[None]:
    """Errors of driver and toolkit in our words."""
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        raise _unavailable(getattr(error, "orig", None) or error) from None
    except SQLAlchemyError as error:
        raise StoreError(f"store: the database cannot be used ({type(error).__name__})") from None


def _unavailable(error: object) -> StoreUnavailable:
    return StoreUnavailable(f"store: the database does not answer or is locked ({type(error).__name__})")
