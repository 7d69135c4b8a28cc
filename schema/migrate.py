"""Bring a database to the newest schema, and say whether a schema fits this program."""

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from schema.partitions import keep_partitions
from worker.database import sqlalchemy_url
from worker.errors import FeedlineError

_LOCK = 7_301_944
"""The advisory lock under which one upgrade runs at a time; any number will do, as long as nobody else uses it."""


CONNECT_SECONDS = 5
"""Left to itself, the system tries to reach a host that drops everything for two minutes."""


class UnknownSchema(FeedlineError):
    """The database is at a revision with which this program can do nothing."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "schema:migrations")
    config.set_main_option("path_separator", "os")
    return config


def newest() -> str:
    """Return the revision that this program needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError("There are no migrations beside this program.")
    return head


def upgrade(url: str) -> tuple[str | None, str]:
    """Migrate the database at *url* to the newest schema. Return the revisions before and after.

    Two upgrades at once are harmless: the second waits for the first and finds nothing to do. So is that of an older program, as long
    as it can work with the newer schema.

    Raises: UnknownSchema.
    """
    engine = create_engine(sqlalchemy_url(url), hide_parameters=True, connect_args={"connect_timeout": CONNECT_SECONDS})
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            connection.commit()
            try:
                connection.execute(text("SET lock_timeout = '10s'"))
                connection.commit()
                before = current(connection)
                connection.commit()
                if before is not None and before not in _revisions():
                    _must_know(connection, before)
                    return before, before
                config = _config()
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                connection.commit()
                keep_partitions(engine.begin)
                return before, newest()
            finally:
                connection.rollback()
                connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
                connection.commit()
    finally:
        engine.dispose()


def _revisions() -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def _must_know(connection: Connection, revision: str) -> None:
    """Raise UnknownSchema unless the *revision*, of which there is no migration here, is a later one that this program can work with."""
    if revision < newest():
        raise UnknownSchema(f"The database's schema is at revision {revision}, of which this program has no migration.")
    fault = unfit(connection)
    if fault is not None:
        raise UnknownSchema(fault)


def current(connection: Connection) -> str | None:
    """Return the database's revision, or None for a database without our schema."""
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def unfit(connection: Connection) -> str | None:
    """Return in one sentence why this program must not run on the database's schema, or None."""
    found, needed = current(connection), newest()
    if found is None:
        return f"The database has no Feedline schema; this worker needs revision {needed}. Run: feedline db upgrade"
    if found < needed:
        return f"The database's schema is at revision {found}; this worker needs {needed}. Run: feedline db upgrade"
    readable_since = connection.execute(text("SELECT readable_since FROM schema_compatibility")).scalar_one()
    if found > needed and readable_since > needed:
        return (
            f"The database's schema is at revision {found}, which workers older than {readable_since} cannot use; "
            f"this one knows {needed}. Update it."
        )
    return None
